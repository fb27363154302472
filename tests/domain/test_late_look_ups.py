"""Look-ups that are answered after the carrier's own word: what they did not list then says nothing now."""

from gateway.domain.commands import Resolve
from gateway.domain.events import DialReported, DialSending, LegAnswered, LegEvent, LegMissing, LegRinging, StreamOpened
from gateway.domain.leg import step
from gateway.domain.leg_step import LegStep
from gateway.domain.outcome import Knowledge, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.verdict import next_carrier

POLICY = Policy()
LOST = DialReported(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("connection-lost"))


def told(*events: tuple[float, LegEvent]) -> LegStep:
    """A leg that hears these events at these times, and its last step."""
    moved = LegStep(
        leg=Leg(id="leg_a", call_id="call_1", carrier="a", caller_id="+15550190001", media_token="t", round=1, created_at=0.0)
    )
    for now, event in events:
        moved = step(moved.leg, event, now, POLICY)
    return moved


def test_a_leg_that_rings_is_not_lost_because_old_look_ups_had_not_listed_it() -> None:
    """Two empty look-ups while it was unknown and one that comes late do not add up to three: the phone rings."""
    moved = told(
        (0.0, DialSending(fence=1, deadline=8.0)),
        (0.1, LOST),
        (5.2, LegMissing()),
        (5.9, LegMissing()),
        (6.0, LegRinging()),
        (6.1, LegMissing()),
    )
    assert moved.leg.phase is LegPhase.RINGING
    assert [type(command) for command in moved.commands] == [Resolve]


def test_nor_is_one_that_was_answered() -> None:
    """The same with a person on the line."""
    moved = told(
        (0.0, DialSending(fence=1, deadline=8.0)),
        (0.1, LOST),
        (5.2, LegMissing()),
        (5.9, LegMissing()),
        (6.0, LegAnswered()),
        (6.1, LegMissing()),
    )
    assert moved.leg.phase is LegPhase.ANSWERED


def test_a_leg_whose_stream_is_open_is_alive_whatever_the_lists_say() -> None:
    """A carrier's list that lags, asked thrice, does not end a conversation that we can hear."""
    moved = told(
        (0.0, DialSending(fence=1, deadline=8.0)),
        (0.1, LOST),
        (4.0, StreamOpened(carrier_call_id="x")),
        *[(5.0 + again, LegMissing()) for again in range(4)],
    )
    assert moved.leg.phase is LegPhase.ANSWERED
    assert moved.commands == ()
