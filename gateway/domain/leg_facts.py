"""Small questions to a leg's record, and what they need of the times. Pure."""

from msgspec.structs import replace

from gateway.domain.commands import AnyCommand, HangUp
from gateway.domain.events import LegEvent
from gateway.domain.outcome import Knowledge, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.verdict import Verdict


def alerted(leg: Leg, now: float, policy: Policy) -> bool:
    """Whether the phone must be taken to have rung. Carriers that report no ringing are judged by time."""
    if leg.alerted_at is not None:
        return True
    late = leg.accepted_at is not None and now - leg.accepted_at > policy.assume_alerted_s
    return late and not leg.ringing_events


def resolve_bound(leg: Leg, policy: Policy) -> float:
    """How long an unknown leg is looked for, from when it became unknown."""
    return max(policy.resolve_for_s, leg.lookup_settles_s) + 3 * policy.resolve_every_s


def talk_limit(leg: Leg, policy: Policy) -> float:
    """When we end a conversation that lasts too long ourselves."""
    assert leg.answered_at is not None
    return leg.answered_at + leg.max_duration_s + (policy.overtime_s if leg.limit_at_carrier else 0.0)


HEARD_NOTHING_S = 2.0
"""Whoever hangs up sooner may not have waited for anybody."""


def unheard(leg: Leg) -> bool:
    """Somebody answered, waited and hung up, and no stream of it ever opened: nobody has talked to anybody."""
    if leg.streams or leg.given_up is not None or leg.answered_at is None or leg.ended_at is None:
        return False
    return leg.ended_at - leg.answered_at >= HEARD_NOTHING_S


LATE_S = 2.0
"""No timer of a gateway that works is so late."""


def overslept(leg: Leg, now: float) -> bool:
    """The leg's timer could not fire when it was due, for want of a store or a process; nor could the carrier be asked."""
    return leg.watch_at is not None and now - leg.watch_at > LATE_S


def ended(leg: Leg, verdict: Verdict, knowledge: Knowledge, now: float) -> Leg:
    """As it is for ever."""
    return replace(leg, phase=LegPhase.ENDED, verdict=verdict, knowledge=knowledge, ended_at=now, stream_open=False)


def pending_hangup(leg: Leg) -> tuple[AnyCommand, ...]:
    """The hang-up that was wanted before the leg was known."""
    return (HangUp(call_id=leg.call_id, leg_id=leg.id),) if leg.hangup_wanted else ()


def with_handles(leg: Leg, event: LegEvent) -> Leg:
    """The leg, and what the event tells of the carrier's own name for it; the first name stays."""
    known = leg.carrier_call_id or event.carrier_call_id
    if known != leg.carrier_call_id or event.carrier_data:
        return replace(leg, carrier_call_id=known, carrier_data={**leg.carrier_data, **event.carrier_data})
    return leg
