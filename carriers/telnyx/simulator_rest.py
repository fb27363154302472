"""The simulated Telnyx' REST manners: the error envelope, and the validation of a dial. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import RestReply

E164 = re.compile(r"\+[1-9]\d{7,14}")

TITLES: dict[str, str] = {
    "10004": "Missing required parameter",
    "10005": "Resource not found",
    "10007": "Unexpected error",
    "10009": "Authentication failed",
    "10010": "Authorization failed",
    "10011": "Too many requests",
    "10015": "Invalid value",
    "10016": "Phone number must be in +E.164 format",
    "20012": "Account inactive",
    "90015": "Invalid call control ID",
    "90017": "Invalid client state",
    "90018": "Call has already ended",
    "90034": "Call not answered yet",
    "90041": "User channel limit exceeded",
    "90045": "Command not allowed while streaming",
    "90048": "Call is not streaming",
    "90103": "Dial rate limit exceeded",
}
STATUS_CODES: dict[int, str] = {401: "10009", 403: "10010", 404: "10005", 422: "10015", 429: "10011"}
"""The error code that goes with an HTTP status that a fault asks for; 10007 for the others."""


def reply(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RestReply:
    """Any JSON answer."""
    return RestReply(status=status, body=json.dumps(document).encode(), headers=headers or {})


def data(value: Any, **more: Any) -> RestReply:
    """A success."""
    return reply(200, {"data": value} | more)


def failure(status: int, code: str, detail: str = "", pointer: str = "", headers: Mapping[str, str] | None = None) -> RestReply:
    """The error envelope; codes are strings."""
    error: dict[str, Any] = {"code": code, "title": TITLES.get(code, "Error"), "detail": detail or TITLES.get(code, "Error")}
    if pointer:
        error["source"] = {"pointer": pointer}
    error["meta"] = {"url": f"https://developers.telnyx.com/docs/overview/errors/{code}"}
    return reply(status, {"errors": [error]}, headers)


def fault(kind: str, status: int | None, code: str | None) -> RestReply:
    """A fault of the lab in Telnyx' words."""
    words = {"auth_error": (401, "10009"), "suspended": (403, "20012"), "rate_limited": (429, "10011")}
    default_status, default_code = words.get(kind, (status or 500, STATUS_CODES.get(status or 500, "10007")))
    headers = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    chosen = status or default_status
    return failure(chosen, code or default_code, headers=headers if chosen == 429 else None)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The body as an object; an empty body is an empty one."""
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# --- the fields of a dial ----------------------------------------------------------------------------------------

Check = Callable[[Any], bool]


def _base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _between(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _one_of(*words: Any) -> Check:
    return lambda value: value in words


def _url(*schemes: str) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= 2000 and value.partition("://")[0] in schemes


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


FIELDS: dict[str, tuple[str, Check]] = {
    "connection_id": ("10015", _text),
    "from": ("10016", lambda value: isinstance(value, str) and E164.fullmatch(value) is not None),
    "to": ("10016", lambda value: isinstance(value, str) and E164.fullmatch(value) is not None),
    "client_state": ("90017", _base64),
    "command_id": ("10015", _text),
    "webhook_url": ("10015", _url("http", "https")),
    "webhook_url_method": ("10015", _one_of("POST")),
    "timeout_secs": ("10015", _between(5, 600)),
    "retry_on_timeout": ("10015", lambda value: isinstance(value, bool)),
    "time_limit_secs": ("10015", _between(30, 14_400)),
    "stream_url": ("10015", _url("ws", "wss")),
    "stream_track": ("10015", _one_of("inbound_track")),
    "stream_codec": ("10015", _one_of("PCMU", "default")),
    "stream_bidirectional_mode": ("10015", _one_of("mp3", "rtp")),
    "stream_bidirectional_codec": ("10015", _one_of("PCMU")),
    "stream_bidirectional_sampling_rate": ("10015", _one_of(8000)),
    "stream_bidirectional_target_legs": ("10015", _one_of("both", "self", "opposite")),
}
"""Every field that the simulator obeys, with the code for a bad value. Others are refused, so that nothing is silently lost."""
STREAM_FIELDS = {name: FIELDS[name] for name in FIELDS if name.startswith("stream_")}


def bad_dial(wish: Mapping[str, Any], connection_id: str) -> RestReply | None:
    """The refusal of a dial that is not well formed; None if it is."""
    for name in ("connection_id", "from", "to"):
        if not wish.get(name):
            return failure(422, "10004", f"{name} is required", f"/{name}")
    if wish["connection_id"] != connection_id:
        return failure(422, "10015", "Invalid value for connection_id (Call Control App ID)", "/connection_id")
    return bad_field(wish, FIELDS)


def bad_field(wish: Mapping[str, Any], fields: Mapping[str, tuple[str, Check]]) -> RestReply | None:
    """The refusal of the first field that is bad, or that this simulator does not obey."""
    for name, value in wish.items():
        if name not in fields:
            return failure(422, "10015", f"the lab does not simulate the parameter {name}", f"/{name}")
        code, is_good = fields[name]
        if not is_good(value):
            return failure(422, code, f"bad value for {name}", f"/{name}")
    return None
