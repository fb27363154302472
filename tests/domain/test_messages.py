"""A call in which a message is recorded: its status, and what its end is called."""

import pytest

from gateway.domain.call import step
from gateway.domain.events import (
    CallEvent,
    HangupRequested,
    LegAnswered,
    LegEnded,
    LegReported,
    StreamOpened,
    VoicemailKept,
    VoicemailStarted,
    VoicemailTaken,
)
from gateway.domain.outcome import CallStatus, Direction, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import Attribution, stop

STARTED = VoicemailStarted(voicemail_id="vm_1", reason="routed")
TAKEN = VoicemailTaken(voicemail_id="vm_1")
KEPT = VoicemailKept(voicemail_id="vm_1", seconds=4.0, silent=False, ended_by="hung-up")
HUNG_UP = stop("normal-clearing", Outcome.COMPLETED, attribution=Attribution.CALLEE)


def talking() -> Call:
    """A caller's call, answered and streaming."""
    leg = Leg(
        id="leg_1",
        call_id="call_1",
        carrier="a",
        caller_id="+15550100001",
        media_token="t",
        round=1,
        created_at=0.0,
        phase=LegPhase.ANSWERED,
        answered_at=1.0,
        streams=1,
        stream_open=True,
    )
    return Call(
        id="call_1",
        to="+15550190001",
        session_id="ses_1",
        created_at=0.0,
        expires_at=100.0,
        direction=Direction.INBOUND,
        status=CallStatus.IN_PROGRESS,
        answered_at=1.0,
        legs=(leg,),
    )


def after(call: Call, *events: CallEvent) -> Call:
    for event in events:
        call = step(call, event, 10.0, Policy()).call
    return call


def ended(verdict=HUNG_UP) -> LegReported:
    return LegReported(leg_id="leg_1", event=LegEnded(verdict=verdict))


def test_the_recording_is_a_status_that_the_leg_does_not_undo() -> None:
    """Late words of the answer leave it; only the end takes it away."""
    call = after(talking(), STARTED)
    assert call.status is CallStatus.VOICEMAIL
    for event in (LegAnswered(), StreamOpened()):
        assert after(call, LegReported(leg_id="leg_1", event=event)).status is CallStatus.VOICEMAIL


@pytest.mark.parametrize("verdict", [HUNG_UP, stop("media-lost", Outcome.FAILED)], ids=["hung-up", "lost"])
def test_who_left_a_message_has_left_a_message(verdict) -> None:
    """However the leg ended, once the message was sure to be kept."""
    call = after(talking(), STARTED, TAKEN, ended(verdict))
    assert (call.status, call.outcome, call.voicemail) == (CallStatus.ENDED, Outcome.VOICEMAIL, "vm_1")


def test_our_own_hang_up_after_the_confirmation_is_a_voicemail() -> None:
    """The agent hangs up when it has said that the message was taken."""
    call = after(talking(), STARTED, TAKEN, KEPT, HangupRequested(by="agent"), ended())
    assert call.outcome is Outcome.VOICEMAIL


def test_who_hangs_up_into_the_tone_has_left_nothing() -> None:
    """A recording alone is no message."""
    call = after(talking(), STARTED, ended())
    assert (call.outcome, call.voicemail) == (Outcome.COMPLETED, "")


def test_what_is_told_after_the_end_is_for_the_log() -> None:
    """The last word of the recorder comes when the caller has long hung up: it is written, and changes nothing."""
    call = after(talking(), STARTED, TAKEN, ended())
    late = step(call, KEPT, 11.0, Policy())
    assert not late.ignored
    assert late.call == call
    without = after(talking(), STARTED, ended())
    assert after(without, KEPT).outcome is Outcome.COMPLETED
    assert step(without, TAKEN, 11.0, Policy()).ignored
