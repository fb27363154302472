"""The lab's Twilio answers /2010-04-01: authentication, validation, calls, balance, account and numbers."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.twilio.simulator_call import API_VERSION, Call, call_json, stamp

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


class Library:
    """The read-only resources: lists, the account, its balance and its numbers."""

    def __init__(self, site: Site, account_sid: str) -> None:
        self._site, self._account_sid = site, account_sid
        self.root = f"/{API_VERSION}/Accounts/{account_sid}"
        self.number_sids = {number: f"PN{site.random.getrandbits(128):032x}" for number in site.numbers}
        self._plain: Mapping[str, Callable[[], dict[str, Any]]] = {
            f"{self.root}.json": self._account,
            f"{self.root}/Balance.json": self._balance,
        }

    def read(self, now: float, request: RestRequest, calls: Mapping[str, Call]) -> RestReply | None:
        """The answer to a GET, or None if there is no such resource."""
        plain = self._plain.get(request.path)
        if plain is not None:
            return answer(plain())
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        if request.path == f"{self.root}/Calls.json":
            return self._page("calls", request.path, query, self._calls(now, query, calls))
        if request.path == f"{self.root}/IncomingPhoneNumbers.json":
            return self._page("incoming_phone_numbers", request.path, query, self._numbers(query))
        return self._of_call(now, request.path, query, calls)

    def _of_call(self, now: float, path: str, query: Mapping[str, str], calls: Mapping[str, Call]) -> RestReply | None:
        match = re.fullmatch(rf"{re.escape(self.root)}/Calls/(CA[0-9a-f]{{32}})(/Events|/Notifications)?\.json", path)
        call = calls.get(match[1]) if match else None
        if match is None or call is None:
            return None
        if match[2] == "/Events":
            lag = self._site.knobs.get("events_lag_s", 0.0)
            return self._page("events", path, query, [event for at, event in call.requests if at <= now - lag])
        if match[2] == "/Notifications":
            return self._page("notifications", path, query, [self._notification(call, *note) for note in call.notifications])
        return answer(call_json(call))

    def _calls(self, now: float, query: Mapping[str, str], calls: Mapping[str, Call]) -> list[dict[str, Any]]:
        """Newest first. Date filters are refused: nobody should look for a queued call by a start time that it lacks."""
        unknown = set(query) - {"To", "From", "Status", "PageSize", "Page"}
        if unknown:
            raise NoSuch(400, 20001, f"not simulated: {sorted(unknown)}")
        lag = self._site.knobs.get("list_lag_s", 0.0)
        wanted = {"To": query.get("To"), "From": query.get("From"), "Status": query.get("Status")}
        seen = [call for call in calls.values() if call.created <= now - lag]
        return [call_json(call) for call in reversed(seen) if _matches(call, wanted)]

    def _numbers(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        part = query.get("PhoneNumber", "").replace("*", "")
        return [self._number(number, sid) for number, sid in self.number_sids.items() if part in number]

    def _page(self, key: str, path: str, query: Mapping[str, str], items: list[dict[str, Any]]) -> RestReply:
        page, size = _count(query.get("Page", "0"), 0), min(_count(query.get("PageSize", "50"), 1), 1000)
        shown = items[page * size : (page + 1) * size]
        others = "".join(
            f"&{name}={value.replace('+', '%2B')}" for name, value in query.items() if name not in {"Page", "PageSize"}
        )
        link = f"{path}?PageSize={size}{others}&Page="
        return answer(
            {
                key: shown,
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(len(shown) - 1, 0),
                "uri": f"{link}{page}",
                "first_page_uri": f"{link}0",
                "previous_page_uri": f"{link}{page - 1}" if page else None,
                "next_page_uri": f"{link}{page + 1}" if len(items) > (page + 1) * size else None,
            }
        )

    def _account(self) -> dict[str, Any]:
        return {
            "sid": self._account_sid,
            "owner_account_sid": self._account_sid,
            "friendly_name": "Holdline lab",
            "status": self._site.knobs.get("account_status", "active"),
            "type": self._site.knobs.get("account_type", "Full"),
            "auth_token": None,
            "date_created": stamp(0.0),
            "date_updated": stamp(0.0),
            "subresource_uris": {"calls": f"{self.root}/Calls.json"},
            "uri": f"{self.root}.json",
        }

    def _balance(self) -> dict[str, Any]:
        return {"account_sid": self._account_sid, "balance": self._site.knobs.get("balance", "50.00"), "currency": "USD"}

    def _number(self, number: str, sid: str) -> dict[str, Any]:
        return {
            "account_sid": self._account_sid,
            "sid": sid,
            "phone_number": number,
            "friendly_name": number,
            "api_version": API_VERSION,
            "beta": False,
            "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
            "date_created": stamp(0.0),
            "date_updated": stamp(0.0),
            "voice_url": None,
            "voice_method": "POST",
            "voice_receive_mode": "voice",
            "status": "in-use",
            "origin": "twilio",
            "uri": f"{self.root}/IncomingPhoneNumbers/{sid}.json",
        }

    def _notification(self, call: Call, at: float, code: str, url: str) -> dict[str, Any]:
        return {
            "account_sid": self._account_sid,
            "call_sid": call.sid,
            "api_version": API_VERSION,
            "error_code": code,
            "log": "0",
            "message_date": stamp(at),
            "message_text": f"ErrorCode={code}",
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "request_method": None,
            "request_url": url,
        }


def _count(text: str, least: int) -> int:
    if not text.isdigit() or int(text) < least:
        raise NoSuch(400, 20001, f"Page or PageSize {text}")
    return int(text)


def _matches(call: Call, wanted: Mapping[str, str | None]) -> bool:
    mine = {"To": call.to, "From": call.caller_id, "Status": call.status}
    return all(value is None or mine[name] == value for name, value in wanted.items())
