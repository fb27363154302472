"""The lab's Twilio answers /2010-04-01: authentication, the error document, and what a create must look like."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from carriers.lab.contract import RestReply, RestRequest

SUPPORTED = frozenset(
    {"To", "From", "Url", "Twiml", "Method", "FallbackUrl", "FallbackMethod", "Timeout", "TimeLimit"}
    | {"StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent"}
)
"""Parameters of a create that are obeyed. All others are refused loudly rather than accepted and ignored."""
EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
METHODS = frozenset({"GET", "POST"})
MAGIC_TO: Mapping[str, int] = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
MAGIC_FROM: Mapping[str, int] = {"+15005550001": 21212}
"""Numbers that Twilio's test credentials give a fixed error."""
E164 = re.compile(r"\+[1-9]\d{6,14}")
HOST = re.compile(r"[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\]")
"""Underscores are not permitted (API description, StatusCallback)."""

MESSAGES: Mapping[int, str] = {
    20001: "Bad request",
    20003: "Authenticate",
    20005: "Account not active",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    20503: "Service unavailable",
    10004: "Call concurrency limit exceeded",
    21201: "No 'To' number is specified",
    21205: "Url is not a valid URL",
    21208: "Invalid timeout",
    21209: "Invalid method",
    21210: "The source phone number provided is not yet verified for your account",
    21211: "The 'To' number is not a valid phone number",
    21212: "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID",
    21213: "No 'From' number is specified",
    21214: "The 'To' phone number cannot be reached",
    21215: "Account not authorized to call this number. Perhaps you need to enable some international permissions",
    21216: "Account not allowed to call this number",
    21217: "Phone number does not appear to be valid",
    21220: "Call is not in-progress. Cannot redirect.",
}


class NoSuch(Exception):
    """Refuse with `status` and Twilio's `code`; `detail` is for the ledger."""

    def __init__(self, status: int, code: int, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


class Order(Struct, frozen=True, kw_only=True):
    """A create that passed validation."""

    to: str
    caller_id: str
    url: str
    method: str
    twiml: str
    fallback_url: str
    fallback_method: str
    status_callback: str
    status_callback_method: str
    events: frozenset[str]
    timeout_s: int
    time_limit_s: int


def error(status: int, code: int, detail: str = "") -> RestReply:
    """The classic error document."""
    message = MESSAGES.get(code, "Error") + (f" ({detail})" if detail else "")
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return answer({"code": code, "message": message, "more_info": more_info, "status": status}, status)


def answer(document: Mapping[str, Any], status: int = 200) -> RestReply:
    """201 for creates, 200 for all else: the SDK insists on the difference."""
    return RestReply(status=status, body=json.dumps(document).encode(), headers={"Twilio-Concurrent-Requests": "1"})


def authorised(request: RestRequest, account_sid: str, auth_token: str) -> bool:
    """HTTP Basic with the account's sid and token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expected = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
    return scheme.lower() == "basic" and token == expected


def form(request: RestRequest) -> dict[str, list[str]]:
    """Repeated keys are lists: `StatusCallbackEvent=initiated&StatusCallbackEvent=answered`."""
    return parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)


def read_order(fields: Mapping[str, list[str]], numbers: tuple[str, ...]) -> Order:
    """Validate a create as Twilio does; raise NoSuch with its code."""
    unknown = sorted(set(fields) - SUPPORTED)
    if unknown:
        raise NoSuch(400, 20001, f"not simulated: {', '.join(unknown)}")
    one = {name: values[-1] for name, values in fields.items()}
    _check_numbers(one.get("To", ""), one.get("From", ""), numbers)
    _check_urls(one)
    return Order(
        to=one["To"],
        caller_id=one["From"],
        url=one.get("Url", ""),
        method=_method(one.get("Method", "POST")),
        twiml=one.get("Twiml", ""),
        fallback_url=one.get("FallbackUrl", ""),
        fallback_method=_method(one.get("FallbackMethod", "POST")),
        status_callback=one.get("StatusCallback", ""),
        status_callback_method=_method(one.get("StatusCallbackMethod", "POST")),
        events=_events(fields.get("StatusCallbackEvent", [])),
        timeout_s=_seconds(one.get("Timeout", "60"), 600),
        time_limit_s=_seconds(one.get("TimeLimit", "14400"), 86400),
    )


def _check_numbers(to: str, caller_id: str, numbers: tuple[str, ...]) -> None:
    if not to:
        raise NoSuch(400, 21201)
    if not caller_id:
        raise NoSuch(400, 21213)
    if to in MAGIC_TO or caller_id in MAGIC_FROM:
        raise NoSuch(400, MAGIC_TO.get(to) or MAGIC_FROM[caller_id])
    if not E164.fullmatch(to):
        raise NoSuch(400, 21211)
    if not E164.fullmatch(caller_id):
        raise NoSuch(400, 21212)
    if caller_id not in numbers:
        raise NoSuch(400, 21210)


def _check_urls(one: Mapping[str, str]) -> None:
    if not one.get("Url") and not one.get("Twiml"):
        raise NoSuch(400, 21205, "neither Url nor Twiml")
    if len(one.get("Twiml", "")) > 4000:
        raise NoSuch(400, 21205, "Twiml is longer than 4000 characters")
    for name in ("Url", "FallbackUrl", "StatusCallback"):
        parts = urlsplit(one.get(name, "") or "http://absent")
        if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.hostname or ""):
            raise NoSuch(400, 21205, name)


def _method(text: str) -> str:
    if text not in METHODS:
        raise NoSuch(400, 21209, text)
    return text


def _events(values: list[str]) -> frozenset[str]:
    unknown = set(values) - EVENTS
    if unknown:
        raise NoSuch(400, 20001, f"StatusCallbackEvent {sorted(unknown)}")
    return frozenset(values) or frozenset({"completed"})


def _seconds(text: str, most: int) -> int:
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise NoSuch(400, 21208, text)
    return int(text)
