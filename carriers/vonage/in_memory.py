"""Vonage for the simulation: `api.py` without SDK, threads and network. The same requests, judged by the same tables."""

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec.structs import replace

from carriers.by_document import ByDocument
from carriers.contract import (
    Attempt,
    CarrierSettings,
    Finding,
    Gate,
    Handle,
    Health,
    LegAtCarrier,
    Markup,
    Placed,
    Sighting,
    Wanted,
    Webhooks,
)
from carriers.in_memory import Ask, Line, NothingToSet, Request, Wire, document, form, json, told
from carriers.shot import HttpAnswer
from carriers.vonage import CAPABILITIES, Credentials, provisioning, records, verdicts
from carriers.vonage.markup import NccoMarkup
from carriers.vonage.media import VonageCodec
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

MAX_RING_S, MAX_LENGTH_S = 120, 86400
MAX_PAGES = 3
DAY_S = 86400
_UNHEARD = frozenset({401, 402, 403, 429})


class Refusal(CarrierError):
    """A control request was answered, but not with 2xx."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.verdict = verdicts.api_verdict(answer.status, answer.headers, answer.body)
        super().__init__(self.verdict.reason, f"{answer.status} {self.verdict.detail}".strip())
        self.status = answer.status


@cache
def _key(pem: str) -> Any:
    """Parsed once: it takes as long as a whole world."""
    return load_pem_private_key(pem.encode(), password=None)


@cache
def _token(application_id: str, pem: str, day: int) -> str:
    """One for each application and day; RS256 costs a millisecond, and gives the same for the same."""
    begin = day * DAY_S
    claims = {"application_id": application_id, "iat": begin, "jti": f"{application_id}-{day}", "exp": begin + 2 * DAY_S}
    return jwt.encode(claims, _key(pem), algorithm="RS256")


class VonageInMemory(ByDocument, NothingToSet):
    """`carriers.contract.Carrier`."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float], line: Line) -> None:
        self.name, self.capabilities = settings.name, CAPABILITIES
        self._credentials: Credentials = settings.credentials
        self.webhooks: Webhooks = VonageWebhooks(self._credentials.signature_secret, self._credentials.application_id)
        self.markup: Markup = NccoMarkup()
        self._clock, self._wire = clock, Wire(line, clock)

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        request = self.dial_request(attempt)
        return await self._wire.dial(request, deadline=deadline, gate=gate, accept=_accepted, judge=verdicts.judge)

    def dial_request(self, attempt: Attempt) -> Request:
        """The create-call POST."""
        body = {
            "to": [{"type": "phone", "number": attempt.to.removeprefix("+")}],
            "from": {"type": "phone", "number": attempt.caller_id.removeprefix("+")},
            "answer_url": [attempt.hook("answer")],
            "answer_method": "POST",
            "event_url": [attempt.hook("event")],
            "event_method": "POST",
            "ringing_timer": min(max(attempt.ring_timeout_s, 1), MAX_RING_S),
            "length_timer": min(max(attempt.max_duration_s, 1), MAX_LENGTH_S),
        }
        return json("POST", "/v1/calls", self._authorization(), body)

    def named(self, answer: HttpAnswer) -> str:
        """The id that the carrier gives a call in its answer to the dial; empty for a refusal."""
        return _accepted(answer).carrier_call_id if answer.status < 300 else ""

    async def find(self, handle: Handle) -> Sighting:
        if not handle.carrier_call_id:
            return await self._wire.control(lambda ask: self._search(ask, handle))
        return await self._wire.control(lambda ask: self._fetch(ask, handle.carrier_call_id))

    async def hang_up(self, handle: Handle) -> None:
        uuid = handle.carrier_call_id or await self._live_uuid(handle)
        if not uuid:
            return
        try:
            await self._wire.control(lambda ask: self._send(ask, "PUT", _path(uuid), {"action": "hangup"}))
        except Refusal as refusal:
            await self._gone_or_raise(handle, uuid, refusal)

    async def probe(self) -> Health:
        return await self._wire.probe(lambda ask: self._send(ask, "GET", "/v1/calls", query={"page_size": 1}), _verdict_of)

    async def check(self) -> tuple[Finding, ...]:
        return ()

    def media(self) -> VonageCodec:
        return VonageCodec()

    async def aclose(self) -> None:
        """Holds nothing."""

    def point_here(self, ask: Ask, wanted: Wanted) -> None:
        """What `amend` does, before the first caller."""
        app_id, basic = self._credentials.application_id, self._basic()
        shown = document(told(ask(json("GET", f"/v2/applications/{app_id}", basic))))
        told(ask(json("PUT", f"/v2/applications/{app_id}", basic, provisioning.amended(shown, wanted))))
        for number in wanted.numbers:
            fields = {"country": "US", "msisdn": number.removeprefix("+"), "app_id": app_id}
            told(ask(form("POST", "/number/update", basic, fields)))

    def _basic(self) -> str:
        pair = f"{self._credentials.api_key}:{self._credentials.api_secret}"
        return f"Basic {b64encode(pair.encode()).decode()}"

    def _fetch(self, ask: Ask, uuid: str) -> Sighting:
        try:
            return records.sighting_of(self._send(ask, "GET", _path(uuid)))
        except Refusal as refusal:
            if refusal.status == 404:
                return Sighting(state=LegAtCarrier.MISSING)
            raise

    def _search(self, ask: Ask, handle: Handle) -> Sighting:
        found: list[dict[str, Any]] = []
        query: dict[str, str | int] = {**records.window(handle, self._clock())}
        for page in range(MAX_PAGES):
            index: dict[str, str | int] = {"record_index": page * records.PAGE_SIZE} if page else {}
            calls = records.calls_of(self._send(ask, "GET", "/v1/calls", query=query | index))
            found += calls
            if len(calls) < records.PAGE_SIZE:
                break
        return records.choose(found, handle)

    async def _live_uuid(self, handle: Handle) -> str:
        sighting = await self._wire.control(lambda ask: self._search(ask, handle))
        if sighting.state is LegAtCarrier.MISSING and self._clock() < handle.sent_at + self.capabilities.lookup_settles_s:
            raise CarrierError("not-listed-yet", "the call may still appear in the list")
        return "" if sighting.state in {LegAtCarrier.MISSING, LegAtCarrier.ENDED} else sighting.carrier_call_id

    async def _gone_or_raise(self, handle: Handle, uuid: str, refusal: Refusal) -> None:
        if refusal.status in _UNHEARD or refusal.status >= 500:
            raise refusal
        sighting = await self.find(replace(handle, carrier_call_id=uuid))
        if sighting.state not in {LegAtCarrier.MISSING, LegAtCarrier.ENDED}:
            raise CarrierError("not-obeyed", f"hang-up got {refusal.status} while the call is {sighting.state}")

    def _send(
        self, ask: Ask, method: str, path: str, body: object = None, query: dict[str, str | int] | None = None
    ) -> dict[str, Any]:
        answer = ask(json(method, path, self._authorization(), body, query))
        if answer.status >= 300:
            raise Refusal(answer)
        return document(answer)

    def _authorization(self) -> str:
        day = int(self._clock() // DAY_S)
        return f"Bearer {_token(self._credentials.application_id, self._credentials.private_key, day)}"


def _accepted(answer: HttpAnswer) -> Placed:
    body = document(answer)
    uuid, conversation = body.get("uuid"), body.get("conversation_uuid")
    if not isinstance(uuid, str) or not uuid:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN, detail="2xx without a uuid")
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    data = {"conversation_uuid": conversation} if isinstance(conversation, str) else {}
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=uuid, carrier_data=data)


def _path(uuid: str) -> str:
    return f"/v1/calls/{quote(uuid, safe='')}"


def _verdict_of(error: CarrierError) -> Verdict | None:
    return error.verdict if isinstance(error, Refusal) else None
