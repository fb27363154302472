"""The transition tables are total: every (state, event) is taken, ignored, or refused by name."""

import pytest

from gateway.domain import call as calls
from gateway.domain import leg as legs
from gateway.domain.errors import IllegalTransition
from gateway.domain.events import (
    CallAccepted,
    CancelRequested,
    DialDenied,
    DialOrphaned,
    DialReported,
    DialResending,
    DialResent,
    DialSending,
    HandedOver,
    HangupRequested,
    LegAnswered,
    LegEnded,
    LegFound,
    LegMissing,
    LegProgressed,
    LegReported,
    LegRinging,
    LookupFailed,
    MessageOrdered,
    MessageRecorded,
    MessageRecording,
    MessageRefused,
    MessageSpoken,
    PaceHeld,
    PromiseDue,
    PromiseFolded,
    RetryFolded,
    RouteChosen,
    RouteExhausted,
    RunRequested,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    TimerFired,
    VoicemailKept,
    VoicemailMissing,
    VoicemailStarted,
    VoicemailTaken,
)
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import stop

POLICY = Policy()
LEG_EVENTS = [
    DialSending(fence=1, deadline=9.0),
    DialReported(knowledge=Knowledge.ACCEPTED),
    DialOrphaned(),
    DialResending(fence=2, deadline=9.0),
    DialResent(knowledge=Knowledge.ACCEPTED),
    LegProgressed(),
    LegRinging(),
    LegAnswered(),
    LegEnded(verdict=stop("user-busy", Outcome.BUSY)),
    LegFound(phase="ringing"),
    LegMissing(),
    LookupFailed(reason="timeout"),
    StreamOpened(),
    StreamFailed(reason="refused"),
    StreamClosed(),
    MessageOrdered(),
    MessageRefused(reason="refused"),
    MessageSpoken(),
    MessageRecording(),
    MessageRecorded(),
]
CALL_EVENTS = [
    CallAccepted(),
    RouteChosen(leg_id="leg_2", media_token="t", carrier="b", caller_id="+15550190002", why="priority 1"),
    PaceHeld(carrier="a", until=2.0),
    RouteExhausted(passed=("a: down",), retry_at=5.0),
    DialDenied(rule="hours"),
    PromiseDue(),
    RunRequested(),
    PromiseFolded(into="call_2"),
    RetryFolded(into="call_2"),
    CancelRequested(),
    HangupRequested(),
    HandedOver(to="call_3"),
    VoicemailStarted(voicemail_id="vm_1", reason="routed"),
    VoicemailTaken(voicemail_id="vm_1"),
    VoicemailKept(voicemail_id="vm_1", seconds=3.0, silent=False, ended_by="hung-up"),
    VoicemailMissing(reason="no-recording"),
    TimerFired(name="expiry"),
    LegReported(leg_id="leg_1", event=LegProgressed()),
]


def a_leg(phase: LegPhase = LegPhase.INTENDED) -> Leg:
    return Leg(
        id="leg_1",
        call_id="call_1",
        carrier="a",
        caller_id="+15550190001",
        media_token="t",
        round=1,
        created_at=0.0,
        phase=phase,
        sent_at=0.0,
        unknown_at=0.0,
        accepted_at=0.0,
        alerted_at=0.0 if phase in {LegPhase.RINGING, LegPhase.ANSWERED} else None,
        answered_at=0.0 if phase is LegPhase.ANSWERED else None,
        ended_at=1.0 if phase is LegPhase.ENDED else None,
    )


def a_call(status: CallStatus, leg: Leg | None = None) -> Call:
    return Call(
        id="call_1",
        to="+15550100001",
        session_id="ses_1",
        created_at=0.0,
        expires_at=100.0,
        status=status,
        outcome=Outcome.CANCELED if status is CallStatus.ENDED else None,
        legs=(leg,) if leg else (),
    )


@pytest.mark.parametrize("phase", LegPhase)
@pytest.mark.parametrize("event", LEG_EVENTS, ids=lambda event: type(event).__name__)
def test_every_leg_event_is_taken_ignored_or_refused_by_name(phase: LegPhase, event) -> None:
    """No (phase, event) falls through: a refusal names both."""
    kind = type(event)
    takes, ignores = kind in legs.TAKES[phase], kind in legs.IGNORES[phase]
    assert not (takes and ignores)
    if takes or ignores:
        moved = legs.step(a_leg(phase), event, 1.0, POLICY)
        assert moved.leg.id == "leg_1"
        assert not ignores or moved.leg.phase is phase
    else:
        with pytest.raises(IllegalTransition) as refused:
            legs.step(a_leg(phase), event, 1.0, POLICY)
        assert phase.value in str(refused.value)
        assert kind.__name__ in str(refused.value)


def test_the_leg_events_above_are_all_there_are() -> None:
    """A new leg event must be given its place in the tables, and in this test."""
    known = {kind for table in legs.TAKES.values() for kind in table} | {k for row in legs.IGNORES.values() for k in row}
    assert known == {type(event) for event in LEG_EVENTS}


@pytest.mark.parametrize("status", CallStatus)
@pytest.mark.parametrize("event", CALL_EVENTS, ids=lambda event: type(event).__name__)
def test_every_call_event_is_taken_ignored_or_refused_by_name(status: CallStatus, event) -> None:
    """No (status, event) falls through: a refusal names both."""
    kind = type(event)
    phases = {CallStatus.RINGING: LegPhase.RINGING, CallStatus.IN_PROGRESS: LegPhase.ANSWERED}
    leg = (
        None
        if kind is RouteChosen
        else a_leg(phases.get(status, LegPhase.ANSWERED if kind is HangupRequested else LegPhase.ACCEPTED))
    )
    call = a_call(status, leg)
    takes, ignores = kind in calls.TAKES[status], kind in calls.IGNORES[status]
    assert not (takes and ignores)
    if takes or ignores:
        assert calls.step(call, event, 1.0, POLICY).call.id == call.id
    else:
        with pytest.raises(IllegalTransition) as refused:
            calls.step(call, event, 1.0, POLICY)
        assert status.value in str(refused.value)
        assert kind.__name__ in str(refused.value)


@pytest.mark.parametrize("event", CALL_EVENTS, ids=lambda event: type(event).__name__)
def test_ended_is_absorbing(event) -> None:
    """Nothing that comes late changes status, outcome or end of an ended call."""
    call = a_call(CallStatus.ENDED, a_leg(LegPhase.CONDEMNED))
    if type(event) not in calls.TAKES[CallStatus.ENDED] and type(event) not in calls.IGNORES[CallStatus.ENDED]:
        return
    after = calls.step(call, event, 1000.0, POLICY).call
    assert (after.status, after.outcome, after.ended_at) == (call.status, call.outcome, call.ended_at)


def test_a_leg_of_another_call_is_refused() -> None:
    """An event for a leg that the call does not own changes nothing and says so."""
    with pytest.raises(IllegalTransition, match="leg_9"):
        calls.step(a_call(CallStatus.DIALING), LegReported(leg_id="leg_9", event=LegRinging()), 1.0, POLICY)
