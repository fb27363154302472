"""How often a carrier must say that it knows nothing of a dial in doubt."""

from gateway.domain.commands import HangUp, Resolve
from gateway.domain.events import DialReported, DialSending, LegMissing
from gateway.domain.leg import step, watch
from gateway.domain.leg_step import LegStep
from gateway.domain.outcome import Knowledge, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.verdict import next_carrier

POLICY = Policy()


def missing_at(*times: float) -> LegStep:
    """A leg in doubt that is looked up at these times and never found; its last step."""
    leg = Leg(id="leg_a", call_id="call_1", carrier="a", caller_id="+15550190001", media_token="t", round=1, created_at=0.0)
    lost = DialReported(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("connection-lost"))
    moved = step(step(leg, DialSending(fence=1, deadline=8.0), 0.0, POLICY).leg, lost, 0.1, POLICY)
    for at in times:
        moved = step(moved.leg, LegMissing(), at, POLICY)
    return moved


def test_one_empty_look_up_condemns_nobody() -> None:
    """Lists lag: a single look-up that does not show the leg, however late, is asked once more."""
    moved = missing_at(9.0)
    assert moved.leg.phase is LegPhase.UNKNOWN
    assert [type(command) for command in moved.commands] == [Resolve]


def test_two_of_them_do() -> None:
    """The second settled one condemns, and the leg is hung up all the same."""
    moved = missing_at(9.0, 10.5)
    assert moved.leg.phase is LegPhase.CONDEMNED
    assert HangUp in [type(command) for command in moved.commands]


def test_those_before_the_carriers_lists_have_settled_do_not_count() -> None:
    """Look-ups within `lookup_settles_s` of the dial say nothing, however many they are."""
    assert missing_at(1.0, 2.0, 3.0, 4.0, 9.0).leg.phase is LegPhase.UNKNOWN


def test_a_timer_that_comes_late_asks_for_the_look_ups_first() -> None:
    """While the store was away nobody could look: the leg in doubt is condemned a while after it is back, not at once."""
    doubt = missing_at(9.0).leg
    assert doubt.watch_at is not None
    assert watch(doubt, doubt.watch_at, POLICY).leg.phase is LegPhase.CONDEMNED
    late = doubt.watch_at + 15.0
    spared = watch(doubt, late, POLICY)
    assert (spared.leg.phase, spared.leg.watch_at) == (LegPhase.UNKNOWN, late + 3 * POLICY.resolve_every_s)
    assert watch(spared.leg, late + 3 * POLICY.resolve_every_s, POLICY).leg.phase is LegPhase.CONDEMNED
