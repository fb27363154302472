"""A person who picks up, hears nobody and hangs up has had no conversation, whatever the carrier calls it."""

import pytest

from gateway.domain.call import step
from gateway.domain.events import (
    AnyLegEvent,
    CallAccepted,
    CallEvent,
    DialReported,
    DialSending,
    HangupRequested,
    LegAnswered,
    LegEnded,
    LegFound,
    LegReported,
    RouteChosen,
    StreamOpened,
)
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import stop

POLICY = Policy()
HUNG_UP = stop("normal-clearing", Outcome.COMPLETED)


def of(event: AnyLegEvent) -> LegReported:
    return LegReported(leg_id="leg_1", event=event)


def after(*events: CallEvent) -> Call:
    """The call after these, one a second, from the moment that the carrier took it."""
    call = Call(id="call_1", to="+15550100001", session_id="ses_1", created_at=0.0, expires_at=600.0)
    routed = RouteChosen(
        leg_id="leg_1", carrier="a", caller_id="+15550190001", media_token="t", why="priority 1", breaker_epoch=0
    )
    placed = (
        of(DialSending(fence=1, deadline=9.0)),
        of(DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x", fence=1)),
    )
    for now, event in enumerate((CallAccepted(), routed, *placed, *events)):
        call = step(call, event, float(now), POLICY).call
    return call


ENDED = of(LegEnded(verdict=HUNG_UP, answered=True))


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        pytest.param((of(LegAnswered()), of(StreamOpened()), ENDED), Outcome.COMPLETED, id="connected"),
        pytest.param((of(LegAnswered()), ENDED), Outcome.FAILED, id="nobody there"),
        pytest.param((ENDED,), Outcome.FAILED, id="the answer was heard of afterwards"),
        pytest.param((of(LegFound(phase="ended", verdict=HUNG_UP)),), Outcome.FAILED, id="found by a look-up"),
        pytest.param((of(LegAnswered()), HangupRequested(by="user"), ENDED), Outcome.COMPLETED, id="ended by its owner"),
    ],
)
def test_only_who_was_connected_is_done_with(events: tuple[CallEvent, ...], outcome: Outcome) -> None:
    """`completed` says that person and agent had each other's sound; who asked for the end knows what they did."""
    assert after(*events).outcome is outcome
