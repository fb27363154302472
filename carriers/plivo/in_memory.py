"""Plivo for the simulation: `api.py` without SDK, threads and network. The same requests, judged by the same tables.

`Books` gives `lookup.py` the SDK's few methods that it asks.
"""

import base64
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

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
    MediaCodec,
    Placed,
    Sighting,
    Wanted,
    Webhooks,
)
from carriers.in_memory import Ask, Line, NothingToSet, Request, Wire, document, json, told
from carriers.plivo import CAPABILITIES, lookup, provisioning, verdicts
from carriers.plivo.lookup import AnswerRefused
from carriers.plivo.markup import LASTING_RETRIES, QUICK_RETRIES, PlivoMarkup
from carriers.plivo.media import PlivoMedia
from carriers.plivo.webhooks import PlivoWebhooks
from carriers.shot import HttpAnswer
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

_LOOKUP_TIMEOUT_S = 12.0


class Unanswered(CarrierError):
    """A request other than a dial that failed, with its verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason, verdict.detail)
        self.verdict = verdict


class PlivoInMemory(ByDocument, NothingToSet):
    """`carriers.contract.Carrier`."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float], line: Line) -> None:
        self.name, self.capabilities = settings.name, CAPABILITIES
        credentials = settings.credentials
        self.webhooks: Webhooks = PlivoWebhooks(credentials.auth_token)
        self.markup: Markup = PlivoMarkup()
        self._clock, self._wire = clock, Wire(line, clock)
        pair = f"{credentials.auth_id}:{credentials.auth_token}"
        self._authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._root = f"/v1/Account/{credentials.auth_id}/"

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        return await self._wire.dial(self.dial_request(attempt), deadline=deadline, gate=gate, accept=_accepted, judge=_judged)

    def dial_request(self, attempt: Attempt) -> Request:
        """The create-call POST, without what the SDK adds for machine detection."""
        fields = {
            "from": attempt.caller_id,
            "to": attempt.to,
            "answer_url": attempt.hook("answer") + QUICK_RETRIES,
            "fallback_url": attempt.hook("fallback") + QUICK_RETRIES,
            "ring_url": attempt.hook("ring") + LASTING_RETRIES,
            "hangup_url": attempt.hook("hangup") + LASTING_RETRIES,
            "ring_timeout": attempt.ring_timeout_s,
            "time_limit": attempt.max_duration_s,
            **dict.fromkeys(("answer_method", "fallback_method", "ring_method", "hangup_method"), "POST"),
        }
        return json("POST", f"{self._root}Call/", self._authorization, fields)

    def named(self, answer: HttpAnswer) -> str:
        """The id that the carrier gives a call in its answer to the dial; empty for a refusal."""
        return _accepted(answer).carrier_call_id if answer.status < 300 else ""

    async def find(self, handle: Handle) -> Sighting:
        if handle.carrier_call_id:
            return await self._look(lambda books: lookup.by_id(books, handle.carrier_call_id))
        return await self._look(lambda books: lookup.by_numbers(books, handle))

    async def hang_up(self, handle: Handle) -> None:
        call_id = handle.carrier_call_id or await self._searched(handle)
        if call_id:
            await self._wire.control(lambda ask: self._end(ask, call_id))

    async def probe(self) -> Health:
        return await self._wire.probe(
            lambda ask: _told(ask(json("GET", self._root, self._authorization))),
            lambda error: error.verdict if isinstance(error, Unanswered) else None,
        )

    async def check(self) -> tuple[Finding, ...]:
        return ()

    def media(self) -> MediaCodec:
        return PlivoMedia()

    async def aclose(self) -> None:
        """Holds nothing."""

    def point_here(self, ask: Ask, wanted: Wanted) -> None:
        """What `amend` does, before the first caller."""
        fields = {"app_name": provisioning.application_name(wanted), **provisioning.wishes(wanted)}
        made = document(told(ask(json("POST", f"{self._root}Application/", self._authorization, fields))))
        for number in wanted.numbers:
            path = f"{self._root}Number/{number.removeprefix('+')}/"
            told(ask(json("POST", path, self._authorization, {"app_id": made["app_id"]})))

    async def _look(self, look: Callable[[Any], Sighting]) -> Sighting:
        def job(ask: Ask) -> Sighting:
            try:
                return look(Books(ask, self._root, self._authorization))
            except AnswerRefused as refused:
                verdict = verdicts.api_refusal(refused.status, refused.message, refused.retry_after)
                raise Unanswered(verdict) from refused

        return await self._wire.control(job, _LOOKUP_TIMEOUT_S)

    async def _searched(self, handle: Handle) -> str:
        sighting = await self.find(handle)
        if sighting.state is LegAtCarrier.ENDED:
            return ""
        settled = self._clock() - handle.sent_at > self.capabilities.lookup_settles_s
        if sighting.state is LegAtCarrier.MISSING and not settled:
            raise CarrierError("not-listed-yet", "the call may still turn up")
        return sighting.carrier_call_id

    def _end(self, ask: Ask, call_id: str) -> None:
        for place in ("Call", "Request"):
            answer = ask(json("DELETE", f"{self._root}{place}/{call_id}/", self._authorization))
            if answer.status < 300:
                return
            if answer.status != 404:
                raise _refused(answer)


class Books:
    """The SDK's resources `queued_calls`, `live_calls`, `calls` and `account`, as far as a look-up asks them."""

    def __init__(self, ask: Ask, root: str, authorization: str) -> None:
        self._ask, self._root, self._authorization = ask, root, authorization
        self.queued_calls = SimpleNamespace(get=self._listed("queued"), list_ids=self._ids("queued"))
        self.live_calls = SimpleNamespace(get=self._listed("live"), list_ids=self._ids("live"))
        self.calls = SimpleNamespace(get=lambda uuid: self._get(f"Call/{uuid}/"), list=self._past)
        self.account = SimpleNamespace(get=lambda: self._get(""))

    def _listed(self, status: str) -> Callable[[str], Any]:
        return lambda uuid: self._get(f"Call/{uuid}/", {"status": status})

    def _ids(self, status: str) -> Callable[..., Any]:
        return lambda **filters: self._get("Call/", {"status": status, **filters})

    def _past(self, **filters: Any) -> Any:
        found = self._get("Call/", filters)
        found.objects = [SimpleNamespace(**record) for record in found.objects]
        return found

    def _get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        headers = {"authorization": self._authorization}
        request = Request(method="GET", path=self._root + path, query=urlencode(query or {}), headers=headers)
        answer = self._ask(request)
        if answer.status >= 300:
            raise AnswerRefused(answer.status, _words(answer), answer.headers.get("retry-after"))
        return SimpleNamespace(**document(answer))


def _accepted(answer: HttpAnswer) -> Placed:
    call_id = document(answer).get("request_uuid")
    if not isinstance(call_id, str) or not call_id:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN, detail="a 2xx without request_uuid")
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=call_id)


def _judged(answer: HttpAnswer) -> Placed:
    return Placed(knowledge=verdicts.api_knowledge(answer.status), verdict=_refused(answer).verdict)


def _told(answer: HttpAnswer) -> dict[str, object]:
    if answer.status >= 300:
        raise _refused(answer)
    return document(answer)


def _refused(answer: HttpAnswer) -> Unanswered:
    return Unanswered(verdicts.api_refusal(answer.status, _words(answer), answer.headers.get("retry-after")))


def _words(answer: HttpAnswer) -> str:
    text = answer.body.decode(errors="replace")
    found = re.search(r'"error"\s*:\s*"((?:[^"\\]|\\.)*)"', text)
    return found.group(1) if found else re.sub(r"<[^>]*>", " ", text).strip()
