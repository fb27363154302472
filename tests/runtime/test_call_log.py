"""What operators are told: one line per event, without full numbers, and every change counted once."""

import structlog

from gateway.domain.events import (
    CallArrived,
    DialDenied,
    HangupRequested,
    LegFound,
    LegReported,
    PaceHeld,
    RouteChosen,
    RouteExhausted,
    TimerFired,
)
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.records import Call
from gateway.runtime import journal
from gateway.runtime.call_log import CallLog
from gateway.runtime.calls import News
from gateway.runtime.telemetry.metrics import Metrics

CALL = Call(id="call_1", to="+15550100001", session_id="s", created_at=0.0, expires_at=9.0)


def news(event, before: Call = CALL, after: Call = CALL) -> News:
    return News(before=before, after=after, entries=journal.lines(event, before, after, 1.0, lambda p: p), words=())


async def test_an_event_that_names_its_own_carrier_is_logged() -> None:
    """The event's word for carrier wins over the line's, and nothing collides."""
    with structlog.testing.capture_logs() as lines:
        await CallLog(Metrics()).heed(news(PaceHeld(carrier="a", until=2.0)))
    assert [(line["event"], line["carrier"]) for line in lines] == [("pace-held", "a")]


async def test_every_kind_of_call_event_can_be_logged() -> None:
    """No field of an event collides with a word of the log line, and no media token is told."""
    events = [
        CallArrived(leg_id="leg_1", media_token="secret", carrier="a", carrier_call_id="CA1"),
        RouteChosen(leg_id="leg_1", media_token="secret", carrier="a", caller_id="+15550190001", why="x"),
        RouteExhausted(passed=("a: down",), retry_at=2.0),
        DialDenied(rule="hours"),
        TimerFired(name="watch", leg_id="leg_1"),
        HangupRequested(by="agent"),
        LegReported(leg_id="leg_1", event=LegFound(phase="ringing")),
    ]
    with structlog.testing.capture_logs() as lines:
        for event in events:
            await CallLog(Metrics()).heed(news(event))
    kinds = ["call-arrived", "route-chosen", "route-exhausted", "dial-denied", "timer-fired", "hangup-requested", "leg-found"]
    assert [line["event"] for line in lines] == kinds
    assert "secret" not in str(lines)


async def test_an_ended_call_is_counted_once() -> None:
    """By its outcome."""
    metrics = Metrics()
    ended = Call(
        id="call_1",
        to="+15550100001",
        session_id="s",
        created_at=0.0,
        expires_at=9.0,
        status=CallStatus.ENDED,
        outcome=Outcome.BUSY,
    )
    await CallLog(metrics).heed(news(PaceHeld(carrier="a", until=2.0), CALL, ended))
    await CallLog(metrics).heed(news(PaceHeld(carrier="a", until=2.0), ended, ended))
    assert b'gateway_calls_total{outcome="busy"} 1.0' in metrics.text()
