"""The flow (NCCO) that the simulated carrier carries out: what it can obey, word by word. Pure.

Whatever stands in no table here is refused by name, never ignored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from carriers.vonage.simulator_requests import DTMF, NUMBER, Wrong, machine_wish

_FIELDS: dict[str, frozenset[str]] = {
    "connect": frozenset(
        {
            "endpoint",
            "from",
            "randomFromNumber",
            "eventType",
            "eventUrl",
            "eventMethod",
            "timeout",
            "limit",
            "machineDetection",
            "advancedMachineDetection",
            "ringbackTone",
        }
    ),
    "talk": frozenset({"text", "bargeIn", "loop", "level", "language", "style", "premium", "voiceName"}),
    "stream": frozenset({"streamUrl", "bargeIn", "loop", "level"}),
    "notify": frozenset({"payload", "eventUrl", "eventMethod"}),
    "wait": frozenset({"timeout"}),
    "input": frozenset({"type", "dtmf", "eventUrl", "eventMethod"}),
    "record": frozenset(
        {"format", "split", "channels", "endOnSilence", "endOnKey", "timeOut", "beepStart", "eventUrl", "eventMethod"}
    ),
    "conversation": frozenset({"name", "musicOnHoldUrl", "startOnEnter", "endOnExit", "canSpeak", "canHear", "mute", "record"}),
    "transfer": frozenset({"conversationId", "canSpeak", "canHear", "mute"}),
}
_ENDPOINTS: dict[str, frozenset[str]] = {
    "websocket": frozenset({"type", "uri", "content-type", "headers", "authorization"}),
    "phone": frozenset({"type", "number", "dtmfAnswer", "onAnswer"}),
}
_SOUNDS = frozenset({"talk", "stream"})


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
        fault = _fault(action) or _barge_fault(action, ncco[index + 1 :])
        if fault:
            raise Wrong({f"NCCO[{index}]": fault})
    return ncco


def _fault(action: Any) -> str:
    name = action.get("action") if isinstance(action, dict) else None
    if not isinstance(name, str) or name not in _ACTIONS:
        return f"action {name!r} is not simulated"
    unknown = sorted(key for key in action if key != "action" and key not in _FIELDS[name])
    if unknown:
        return f"{name}: {unknown[0]} is not simulated"
    fault = _ACTIONS[name](action) or _hook_fault(action)
    return f"{name}: {fault}" if fault else ""


def _barge_fault(action: Mapping[str, Any], rest: Sequence[Any]) -> str:
    """After bargeIn the next action that is no sound must be an input."""
    if action["action"] not in _SOUNDS or not action.get("bargeIn"):
        return ""
    follows = next((later for later in rest if isinstance(later, dict) and later.get("action") not in _SOUNDS), None)
    return "" if follows is not None and follows.get("action") == "input" else "bargeIn needs an input action after it"


def _hook_fault(action: Mapping[str, Any]) -> str:
    urls = action.get("eventUrl", ["http://"])
    if not isinstance(urls, list) or len(urls) != 1 or not str(urls[0]).startswith(("http://", "https://")):
        return "eventUrl must be a list of one http(s) URL"
    return "" if action.get("eventMethod", "POST") in {"GET", "POST"} else "eventMethod must be GET or POST"


# --- connect -----------------------------------------------------------------------------------------------------


def _connect(action: Mapping[str, Any]) -> str:
    endpoints = action.get("endpoint")
    if not isinstance(endpoints, list) or len(endpoints) != 1 or not isinstance(endpoints[0], dict):
        return "endpoint must be a list of one"
    if action.get("eventType") not in {None, "synchronous"}:
        return "eventType must be synchronous"
    endpoint = endpoints[0]
    kind = endpoint.get("type")
    if kind not in _ENDPOINTS:
        return f"endpoint type {kind!r} is not simulated"
    unknown = sorted(set(endpoint) - _ENDPOINTS[kind])
    if unknown:
        return f"{kind} endpoint: {unknown[0]} is not simulated"
    fault = _caller(action) or _whole(action, "timeout", 1, 7200) or _whole(action, "limit", 1, 7200)
    if "ringbackTone" in action and not file_url(action["ringbackTone"]):
        return "ringbackTone must be an http(s) URL"
    return fault or (_websocket(action, endpoint) if kind == "websocket" else _phone(action, endpoint))


def _caller(action: Mapping[str, Any]) -> str:
    if action.get("randomFromNumber") and "from" in action:
        return "from and randomFromNumber cannot be used together"
    return "" if isinstance(action.get("from", ""), str) else "from must be a number"


def _websocket(action: Mapping[str, Any], endpoint: Mapping[str, Any]) -> str:
    if {"machineDetection", "advancedMachineDetection"} & set(action):
        return "machine detection is of phones only"
    if not str(endpoint.get("uri", "")).startswith(("ws://", "wss://")):
        return "uri must be ws:// or wss://"
    if rate_of(endpoint) not in {8000, 16000, 24000}:
        return "content-type must be audio/l16 at 8000, 16000 or 24000"
    headers = endpoint.get("headers", {})
    if not isinstance(headers, dict) or len(msgspec.json.encode(headers)) > 512:
        return "headers must be an object of at most 512 bytes"
    return "" if _authorization(endpoint) else "authorization must be vonage, or custom with a printable value"


def _authorization(endpoint: Mapping[str, Any]) -> bool:
    wanted = endpoint.get("authorization")
    if wanted is None:
        return True
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    value = str(wanted.get("value") or "") if isinstance(wanted, dict) else ""
    return kind == "vonage" or (kind == "custom" and 0 < len(value) <= 8191 and value.isascii() and value.isprintable())


def rate_of(endpoint: Mapping[str, Any]) -> int:
    """Samples a second of a WebSocket endpoint's content type, 0 if it is none."""
    match = re.fullmatch(r"audio/l16;\s*rate=(\d+)", str(endpoint.get("content-type", "")))
    return int(match.group(1)) if match else 0


def _phone(action: Mapping[str, Any], endpoint: Mapping[str, Any]) -> str:
    wrong: dict[str, str] = {}
    machine_wish(action.get("machineDetection"), action.get("advancedMachineDetection"), True, wrong)
    if wrong:
        return "; ".join(f"{name} {reason}" for name, reason in wrong.items())
    if not isinstance(endpoint.get("number"), str) or not NUMBER.fullmatch(endpoint["number"]):
        return "number must be E.164 without a leading +"
    if not DTMF.fullmatch(str(endpoint.get("dtmfAnswer", "0"))):
        return "dtmfAnswer must be of 0-9 # * p"
    return _on_answer(endpoint)


def _on_answer(endpoint: Mapping[str, Any]) -> str:
    wish = endpoint.get("onAnswer", {"url": "http://"})
    if not isinstance(wish, dict) or not str(wish.get("url", "")).startswith(("http://", "https://")):
        return "onAnswer needs an http(s) url"
    unknown = sorted(set(wish) - {"url", "ringbackTone"})
    if unknown:
        return f"onAnswer: {unknown[0]} is not simulated"
    return "" if file_url(wish.get("ringbackTone", "http://")) else "onAnswer: ringbackTone must be an http(s) URL"


# --- the other actions -------------------------------------------------------------------------------------------


def _talk(action: Mapping[str, Any]) -> str:
    text = action.get("text")
    if not isinstance(text, str) or not 0 < len(plain(text)) <= 1500:
        return "text must have 1 to 1500 characters"
    return sound_fault(action)


def _stream(action: Mapping[str, Any]) -> str:
    urls = action.get("streamUrl")
    if not isinstance(urls, list) or len(urls) != 1 or not str(urls[0]).startswith(("http://", "https://")):
        return "streamUrl must be a list of one http(s) URL"
    return sound_fault(action)


def sound_fault(given: Mapping[str, Any]) -> str:
    """What is wrong with the options that talk and stream share, in a flow and in a request."""
    level = given.get("level", 0)
    try:
        right = -1 <= float(level) <= 1
    except (TypeError, ValueError):
        right = False
    return _whole(given, "loop", 0, 1_000_000) or ("" if right else "level must be from -1 to 1")


def _notify(action: Mapping[str, Any]) -> str:
    if "eventUrl" not in action:
        return "eventUrl must be a list of one http(s) URL"
    return "" if isinstance(action.get("payload"), dict) else "payload must be an object"


def _wait(action: Mapping[str, Any]) -> str:
    return "" if isinstance(action.get("timeout", 10), int | float) else "timeout must be a number"


def _input(action: Mapping[str, Any]) -> str:
    kinds, keys = action.get("type", ["dtmf"]), action.get("dtmf", {})
    if kinds != ["dtmf"]:
        return f"type {kinds!r} is not simulated, only ['dtmf']"
    if not isinstance(keys, dict) or set(keys) - {"timeOut", "maxDigits", "submitOnHash"}:
        return "dtmf takes timeOut, maxDigits and submitOnHash"
    return _whole(keys, "timeOut", 0, 10) or _whole(keys, "maxDigits", 1, 20)


def _record(action: Mapping[str, Any]) -> str:
    # The lab has no encoder: to record wav under the name of mp3 would be a lie that a player finds out.
    form = action.get("format", "mp3")
    if form != "wav":
        return f"format {form!r} is not simulated, only wav (the carrier's default is mp3: say wav)"
    if action.get("split") not in {None, "conversation"} or action.get("channels", 1) not in {1, 2}:
        return "split must be conversation, and channels above 2 are not simulated"
    if not re.fullmatch(r"[0-9*#]", str(action.get("endOnKey", "#"))):
        return "endOnKey must be one of 0-9 * #"
    return _whole(action, "endOnSilence", 3, 10) or _whole(action, "timeOut", 3, 7200)


def _conversation(action: Mapping[str, Any]) -> str:
    if not isinstance(action.get("name"), str) or not action["name"]:
        return "name must be a string"
    if action.get("record"):
        return "record is not simulated: it would be an mp3"
    if "musicOnHoldUrl" in action and not file_url(action["musicOnHoldUrl"]):
        return "musicOnHoldUrl must be an http(s) URL"
    return _hearing(action)


def _transfer(action: Mapping[str, Any]) -> str:
    return _hearing(action) if isinstance(action.get("conversationId"), str) else "conversationId must be a string"


def _hearing(action: Mapping[str, Any]) -> str:
    for name in ("canSpeak", "canHear"):
        if not isinstance(action.get(name, []), list):
            return f"{name} must be a list of leg uuids"
    return "mute and canSpeak cannot be used together" if action.get("mute") and action.get("canSpeak") else ""


def _whole(given: Mapping[str, Any], name: str, least: int, most: int) -> str:
    value = given.get(name, least)
    right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return "" if right else f"{name} must be a whole number from {least} to {most}"


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "connect": _connect,
    "talk": _talk,
    "stream": _stream,
    "notify": _notify,
    "wait": _wait,
    "input": _input,
    "record": _record,
    "conversation": _conversation,
    "transfer": _transfer,
}


def plain(text: str) -> str:
    """What is read out of a text: SSML tags are not."""
    return re.sub(r"<[^>]*>", " ", text).strip()


def file_url(given: Any) -> str:
    """The address of a sound file, alone or as a list of one (documents and SDK differ); empty if it is none."""
    url = given[0] if isinstance(given, list) and len(given) == 1 else given
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else ""


def first(urls: Sequence[Any], default: str) -> str:
    """The one URL of an eventUrl field, or the default where there is none."""
    return str(urls[0]) if urls else default
