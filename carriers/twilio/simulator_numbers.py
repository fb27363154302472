"""The lab's Twilio: the account's numbers and applications, and whom a call to one of them is brought to."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.twilio import simulator_rules as rules
from carriers.twilio.simulator_account import Account
from carriers.twilio.simulator_call import API_VERSION, LAST_EVENT, Target, stamp
from carriers.twilio.simulator_order import Instructions
from carriers.twilio.simulator_rest import NoSuch, answer, gone, only, page, query, single

_URLS = ("VoiceUrl", "VoiceFallbackUrl", "StatusCallback", "SmsUrl", "SmsFallbackUrl")
_METHODS = ("VoiceMethod", "VoiceFallbackMethod", "StatusCallbackMethod", "SmsMethod", "SmsFallbackMethod")
_BOTH = frozenset({"FriendlyName", "VoiceCallerIdLookup", "ApiVersion", *_URLS, *_METHODS})
NUMBER = _BOTH | {"VoiceApplicationSid", "SmsApplicationSid"}
APPLICATION = _BOTH | {"SmsStatusCallback", "MessageStatusCallback"}
"""What may be set. Texts to a number are not simulated; their URLs are kept and shown."""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _unset() -> dict[str, Any]:
    urls = dict.fromkeys(map(_snake, _URLS))
    return {**urls, **dict.fromkeys(map(_snake, _METHODS), "POST"), "voice_caller_id_lookup": False}


class Route(Struct, frozen=True, kw_only=True):
    """What happens to a call to a number."""

    number_sid: str
    instructions: Instructions
    looks_up_name: bool


class Owned(Struct, kw_only=True):
    """A number or an application: what its resource shows, in its own names."""

    sid: str
    shown: dict[str, Any]

    def set(self, now: float, fields: Mapping[str, str]) -> None:
        """Change what is named; the rest stays."""
        for name, text in fields.items():
            self.shown[_snake(name)] = _value(name, text)
        self.shown["date_updated"] = stamp(now)


def _value(name: str, text: str) -> Any:
    if name == "VoiceCallerIdLookup":
        return rules.flag(name, text)
    if name.endswith("Method"):
        return rules.method(text or "POST")
    if name in _URLS or name.endswith("Callback"):
        return rules.url(name, text) or None
    return text or None


class Numbers:
    """IncomingPhoneNumbers and Applications."""

    def __init__(self, site: Site, account: Account) -> None:
        self._site, self._account = site, account
        self.by_number = {number: self._number(number) for number in site.numbers}
        self._applications: dict[str, Owned] = {}

    def owns(self, number: str) -> bool:
        """Whether it is a number of the account."""
        return number in self.by_number

    def number_sid(self, number: str) -> str:
        """Empty for a number that is not the account's."""
        owned = self.by_number.get(number)
        return owned.sid if owned else ""

    def route(self, number: str) -> Route:
        """Where a call to this number of the account goes: its application, if it has one, else its own URLs."""
        owned = self.by_number[number]
        application = self._applications.get(owned.shown["voice_application_sid"] or "")
        shown = (application or owned).shown
        return Route(
            number_sid=owned.sid,
            instructions=_instructions(shown),
            looks_up_name=bool(shown["voice_caller_id_lookup"]),
        )

    def application(self, sid: str) -> Instructions:
        """Of a create with ApplicationSid, which replaces the create's own URLs."""
        if sid not in self._applications:
            raise NoSuch(400, 21218, sid)
        return _instructions(self._applications[sid].shown)

    # --- the API ----------------------------------------------------------------------------------------------------

    def list_numbers(self, now: float, request: RestRequest) -> RestReply:
        """Filtered by a part of the number, or by the name."""
        asked = query(request)
        only(asked, frozenset({"PhoneNumber", "FriendlyName", "PageSize", "Page", "PageToken"}))
        part, name = asked.get("PhoneNumber", "").replace("*", ""), asked.get("FriendlyName")
        found = [owned for number, owned in self.by_number.items() if part in number]
        found = [owned for owned in found if name is None or owned.shown["friendly_name"] == name]
        return page("incoming_phone_numbers", request, found, lambda owned: owned.shown)

    def number(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """Fetch (GET) or change (POST) one."""
        owned = next((owned for owned in self.by_number.values() if owned.sid == sid), None)
        if owned is None:
            raise NoSuch(404, 20404, f"{request.method} {request.path}")
        if request.method == "POST":
            fields = single(request)
            only(fields, NUMBER)
            chosen = fields.get("VoiceApplicationSid")
            if chosen:
                self.application(chosen)
            owned.set(now, fields)
        return answer(owned.shown)

    def list_applications(self, now: float, request: RestRequest) -> RestReply:
        """Filtered by name."""
        asked = query(request)
        only(asked, frozenset({"FriendlyName", "PageSize", "Page", "PageToken"}))
        name = asked.get("FriendlyName")
        found = [owned for owned in self._applications.values() if name is None or owned.shown["friendly_name"] == name]
        return page("applications", request, found, lambda owned: owned.shown)

    def create_application(self, now: float, request: RestRequest) -> RestReply:
        """A new one."""
        fields = single(request)
        only(fields, APPLICATION)
        sid = f"AP{self._site.random.getrandbits(128):032x}"
        shown = _unset() | {
            "sid": sid,
            "account_sid": self._account.sid,
            "api_version": API_VERSION,
            "friendly_name": sid,
            "sms_status_callback": None,
            "message_status_callback": None,
            "public_application_connect_enabled": False,
            "date_created": stamp(now),
            "uri": f"{self._account.root}/Applications/{sid}.json",
        }
        owned = Owned(sid=sid, shown=shown)
        owned.set(now, fields)
        self._applications[sid] = owned
        return answer(owned.shown, 201)

    def one_application(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """Fetch (GET), change (POST) or delete one."""
        owned = self._applications.get(sid)
        if owned is None:
            raise NoSuch(404, 20404, f"{request.method} {request.path}")
        if request.method == "DELETE":
            del self._applications[sid]
            return gone()
        if request.method == "POST":
            fields = single(request)
            only(fields, APPLICATION)
            owned.set(now, fields)
        return answer(owned.shown)

    def _number(self, number: str) -> Owned:
        sid = f"PN{self._site.random.getrandbits(128):032x}"
        nothing = ("address_sid", "identity_sid", "trunk_sid", "bundle_sid", "emergency_address_sid")
        shown = _unset() | {
            **dict.fromkeys((*nothing, "voice_application_sid", "sms_application_sid")),
            "account_sid": self._account.sid,
            "sid": sid,
            "phone_number": number,
            "friendly_name": number,
            "api_version": API_VERSION,
            "address_requirements": "none",
            "emergency_status": "Inactive",
            "emergency_address_status": "unregistered",
            "voice_receive_mode": "voice",
            "beta": False,
            "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
            "date_created": stamp(0.0),
            "date_updated": stamp(0.0),
            "status": "in-use",
            "origin": "twilio",
            "type": "local",
            "uri": f"{self._account.root}/IncomingPhoneNumbers/{sid}.json",
        }
        return Owned(sid=sid, shown=shown)


def _instructions(shown: Mapping[str, Any]) -> Instructions:
    """A number's status callback tells the end only; an application's, for a create, as well."""
    report = Target(url=shown["status_callback"] or "", method=shown["status_callback_method"], events=LAST_EVENT)
    return Instructions(
        url=shown["voice_url"] or "",
        method=shown["voice_method"],
        fallback_url=shown["voice_fallback_url"] or "",
        fallback_method=shown["voice_fallback_method"],
        report=report,
    )
