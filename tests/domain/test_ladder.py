"""Which rung is next: for every kind of rung, when it is taken, when it is passed over, and what is said of that."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from gateway.domain import call as calls
from gateway.domain import ladder
from gateway.domain.admission import OpeningHours
from gateway.domain.events import (
    AgentBack,
    AgentLost,
    HangupRequested,
    LegEnded,
    LegReported,
    StreamOpened,
    VoicemailStarted,
    VoicemailTaken,
)
from gateway.domain.ladder import Chances, Choice, NoRung, Rung, RungKind, next_rung
from gateway.domain.outcome import CallStatus, Direction, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Leg, Loss
from gateway.domain.verdict import ended_normally

NOON = 1_795_348_800.0
"""A Sunday, 2026-11-22 12:00 UTC."""
HOLD, VOICEMAIL, CALLBACK = (Rung(kind=kind) for kind in (RungKind.HOLD, RungKind.VOICEMAIL, RungKind.CALLBACK))
LOST = Loss(at=NOON, agent="bot", reason="socket-1006", began=True)


def another(name: str) -> Rung:
    return Rung(kind=RungKind.AGENT, agent=name)


def a_call(*lost: Loss, **changes: Any) -> Call:
    """A caller's, answered; its agent `bot` has just been lost unless the losses say otherwise."""
    call = Call(
        id="call_1",
        direction=Direction.INBOUND,
        to="+15550190001",
        from_number="+15550101234",
        session_id="ses_1",
        created_at=NOON,
        expires_at=NOON + 60,
        agent="bot",
        status=CallStatus.IN_PROGRESS,
        answered_at=NOON,
        ladder=Descent(lost=lost or (LOST,)),
    )
    return replace(call, **changes)


def chances(**changes: Any) -> Chances:
    return Chances(**{"at": NOON, "absent": {}, **changes})


def taken(rungs: tuple[Rung, ...], call: Call, now: Chances | None = None) -> Choice:
    found = next_rung(rungs, call, now or chances())
    assert isinstance(found, Choice)
    return found


def test_the_first_rung_is_taken_when_it_is_possible() -> None:
    """Nothing is passed over, and its place is told."""
    assert taken((HOLD, VOICEMAIL), a_call()) == Choice(rung=HOLD, place=0)


def test_the_next_rung_lies_below_the_last() -> None:
    """What was taken once is not taken again, whatever became of it."""
    call = a_call(ladder=Descent(lost=(LOST,), rung=0, talking="hold", holds=1))
    assert taken((HOLD, VOICEMAIL, CALLBACK), call) == Choice(rung=VOICEMAIL, place=1)


@pytest.mark.parametrize("rungs", [(), (HOLD,), (HOLD, ladder.GOODBYE)], ids=["none", "without", "with"])
def test_below_every_ladder_is_a_goodbye(rungs: tuple[Rung, ...]) -> None:
    """Written down or not, once."""
    assert ladder.complete(rungs)[-1] is ladder.GOODBYE
    assert [rung.kind for rung in ladder.complete(rungs)].count(RungKind.GOODBYE) == 1
    above = sum(rung.kind is not RungKind.GOODBYE for rung in rungs)
    assert taken(rungs, a_call(ladder=Descent(lost=(LOST,), rung=above - 1))).rung is ladder.GOODBYE


@pytest.mark.parametrize(
    ("rung", "call", "now", "why"),
    [
        (another("b"), a_call(), {"absent": {"b": "breaker-open"}}, "agent b: breaker-open"),
        (another("bot"), a_call(), {}, "agent bot: lost in this call before"),
        (VOICEMAIL, a_call(), {"absent": {"voicemail": "no room on the disk"}}, "voicemail: no room on the disk"),
        (VOICEMAIL, a_call(LOST, replace(LOST, agent="voicemail")), {}, "voicemail: lost in this call before"),
        (CALLBACK, a_call(), {"no_callback": "the number is withheld"}, "callback: the number is withheld"),
        (HOLD, a_call(ladder=Descent(lost=(LOST,), holds=2)), {}, "hold: held often enough"),
        (HOLD, a_call(replace(LOST, agent="voicemail"), agent="voicemail"), {}, "hold: nobody to wait for"),
        (replace(HOLD, direction=Direction.OUTBOUND), a_call(), {}, "hold: for outbound calls only"),
        (
            replace(HOLD, hours=OpeningHours(zone=ZoneInfo("UTC"), days=frozenset({0}), opens=0, closes=1440)),
            a_call(),
            {},
            "hold: outside its hours",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_possible_is_passed_over_and_says_why(rung: Rung, call: Call, now: dict[str, Any], why: str) -> None:
    """And the goodbye is taken in its place."""
    choice = taken((rung,), call, chances(**now))
    assert (choice.rung, choice.passed) == (ladder.GOODBYE, (why,))


def test_nobody_who_has_not_answered_is_told_anything() -> None:
    """Before the answer of a call of ours only another agent makes sense; without one nothing does."""
    call = a_call(replace(LOST, began=False), direction=Direction.OUTBOUND, answered_at=None, status=CallStatus.RINGING)
    assert taken((HOLD, VOICEMAIL, another("b")), call).rung == another("b")
    nothing = next_rung((HOLD, another("b")), call, chances(absent={"b": "breaker-open"}))
    assert nothing == NoRung(
        passed=("hold: nobody has answered yet", "agent b: breaker-open", "goodbye: nobody has answered yet")
    )


def test_a_caller_is_told_from_the_first_ring_on() -> None:
    """Their call is answered with the ladder: it is we who answer."""
    assert taken((HOLD,), a_call(answered_at=None, status=CallStatus.RINGING)).rung == HOLD


def test_a_hold_waits_for_who_had_the_conversation() -> None:
    """The last agent that had it; who never began does not count; else the call's own."""
    b = replace(LOST, agent="b")
    assert ladder.waited_for(a_call(LOST, replace(b, began=False))) == "bot"
    assert ladder.waited_for(a_call(LOST, b, replace(LOST, agent="hold"))) == "b"
    assert ladder.waited_for(a_call(replace(b, began=False))) == "bot"


def test_who_comes_back_begins_at_the_top_but_not_for_ever() -> None:
    """A second loss may be held again, a third one is not."""
    call = a_call(ladder=Descent())
    for holds in (1, 2):
        call = say(call, AgentLost(agent="bot", reason="socket-1006", began=True, rung="hold", place=0, to="hold"))
        assert (call.talks, call.ladder.holds) == ("hold", holds)
        call = say(call, AgentBack(agent="bot"))
        assert (call.talks, call.ladder.rung) == ("bot", -1)
    lost = say(call, AgentLost(agent="bot", reason="socket-1006", began=True))
    assert taken((HOLD, VOICEMAIL), lost).passed == ("hold: held often enough",)


def say(call: Call, event: AgentLost | AgentBack | HangupRequested | LegReported) -> Call:
    return calls.step(call, event, NOON + 1, Policy()).call


def live(**changes: Any) -> Call:
    leg = Leg(
        id="leg_1",
        call_id="call_1",
        carrier="one",
        caller_id="+15550101234",
        media_token="t",
        round=1,
        created_at=NOON,
        phase=LegPhase.RINGING,
        accepted_at=NOON,
        alerted_at=NOON,
        watch_at=NOON + 100,
    )
    call = a_call(ladder=Descent(), legs=(leg,), status=CallStatus.RINGING, answered_at=None, **changes)
    return say(call, LegReported(leg_id="leg_1", event=StreamOpened()))


@pytest.mark.parametrize(("began", "reason"), [(True, "agent-failed"), (False, "agent-unavailable")])
@pytest.mark.parametrize("talker", ["goodbye", "callback", "hold", "voicemail"])
def test_a_call_that_ends_without_an_agent_has_failed(talker: str, began: bool, reason: str) -> None:
    """Whoever hangs up on a recorded sentence: nobody had the conversation at its end, and the reason says why."""
    call = say(live(), AgentLost(agent="bot", reason="refused", began=began, rung=talker, place=0, to=talker))
    call = say(call, LegReported(leg_id="leg_1", event=LegEnded(verdict=ended_normally())))
    assert (call.outcome, call.reason) == (Outcome.FAILED, reason)


def test_a_message_is_help_once_it_is_kept() -> None:
    """Who hangs up on the ladder's greeting, or into its tone, has left none; a caller whom the route sends there lost nobody."""
    lost = AgentLost(agent="bot", reason="refused", rung="voicemail", place=0, to="voicemail")
    end = LegReported(leg_id="leg_1", event=LegEnded(verdict=ended_normally()))
    started = VoicemailStarted(voicemail_id="vm_1", reason="refused")
    into_the_tone = say(say(live(), lost), started)
    assert (say(into_the_tone, end).outcome, say(into_the_tone, end).reason) == (Outcome.FAILED, "agent-unavailable")
    assert say(say(into_the_tone, VoicemailTaken(voicemail_id="vm_1")), end).outcome is Outcome.VOICEMAIL
    assert say(live(agent="voicemail"), end).outcome is Outcome.COMPLETED


def test_a_call_that_another_agent_took_over_is_completed() -> None:
    """The loss stands in the log; the person was talked to."""
    call = say(live(), AgentLost(agent="bot", reason="socket-1006", began=True, rung="agent", place=0, to="b"))
    call = say(call, LegReported(leg_id="leg_1", event=LegEnded(verdict=ended_normally())))
    assert (call.outcome, call.talks, call.agent) == (Outcome.COMPLETED, "b", "bot")


def test_the_end_of_a_call_stands_whatever_is_lost_later() -> None:
    """A loss that is told late changes nothing."""
    call = say(live(), LegReported(leg_id="leg_1", event=LegEnded(verdict=ended_normally())))
    assert calls.step(call, AgentLost(agent="bot", reason="raised"), NOON + 2, Policy()).ignored


def test_a_loss_from_before_the_end_is_written_after_it_once() -> None:
    """The store was away when it happened: the log tells of it, and the end stays what it was."""
    lost = AgentLost(agent="bot", reason="socket-1006", began=True, rung="hold", place=0, to="hold", lost_at=NOON + 0.5)
    end = LegReported(leg_id="leg_1", event=LegEnded(verdict=ended_normally()))
    without = say(live(), end)
    assert without.ended_at is not None
    late = calls.step(without, lost, NOON + 2, Policy())
    assert (late.ignored, late.call) == (False, without)
    assert calls.step(say(say(live(), lost), end), lost, NOON + 2, Policy()).ignored
    assert calls.step(without, replace(lost, lost_at=without.ended_at), NOON + 2, Policy()).ignored


def test_a_loss_told_twice_is_one_loss() -> None:
    """By its time; and a return that is told twice is one return."""
    lost = AgentLost(agent="bot", reason="socket-1006", began=True, rung="hold", place=0, to="hold", lost_at=NOON + 0.5)
    once = say(live(), lost)
    again = calls.step(once, lost, NOON + 9, Policy())
    assert (again.ignored, again.call, once.ladder.lost[0].at) == (True, once, NOON + 0.5)
    back = say(once, AgentBack(agent="bot"))
    assert calls.step(back, AgentBack(agent="bot"), NOON + 9, Policy()).ignored
