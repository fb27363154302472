"""Telnyx for the simulation: `api.py` without SDK, threads and network. The same requests, judged by the same tables."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

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
from carriers.shot import HttpAnswer
from carriers.telnyx import CAPABILITIES, Credentials, provisioning, sightings, verdicts
from carriers.telnyx.markup import TelnyxMarkup
from carriers.telnyx.media import TelnyxMediaCodec
from carriers.telnyx.streaming import NOT_STREAMING, RATE, STREAMING_ALREADY, WISH, order_ids
from carriers.telnyx.webhooks import TelnyxWebhooks, tag_of
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

PAGE_SIZE = 250
_REJECT_CAUSES = {"busy": "USER_BUSY", "rejected": "CALL_REJECTED"}
CLOCK_SLACK_S = 60.0
GONE = frozenset({"90018", "90015", "10005"})


class Refusal(CarrierError):
    """An answer that is no 2xx."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer, self.verdict = answer, verdicts.judge_answer(answer)
        super().__init__(self.verdict.reason, f"{answer.status} {self.verdict.code}")

    @property
    def gone(self) -> bool:
        """The call is over, or there is none of this id."""
        return self.answer.status in {404, 422} and not GONE.isdisjoint(verdicts.error_codes(self.answer.body))


class TelnyxInMemory(NothingToSet):
    """`carriers.contract.Carrier`."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float], line: Line) -> None:
        self.name, self.capabilities = settings.name, CAPABILITIES
        credentials: Credentials = settings.credentials
        self.webhooks: Webhooks = TelnyxWebhooks(credentials.public_key)
        self.markup: Markup = TelnyxMarkup()
        self._wire, self._connection_id = Wire(line, clock), credentials.connection_id
        self._authorization = f"Bearer {credentials.api_key}"

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        request = self.dial_request(attempt)
        return await self._wire.dial(request, deadline=deadline, gate=gate, accept=_accepted, judge=verdicts.judge_refusal)

    def dial_request(self, attempt: Attempt) -> Request:
        """The dial, which carries the stream."""
        fields = {
            "connection_id": self._connection_id,
            "from": attempt.caller_id,
            "to": attempt.to,
            "client_state": tag_of(attempt.leg_id),
            "command_id": attempt.leg_id,
            "webhook_url": attempt.hook("events"),
            "webhook_url_method": "POST",
            "timeout_secs": min(max(attempt.ring_timeout_s, 5), 600),
            "retry_on_timeout": False,
            "time_limit_secs": min(max(attempt.max_duration_s, 30), 14_400),
            "stream_url": attempt.media_url,
            **WISH,
            **RATE,
        }
        return json("POST", "/v2/calls", self._authorization, fields)

    def named(self, answer: HttpAnswer) -> str:
        """The id that the carrier gives a call in its answer to the dial; empty for a refusal."""
        return _accepted(answer).carrier_call_id if answer.status < 300 else ""

    async def find(self, handle: Handle) -> Sighting:
        return await self._wire.control(lambda ask: self._find(ask, handle))

    async def hang_up(self, handle: Handle) -> None:
        await self._wire.control(lambda ask: self._hang_up(ask, handle))

    async def answer(self, attempt: Attempt, handle: Handle) -> None:
        fields = {
            "client_state": tag_of(attempt.leg_id),
            "command_id": f"answer-{attempt.leg_id}",
            "webhook_url": attempt.hook("events"),
            "webhook_url_method": "POST",
            "stream_url": attempt.media_url,
            **WISH,
        }
        await self._wire.control(lambda ask: self._command(ask, handle.carrier_call_id, "answer", fields))

    async def reject(self, handle: Handle, cause: str) -> None:
        fields = {"cause": _REJECT_CAUSES.get(cause, "CALL_REJECTED"), "command_id": f"reject-{handle.leg_id}"}
        await self._wire.control(lambda ask: self._command(ask, handle.carrier_call_id, "reject", fields))

    async def open_stream(self, attempt: Attempt, handle: Handle, turn: int) -> None:
        await self._wire.control(lambda ask: self._open_stream(ask, attempt, handle, turn))

    async def probe(self) -> Health:
        return await self._wire.probe(lambda ask: self._data(ask, "/v2/balance"), _verdict_of)

    async def check(self) -> tuple[Finding, ...]:
        return ()

    def media(self) -> MediaCodec:
        return TelnyxMediaCodec()

    async def aclose(self) -> None:
        """Holds nothing."""

    def point_here(self, ask: Ask, wanted: Wanted) -> None:
        """What `amend` does, before the first caller; the numbers belong to this connection already."""
        path = f"/v2/call_control_applications/{self._connection_id}"
        fields = {"application_name": wanted.carrier} | provisioning.typed(provisioning.wishes(wanted))
        told(ask(json("PATCH", path, self._authorization, fields)))

    def _find(self, ask: Ask, handle: Handle) -> Sighting:
        if handle.carrier_call_id:
            return self._by_id(ask, handle, handle.carrier_call_id)
        tag = tag_of(handle.leg_id)
        active = next(iter(self._active(ask, tag)), None)
        if active is not None:
            return sightings.sighting(active, alive=True, entries=self._log(ask, handle))
        ended = sightings.of_leg(tag, self._log(ask, handle))
        if not ended:
            return Sighting(state=LegAtCarrier.MISSING)
        alive = not any(entry.name == "call.hangup" for entry in ended)
        return sightings.sighting(ended[0].payload.call_control_id or "", alive=alive, entries=ended)

    def _by_id(self, ask: Ask, handle: Handle, call_control_id: str) -> Sighting:
        try:
            call = self._data(ask, f"/v2/calls/{call_control_id}")
        except Refusal as refusal:
            if not refusal.gone:
                raise
            call = None
        entries = [entry for entry in self._log(ask, handle) if entry.payload.call_control_id == call_control_id]
        if call is None and not entries:
            return Sighting(state=LegAtCarrier.MISSING)
        alive = call is not None and bool(call.get("is_alive"))
        return sightings.sighting(call_control_id, alive=alive, entries=entries)

    def _active(self, ask: Ask, tag: str) -> list[str]:
        """Of the first page: no world has 250 calls at once."""
        query = {"page[number]": 1, "page[size]": PAGE_SIZE}
        found = self._data(ask, f"/v2/connections/{self._connection_id}/active_calls", query)
        return [call["call_control_id"] for call in found if call.get("client_state") == tag]

    def _log(self, ask: Ask, handle: Handle) -> list[sightings.Logged]:
        since = f"{datetime.fromtimestamp(max(0.0, handle.sent_at - CLOCK_SLACK_S), UTC):%Y-%m-%dT%H:%M:%SZ}"
        query: Mapping[str, str | int] = {
            "filter[to]": handle.to,
            "filter[type]": "webhook",
            "filter[occurred_at][gte]": since,
            "page[size]": PAGE_SIZE,
        }
        try:
            page = self._data(ask, "/v2/call_events", query)
        except CarrierError:
            return []
        entries = (sightings.logged(event["name"], event["metadata"]) for event in page)
        return [entry for entry in entries if entry is not None]

    def _hang_up(self, ask: Ask, handle: Handle) -> None:
        calls = [handle.carrier_call_id] if handle.carrier_call_id else self._active(ask, tag_of(handle.leg_id))
        for call_control_id in calls:
            self._command(ask, call_control_id, "hangup", {})

    def _open_stream(self, ask: Ask, attempt: Attempt, handle: Handle, turn: int) -> None:
        start, stop, again = order_ids(handle.leg_id, turn)
        fields = {"client_state": tag_of(attempt.leg_id), "stream_url": attempt.media_url, **WISH, **RATE}
        try:
            self._command(ask, handle.carrier_call_id, "streaming_start", {"command_id": start, **fields})
        except Refusal as refusal:
            if STREAMING_ALREADY not in verdicts.error_codes(refusal.answer.body):
                raise
            self._command(ask, handle.carrier_call_id, "streaming_stop", {"command_id": stop}, {NOT_STREAMING})
            self._command(ask, handle.carrier_call_id, "streaming_start", {"command_id": again, **fields})

    def _command(self, ask: Ask, call_control_id: str, verb: str, fields: dict[str, Any], well: Collection[str] = GONE) -> None:
        """`well`: error codes that are as good as success."""
        answer = ask(json("POST", f"/v2/calls/{call_control_id}/actions/{verb}", self._authorization, fields))
        if answer.status >= 300 and verdicts.error_codes(answer.body).isdisjoint(well):
            raise Refusal(answer)

    def _data(self, ask: Ask, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        answer = ask(json("GET", path, self._authorization, query=query))
        if answer.status >= 300:
            raise Refusal(answer)
        return document(answer).get("data")


def _accepted(answer: HttpAnswer) -> Placed:
    data = document(answer).get("data")
    call_control_id = data.get("call_control_id") if isinstance(data, dict) else None
    if not isinstance(call_control_id, str) or not call_control_id:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN)
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=call_control_id)


def _verdict_of(error: CarrierError) -> Verdict | None:
    return error.verdict if isinstance(error, Refusal) else None
