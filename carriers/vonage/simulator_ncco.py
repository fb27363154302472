"""The flow (NCCO) that the simulated carrier carries out: what it can obey, and how long it takes. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from carriers.vonage.simulator_requests import Wrong


def flow_of(body: bytes) -> list[dict[str, Any]]:
    """An NCCO out of an HTTP answer; Wrong says what is wrong with it."""
    try:
        ncco = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Wrong({"NCCO": "is not JSON"}) from None
    return checked(ncco)


def checked(ncco: Any) -> list[dict[str, Any]]:
    """The actions, if the simulated carrier can carry all of them out."""
    if not isinstance(ncco, list):
        raise Wrong({"NCCO": "is not an array"})
    for index, action in enumerate(ncco):
        name = action.get("action") if isinstance(action, dict) else None
        check = _ACTIONS.get(name) if isinstance(name, str) else None
        fault = f"action {name!r} is not simulated" if check is None else check(action)
        if fault:
            raise Wrong({f"NCCO[{index}]": fault})
    return ncco


def _connect(action: Mapping[str, Any]) -> str:
    endpoints = action.get("endpoint")
    if not isinstance(endpoints, list) or len(endpoints) != 1 or not isinstance(endpoints[0], dict):
        return "endpoint must be a list of one"
    endpoint = endpoints[0]
    if endpoint.get("type") != "websocket":
        return f"endpoint type {endpoint.get('type')!r} is not simulated"
    if not str(endpoint.get("uri", "")).startswith(("ws://", "wss://")):
        return "uri must be ws:// or wss://"
    if rate_of(endpoint) not in {8000, 16000, 24000}:
        return "content-type must be audio/l16 at 8000, 16000 or 24000"
    headers = endpoint.get("headers", {})
    if not isinstance(headers, dict) or len(msgspec.json.encode(headers)) > 512:
        return "headers must be an object of at most 512 bytes"
    return "" if _authorization(endpoint) else "authorization must be vonage, or custom with a value"


def _authorization(endpoint: Mapping[str, Any]) -> bool:
    wanted = endpoint.get("authorization")
    if wanted is None:
        return True
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    return kind == "vonage" or (kind == "custom" and bool(wanted.get("value")))


def rate_of(endpoint: Mapping[str, Any]) -> int:
    """Samples a second of a WebSocket endpoint's content type, 0 if it is none."""
    match = re.fullmatch(r"audio/l16;\s*rate=(\d+)", str(endpoint.get("content-type", "")))
    return int(match.group(1)) if match else 0


def _talk(action: Mapping[str, Any]) -> str:
    text = action.get("text")
    return "" if isinstance(text, str) and 0 < len(text) <= 1500 else "text must have 1 to 1500 characters"


def _stream(action: Mapping[str, Any]) -> str:
    urls = action.get("streamUrl")
    return "" if isinstance(urls, list) and len(urls) == 1 else "streamUrl must be a list of one"


def _notify(action: Mapping[str, Any]) -> str:
    urls = action.get("eventUrl")
    if not isinstance(urls, list) or len(urls) != 1:
        return "eventUrl must be a list of one"
    return "" if isinstance(action.get("payload"), dict) else "payload must be an object"


def _wait(action: Mapping[str, Any]) -> str:
    return "" if isinstance(action.get("timeout", 10), int | float) else "timeout must be a number"


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "connect": _connect,
    "talk": _talk,
    "stream": _stream,
    "notify": _notify,
    "wait": _wait,
}


def seconds_of(action: Mapping[str, Any], sound_s: float) -> float:
    """How long talk, stream or wait take; a talk is timed by its length, a sound file (not fetched) is `sound_s` long."""
    if action["action"] == "wait":
        return min(max(float(action.get("timeout", 10)), 0.1), 7200.0)
    once = max(0.5, len(action["text"]) * 0.06) if action["action"] == "talk" else sound_s
    loops = action.get("loop", 1)
    return 7200.0 if loops == 0 else once * (loops if isinstance(loops, int) else 1)


def first(urls: Sequence[Any], default: str) -> str:
    """The one URL of an eventUrl field, or the default where there is none."""
    return str(urls[0]) if urls else default
