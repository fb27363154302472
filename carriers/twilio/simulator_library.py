"""The lab's Twilio shows what it has: calls, their requests and notifications, the account, its balance and its numbers."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.twilio.simulator_call import API_VERSION, Call, call_json, stamp
from carriers.twilio.simulator_rest import NoSuch, answer

UNSET_NUMBER_FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(("address_sid", "identity_sid", "trunk_sid", "bundle_sid", "emergency_address_sid")),
    **dict.fromkeys(("voice_url", "voice_fallback_url", "voice_application_sid", "sms_application_sid")),
    **dict.fromkeys(("sms_url", "sms_fallback_url", "status_callback")),
    **dict.fromkeys(
        ("voice_method", "voice_fallback_method", "sms_method", "sms_fallback_method", "status_callback_method"), "POST"
    ),
    "address_requirements": "none",
    "emergency_status": "Inactive",
    "emergency_address_status": "unregistered",
    "voice_caller_id_lookup": False,
    "voice_receive_mode": "voice",
}
"""What Twilio shows of a number that nobody has configured."""


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
            notes = [self._notification(call, index, *note) for index, note in enumerate(call.notifications)]
            return self._page("notifications", path, query, notes)
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
        return dict(UNSET_NUMBER_FIELDS) | {
            "account_sid": self._account_sid,
            "sid": sid,
            "phone_number": number,
            "friendly_name": number,
            "api_version": API_VERSION,
            "beta": False,
            "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
            "date_created": stamp(0.0),
            "date_updated": stamp(0.0),
            "status": "in-use",
            "origin": "twilio",
            "type": "local",
            "uri": f"{self.root}/IncomingPhoneNumbers/{sid}.json",
        }

    def _notification(self, call: Call, index: int, at: float, code: str, url: str) -> dict[str, Any]:
        sid = f"NO{index:032x}"
        return {
            "account_sid": self._account_sid,
            "call_sid": call.sid,
            "sid": sid,
            "api_version": API_VERSION,
            "date_created": stamp(at),
            "date_updated": stamp(at),
            "error_code": code,
            "log": "0",
            "message_date": stamp(at),
            "message_text": f"ErrorCode={code}",
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "request_method": None,
            "request_url": url,
            "uri": f"{call.uri}/Notifications/{sid}.json",
        }


def _count(text: str, least: int) -> int:
    if not text.isdigit() or int(text) < least:
        raise NoSuch(400, 20001, f"Page or PageSize {text}")
    return int(text)


def _matches(call: Call, wanted: Mapping[str, str | None]) -> bool:
    mine = {"To": call.to, "From": call.caller_id, "Status": call.status}
    return all(value is None or mine[name] == value for name, value in wanted.items())
