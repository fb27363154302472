"""The same dial once more, under the same tag, at a carrier that ignores repeats: whether, until when, what it means. Pure.

An unknown dial is looked up first. Where that does not find it, the same request may be sent once more: a carrier that
has the first answers with its ids, one that never got it places the call now. So whatever the second tells, except an
acceptance, proves nothing about the first; and since the second may place, it settles anew before an empty look-up counts.
"""

from msgspec.structs import replace

from gateway.domain.commands import Resend
from gateway.domain.events import DialResending
from gateway.domain.leg_facts import resolve_bound
from gateway.domain.leg_step import LegStep, armed
from gateway.domain.outcome import Knowledge, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Leg

WITHIN_S = 30.0
"""From the first POST. Half of the minute for which repeats are ignored: nothing of ours may arrive after it."""
TIME_S = 3.0
"""For the second POST; the next carrier waits meanwhile."""


def wanted(leg: Leg, now: float) -> bool:
    """Nothing is known of it, nobody wants it to end, and a repeat would surely still be ignored."""
    in_doubt = leg.phase is LegPhase.UNKNOWN and not leg.hangup_wanted
    return in_doubt and leg.resends_safely and leg.sent_at is not None and now <= leg.sent_at + WITHIN_S


def asked(leg: Leg, now: float) -> tuple[Leg, tuple[Resend, ...]]:
    """The leg, and the command if it is to be given; it is given once."""
    if leg.resend_asked or not wanted(leg, now):
        return leg, ()
    return replace(leg, resend_asked=True), (Resend(call_id=leg.call_id, leg_id=leg.id),)


def settled(leg: Leg, now: float) -> bool:
    """Whether an empty look-up means anything by now."""
    if leg.sent_at is None:
        return False
    return now - max(leg.sent_at, leg.resent_by or 0.0) >= leg.lookup_settles_s


def sending(leg: Leg, event: DialResending, now: float, policy: Policy) -> LegStep:
    """One worker has won the right to it."""
    again = replace(leg, fence=event.fence, resent_by=event.deadline, unseen=0)
    return armed(again, event.deadline + resolve_bound(leg, policy))


def fruitless(leg: Leg, knowledge: Knowledge, now: float) -> LegStep:
    """Not taken, or not known to be: the look-ups go on. What has not left, or has failed, will place nothing later."""
    if knowledge is Knowledge.NOT_SENT:
        return LegStep(leg=replace(leg, resent_by=None))
    return LegStep(leg=replace(leg, resent_by=min(now, leg.resent_by or now)))
