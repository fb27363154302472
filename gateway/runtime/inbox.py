"""Webhooks: verify, store and apply in one write, answer.

The event, its dedupe mark, the state after it and the commands that follow are one atomic write, made before the 2xx. A
valid repeat gets the first answer again, byte for byte, and changes nothing. What expects a document is answered from
the state after its own event. When the store is gone, a live call of this process is still answered, from memory.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from carriers.contract import Document, Expectation, Hook, HookRequest
from gateway.domain.errors import CarrierError, IllegalTransition, StoreUnavailable
from gateway.domain.events import (
    AnyLegEvent,
    CallEvent,
    LegAnswered,
    LegEnded,
    LegReported,
    MessageRecorded,
    MessageRecording,
    StreamClosed,
    StreamFailed,
)
from gateway.domain.outcome import Direction, LegPhase, Outcome
from gateway.domain.records import Call, Leg
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.clock import Clock
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.live import LiveCalls
from gateway.runtime.store.contract import HookMark, Repeated
from gateway.runtime.unsaid_recordings import UnsaidRecordings

log = structlog.get_logger(__name__)

MARK_KEPT_S = 48 * 3600.0
"""Longer than any carrier repeats a webhook, longer than any call lives."""


class UnknownHook(CarrierError):
    """A hook URL whose carrier, call or leg does not exist, or do not belong together."""


Orphaned = Callable[[Call, str], Awaitable[bool]]
"""(call, leg id) -> whether the leg's stream was lost with the process that carried it."""


async def _never(_call: Call, _leg_id: str) -> bool:
    return False


class Inbox:
    """`receive` is all that the web needs."""

    def __init__(
        self,
        calls: Calls,
        fleet: Fleet,
        live: LiveCalls,
        clock: Clock,
        count: Callable[..., None],
        orphaned: Orphaned = _never,
    ) -> None:
        self._calls, self._fleet, self._live, self._clock, self._count = calls, fleet, live, clock, count
        self._orphaned = orphaned
        self._unsaid = UnsaidRecordings(calls, clock)

    async def aclose(self) -> None:
        """What was answered from memory and cannot be written by now is lost with this process."""
        await self._unsaid.aclose()

    async def receive(self, carrier: str, request: HookRequest) -> Document:
        """Answer one webhook. Raise BadSignature, Malformed, UnknownHook, StoreUnavailable."""
        member = self._fleet.members.get(carrier)
        if member is None:
            raise UnknownHook("no-such-carrier", carrier)
        verified = member.carrier.webhooks.verify(request, self._clock.now())
        hook = member.carrier.webhooks.parse(request, self._clock.now())
        return await self.take(member, request, hook, f"{carrier}:{verified.key}")

    async def take(self, member: Member, request: HookRequest, hook: Hook, key: str) -> Document:
        """Apply a verified webhook under its deduplication key, and answer it. Raise UnknownHook, StoreUnavailable."""
        try:
            return await self._apply(member, request, hook, key)
        except StoreUnavailable:
            remembered = self._live.get(request.call_id)
            if hook.expects is Expectation.ACKNOWLEDGEMENT or remembered is None:
                raise
            return self._from_memory(member, remembered, request.leg_id, hook)

    def _from_memory(self, member: Member, call: Call, leg_id: str, hook: Hook) -> Document:
        """What the carrier is told to record it will, though nothing can be written now."""
        leg = call.find(leg_id)
        if leg is not None and leg.carrier == member.carrier.name and _told_to_record(call, leg, hook):
            self._unsaid.keep(call.id, leg_id)
        return self.answer(member, call, leg_id, hook)

    async def _apply(self, member: Member, request: HookRequest, hook: Hook, key: str) -> Document:
        first = await self._calls.store.hook_answer(key)
        if first is not None:
            return self._again(member, first)

        lost = await self._lost(request, hook)

        def mark(call: Call) -> HookMark:
            answer = msgspec.json.encode(self.answer(member, call, request.leg_id, hook))
            return HookMark(key=key, answer=answer, expires_at=self._clock.now() + MARK_KEPT_S)

        try:
            applied = await self._calls.apply(
                request.call_id, lambda call: self._events(member, call, request.leg_id, hook, lost), mark=mark
            )
        except CallNotFound as error:
            raise UnknownHook("no-such-call", request.call_id) from error
        except IllegalTransition as error:
            return self._quarantine(member, request, error)
        if isinstance(applied.result, Repeated):
            return self._again(member, applied.result.answer)
        self._count("webhooks_total", carrier=member.carrier.name, result="ok")
        return self.answer(member, applied.call, request.leg_id, hook)

    async def _lost(self, request: HookRequest, hook: Hook) -> int:
        """Which stream of the leg was lost with its process, counted from 1; 0: none. Asked only of webhooks about streams: the
        way to another process may take a second, and the next stream may be open by then.
        """
        if hook.expects is not Expectation.AFTER_STREAM_DOCUMENT and not _lost_stream(hook):
            return 0
        call = await self._calls.store.load(request.call_id)
        leg = call.find(request.leg_id) if call is not None else None
        return leg.streams if call and leg and await self._orphaned(call, leg.id) else 0

    def _events(self, member: Member, call: Call, leg_id: str, hook: Hook, lost: int) -> Sequence[CallEvent]:
        leg = call.find(leg_id)
        if leg is None or leg.carrier != member.carrier.name:
            raise UnknownHook("no-such-leg", leg_id)
        if not member.carrier.capabilities.hooks_sign_url and _of_another_call(leg, hook):
            raise UnknownHook("another-call", leg_id)
        events = _about_our_streams(call, leg, hook, orphaned=0 < lost == leg.streams)
        if hook.expects is Expectation.AFTER_STREAM_DOCUMENT and not leg.streams:
            events += _never_opened(call, leg)
        if _told_to_record(call, leg, hook):
            events.append(MessageRecording())
        if hook.expects is Expectation.AFTER_MESSAGE_DOCUMENT and leg.message is not None:
            events.insert(0, MessageRecorded())  # before the end, if that is told with it: there is something to wait for
        return [LegReported(leg_id=leg_id, event=event) for event in events]

    def answer(self, member: Member, call: Call, leg_id: str, hook: Hook) -> Document:
        """The document for the state that the call is in now."""
        markup, leg = member.carrier.markup, call.find(leg_id)
        if hook.expects is Expectation.ACKNOWLEDGEMENT:
            return markup.acknowledge()
        if call.direction is Direction.INBOUND and call.outcome is Outcome.DENIED and leg is not None and leg.verdict is not None:
            return markup.reject(leg.verdict.code or "rejected")
        if leg is None or leg.carrier != member.carrier.name or not _may_be_heard(call, leg):
            return markup.hang_up()
        if hook.expects is Expectation.AFTER_MESSAGE_DOCUMENT:
            return markup.farewell()
        if _asks_with_a_message(leg, hook):
            return markup.message(self._fleet.attempt(call, leg))
        if hook.expects is Expectation.AFTER_STREAM_DOCUMENT and leg.streams and not leg.orphaned:
            return markup.hang_up()
        return markup.connect(self._fleet.attempt(call, leg))

    def _again(self, member: Member, answer: bytes) -> Document:
        self._count("webhooks_total", carrier=member.carrier.name, result="duplicate")
        return msgspec.json.decode(answer, type=Document)

    def _quarantine(self, member: Member, request: HookRequest, error: IllegalTransition) -> Document:
        """Authentic and impossible: a repetition by the carrier would not help, so it is told 2xx, and we are told loudly."""
        self._count("webhooks_total", carrier=member.carrier.name, result="illegal")
        log.error(
            "webhook-illegal", carrier=member.carrier.name, call_id=request.call_id, leg_id=request.leg_id, error=str(error)
        )
        return member.carrier.markup.acknowledge()


def _may_be_heard(call: Call, leg: Leg) -> bool:
    return leg.live and not leg.hangup_wanted and not call.cancel_wanted and not call.ended


def _asks_with_a_message(leg: Leg, hook: Hook) -> bool:
    """Asks what now, and a message is to be taken: the answer is greeting and recording, if there is somebody to hear it."""
    return hook.expects is Expectation.AFTER_STREAM_DOCUMENT and leg.message is not None


def _told_to_record(call: Call, leg: Leg, hook: Hook) -> bool:
    over = any(isinstance(event, LegEnded) for event in hook.events)
    return _asks_with_a_message(leg, hook) and _may_be_heard(call, leg) and not over


def _lost_stream(hook: Hook) -> bool:
    return any(isinstance(event, StreamFailed) for event in hook.events)


def _about_our_streams(call: Call, leg: Leg, hook: Hook, *, orphaned: bool) -> list[AnyLegEvent]:
    """A stream that broke because our process died is no failure of the carrier's, whenever it tells of it: not before the
    session is taken over, and not after it, when the word of the old stream would end the new one.
    """
    events: list[AnyLegEvent] = list(hook.events)
    if orphaned or leg.orphaned or call.resumed:
        events = [event for event in events if not isinstance(event, StreamFailed)]
    return [*events, StreamClosed(orphaned=True)] if orphaned and leg.stream_open else events


def _never_opened(call: Call, leg: Leg) -> list[AnyLegEvent]:
    """The carrier has carried out the document, and no stream came of it. A caller was answered by that, and often no other
    word tells of it.
    """
    failed = StreamFailed(reason="never-opened")
    if leg.phase is LegPhase.RINGING and call.direction is Direction.INBOUND:
        return [LegAnswered(), failed]
    return [failed] if leg.phase is LegPhase.ANSWERED else []


def _of_another_call(leg: Leg, hook: Hook) -> bool:
    """A fresh delivery about one call, posted once more to another one's URL: authentic, and none of this leg's business."""
    told = {event.carrier_call_id for event in hook.events if event.carrier_call_id}
    if leg.carrier_call_id and told - {leg.carrier_call_id}:
        return True
    named = [pair for event in hook.events if isinstance(event, MessageRecorded) for pair in event.names.items()]
    return any(leg.carrier_data.get(name, value) != value for name, value in named)
