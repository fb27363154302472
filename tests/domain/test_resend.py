"""An unknown dial that is sent once more under the same tag: when, how often, and what its answer proves."""

import pytest

from gateway.domain.commands import AnyCommand, HangUp, Resend, Resolve
from gateway.domain.events import (
    DialOrphaned,
    DialReported,
    DialResending,
    DialResent,
    DialSending,
    LegEvent,
    LegMissing,
    LegProgressed,
    LookupFailed,
)
from gateway.domain.leg import step, want_hangup, watch
from gateway.domain.leg_step import LegStep
from gateway.domain.outcome import Knowledge, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.verdict import next_carrier

POLICY = Policy()
LOST = DialReported(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("connection-lost"))
AGAIN = DialResending(fence=2, deadline=4.0)


class Doubt:
    """A leg whose dial left at second 0 and was lost at 0.1; `safely`: whether its carrier ignores repeats."""

    def __init__(self, *, safely: bool = True, lost: LegEvent = LOST) -> None:
        leg = Leg(
            id="leg_a",
            call_id="call_1",
            carrier="a",
            caller_id="+15550190001",
            media_token="t",
            round=1,
            created_at=0.0,
            resends_safely=safely,
        )
        self.moved = LegStep(leg=leg)
        self.hears(0.0, DialSending(fence=1, deadline=8.0)).hears(0.1, lost)

    def hears(self, now: float, *events: LegEvent) -> "Doubt":
        for event in events:
            self.moved = step(self.moved.leg, event, now, POLICY)
        return self

    @property
    def asks(self) -> list[type[AnyCommand]]:
        return [type(command) for command in self.moved.commands]

    @property
    def leg(self) -> Leg:
        return self.moved.leg


def test_it_is_looked_up_before_it_is_sent_again() -> None:
    """The first look-up comes alone; only when it finds nothing, the dial is sent once more, and looked up meanwhile."""
    doubt = Doubt()
    assert Resend not in doubt.asks
    assert doubt.hears(0.3, LegMissing()).asks == [Resend, Resolve]


@pytest.mark.parametrize("lost", [LOST, DialOrphaned()], ids=["answer lost", "worker lost"])
def test_it_is_sent_again_once(lost: LegEvent) -> None:
    """However often it is not found, and whether or not the look-ups are answered."""
    doubt = Doubt(lost=lost).hears(0.3, LookupFailed(reason="timeout"))
    assert doubt.asks == [Resend, Resolve]
    for again in range(3):
        assert doubt.hears(1.0 + again, LegMissing()).asks == [Resolve]


def test_nobody_sends_again_what_the_carrier_would_dial_twice() -> None:
    """Where repeats are not ignored, where the time for it is over, and where nobody wants the call any more."""
    assert Doubt(safely=False).hears(0.3, LegMissing()).asks == [Resolve]
    assert Doubt().hears(31.0, LegMissing()).asks[:1] != [Resend]
    ended = Doubt()
    ended.moved = want_hangup(ended.leg, 0.2, POLICY)
    assert Resend not in ended.hears(0.3, LegMissing()).asks


def test_its_acceptance_is_the_legs_acceptance() -> None:
    """With the id that the carrier gave the first."""
    doubt = Doubt().hears(0.3, LegMissing()).hears(1.0, AGAIN)
    doubt.hears(1.2, DialResent(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))
    assert (doubt.leg.phase, doubt.leg.carrier_call_id) == (LegPhase.ACCEPTED, "x")


@pytest.mark.parametrize("knowledge", [Knowledge.REFUSED, Knowledge.UNKNOWN, Knowledge.NOT_SENT])
def test_anything_else_proves_nothing_of_the_first(knowledge: Knowledge) -> None:
    """The carrier may refuse the repeat because it has the first: the leg stays unknown and is looked for."""
    doubt = Doubt().hears(0.3, LegMissing()).hears(1.0, AGAIN, DialResent(knowledge=knowledge))
    assert doubt.leg.phase is LegPhase.UNKNOWN
    assert doubt.hears(1.5, LegProgressed(carrier_call_id="x")).leg.phase is LegPhase.ACCEPTED


def test_an_empty_look_up_counts_only_when_the_second_has_settled() -> None:
    """The repeat may have placed the call that the first did not: the next carrier waits for it."""
    doubt = Doubt().hears(0.3, LegMissing()).hears(1.0, AGAIN)
    for now in (6.0, 7.0, 8.0, 8.9):
        assert doubt.hears(now, LegMissing()).leg.phase is LegPhase.UNKNOWN
    assert doubt.hears(9.1, LegMissing()).leg.phase is LegPhase.UNKNOWN
    assert doubt.hears(10.6, LegMissing()).leg.phase is LegPhase.CONDEMNED


def test_its_time_runs_out_later_for_the_second() -> None:
    """The timer that condemns what nobody finds is set anew."""
    doubt = Doubt()
    first = doubt.leg.watch_at
    doubt.hears(0.3, LegMissing()).hears(1.0, AGAIN)
    assert doubt.leg.watch_at == 14.5 > first
    assert watch(doubt.leg, first, POLICY).ignored
    assert watch(doubt.leg, 14.5, POLICY).leg.phase is LegPhase.CONDEMNED


def test_a_refusal_of_the_first_that_comes_late_frees_nobody() -> None:
    """The worker of the first wakes up and was refused; the second may have been taken since."""
    doubt = Doubt(lost=DialOrphaned()).hears(0.3, LegMissing()).hears(1.0, AGAIN)
    refused = DialReported(knowledge=Knowledge.REFUSED, verdict=next_carrier("service-unavailable"))
    assert doubt.hears(1.1, refused).leg.phase is LegPhase.UNKNOWN
    early = Doubt(lost=DialOrphaned()).hears(0.3, LegMissing(), refused)
    assert early.leg.phase is LegPhase.ENDED


def test_a_condemned_leg_that_the_second_placed_is_hung_up() -> None:
    """Its id comes too late to be adopted, and in time to end it."""
    doubt = Doubt().hears(0.3, LegMissing()).hears(1.0, AGAIN)
    doubt.moved = watch(doubt.leg, 14.5, POLICY)
    doubt.hears(15.0, DialResent(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))
    assert (doubt.leg.phase, doubt.leg.carrier_call_id) == (LegPhase.CONDEMNED, "x")
    assert HangUp in doubt.asks
