"""The lab's Twilio answers /2010-04-01: authentication, the error document, forms and pages."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from carriers.lab.contract import RestReply, RestRequest

LARGEST_PAGE = 1000
MESSAGES: Mapping[int, str] = {
    20001: "Bad request",
    20003: "Authenticate",
    20005: "Account not active",
    20404: "The requested resource was not found",
    20409: "The requested resource is in use",
    20429: "Too Many Requests",
    20500: "Internal Server Error",
    20503: "Service unavailable",
    10004: "Call concurrency limit exceeded",
    21201: "No 'To' number is specified",
    21205: "Url is not a valid URL",
    21206: "Invalid SendDigits",
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
    21218: "Invalid ApplicationSid",
    21220: "Call is not in-progress. Cannot redirect.",
    21602: "Message body is required",
    21604: "'To' phone number is required to send a Message",
    21606: "The 'From' phone number is not a valid message-capable Twilio phone number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    22005: "Call queue is full",
}

T = TypeVar("T")


class NoSuch(Exception):
    """Refuse with `status` and Twilio's `code`; `detail` is for the ledger."""

    def __init__(self, status: int, code: int, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


def error(status: int, code: int, detail: str = "") -> RestReply:
    """The classic error document."""
    message = MESSAGES.get(code, "Error") + (f" ({detail})" if detail else "")
    more_info = f"https://www.twilio.com/docs/errors/{503 if status == 503 else code}"  # as recorded of a real 503
    return answer({"code": code, "message": message, "more_info": more_info, "status": status}, status)


def answer(document: Mapping[str, Any], status: int = 200) -> RestReply:
    """201 for creates, 200 for all else: the SDK insists on the difference."""
    return RestReply(status=status, body=json.dumps(document).encode(), headers={"Twilio-Concurrent-Requests": "1"})


def gone() -> RestReply:
    """A successful DELETE."""
    return RestReply(status=204)


def authorised(request: RestRequest, account_sid: str, auth_token: str) -> bool:
    """HTTP Basic with the account's sid and token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expected = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
    return scheme.lower() == "basic" and token == expected


def form(request: RestRequest) -> dict[str, list[str]]:
    """Repeated keys are lists: `StatusCallbackEvent=initiated&StatusCallbackEvent=answered`."""
    return parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)


def single(request: RestRequest) -> dict[str, str]:
    """The form, the last value of each key."""
    return {name: values[-1] for name, values in form(request).items()}


def query(request: RestRequest) -> dict[str, str]:
    """The query, the last value of each key."""
    return {name: values[-1] for name, values in parse_qs(request.query).items()}


def only(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse parameters by name that the lab does not obey: Twilio would ignore a misspelt one without a word."""
    unknown = sorted(set(fields) - known)
    if unknown:
        raise NoSuch(400, 20001, f"not simulated: {', '.join(unknown)}")


PAGING = frozenset({"PageSize", "Page", "PageToken"})


def page(key: str, request: RestRequest, items: Sequence[T], shown_as: Callable[[T], Mapping[str, Any]]) -> RestReply:
    """One page of a list, with its links; `PageToken` says nothing here, for the page's number is enough."""
    asked = query(request)
    number, size = _count(asked.get("Page", "0"), 0), min(_count(asked.get("PageSize", "50"), 1), LARGEST_PAGE)
    shown = [dict(shown_as(item)) for item in items[number * size : (number + 1) * size]]
    others = urlencode({name: value for name, value in asked.items() if name not in PAGING})
    link = f"{request.path}?PageSize={size}{'&' if others else ''}{others}&Page="
    return answer(
        {
            key: shown,
            "page": number,
            "page_size": size,
            "start": number * size,
            "end": number * size + max(len(shown) - 1, 0),
            "uri": f"{link}{number}",
            "first_page_uri": f"{link}0",
            "previous_page_uri": f"{link}{number - 1}" if number else None,
            "next_page_uri": f"{link}{number + 1}" if len(items) > (number + 1) * size else None,
        }
    )


def _count(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise NoSuch(400, 20001, f"Page or PageSize {text}")
    return int(text)
