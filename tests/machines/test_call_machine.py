"""A random world drives one call: carriers refuse, lose answers, ring late, repeat and shuffle their words; workers die.

The machine executes the commands that the core asks for, in any order and more than once, as the outbox may. It keeps its
own idea of what the carriers really did, and checks the promises against that and never against the core's opinion.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain import call as calls
from gateway.domain.commands import CollectMessage, Dial, HangUp, OpenStream, RecordMessage, Resolve, Route, Timer
from gateway.domain.events import (
    AgentBack,
    AgentLost,
    CallAccepted,
    CancelRequested,
    DialOrphaned,
    DialReported,
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
    RouteChosen,
    RouteExhausted,
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
from gateway.domain.records import Call
from gateway.domain.verdict import next_carrier, stop
from gateway.domain.voicemail import MessageStage

CARRIERS = ("a", "b", "c")
POLICY = Policy()
REFUSALS = st.sampled_from([next_carrier("service-unavailable"), stop("invalid-number", Outcome.INVALID_NUMBER)])
ENDS = st.sampled_from(
    [next_carrier("carrier-error"), stop("user-busy", Outcome.BUSY), stop("normal-clearing", Outcome.COMPLETED)]
)
_WITH_A_PERSON = {CallStatus.IN_PROGRESS, CallStatus.VOICEMAIL}
_CANCELABLE = {CallStatus.SCHEDULED, CallStatus.DIALING, CallStatus.RINGING}


@dataclass
class Truth:
    """What really happened to one leg at its carrier."""

    posts: int = 0
    exists: bool = False
    rang: bool = False
    answered: bool = False
    over: bool = False


@dataclass
class Facts:
    """The world beside the call."""

    legs: dict[str, Truth] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)


class OneCall(RuleBasedStateMachine):
    """See the head of this file."""

    @initialize(fails=st.booleans())
    def begin(self, fails: bool) -> None:
        self.now, self.fence, self.made = 1000.0, 0, 0
        self.facts = Facts()
        self.pending: list = []
        self.condemned: set[str] = set()
        self.call = Call(
            id="call_1",
            to="+15550100001",
            session_id="ses_1",
            created_at=self.now,
            expires_at=self.now + 600,
            on_exhausted="fail" if fails else "callback",
        )
        self.ended_as: tuple | None = None
        self.message = ""
        self._apply(CallAccepted())

    @rule(data=st.data())
    @precondition(lambda self: any(isinstance(command, Route | Dial) for command in self.pending))
    def place(self, data: st.DataObject) -> None:
        """The outbox delivers the next Route or Dial in good order: the usual case, so that worlds get somewhere."""
        command = next(command for command in self.pending if isinstance(command, Route | Dial))
        self.now = max(self.now, command.due)
        self.pending.remove(command)
        getattr(self, "_" + type(command).__name__.lower())(command, data)

    @rule(data=st.data())
    @precondition(lambda self: any(isinstance(command, CollectMessage) for command in self.pending))
    def collect(self, data: st.DataObject) -> None:
        """The same for what a carrier has recorded."""
        command = next(command for command in self.pending if isinstance(command, CollectMessage))
        self.now = max(self.now, command.due)
        self.pending.remove(command)
        self._collectmessage(command, data)

    # --- the shell ---------------------------------------------------------------------------------------------

    def _apply(self, event) -> None:
        step = calls.step(self.call, event, self.now, POLICY)
        self.call = step.call
        self.pending.extend(step.commands)
        for word in step.words:
            self.facts.words[word.carrier + str(len(self.call.legs))] = 1
        if self.call.ended and self.ended_as is None:
            self.ended_as = (self.call.outcome, self.call.ended_at)

    def _report(self, leg_id: str, event) -> None:
        self._apply(LegReported(leg_id=leg_id, event=event))

    @rule(data=st.data(), again=st.booleans())
    @precondition(lambda self: self.pending)
    def carry_out(self, data: st.DataObject, again: bool) -> None:
        """The outbox delivers any command, perhaps for the second time later."""
        earliest = min(command.due for command in self.pending)
        self.now = max(self.now, earliest)
        due = [command for command in self.pending if command.due <= self.now]
        command = due[data.draw(st.integers(0, len(due) - 1))]
        if not again:
            self.pending.remove(command)
        getattr(self, "_" + type(command).__name__.lower())(command, data)

    def _route(self, command: Route, data: st.DataObject) -> None:
        if self.call.status is not CallStatus.DIALING or (self.call.leg and self.call.leg.live) or self.call.cancel_wanted:
            return
        tried = {leg.carrier for leg in self.call.legs if leg.round == self.call.round}
        free = [carrier for carrier in CARRIERS if carrier not in tried]
        if free and data.draw(st.integers(0, 9)) == 0:
            self._apply(PaceHeld(carrier=free[0], until=self.now + 1))
        elif not free or data.draw(st.integers(0, 9)) == 0:
            self._apply(RouteExhausted(passed=(), retry_at=self.now + 3))
        else:
            self.made += 1
            leg_id = f"leg_{self.made}"
            self._next_leg_is_safe()
            self._apply(
                RouteChosen(
                    leg_id=leg_id,
                    media_token="t",
                    carrier=free[0],
                    caller_id="+15550190001",
                    why="",
                    ringing_events=free[0] != "b",
                    streams_by_command=free[0] == "c",
                )
            )
            self.facts.legs[leg_id] = Truth()

    def _next_leg_is_safe(self) -> None:
        """Invariants 2 and 5: what lies behind a new leg never rang as far as we were told, and is over or fenced."""
        for leg in self.call.legs:
            assert leg.knowledge in {Knowledge.NOT_SENT, Knowledge.REFUSED} or leg.phase is LegPhase.CONDEMNED
            assert leg.alerted_at is None

    def _dial(self, command: Dial, data: st.DataObject) -> None:
        leg = self.call.find(command.leg_id)
        assert leg is not None
        if leg.phase is LegPhase.SENDING:
            self._report(leg.id, DialOrphaned())
        if leg.phase is not LegPhase.INTENDED:
            return
        self.fence += 1
        self._report(leg.id, DialSending(fence=self.fence, deadline=self.now + 8))
        truth = self.facts.legs[leg.id]
        what = data.draw(st.sampled_from(["accepted", "accepted", "refused", "not_sent", "unknown", "unknown", "lost", "died"]))
        if what != "not_sent":
            truth.posts += 1
        truth.exists = what in {"accepted", "died"} or (what in {"unknown", "lost"} and data.draw(st.booleans()))
        if what == "accepted":
            self._report(leg.id, DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))
        elif what == "refused":
            self._report(leg.id, DialReported(knowledge=Knowledge.REFUSED, verdict=data.draw(REFUSALS)))
        elif what == "not_sent":
            self._report(leg.id, DialReported(knowledge=Knowledge.NOT_SENT, verdict=next_carrier("unreachable")))
        elif what == "unknown":
            self._report(leg.id, DialReported(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("no-answer-in-time")))

    def _resolve(self, command: Resolve, data: st.DataObject) -> None:
        leg, truth = self.call.find(command.leg_id), self.facts.legs[command.leg_id]
        assert leg is not None
        if leg.phase is LegPhase.INTENDED or leg.ended_at is not None:
            return
        if data.draw(st.integers(0, 4)) == 0:
            self._report(leg.id, LookupFailed(reason="timeout"))
        elif not truth.exists:
            self._report(leg.id, LegMissing())
        elif truth.over:
            self._report(leg.id, LegFound(phase="ended", verdict=next_carrier("carrier-error")))
        else:
            phase = "answered" if truth.answered else "ringing" if truth.rang else "accepted"
            self._report(leg.id, LegFound(phase=phase))

    def _hangup(self, command: HangUp, data: st.DataObject) -> None:
        truth = self.facts.legs[command.leg_id]
        if truth.exists and data.draw(st.booleans()):
            truth.over = True

    def _openstream(self, command: OpenStream, data: st.DataObject) -> None:
        """What comes of it, the carrier says."""

    def _recordmessage(self, command: RecordMessage, data: st.DataObject) -> None:
        refused = data.draw(st.booleans())
        self._report(command.leg_id, MessageRefused(reason="refused") if refused else MessageRecording())

    def _collectmessage(self, command: CollectMessage, data: st.DataObject) -> None:
        """Here, known to be at the carrier, missing, or not yet."""
        what = data.draw(st.sampled_from(["kept", "taken", "missing", "later"]))
        if what == "later":
            self.pending.append(command)
        elif what == "missing":
            self._apply(VoicemailMissing(reason="no-recording"))
        else:
            self.message = self.message if self.call.ended else "taken"
            kept = VoicemailKept(voicemail_id="vm_2", seconds=2.0, silent=False, ended_by="")
            self._apply(VoicemailTaken(voicemail_id="vm_2") if what == "taken" else kept)

    def _timer(self, command: Timer, data: st.DataObject) -> None:
        self._apply(TimerFired(name=command.name, leg_id=command.leg_id))

    # --- the carriers ------------------------------------------------------------------------------------------

    @rule(
        data=st.data(),
        what=st.sampled_from(["progress", "ring", "ring", "end", "end", "answer", "open", "fail", "close"]),
        verdict=ENDS,
    )
    @precondition(lambda self: any(truth.exists for truth in self.facts.legs.values()))
    def carrier_speaks(self, data: st.DataObject, what: str, verdict) -> None:
        """Any webhook of any leg that really exists, in any order, late and repeated."""
        leg_id = data.draw(st.sampled_from([leg_id for leg_id, truth in self.facts.legs.items() if truth.exists]))
        truth = self.facts.legs[leg_id]
        event = {
            "progress": LegProgressed(carrier_call_id="x"),
            "ring": LegRinging(carrier_call_id="x"),
            "answer": LegAnswered(carrier_call_id="x"),
            "end": LegEnded(verdict=verdict, carrier_call_id="x"),
            "open": StreamOpened(),
            "fail": StreamFailed(reason="refused"),
            "close": StreamClosed(),
        }[what]
        truth.rang |= what in {"ring", "answer"}
        truth.answered |= what == "answer"
        truth.over |= what == "end"
        self._report(leg_id, event)

    @rule(ends=st.booleans(), verdict=ENDS)
    @precondition(lambda self: self.call.legs and self.facts.legs[self.call.legs[-1].id].exists)
    def carrier_goes_on(self, ends: bool, verdict) -> None:
        """The newest leg's carrier says the next word of the usual story."""
        leg_id = self.call.legs[-1].id
        truth = self.facts.legs[leg_id]
        if ends or truth.answered:
            truth.over = True
            self._report(leg_id, LegEnded(verdict=verdict, carrier_call_id="x"))
        elif truth.rang:
            truth.answered = True
            self._report(leg_id, LegAnswered(carrier_call_id="x"))
        else:
            truth.rang = True
            self._report(leg_id, LegRinging(carrier_call_id="x"))

    @rule(data=st.data())
    @precondition(lambda self: any(leg.phase is LegPhase.CONDEMNED for leg in self.call.legs))
    def the_condemned_speak(self, data: st.DataObject) -> None:
        """A leg that was given up comes to life after all."""
        leg = data.draw(st.sampled_from([leg for leg in self.call.legs if leg.phase is LegPhase.CONDEMNED]))
        self.facts.legs[leg.id].exists = True
        event = data.draw(st.sampled_from([LegProgressed(), LegRinging(), LegAnswered(), StreamOpened()]))
        self._report(leg.id, event)

    @rule()
    @precondition(lambda self: self.call.promise is not None)
    def promise_due(self) -> None:
        """The promise queue delivers, never early."""
        self.now = max(self.now, self.call.promise.due_at)
        self._apply(PromiseDue())

    @rule(chance=st.integers(0, 19))
    @precondition(lambda self: self.call.legs and self.call.status in _CANCELABLE)
    def user_cancels(self, chance: int) -> None:
        """The user takes the call back; seldom, so that most worlds live long."""
        if chance == 7:
            self._apply(CancelRequested())

    @rule(chance=st.integers(0, 19))
    @precondition(lambda self: len(self.call.legs) > 1)
    def user_hangs_up(self, chance: int) -> None:
        """The user hangs up in any state; seldom."""
        if chance == 7:
            self._apply(HangupRequested())

    @rule(what=st.sampled_from(["started", "taken", "kept"]))
    @precondition(lambda self: self.call.status in _WITH_A_PERSON or self.message != "")
    def a_message_is_taken(self, what: str) -> None:
        """The person speaks to the machine; its words are repeated, and the last one may come after the end."""
        if what == "started" and (self.call.status in _WITH_A_PERSON or self.call.ended):
            self.message = self.message or ("" if self.call.ended else "started")
            self._apply(VoicemailStarted(voicemail_id="vm_1", reason="routed"))
        elif self.message and (self.call.status in _WITH_A_PERSON or self.call.ended):
            self.message = self.message if self.call.ended else "taken"
            kept = VoicemailKept(voicemail_id="vm_1", seconds=2.0, silent=False, ended_by="hung-up")
            self._apply(VoicemailTaken(voicemail_id="vm_1") if what == "taken" else kept)

    @rule(what=st.sampled_from(["order", "order", "order", "refuse", "speak", "record", "record", "recorded"]))
    @precondition(lambda self: self.call.leg is not None and self.call.leg.phase in {LegPhase.ANSWERED, LegPhase.ENDED})
    def the_carrier_takes_a_message(self, what: str) -> None:
        """Ordered, and then in any order, late and repeated."""
        assert self.call.leg is not None
        event = {
            "order": MessageOrdered(),
            "refuse": MessageRefused(reason="refused"),
            "speak": MessageSpoken(),
            "record": MessageRecording(),
            "recorded": MessageRecorded(),
        }[what]
        self._report(self.call.leg.id, event)

    @rule(verdict=ENDS)
    @precondition(lambda self: self.call.leg is not None and self.call.leg.phase is LegPhase.ANSWERED)
    def somebody_leaves_one_there(self, verdict) -> None:
        """The usual story: ordered, recorded, and the person hangs up."""
        assert self.call.leg is not None
        for event in (MessageOrdered(), StreamClosed(), MessageRecording(), LegEnded(verdict=verdict)):
            self._report(self.call.leg.id, event)
        self.facts.legs[self.call.leg.id].over = True

    @rule(back=st.booleans(), to=st.sampled_from(["", "b", "hold", "human", "voicemail", "goodbye"]), began=st.booleans())
    @precondition(lambda self: self.call.legs)
    def agent_is_lost(self, back: bool, to: str, began: bool) -> None:
        """The agent is lost at any time, and another one talks, or it comes back; no leg and no promise hears of it."""
        legs, promise = self.call.legs, self.call.promise
        if back and self.call.ladder.lost:
            self._apply(AgentBack(agent="acting"))
        else:
            self._apply(AgentLost(agent=self.call.talks, reason="raised", began=began, rung=to, place=0, to=to))
        if self.call.talks == "human":
            self._apply(HandedOver(to="call_2"))
        assert (self.call.legs, self.call.promise) == (legs, promise)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 7.0]))
    def time_passes(self, seconds: float) -> None:
        """The clock goes on."""
        self.now += seconds

    # --- the promises ------------------------------------------------------------------------------------------

    @invariant()
    def one_post_a_leg(self) -> None:
        """Invariant 4: no leg is POSTed twice, however often its Dial is delivered."""
        assert all(truth.posts <= 1 for truth in self.facts.legs.values())

    @invariant()
    def one_live_leg(self) -> None:
        """Invariants 1 and 2: at most one leg can still reach the agent."""
        assert sum(leg.live for leg in self.call.legs) <= 1

    @invariant()
    def terminal_is_absorbing(self) -> None:
        """Invariant 6: one outcome, once."""
        if self.ended_as is not None:
            assert (self.call.outcome, self.call.ended_at) == self.ended_as
            assert not any(leg.live for leg in self.call.legs)

    @invariant()
    def a_kept_message_is_the_outcome(self) -> None:
        """A call in which a message was sure to be kept before its end says so, and no other does."""
        if self.call.ended:
            assert (self.call.outcome is Outcome.VOICEMAIL) == (self.message == "taken")

    @invariant()
    def a_recording_is_never_forgotten(self) -> None:
        """Once a message is being recorded the call shows it until it ends, or until that agent is lost, too."""
        if self.message and not self.call.ladder.lost:
            assert self.call.status in {CallStatus.VOICEMAIL, CallStatus.ENDED}

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Invariant 7: a call that has not ended has a promise, or a command that will move it."""
        call, leg = self.call, self.call.leg
        if call.ended or call.status is CallStatus.SCHEDULED:
            assert call.ended or call.promise is not None
        elif leg is not None and leg.phase is LegPhase.ENDED and leg.message is MessageStage.RECORDING:
            assert any(isinstance(command, CollectMessage) for command in self.pending)
            assert any(isinstance(command, Timer) and command.name == calls.MESSAGE_TIMER for command in self.pending)
        elif leg is None or not leg.live:
            assert any(isinstance(command, Route) for command in self.pending)
        elif leg.phase is LegPhase.INTENDED:
            assert any(isinstance(command, Dial) for command in self.pending)
        else:
            assert any(isinstance(command, Timer) and command.leg_id == leg.id for command in self.pending)

    @invariant()
    def condemned_is_for_ever(self) -> None:
        """Invariant 3: no later word brings a condemned leg back to the agent."""
        condemned = {leg.id for leg in self.call.legs if leg.phase is LegPhase.CONDEMNED}
        assert self.condemned <= condemned
        self.condemned = condemned

    @invariant()
    def a_wanted_end_is_pursued(self) -> None:
        """Invariant 3: a leg that must end and may live has a hang-up or a timer on its way."""
        for leg in self.call.legs:
            if leg.hangup_wanted and leg.ended_at is None:
                assert any(command.leg_id == leg.id for command in self.pending)

    @invariant()
    def one_try_a_round(self) -> None:
        """Invariant 18: in one dialling round each carrier is tried at most once."""
        tried = [(leg.carrier, leg.round) for leg in self.call.legs]
        assert len(tried) == len(set(tried))


TestOneCall = OneCall.TestCase
TestOneCall.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
