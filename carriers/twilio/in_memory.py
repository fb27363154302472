"""Twilio for the simulation: `api.py` without SDK, threads and network. The same requests, judged by the same tables.

A test holds the two together: what the SDK sends for `api.py` is what is sent here.
"""

import base64
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from carriers.by_document import ByDocument
from carriers.contract import (
    Attempt,
    CarrierSettings,
    Finding,
    Gate,
    Handle,
    Health,
    Markup,
    Placed,
    Sighting,
    Wanted,
    Webhooks,
)
from carriers.in_memory import Ask, Line, NothingToSet, Request, Wire, document, form, told
from carriers.shot import HttpAnswer
from carriers.twilio import CAPABILITIES, Credentials, lookup, provisioning, verdicts
from carriers.twilio.markup import TwilioMarkup
from carriers.twilio.media import TwilioMedia
from carriers.twilio.webhooks import RETRIES, TwilioWebhooks
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

_GONE = frozenset({"20404", "20409", "21220"})


class Refusal(CarrierError):
    """An answer that is no 2xx, with its verdict."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.verdict = verdicts.of_answer(answer.status, answer.headers, answer.body)
        super().__init__(self.verdict.reason, self.verdict.detail)


class TwilioInMemory(ByDocument, NothingToSet):
    """`carriers.contract.Carrier`."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float], line: Line) -> None:
        self.name, self.capabilities = settings.name, CAPABILITIES
        credentials: Credentials = settings.credentials
        self.webhooks: Webhooks = TwilioWebhooks(credentials.auth_token)
        self.markup: Markup = TwilioMarkup()
        self._wire = Wire(line, clock)
        pair = f"{credentials.account_sid}:{credentials.auth_token}"
        self._authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._root = f"/2010-04-01/Accounts/{credentials.account_sid}"

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        return await self._wire.dial(self.dial_request(attempt), deadline=deadline, gate=gate, accept=_accepted, judge=_judged)

    def dial_request(self, attempt: Attempt) -> Request:
        """The create-call POST."""
        fields: dict[str, str | int | list[str]] = {
            "To": attempt.to,
            "From": attempt.caller_id,
            "Method": "POST",
            "FallbackUrl": attempt.hook("fallback"),
            "FallbackMethod": "POST",
            "StatusCallback": attempt.hook("status") + RETRIES,
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            "StatusCallbackMethod": "POST",
            "Timeout": attempt.ring_timeout_s,
            "TimeLimit": attempt.max_duration_s,
            "Url": attempt.hook("answer") + RETRIES,
        }
        return form("POST", f"{self._root}/Calls.json", self._authorization, fields)

    def named(self, answer: HttpAnswer) -> str:
        """The id that the carrier gives a call in its answer to the dial; empty for a refusal."""
        return _accepted(answer).carrier_call_id if answer.status < 300 else ""

    async def find(self, handle: Handle) -> Sighting:
        if handle.carrier_call_id:
            return await self._wire.control(lambda ask: self._by_id(ask, handle.carrier_call_id))
        return await self._wire.control(lambda ask: self._by_tag(ask, handle))

    async def hang_up(self, handle: Handle) -> None:
        call_sid = handle.carrier_call_id or (await self.find(handle)).carrier_call_id
        if call_sid:
            await self._wire.control(lambda ask: self._complete(ask, call_sid))

    async def probe(self) -> Health:
        return await self._wire.probe(lambda ask: self._get(ask, "/Balance.json"), _verdict_of)

    async def check(self) -> tuple[Finding, ...]:
        return ()

    def media(self) -> TwilioMedia:
        return TwilioMedia()

    async def aclose(self) -> None:
        """Holds nothing."""

    def point_here(self, ask: Ask, wanted: Wanted) -> None:
        """What `amend` does, before the first caller."""
        wishes = {name: value for name, value in provisioning.wishes(wanted).items() if value}
        fields: dict[str, str | int | list[str]] = {name.title().replace("_", ""): value for name, value in wishes.items()}
        for owned in _list(self._get(ask, "/IncomingPhoneNumbers.json"), "incoming_phone_numbers"):
            path = f"{self._root}/IncomingPhoneNumbers/{owned['sid']}.json"
            told(ask(form("POST", path, self._authorization, fields)))

    def _by_id(self, ask: Ask, call_sid: str) -> Sighting:
        try:
            return lookup.sighting(_seen(self._get(ask, f"/Calls/{call_sid}.json")))
        except Refusal as refusal:
            if refusal.verdict.code in _GONE:
                return lookup.MISSING
            raise

    def _by_tag(self, ask: Ask, handle: Handle) -> Sighting:
        query = urlencode({"To": handle.to, "From": handle.caller_id, "PageSize": lookup.NEWEST})
        seen = [_seen(call) for call in _list(self._get(ask, "/Calls.json", query), "calls")]
        mine = [call for call in seen if call.sid not in handle.foreign and lookup.plausible(call, handle.sent_at)]
        traced = [(call, lookup.trace(self._requests(ask, call.sid), handle.leg_id)) for call in mine]
        chosen = lookup.choose(traced, handle)
        return lookup.sighting(chosen) if chosen is not None else lookup.MISSING

    def _requests(self, ask: Ask, call_sid: str) -> list[object]:
        events = self._get(ask, f"/Calls/{call_sid}/Events.json", "PageSize=50").get("events")
        return [event.get("request") for event in events] if isinstance(events, list) else []

    def _complete(self, ask: Ask, call_sid: str) -> None:
        answer = ask(form("POST", f"{self._root}/Calls/{call_sid}.json", self._authorization, {"Status": "completed"}))
        if answer.status >= 300 and Refusal(answer).verdict.code not in _GONE:
            raise Refusal(answer)

    def _get(self, ask: Ask, path: str, query: str = "") -> dict[str, object]:
        headers = {"authorization": self._authorization}
        answer = ask(Request(method="GET", path=self._root + path, query=query, headers=headers))
        if answer.status >= 300:
            raise Refusal(answer)
        return document(answer)


def _accepted(answer: HttpAnswer) -> Placed:
    sid = document(answer).get("sid")
    if not isinstance(sid, str) or not sid:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN)
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=sid)


def _judged(answer: HttpAnswer) -> Placed:
    verdict = verdicts.of_answer(answer.status, answer.headers, answer.body)
    knowledge = Knowledge.REFUSED if 400 <= answer.status < 500 else Knowledge.UNKNOWN
    return Placed(knowledge=knowledge, verdict=verdict)


def _list(page: dict[str, object], name: str) -> list[dict[str, object]]:
    found = page.get(name)
    return found if isinstance(found, list) else []


def _seen(call: dict[str, object]) -> lookup.Seen:
    created = call.get("date_created")
    at = parsedate_to_datetime(created).timestamp() if isinstance(created, str) else None
    return lookup.Seen(sid=str(call.get("sid", "")), status=str(call.get("status", "")), created=at)


def _verdict_of(error: CarrierError) -> Verdict | None:
    return error.verdict if isinstance(error, Refusal) else None
