"""The simulated Telnyx' REST manners: the error envelope, its codes, JSON bodies, and the faults of the lab. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest

Words = tuple[str, ...]
Handler = Callable[[float, RestRequest, Words], RestReply]
"""Answers a request; the words are those parts of the path that are ids, in order."""

NOT_SIMULATED = "the lab does not simulate"
"""How every refusal begins that is the lab's own and not Telnyx': the ledger has it as `refused`."""

TITLES: dict[str, str] = {
    "10004": "Missing required parameter",
    "10005": "Resource not found",
    "10007": "Unexpected error",
    "10009": "Authentication failed",
    "10010": "Authorization failed",
    "10011": "Too many requests",
    "10015": "Bad Request",
    "10016": "Phone number must be in +E.164 format",
    "10017": "Associated resource does not exist",
    "10021": "Resource in use",
    "20012": "Account inactive",
    "40305": "Invalid 'from' address",
    "40310": "Invalid 'to' address",
    "90015": "Invalid Call Control ID",
    "90017": "Invalid client state",
    "90018": "Call has already ended",
    "90020": "Recording is not possible before there is audio",
    "90034": "Call not answered yet",
    "90041": "User channel limit exceeded",
    "90043": "Connection channel limit exceeded",
    "90045": "Command not allowed while streaming",
    "90048": "Call is not streaming",
    "90102": "Answer is not allowed on an outbound call",
    "90103": "Dial rate limit exceeded",
}
"""Words of the 1xxxx codes as published; those of the 4xxxx and 9xxxx are ours, only the codes are known."""
STATUS_CODES: dict[int, str] = {401: "10009", 403: "10010", 404: "10005", 422: "10015", 429: "10011"}
"""The error code that goes with an HTTP status that a fault asks for; 10007 for the others."""


def reply(status: int, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> RestReply:
    """Any JSON answer."""
    return RestReply(status=status, body=json.dumps(document).encode(), headers=headers or {})


def data(value: Any, **more: Any) -> RestReply:
    """A success."""
    return reply(200, {"data": value} | more)


def ok(**more: Any) -> RestReply:
    """A command that was taken."""
    return data({"result": "ok"} | more)


def failure(status: int, code: str, detail: str = "", pointer: str = "", headers: Mapping[str, str] | None = None) -> RestReply:
    """The error envelope; codes are strings."""
    error: dict[str, Any] = {"code": code, "title": TITLES.get(code, "Error"), "detail": detail or TITLES.get(code, "Error")}
    if pointer:
        error["source"] = {"pointer": pointer}
    error["meta"] = {"url": f"https://developers.telnyx.com/docs/overview/errors/{code}"}
    return reply(status, {"errors": [error]}, headers)


def not_simulated(what: str, pointer: str = "") -> RestReply:
    """The lab's own refusal of a parameter, or of one of its values."""
    return failure(422, "10015", f"{NOT_SIMULATED} {what}", pointer)


def missing(name: str) -> RestReply:
    """A parameter that has to be there."""
    return failure(422, "10004", f"{name} is required", f"/{name}")


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


def not_json() -> RestReply:
    """The refusal of a body that is no JSON object."""
    return failure(400, "10015", "the body is no JSON object")


def refused_in(answer: RestReply) -> str:
    """What the lab refused in its own name; empty for every other answer."""
    if answer.status < 400 or NOT_SIMULATED.encode() not in answer.body:
        return ""
    errors = (json_object(answer.body) or {}).get("errors") or [{}]
    return str(errors[0].get("detail", ""))
