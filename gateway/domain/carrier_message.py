"""A message that a leg's carrier records with its own means, told so by document or by command. Pure.

    (nothing) --ordered--> ORDERED --it has all it needs--> RECORDING --the leg ends--> the recording is collected
                              +--refused--> (nothing): the ladder goes on         --not found in time--> MISSING

By document: we close the stream, the carrier asks what to do now, and the answer is greeting, tone and recording. By command:
the carrier is told to say the greeting, and when that has been said, to record. The stream is of no account from ORDERED on:
the leg's timer is not moved by it.

The store may be away between any two of these. So the carrier's word that it has recorded says as well that it records, and a
timer that finds the stream still open knows that the carrier was never told.
"""

from msgspec.structs import replace

from gateway.domain.commands import CollectMessage, RecordMessage, Resolve
from gateway.domain.events import (
    LegEvent,
    MessageOrdered,
    MessageRecorded,
    MessageRecording,
    MessageRefused,
    MessageSpoken,
)
from gateway.domain.leg_facts import talk_limit
from gateway.domain.leg_step import Handler, LegStep, armed
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.voicemail import MessageStage

LATE_S = 1.0
"""A timer that comes so late was kept by a store that was away: what the carrier was told meanwhile is not written yet."""


def _ordered(leg: Leg, _event: MessageOrdered, now: float, policy: Policy) -> LegStep:
    if leg.message is not None or leg.hangup_wanted:
        return LegStep(leg=leg, ignored=True)
    return armed(replace(leg, message=MessageStage.ORDERED), now + _order_s(leg, policy))


def _order_s(leg: Leg, policy: Policy) -> float:
    """How long a carrier may take to begin."""
    return policy.message_order_s if leg.streams_by_command else policy.stream_start_s


def _refused(leg: Leg, _event: MessageRefused, now: float, policy: Policy) -> LegStep:
    """Without a stream there is nobody left who could talk: the timer ends the leg."""
    if leg.message is not MessageStage.ORDERED:
        return LegStep(leg=leg, ignored=True)
    return armed(replace(leg, message=None), talk_limit(leg, policy) if leg.stream_open else now)


def _spoken(leg: Leg, _event: MessageSpoken, now: float, policy: Policy) -> LegStep:
    if leg.message is not MessageStage.ORDERED or not leg.streams_by_command or leg.hangup_wanted:
        return LegStep(leg=leg, ignored=True)
    return record(leg, now, policy)


def _recording(leg: Leg, _event: MessageRecording, now: float, policy: Policy) -> LegStep:
    if leg.message is not MessageStage.ORDERED:
        return LegStep(leg=leg, ignored=True)
    recording = replace(leg, message=MessageStage.RECORDING, message_until=now + policy.message_limit_s)
    return armed(recording, now + policy.silent_after_s)


def _recorded(leg: Leg, _event: MessageRecorded, now: float, policy: Policy) -> LegStep:
    """A document goes on by itself; where there is none, the leg's timer ends what has nothing to do any more."""
    if leg.message is None:
        return LegStep(leg=leg, ignored=True)
    if not leg.streams_by_command:
        return _recording(leg, MessageRecording(), now, policy)
    return armed(replace(leg, message=MessageStage.RECORDING, message_until=now), now)


def _told_late(leg: Leg, event: MessageRecording | MessageRecorded, now: float, _policy: Policy) -> LegStep:
    """The leg is over, and the carrier tells of a recording for which nobody waits: better late than never, and once. While it
    is being collected this changes nothing.
    """
    unknown = leg.message is MessageStage.ORDERED  # that it was being recorded could not be written in time
    missed = leg.message is MessageStage.MISSING and isinstance(event, MessageRecorded)
    if not unknown and not missed:
        return LegStep(leg=leg, ignored=True)
    collect = CollectMessage(call_id=leg.call_id, leg_id=leg.id, due=now)
    return LegStep(leg=replace(leg, message=MessageStage.RECORDING), commands=(collect,))


def record(leg: Leg, now: float, policy: Policy) -> LegStep:
    """Tell the carrier to record from now on."""
    return armed(leg, now + policy.message_order_s, RecordMessage(call_id=leg.call_id, leg_id=leg.id))


def stream_opened(leg: Leg, now: float, policy: Policy) -> LegStep:
    """Somebody took the call over before the carrier began, and says the same to it again: for that there is the whole time."""
    if leg.message is not MessageStage.ORDERED:
        return LegStep(leg=leg)
    return armed(leg, now + _order_s(leg, policy))


def watch(leg: Leg, now: float, policy: Policy) -> LegStep | None:
    """Nothing came of an order in time; or the person may have hung up, and the word of it be lost: no stream tells us. None:
    the leg is to be ended.
    """
    if leg.message_until is not None and now < leg.message_until - 0.001:
        look = Resolve(call_id=leg.call_id, leg_id=leg.id)
        return armed(leg, min(now + policy.silent_after_s, leg.message_until), look)
    if leg.message is not MessageStage.ORDERED:
        return None
    if not leg.streams_by_command and leg.watch_at + LATE_S < now < talk_limit(leg, policy):
        return armed(leg, now + _order_s(leg, policy))
    if leg.stream_open:  # whoever ordered it never told the carrier
        return _refused(leg, MessageRefused(reason="never-told"), now, policy)
    if not leg.streams_by_command:
        return None
    return record(leg, now, policy)  # the word that the greeting has been said may be lost


TAKES: dict[type[LegEvent], Handler] = {
    MessageOrdered: _ordered,
    MessageRefused: _refused,
    MessageSpoken: _spoken,
    MessageRecording: _recording,
    MessageRecorded: _recorded,
}
"""Of an answered leg."""

TAKES_LATE: dict[type[LegEvent], Handler] = {MessageRecording: _told_late, MessageRecorded: _told_late}
"""Of one that has ended; in every other phase these mean nothing."""
