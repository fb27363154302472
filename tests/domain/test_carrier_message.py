"""A message that a call's carrier records by itself: ordered, refused, recorded, waited for, and what the call is called then."""

import pytest
from msgspec.structs import replace

from gateway.domain import restream
from gateway.domain.call import COLLECT_WITHIN_S, MESSAGE_TIMER, Step, step
from gateway.domain.commands import CollectMessage, Command, HangUp, OpenStream, RecordMessage, Resolve, Timer
from gateway.domain.events import (
    AnyLegEvent,
    CallEvent,
    HangupRequested,
    LegEnded,
    LegFound,
    LegReported,
    MessageOrdered,
    MessageRecorded,
    MessageRecording,
    MessageRefused,
    MessageSpoken,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    TimerFired,
    VoicemailKept,
    VoicemailMissing,
    VoicemailTaken,
)
from gateway.domain.outcome import CallStatus, Direction, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Leg, Loss
from gateway.domain.verdict import Attribution, stop
from gateway.domain.voicemail import MessageStage

POLICY = Policy()
NOW = 10.0
KEPT = VoicemailKept(voicemail_id="vm_1", seconds=4.0, silent=False, ended_by="")
HUNG_UP = LegEnded(verdict=stop("normal-clearing", Outcome.COMPLETED, attribution=Attribution.CALLEE), answered=True)
BY_COMMAND = pytest.mark.parametrize("by_command", [False, True], ids=["by-document", "by-command"])


def without_agent(*, by_command: bool = False) -> Call:
    """A caller on the rung, whose stream is open."""
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
        streams_by_command=by_command,
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
        agent="bot",
        legs=(leg,),
        ladder=Descent(talking="carrier_voicemail", rung=0, lost=(Loss(at=2.0, agent="bot", reason="killed", began=True),)),
    )


def of_leg(event: AnyLegEvent) -> LegReported:
    return LegReported(leg_id="leg_1", event=event)


WATCH = TimerFired(name="watch", leg_id="leg_1")


def said(call: Call, *events: CallEvent | AnyLegEvent, now: float = NOW) -> Step:
    """The step of the last one."""
    told = Step(call=call)
    for event in events:
        told = step(told.call, event if isinstance(event, CallEvent) else of_leg(event), now, POLICY)
    return told


def commands(told: Step, kind: type[Command]) -> list[Command]:
    return [command for command in told.commands if isinstance(command, kind)]


def step_at(told: Step, now: float) -> Step:
    """What the leg's timer does then."""
    return step(told.call, WATCH, now, POLICY)


def leg_of(told: Step) -> Leg:
    assert told.call.leg is not None
    return told.call.leg


def watched(told: Step) -> Step:
    """What the leg's timer does when it is due."""
    due = leg_of(told).watch_at
    return step(told.call, WATCH, due, POLICY)


@BY_COMMAND
@pytest.mark.parametrize("end", [StreamClosed(), StreamFailed(reason="stream-dropped")], ids=["closed", "failed"])
def test_the_end_of_the_stream_does_not_end_a_leg_that_takes_a_message(end: AnyLegEvent, *, by_command: bool) -> None:
    """However it is told, and before the carrier has all that it needs as well as after."""
    ordered = said(without_agent(by_command=by_command), MessageOrdered(), end)
    assert (leg_of(ordered).message, leg_of(ordered).hangup_wanted) == (MessageStage.ORDERED, False)
    recording = said(ordered.call, MessageRecording(), end)
    assert (leg_of(recording).message, leg_of(recording).hangup_wanted) == (MessageStage.RECORDING, False)
    assert recording.call.status is CallStatus.VOICEMAIL


def test_a_carrier_that_never_asks_for_its_document_is_hung_up() -> None:
    """The stream is closed and nobody talks: not longer than a stream may be missing."""
    told = said(without_agent(), MessageOrdered(), StreamClosed())
    assert leg_of(told).watch_at == NOW + POLICY.stream_start_s
    assert commands(watched(told), HangUp)


def test_by_command_the_carrier_records_when_it_has_greeted() -> None:
    """Said once or twice it is one command; and lost, the command comes a while later all the same."""
    call = said(without_agent(by_command=True), MessageOrdered(), StreamClosed()).call
    assert len(commands(said(call, MessageSpoken()), RecordMessage)) == 1
    assert len(commands(watched(said(call)), RecordMessage)) == 1
    assert said(call, MessageRecording(), MessageSpoken()).commands == ()


def test_a_document_needs_no_command() -> None:
    """Whatever such a carrier says of a greeting."""
    assert said(without_agent(), MessageOrdered(), MessageSpoken()).commands == ()


def test_a_refusal_leaves_the_leg_as_it_was() -> None:
    """The stream is open: the ladder goes on, and the leg has its time for talking again."""
    call = without_agent(by_command=True)
    told = said(call, MessageOrdered(), MessageRefused(reason="wrong-credentials"))
    assert leg_of(told).message is None
    assert leg_of(told).watch_at == 1.0 + leg_of(told).max_duration_s + POLICY.overtime_s


@BY_COMMAND
def test_an_order_of_which_the_carrier_was_never_told_is_forgotten(*, by_command: bool) -> None:
    """Whoever gave it is gone, or holds it for lost, and the stream is still open: the talk goes on as if it had been refused."""
    late = watched(said(without_agent(by_command=by_command), MessageOrdered()))
    assert (leg_of(late).message, commands(late, HangUp), commands(late, RecordMessage)) == (None, [], [])
    assert leg_of(late).watch_at == 1.0 + leg_of(late).max_duration_s + POLICY.overtime_s


def test_an_order_whose_timer_the_store_has_kept_too_long_is_looked_at_once_more() -> None:
    """The carrier may have been answered meanwhile, and whoever did it says so when the store is back."""
    told = said(without_agent(), MessageOrdered(), StreamClosed())
    back = leg_of(told).watch_at + 9.0
    late = step_at(told, back)
    assert (leg_of(late).watch_at, commands(late, HangUp)) == (back + POLICY.stream_start_s, [])
    assert commands(watched(late), HangUp)
    assert not commands(watched(said(late.call, MessageRecording(), now=back + 1.0)), HangUp)


def test_no_store_that_is_always_late_keeps_a_leg_for_ever() -> None:
    """A talk that has lasted its time is over."""
    told = said(without_agent(), MessageOrdered(), StreamClosed())
    assert commands(step_at(told, 1.0 + leg_of(told).max_duration_s + POLICY.overtime_s), HangUp)


def test_what_is_recorded_was_being_recorded() -> None:
    """The store was away when the carrier was told: its own word is believed, and the message is collected."""
    by_document = said(without_agent(), MessageOrdered(), StreamClosed(), MessageRecorded())
    assert leg_of(by_document) == leg_of(said(without_agent(), MessageOrdered(), StreamClosed(), MessageRecording()))
    assert commands(said(by_document.call, HUNG_UP), CollectMessage)
    by_command = said(without_agent(by_command=True), MessageOrdered(), StreamClosed(), MessageRecorded())
    assert (leg_of(by_command).message, leg_of(by_command).watch_at) == (MessageStage.RECORDING, NOW)
    assert commands(said(watched(by_command).call, HUNG_UP), CollectMessage)


def test_a_recording_that_nobody_ordered_is_nothing() -> None:
    """Somebody else's, or of an order that was taken back."""
    assert said(without_agent(), MessageRecorded()).ignored


def test_a_refusal_without_a_stream_ends_the_leg() -> None:
    """Nobody is left who could talk."""
    told = said(without_agent(by_command=True), MessageOrdered(), StreamClosed(), MessageRefused(reason="timeout"))
    assert leg_of(told).watch_at == NOW
    assert commands(watched(told), HangUp)


def test_by_command_the_leg_is_ended_when_the_recording_is_over() -> None:
    """By the carrier's word; without it when a message must be over. A document's leg ends by itself."""
    recording = said(without_agent(by_command=True), MessageOrdered(), MessageRecording())
    assert commands(watched(said(recording.call, MessageRecorded())), HangUp)
    assert leg_of(said(recording.call, MessageRecorded())).watch_at == NOW
    assert commands(step_at(recording, NOW + POLICY.message_limit_s), HangUp)
    by_document = said(without_agent(), MessageOrdered(), MessageRecording(), MessageRecorded())
    assert leg_of(by_document) == leg_of(said(without_agent(), MessageOrdered(), MessageRecording()))


@BY_COMMAND
def test_the_end_is_asked_for_while_the_carrier_records(*, by_command: bool) -> None:
    """No stream tells of it, and its webhook may be lost: the carrier is asked now and then, and says that nobody is there."""
    told = said(without_agent(by_command=by_command), MessageOrdered(), StreamClosed(), MessageRecording())
    for _ in range(3):
        told = watched(told)
        assert commands(told, Resolve)
        assert not leg_of(told).hangup_wanted
        told = said(told.call, LegFound(phase="answered"))
    gone = said(told.call, LegFound(phase="ended", verdict=HUNG_UP.verdict))
    assert commands(gone, CollectMessage)


@pytest.mark.parametrize(("stage", "opened"), [(MessageStage.ORDERED, True), (MessageStage.RECORDING, False)])
def test_a_stream_that_died_with_us_is_opened_again_until_the_carrier_records(stage: MessageStage, *, opened: bool) -> None:
    """Whoever takes the call over says the same to the carrier again; after that a stream would only disturb."""
    leg = leg_of(said(without_agent(by_command=True)))
    orphan = replace(leg, message=stage, stream_open=False, orphaned=True, orphaned_at=NOW)
    assert restream.wanted(orphan) is opened
    told = said(replace(without_agent(by_command=True), legs=(replace(leg, message=stage),)), StreamClosed(orphaned=True))
    assert bool(commands(told, OpenStream)) is opened


def test_who_takes_an_order_over_has_the_whole_time_to_say_it_again() -> None:
    """The timer that looked after the stream means nothing any more; nobody records over the greeting, nothing is forgotten."""
    lost = said(without_agent(by_command=True), MessageOrdered(), StreamClosed(orphaned=True))
    looks = leg_of(lost).watch_at
    again = said(lost.call, StreamOpened())
    assert (leg_of(again).message, leg_of(again).watch_at) == (MessageStage.ORDERED, NOW + POLICY.message_order_s)
    assert step_at(again, looks).ignored
    closed = said(again.call, StreamClosed())
    assert commands(watched(closed), RecordMessage)


def test_a_stream_that_opens_does_not_keep_a_recording_waiting() -> None:
    """The leg is looked after as before."""
    told = said(without_agent(by_command=True), MessageOrdered(), StreamClosed(), MessageRecording())
    assert leg_of(said(told.call, StreamOpened(), now=NOW + 2.0)).watch_at == leg_of(told).watch_at


# --- the end of it ----------------------------------------------------------------------------------------------------


def waiting() -> Step:
    return said(without_agent(), MessageOrdered(), StreamClosed(), MessageRecording(), HUNG_UP)


def test_the_call_waits_for_what_was_recorded() -> None:
    """Its leg is over, its outcome is open, and one command brings the message home; no timer and no hang-up ends it."""
    told = waiting()
    assert (told.call.status, told.call.outcome, leg_of(told).phase) == (CallStatus.VOICEMAIL, None, LegPhase.ENDED)
    (collect,) = commands(told, CollectMessage)
    assert (collect.leg_id, collect.due) == ("leg_1", NOW + 1.0)
    assert said(told.call, HUNG_UP).commands == ()
    assert not said(told.call, HangupRequested()).call.ended
    assert not said(told.call, TimerFired(name="expiry"), now=1000.0).call.ended


@pytest.mark.parametrize("word", [KEPT, VoicemailTaken(voicemail_id="vm_1")], ids=["here", "at-the-carrier"])
def test_a_message_makes_it_a_voicemail(word: CallEvent) -> None:
    """Whether it is here, or is only known to be at the carrier; what comes later changes nothing."""
    told = said(waiting().call, word)
    assert (told.call.status, told.call.outcome, told.call.voicemail) == (CallStatus.ENDED, Outcome.VOICEMAIL, "vm_1")
    assert said(told.call, VoicemailMissing(reason="no-recording")).call == told.call
    assert said(told.call, KEPT).call.outcome is Outcome.VOICEMAIL


def test_without_a_message_the_call_has_failed() -> None:
    """It had an agent, it lost it, and nobody helped."""
    told = said(waiting().call, VoicemailMissing(reason="too-short"))
    assert (told.call.status, told.call.outcome, told.call.reason) == (CallStatus.ENDED, Outcome.FAILED, "agent-failed")


def test_a_call_of_whose_message_nobody_tells_ends_all_the_same() -> None:
    """By a timer of its own, never sooner; what comes home later changes nothing but the log."""
    told = waiting()
    (timer,) = commands(told, Timer)
    assert (timer.leg_id, timer.due) == ("", NOW + COLLECT_WITHIN_S)
    due = TimerFired(name=MESSAGE_TIMER)
    assert said(told.call, due, now=timer.due - 1.0).ignored
    ended = said(told.call, due, now=timer.due)
    assert (ended.call.status, ended.call.outcome, ended.call.reason) == (CallStatus.ENDED, Outcome.FAILED, "agent-failed")
    late = said(ended.call, KEPT, now=timer.due + 9.0)
    assert (late.call, late.ignored) == (ended.call, False)


def test_the_timer_of_a_message_that_is_here_means_nothing() -> None:
    """It is not taken back, and fires on a call that has ended."""
    kept = said(waiting().call, KEPT)
    assert said(kept.call, TimerFired(name=MESSAGE_TIMER), now=NOW + COLLECT_WITHIN_S) == Step(call=kept.call, ignored=True)


def test_who_hangs_up_before_the_carrier_has_its_document_left_no_message() -> None:
    """The call ends at once, and nothing is collected."""
    told = said(without_agent(), MessageOrdered(), StreamClosed(), HUNG_UP)
    assert (told.call.status, told.call.outcome) == (CallStatus.ENDED, Outcome.FAILED)
    assert commands(told, CollectMessage) == []


@pytest.mark.parametrize(
    ("word", "kept"), [(KEPT, "vm_1"), (VoicemailMissing(reason="no-recording"), "vm_own")], ids=["kept", "missing"]
)
def test_a_second_message_of_a_call_is_collected_as_well(word: CallEvent, kept: str) -> None:
    """Our own agent kept one and was lost, and the carrier took another: without it, the first is the outcome all the same."""
    began = replace(without_agent(), voicemail="vm_own", status=CallStatus.VOICEMAIL)
    told = said(began, MessageOrdered(), StreamClosed(), MessageRecording(), HUNG_UP)
    assert (told.call.ended, len(commands(told, CollectMessage))) == (False, 1)
    ended = said(told.call, word).call
    assert (ended.outcome, ended.voicemail) == (Outcome.VOICEMAIL, kept)


def test_the_last_word_of_the_first_message_does_not_end_the_wait_for_the_second() -> None:
    """Whoever salvages what our own agent recorded may tell of it late."""
    began = replace(without_agent(), voicemail="vm_own", status=CallStatus.VOICEMAIL)
    told = said(began, MessageOrdered(), StreamClosed(), MessageRecording(), HUNG_UP, replace(KEPT, voicemail_id="vm_own"))
    assert not told.call.ended
    assert said(told.call, KEPT).call.voicemail == "vm_1"


def test_a_leg_that_is_over_keeps_what_is_told_of_its_recording() -> None:
    """Where the file is may be told once, and after the hang-up."""
    told = said(waiting().call, MessageRecorded(carrier_data={"message_recording_url": "https://x"}))
    assert leg_of(told).carrier_data["message_recording_url"] == "https://x"


def test_what_is_told_after_the_end_is_brought_home_once() -> None:
    """The webhook came when nobody waited any more: the message is looked for again, and the outcome stands."""
    ended = said(waiting().call, VoicemailMissing(reason="no-recording"))
    late = said(ended.call, MessageRecorded(carrier_data={"where": "there"}), now=500.0)
    (collect,) = commands(late, CollectMessage)
    assert (collect.leg_id, collect.due, leg_of(late).carrier_data) == ("leg_1", 500.0, {"where": "there"})
    assert (late.call.outcome, late.call.ended_at) == (Outcome.FAILED, NOW)
    assert said(late.call, MessageRecorded()).ignored
    assert said(late.call, KEPT).call.outcome is Outcome.FAILED


def test_what_is_being_collected_is_not_collected_twice() -> None:
    """Told while the call waits, or when the message is here; and what was never ordered is not this leg's."""
    assert said(waiting().call, MessageRecorded()).ignored
    assert said(waiting().call, KEPT, MessageRecorded()).ignored
    assert said(without_agent(), HUNG_UP, MessageRecorded()).ignored
    missing = said(waiting().call, VoicemailMissing(reason="no-recording"))
    assert said(missing.call, MessageRecording()).ignored


@pytest.mark.parametrize("word", [MessageRecording(), MessageRecorded()], ids=["of-us", "of-the-carrier"])
def test_what_was_recorded_while_the_store_was_away_is_brought_home_after_the_end(word: AnyLegEvent) -> None:
    """Nobody could write in time that the carrier records, so the call has failed at the hang-up; the message is kept."""
    ended = said(without_agent(), MessageOrdered(), StreamClosed(), HUNG_UP)
    late = said(ended.call, word)
    assert (len(commands(late, CollectMessage)), late.call.outcome) == (1, Outcome.FAILED)
    assert said(late.call, MessageRecorded()).commands == ()
