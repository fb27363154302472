"""Stories of single calls through the pure core: what each kind of failure does, and when."""

import pytest

from gateway.domain.call import Step, step
from gateway.domain.commands import Dial, HangUp, Resolve, Route
from gateway.domain.events import (
    AgentLost,
    CallAccepted,
    CancelRequested,
    DialDenied,
    DialReported,
    DialSending,
    HangupRequested,
    LegAnswered,
    LegEnded,
    LegFound,
    LegMissing,
    LegProgressed,
    LegReported,
    LegRinging,
    PromiseDue,
    RouteChosen,
    RouteExhausted,
    StreamClosed,
    StreamFailed,
    StreamOpened,
    TimerFired,
)
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import Signal, next_carrier, stop

POLICY = Policy()
DOWN = next_carrier("service-unavailable", code="503")


class Story:
    """One call, told event by event; `now` moves by hand."""

    def __init__(self, **more) -> None:
        self.now = 0.0
        self.last: Step
        self.signals: list[Signal] = []
        self.call = Call(id="call_1", to="+15550100001", session_id="s", created_at=0.0, expires_at=600.0, **more)
        self.say(CallAccepted())

    def say(self, event) -> "Story":
        self.last = step(self.call, event, self.now, POLICY)
        self.call = self.last.call
        self.signals += [word.signal for word in self.last.words]
        return self

    def leg(self, event, leg_id: str = "") -> "Story":
        return self.say(LegReported(leg_id=leg_id or self.here.id, event=event))

    def dialled(self, name: str = "a", **more) -> "Story":
        self.say(RouteChosen(leg_id=f"leg_{name}", media_token="t", carrier=name, caller_id="+15550190001", why="", **more))
        return self.leg(DialSending(fence=1, deadline=self.now + 8))

    def placed(self, name: str = "a", **more) -> "Story":
        return self.dialled(name, **more).leg(DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))

    def answered(self) -> "Story":
        return self.placed().leg(LegRinging()).leg(LegAnswered()).leg(StreamOpened())

    def at(self, now: float) -> "Story":
        self.now = now
        return self

    def timer(self, leg_id: str = "") -> "Story":
        return self.say(TimerFired(name="watch", leg_id=leg_id or self.here.id))

    @property
    def here(self) -> Leg:
        assert self.call.leg is not None
        return self.call.leg

    @property
    def asks(self) -> list[type]:
        return [type(command) for command in self.last.commands]


def test_accepting_asks_for_a_carrier() -> None:
    """The first command is written with the call itself."""
    assert Route in Story().asks


def test_choosing_a_carrier_asks_for_one_dial() -> None:
    """The intent is a leg, and its one Dial."""
    story = Story()
    story.say(RouteChosen(leg_id="leg_a", media_token="t", carrier="a", caller_id="+15550190001", why=""))
    assert story.asks == [Dial]
    assert story.here.phase is LegPhase.INTENDED


def test_refused_goes_to_the_next_carrier() -> None:
    """A refusal that another carrier may not share frees the call at once, and speaks against the carrier."""
    story = Story().dialled().leg(DialReported(knowledge=Knowledge.REFUSED, verdict=DOWN))
    assert story.asks == [Route]
    assert story.signals == [Signal.FAILURE]
    assert story.here.knowledge is Knowledge.REFUSED


def test_failing_after_acceptance_and_before_ringing_is_a_refusal() -> None:
    """The asynchronous failure frees the call as the synchronous one does."""
    story = Story().placed().leg(LegEnded(verdict=DOWN))
    assert story.asks == [Route]
    assert story.here.knowledge is Knowledge.REFUSED


def test_after_alerting_there_is_no_failover() -> None:
    """The phone rang: the same verdict now ends the call."""
    story = Story().placed().leg(LegRinging()).leg(LegEnded(verdict=DOWN))
    assert story.call.outcome is Outcome.FAILED
    assert Route not in story.asks


def test_without_ringing_events_time_decides_about_alerting() -> None:
    """Early is before ringing, late counts as after it."""
    early = Story().placed(ringing_events=False).at(2.0).leg(LegEnded(verdict=DOWN))
    late = Story().placed(ringing_events=False).at(POLICY.assume_alerted_s + 1).leg(LegEnded(verdict=DOWN))
    assert early.asks == [Route]
    assert late.call.outcome is Outcome.FAILED


def test_a_busy_person_ends_the_call_and_praises_the_carrier() -> None:
    """Busy is an answer of the network: the carrier did its work."""
    story = Story().placed().leg(LegEnded(verdict=stop("user-busy", Outcome.BUSY)))
    assert story.call.outcome is Outcome.BUSY
    assert story.signals == [Signal.SUCCESS]


def test_unknown_is_looked_up_and_adopted() -> None:
    """A lost answer is not a failure: the leg goes on when it is found."""
    story = Story().dialled().leg(DialReported(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("no-answer-in-time")))
    assert Resolve in story.asks
    story.leg(LegFound(phase="ringing", carrier_call_id="x"))
    assert story.call.status is CallStatus.RINGING
    assert story.here.carrier_call_id == "x"


def test_unknown_is_adopted_by_any_webhook() -> None:
    """A tagged webhook proves the placement."""
    story = Story().dialled().leg(DialReported(knowledge=Knowledge.UNKNOWN, verdict=DOWN)).leg(LegProgressed())
    assert story.here.phase is LegPhase.ACCEPTED


def test_empty_look_ups_count_only_after_the_carrier_has_settled() -> None:
    """Twice, and late enough; then the leg is condemned and the next carrier asked for."""
    story = Story().dialled(lookup_settles_s=5.0).leg(DialReported(knowledge=Knowledge.UNKNOWN, verdict=DOWN))
    story.at(2.0).leg(LegMissing()).at(4.0).leg(LegMissing())
    assert story.here.phase is LegPhase.UNKNOWN
    story.at(5.5).leg(LegMissing()).at(7.0).leg(LegMissing())
    assert story.here.phase is LegPhase.CONDEMNED
    assert {HangUp, Route} <= set(story.asks)


def test_unanswered_look_ups_are_bounded() -> None:
    """A carrier that answers nothing at all does not hold the call for ever."""
    story = Story().dialled().leg(DialReported(knowledge=Knowledge.UNKNOWN, verdict=DOWN))
    story.at(story.here.watch_at).timer()
    assert story.here.phase is LegPhase.CONDEMNED
    assert Route in story.asks


def test_a_condemned_leg_that_answers_is_hung_up() -> None:
    """It never becomes the call's leg again, whatever it does."""
    story = Story().dialled().leg(DialReported(knowledge=Knowledge.UNKNOWN, verdict=DOWN))
    story.at(story.here.watch_at).timer().placed("b")
    story.leg(LegAnswered(carrier_call_id="late"), "leg_a")
    assert story.asks[0] is HangUp
    condemned = story.call.find("leg_a")
    assert condemned is not None
    assert condemned.phase is LegPhase.CONDEMNED
    assert condemned.carrier_call_id == "late"
    assert story.call.status is CallStatus.DIALING


def test_a_condemned_leg_is_hung_up_even_after_the_call() -> None:
    """The end of the call does not end the hunt."""
    story = Story().dialled().leg(DialReported(knowledge=Knowledge.UNKNOWN, verdict=DOWN))
    story.at(story.here.watch_at).timer().placed("b").leg(LegEnded(verdict=stop("user-busy", Outcome.BUSY)))
    story.leg(LegAnswered(), "leg_a")
    assert story.call.outcome is Outcome.BUSY
    assert story.asks[0] is HangUp


def test_a_queue_that_does_not_move_is_left() -> None:
    """Accepted and silent: asked after, given up, and the next carrier only when the end is confirmed."""
    story = Story().placed()
    story.at(story.here.watch_at).timer()
    assert Resolve in story.asks
    story.at(POLICY.queued_limit_s + 1).timer()
    assert HangUp in story.asks
    assert Route not in story.asks
    story.leg(LegEnded(verdict=stop("canceled", Outcome.CANCELED)))
    assert story.asks == [Route]
    assert story.here.verdict is not None
    assert story.here.verdict.reason == "queued-too-long"


def test_an_end_that_is_never_confirmed_is_fenced() -> None:
    """A carrier that ignores our hang-up before ringing: the leg is condemned, so that the next carrier may be tried."""
    story = Story().placed()
    for _ in range(40):
        story.at(story.here.watch_at)
        if story.here.phase is LegPhase.CONDEMNED:
            break
        story.timer()
    assert story.here.phase is LegPhase.CONDEMNED
    assert story.call.status is CallStatus.DIALING


def test_a_lost_hang_up_ends_an_answered_call_all_the_same() -> None:
    """No call lives for ever: after enough tries the end is presumed, and the carrier, perhaps well by then, is told again."""
    story = Story().answered().say(HangupRequested())
    for _ in range(20):
        if story.call.ended:
            break
        story.at(story.here.watch_at).timer()
    assert story.call.outcome is Outcome.COMPLETED
    assert HangUp in story.asks


def test_a_ringing_leg_is_asked_after() -> None:
    """The word of its end may be lost: what the carrier says then is the outcome, not a guess of ours."""
    story = Story().placed().leg(LegRinging())
    story.at(POLICY.silent_after_s).timer()
    assert Resolve in story.asks
    story.leg(LegFound(phase="ended", verdict=stop("user-busy", Outcome.BUSY)))
    assert story.call.outcome is Outcome.BUSY


def test_a_phone_rings_no_longer_than_it_may() -> None:
    """After ring time-out and grace we end it ourselves, as not answered."""
    story = Story().placed().leg(LegRinging())
    while HangUp not in story.asks:
        story.at(story.here.watch_at).timer()
    assert story.now <= story.here.ring_timeout_s + POLICY.ring_grace_s + POLICY.silent_after_s
    story.leg(LegEnded(verdict=stop("canceled", Outcome.CANCELED)))
    assert story.call.outcome is Outcome.NO_ANSWER


def test_a_leg_that_answers_after_its_presumed_end_is_hung_up() -> None:
    """It rang, the carrier stopped listing it, we took it for ended, and it answers: nobody is left with silence."""
    story = Story().placed().leg(LegRinging())
    for seconds in (11.0, 13.0, 15.0):
        story.at(seconds).leg(LegMissing())
    assert story.call.leg is not None
    assert story.here.phase is LegPhase.ENDED
    story.leg(LegAnswered(carrier_call_id="x"))
    assert story.asks == [HangUp]
    assert story.here.phase is LegPhase.ENDED


def test_a_leg_that_vanished_before_it_rang_is_condemned() -> None:
    """The carrier took it and lists it no more; it may ring all the same, so it is fenced before the next carrier is asked."""
    story = Story().placed().at(11.0).leg(LegMissing()).at(13.0).leg(LegMissing())
    assert story.here.phase is LegPhase.ACCEPTED
    story.at(15.0).leg(LegMissing())
    assert story.here.phase is LegPhase.CONDEMNED
    assert {HangUp, Route} <= set(story.asks)
    story.leg(LegAnswered())
    assert HangUp in story.asks
    assert story.here.answered_at is None


def test_cancel_before_the_post_ends_at_once() -> None:
    """Nobody has sent anything: the leg simply ends."""
    story = Story()
    story.say(RouteChosen(leg_id="leg_a", media_token="t", carrier="a", caller_id="+15550190001", why=""))
    story.say(CancelRequested())
    assert story.call.outcome is Outcome.CANCELED
    assert story.here.knowledge is Knowledge.NOT_SENT


def test_cancel_while_sending_waits_for_the_truth() -> None:
    """The POST may have left: its result is awaited, the leg is hung up, and then the call has been cancelled."""
    story = Story().dialled().say(CancelRequested())
    assert not story.call.ended
    story.leg(DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))
    assert HangUp in story.asks
    story.leg(LegEnded(verdict=stop("canceled", Outcome.CANCELED)))
    assert story.call.outcome is Outcome.CANCELED


def test_an_open_socket_proves_the_answer() -> None:
    """Even if no webhook came."""
    story = Story().dialled().leg(StreamOpened())
    assert story.call.status is CallStatus.IN_PROGRESS


def test_a_conversation_ends_completed() -> None:
    """Answered, talked, ended."""
    story = Story().answered().leg(StreamClosed()).leg(LegEnded(verdict=stop("normal-clearing", Outcome.COMPLETED)))
    assert story.call.outcome is Outcome.COMPLETED
    assert story.call.answered_at is not None


NORMAL = LegEnded(verdict=stop("normal-clearing", Outcome.COMPLETED))


def test_who_answers_waits_and_hears_nobody_has_had_no_call() -> None:
    """No stream ever opened, so no agent was ever there: it has failed, and, since it was answered, nobody rings them again."""
    story = Story(retry_on=(Outcome.BUSY, Outcome.NO_ANSWER, Outcome.DECLINED)).placed().leg(LegRinging()).leg(LegAnswered())
    story.at(4.0).leg(NORMAL)
    assert (story.call.outcome, story.call.reason, story.call.retried_as) == (Outcome.FAILED, "no-stream", "")
    assert Route not in story.asks
    assert story.here.verdict is not None
    assert (story.here.verdict.reason, story.here.verdict.signal) == ("normal-clearing", Signal.SUCCESS)


@pytest.mark.parametrize("within_s", [0.0, 0.9])
def test_who_hangs_up_at_once_has_waited_for_nobody(within_s: float) -> None:
    """Before a stream could be there: that they answered and hung up is all that can be said."""
    story = Story().placed().leg(LegRinging()).leg(LegAnswered())
    assert story.at(within_s).leg(NORMAL).call.outcome is Outcome.COMPLETED


def test_our_own_hang_up_before_a_stream_is_no_failure() -> None:
    """The user ended it."""
    story = Story().placed().leg(LegRinging()).leg(LegAnswered()).at(4.0).say(HangupRequested())
    assert story.leg(NORMAL).call.outcome is Outcome.COMPLETED


def test_a_carrier_that_drops_a_conversation_is_named() -> None:
    """A carrier's failure in mid-call is no completed call."""
    assert Story().answered().leg(LegEnded(verdict=DOWN)).call.outcome is Outcome.DROPPED


def test_a_stream_that_never_opens_gets_one_more_try() -> None:
    """The second failure ends the leg, as failed."""
    story = Story().placed().leg(LegRinging()).leg(LegAnswered())
    story.leg(StreamFailed(reason="refused"))
    assert HangUp not in story.asks
    story.leg(StreamFailed(reason="refused"))
    assert HangUp in story.asks
    story.leg(LegEnded(verdict=stop("normal-clearing", Outcome.COMPLETED)))
    assert story.call.outcome is Outcome.FAILED


def test_an_agent_that_cannot_start_makes_the_call_failed() -> None:
    """It is no cancellation by the user and no completed conversation."""
    story = Story().placed().leg(LegRinging()).say(HangupRequested(by="agent-unavailable"))
    story.leg(LegEnded(verdict=stop("canceled", Outcome.CANCELED)))
    assert story.call.outcome is Outcome.FAILED
    assert story.call.reason == "agent-unavailable"


def test_a_call_without_an_agent_is_tried_again_where_nobody_was_rung() -> None:
    """Its agent could not start: the leg is taken back, and the call waits for a better time, with its ladder unclimbed."""
    lost = AgentLost(agent="bot", reason="start-failed")
    story = Story().placed().say(lost).say(HangupRequested(by="agent-unavailable"))
    story.leg(LegEnded(verdict=stop("canceled", Outcome.CANCELED)))
    assert (story.call.status, story.call.promise and story.call.promise.reason) == (CallStatus.SCHEDULED, "agent-unavailable")
    story.say(PromiseDue())
    assert (story.call.status, story.call.ladder.lost) == (CallStatus.DIALING, ())


def test_who_wants_no_promise_is_told_that_there_was_no_agent() -> None:
    """With `on_exhausted: fail` the call ends at once."""
    story = Story(on_exhausted="fail").placed().say(HangupRequested(by="agent-unavailable"))
    story.leg(LegEnded(verdict=stop("canceled", Outcome.CANCELED)))
    assert (story.call.outcome, story.call.reason) == (Outcome.FAILED, "agent-unavailable")


def test_nobody_can_take_it_becomes_a_promise() -> None:
    """Scheduled at the latest `retry_every_s` from now; when due, a new round in which everybody may be tried again."""
    story = Story().say(RouteExhausted(passed=("a: down",), retry_at=99.0))
    assert story.call.status is CallStatus.SCHEDULED
    assert story.call.promise is not None
    assert story.call.promise.due_at == POLICY.retry_every_s
    story.at(15.0).say(PromiseDue())
    assert (story.call.status, story.call.round, story.asks) == (CallStatus.DIALING, 2, [Route])


def test_fail_instead_of_promise() -> None:
    """The user may prefer an honest end."""
    story = Story(on_exhausted="fail").say(RouteExhausted(passed=(), retry_at=1.0))
    assert story.call.outcome is Outcome.EXHAUSTED


def test_a_promise_expires() -> None:
    """Not placed by `expires_at`, it is given up."""
    story = Story().say(RouteExhausted(passed=(), retry_at=1.0))
    assert story.at(600.0).say(TimerFired(name="expiry")).call.outcome is Outcome.EXPIRED


def test_expiry_does_not_touch_a_live_leg() -> None:
    """A phone that rings at that moment may be answered."""
    story = Story().placed().leg(LegRinging()).at(601.0).say(TimerFired(name="expiry"))
    assert story.call.status is CallStatus.RINGING


def test_compliance_denies_for_ever_or_until() -> None:
    """Before the first byte, with the rule as the reason."""
    assert Story().say(DialDenied(rule="dnc")).call.outcome is Outcome.DENIED
    later = Story().say(DialDenied(rule="hours", retry_at=100.0)).call
    assert later.promise is not None
    assert (later.promise.due_at, later.promise.reason) == (100.0, "hours")


def test_scheduled_for_later_waits() -> None:
    """`not_before` in the future is a promise from the start, and asks for no carrier."""
    story = Story(not_before=50.0)
    assert story.call.status is CallStatus.SCHEDULED
    assert Route not in story.asks
