"""A call's lifecycle: its transition table and its one step function, (call, event, now) -> (call, commands).

    scheduled <---no carrier---- dialing --> ringing --> in_progress --> ended
        |     -----promise due----->  | ^
        |                             | +-- next carrier (refused, not sent, condemned)
        +--expired, canceled--> ended +---> busy, declined, no answer, canceled ...

    in_progress --a message is recorded--> voicemail --> ended

A call owns its legs. A leg's event is first applied to the leg (leg.py); what that means for the call is decided here,
in `_after_leg`, and nowhere else. Rules:

1. An accepted call ends in exactly one outcome, and `ended` is absorbing: late events may still end condemned legs, and
   change nothing else.
2. A next carrier only after NotSent, Refused or condemned; never after the phone was alerted, never while a leg lives.
3. A call that no carrier can take becomes a promise with a due time, until it expires.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from gateway.domain import inbound, ladder, promising
from gateway.domain import leg as legs
from gateway.domain.commands import CollectMessage, Dial, Route, Timer
from gateway.domain.errors import IllegalTransition
from gateway.domain.events import (
    AgentBack,
    AgentLost,
    CallAccepted,
    CallArrived,
    CallEvent,
    CancelRequested,
    DialDenied,
    HandedOver,
    HangupRequested,
    LegReported,
    PaceHeld,
    PromiseDue,
    PromiseFolded,
    RetryFolded,
    RouteChosen,
    RouteExhausted,
    RunRequested,
    SessionResumed,
    TimerFired,
    VoicemailKept,
    VoicemailMissing,
    VoicemailStarted,
    VoicemailTaken,
)
from gateway.domain.leg_facts import unheard
from gateway.domain.leg_step import LegStep
from gateway.domain.leg_verdicts import NO_STREAM
from gateway.domain.outcome import CallStatus, Direction, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.step import BreakerWord as BreakerWord
from gateway.domain.step import Step as Step
from gateway.domain.step import end
from gateway.domain.verdict import Attribution, Disposition, Signal, stop
from gateway.domain.voicemail import MessageStage
from gateway.domain.window import is_open

AGENT_FAULTS = frozenset({"agent-failed", "agent-unavailable"})
"""Who ends a call without having wanted to: the agent could not start, or broke."""

COLLECT_AFTER_S = 1.0
"""After the end of a leg; no carrier has a recording's file sooner."""

COLLECT_WITHIN_S = 180.0
"""After the end of a leg; whoever collects has given its word long before. Without it the call ends all the same: a worker, its
command or its word may be lost, and nothing that was accepted lives for ever.
"""

MESSAGE_TIMER = "message"

Handler = Callable[[Call, Any, float, Policy], Step]


def step(call: Call, event: CallEvent, now: float, policy: Policy) -> Step:
    """Apply one event; raise IllegalTransition for what this status neither takes nor ignores."""
    handler = TAKES[call.status].get(type(event))
    if handler is not None:
        return promising.followed(call, handler(call, event, now, policy), now, policy)
    if type(event) in IGNORES[call.status]:
        return Step(call=call, ignored=True)
    raise IllegalTransition("call", call.status.value, type(event).__name__)


# --- getting a carrier -------------------------------------------------------------------------------------------


def _routed(call: Call, event: RouteChosen, now: float, _policy: Policy) -> Step:
    if call.leg is not None and call.leg.live:
        raise IllegalTransition("call", "dialing with a live leg", "RouteChosen")
    if not is_open(call.window, now):
        return Step(call=promising.promised(call, now, promising.OUTSIDE_WINDOW, now))
    leg = Leg(
        id=event.leg_id,
        call_id=call.id,
        carrier=event.carrier,
        caller_id=event.caller_id,
        media_token=event.media_token,
        round=call.round,
        created_at=now,
        why=event.why,
        probe=event.probe,
        breaker_epoch=event.breaker_epoch,
        ringing_events=event.ringing_events,
        lookup_settles_s=event.lookup_settles_s,
        place_timeout_s=event.place_timeout_s,
        streams_by_command=event.streams_by_command,
        resends_safely=event.resends_safely,
        ring_timeout_s=call.ring_timeout_s,
        max_duration_s=call.max_duration_s,
    )
    routed = replace(call, legs=(*call.legs, leg), pace_since=None)
    return Step(call=routed, commands=(Dial(call_id=call.id, leg_id=leg.id),))


def _paced(call: Call, event: PaceHeld, now: float, _policy: Policy) -> Step:
    held = replace(call, pace_since=call.pace_since if call.pace_since is not None else now)
    return Step(call=held, commands=(Route(call_id=call.id, due=event.until),))


# --- a caller comes to us ----------------------------------------------------------------------------------------


def _arrived(call: Call, event: CallArrived, now: float, policy: Policy) -> Step:
    if call.legs:
        return Step(call=call, ignored=True)
    leg = inbound.arriving_leg(call, event, now, policy)
    if event.refusal:
        verdict = stop(event.refusal, Outcome.DENIED, attribution=Attribution.US, signal=Signal.RELEASE, code=event.cause)
        refused = replace(leg, phase=LegPhase.ENDED, verdict=verdict, ended_at=now)
        ended = end(replace(call, legs=(refused,)), Outcome.DENIED, event.refusal, now)
        return replace(ended, commands=inbound.turned_away(leg, event.cause))
    return Step(call=replace(call, status=CallStatus.RINGING, legs=(leg,)), commands=inbound.welcome(leg))


# --- ending it ---------------------------------------------------------------------------------------------------


def _cancel(call: Call, event: Any, now: float, policy: Policy) -> Step:
    """Take it back before the answer: at once if nothing lives, else when the live leg has ended."""
    if isinstance(event, HangupRequested) and event.by in AGENT_FAULTS and call.leg is not None and call.leg.live:
        return _hang_up(call, event, now, policy)
    if call.leg is None or not call.leg.live:
        return end(call, Outcome.CANCELED, "canceled", now)
    wanted = replace(call, cancel_wanted=True)
    return _moved(wanted, call.leg, legs.want_hangup(call.leg, now, policy), now, policy)


def _hang_up(call: Call, event: HangupRequested, now: float, policy: Policy) -> Step:
    assert call.leg is not None
    if event.by in AGENT_FAULTS:
        verdict = promising.without_agent(call, event.by)
    else:
        verdict = stop(f"{event.by}-hung-up", Outcome.COMPLETED, attribution=Attribution.US)
    return _moved(call, call.leg, legs.want_hangup(call.leg, now, policy, verdict), now, policy)


def _timer(call: Call, event: TimerFired, now: float, policy: Policy) -> Step:
    if event.leg_id:
        leg = _own(call, event.leg_id, "TimerFired")
        return _moved(call, leg, legs.watch(leg, now, policy), now, policy)
    if event.name == MESSAGE_TIMER:
        return _waited_enough(call, now, policy)
    waiting = call.leg is None or not call.leg.live
    if call.ended or now < call.expires_at or not waiting or _awaits_message(call):
        return Step(call=call, ignored=True)
    return end(call, Outcome.EXPIRED, "expired", now)


# --- a message is taken ------------------------------------------------------------------------------------------


def _recording(call: Call, _event: VoicemailStarted, _now: float, _policy: Policy) -> Step:
    return Step(call=replace(call, status=CallStatus.VOICEMAIL))


def _message(call: Call, event: VoicemailTaken | VoicemailKept, now: float, _policy: Policy) -> Step:
    """Of a message that a carrier recorded this comes when all else is over; of an earlier one of ours it may come then, too."""
    told = replace(call, voicemail=event.voicemail_id)
    awaited = _awaits_message(call) and event.voicemail_id != call.voicemail
    return _settled(told, now) if awaited else Step(call=told)


def _no_message(call: Call, _event: VoicemailMissing, now: float, _policy: Policy) -> Step:
    if not _awaits_message(call):
        return Step(call=call, ignored=True)
    *before, leg = call.legs
    return _settled(replace(call, legs=(*before, replace(leg, message=MessageStage.MISSING))), now)


def _waited_enough(call: Call, now: float, policy: Policy) -> Step:
    """No word came of what a carrier recorded."""
    ended_at = call.leg.ended_at if call.leg is not None else None
    if ended_at is None or now + 0.001 < ended_at + COLLECT_WITHIN_S:
        return Step(call=call, ignored=True)
    return _no_message(call, VoicemailMissing(reason="timeout"), now, policy)


def _collection(call: Call, leg: Leg, now: float) -> Step:
    """Bring home what the leg's carrier has recorded; the call waits, but not for ever."""
    collect = CollectMessage(call_id=call.id, leg_id=leg.id, due=now + COLLECT_AFTER_S)
    return Step(call=call, commands=(collect, Timer(call_id=call.id, name=MESSAGE_TIMER, due=now + COLLECT_WITHIN_S)))


def _awaits_message(call: Call) -> bool:
    """Its last leg is over, and what the carrier recorded on it is not here yet."""
    leg = call.leg
    return not call.ended and leg is not None and leg.phase is LegPhase.ENDED and leg.message is MessageStage.RECORDING


def _settled(call: Call, now: float) -> Step:
    """The end of a call whose last leg was answered."""
    leg = call.leg
    assert leg is not None
    assert leg.verdict is not None
    return end(_with_answer(call, leg), *_judged(call, leg), now)


def _message_after_the_end(call: Call, _event: VoicemailKept, _now: float, _policy: Policy) -> Step:
    """For the log alone: the outcome stands."""
    return Step(call=call)


# --- the agent is lost -------------------------------------------------------------------------------------------


def _agent_lost(call: Call, event: AgentLost, now: float, _policy: Policy) -> Step:
    after = ladder.after_loss(call, event, now)
    return Step(call=after, ignored=after is call)


def _agent_was_lost(call: Call, event: AgentLost, _now: float, _policy: Policy) -> Step:
    """For the log alone: it happened before the end, while the store was away. The outcome stands."""
    known = any((loss.agent, loss.at) == (event.agent, event.lost_at) for loss in call.ladder.lost)
    before = event.lost_at is not None and call.ended_at is not None and event.lost_at < call.ended_at
    return Step(call=call, ignored=known or not before)


def _agent_back(call: Call, event: AgentBack, _now: float, _policy: Policy) -> Step:
    after = ladder.regained(call, event.agent)
    return Step(call=after, ignored=after == call)


def _handed_over(call: Call, event: HandedOver, _now: float, _policy: Policy) -> Step:
    return Step(call=replace(call, handed_to=event.to))


# --- a leg moves -------------------------------------------------------------------------------------------------


def _resumed(call: Call, _event: SessionResumed, _now: float, _policy: Policy) -> Step:
    return Step(call=replace(call, resumed=call.resumed + 1))


def _leg_reported(call: Call, event: LegReported, now: float, policy: Policy) -> Step:
    leg = _own(call, event.leg_id, type(event.event).__name__)
    event = promising.within_window(call, event, now)
    return _moved(call, leg, legs.step(leg, event.event, now, policy), now, policy)


def _moved(call: Call, before: Leg, moved: LegStep, now: float, policy: Policy) -> Step:
    after = moved.leg
    word = _word(before, after)
    if word is not None:
        after = replace(after, signaled=True)
    updated = replace(call, legs=tuple(after if leg.id == after.id else leg for leg in call.legs))
    over = before.live and not after.live
    result = Step(call=updated, commands=moved.commands, ignored=moved.ignored and after == before)
    if not call.ended and call.leg is not None and call.leg.id == after.id:
        follow = _after_leg(updated, after, now, policy) if over else Step(call=_with_status(updated, after))
        result = replace(result, call=follow.call, commands=(*moved.commands, *follow.commands))
    released = ((after.carrier, after.id),) if _let_go(before, after) else ()
    return replace(result, words=(word,) if word else (), released=released)


def _with_status(call: Call, leg: Leg) -> Call:
    if call.status is CallStatus.VOICEMAIL:
        return call
    if leg.phase is LegPhase.ANSWERED and leg.message is MessageStage.RECORDING:
        return replace(call, status=CallStatus.VOICEMAIL)
    status = _STATUS_OF_LEG.get(leg.phase, call.status)
    if status is CallStatus.IN_PROGRESS and call.answered_at is None:
        return replace(call, status=status, answered_at=leg.answered_at)
    return replace(call, status=status) if status is not call.status else call


def _after_leg(call: Call, leg: Leg, now: float, policy: Policy) -> Step:
    """The one place that decides what the end of a leg means for its call."""
    verdict = leg.verdict
    assert verdict is not None
    if _awaits_message(call):
        return _collection(call, leg, now)
    if leg.answered_at is not None and leg.phase is LegPhase.ENDED:
        return _settled(call, now)
    if call.direction is Direction.INBOUND:
        outcome, why = inbound.outcome_unanswered(call, leg)
        return end(call, outcome, why.reason, now)
    if call.cancel_wanted:
        return end(call, Outcome.CANCELED, "canceled", now)
    rang = leg.phase is LegPhase.ENDED and leg.alerted_at is not None
    if rang or verdict.disposition in {Disposition.STOP, Disposition.SUPPRESS}:
        return end(call, verdict.outcome or Outcome.FAILED, verdict.reason, now)
    if now >= call.expires_at:
        return end(call, Outcome.EXPIRED, "expired", now)
    if verdict.disposition is Disposition.LATER:
        pause = verdict.retry_after_s if verdict.retry_after_s is not None else policy.retry_every_s
        return Step(call=promising.promised(call, now + pause, verdict.reason, now))
    return Step(call=replace(call, status=CallStatus.DIALING), commands=(Route(call_id=call.id),))


def _judged(call: Call, leg: Leg) -> tuple[Outcome, str]:
    """How a call ends whose last leg was answered, and why."""
    assert leg.verdict is not None
    outcome, reason = ladder.judged(call, _outcome_of_answered(call, leg), leg.verdict.reason)
    return (Outcome.FAILED, NO_STREAM.reason) if outcome is Outcome.COMPLETED and unheard(leg) else (outcome, reason)


def _outcome_of_answered(call: Call, leg: Leg) -> Outcome:
    verdict = leg.verdict
    assert verdict is not None
    if call.voicemail:
        return Outcome.VOICEMAIL
    if call.cancel_wanted:
        return Outcome.CANCELED
    if verdict.reason in AGENT_FAULTS:
        return Outcome.FAILED
    if verdict.outcome in {Outcome.COMPLETED, Outcome.CANCELED} or verdict.attribution is Attribution.CALLEE:
        return Outcome.COMPLETED
    return Outcome.DROPPED if leg.streams else Outcome.FAILED


def _with_answer(call: Call, leg: Leg) -> Call:
    return call if call.answered_at is not None else replace(call, answered_at=leg.answered_at)


def _word(before: Leg, after: Leg) -> BreakerWord | None:
    if after.signaled:
        return None
    if after.alerted_at is not None and before.alerted_at is None and after.live:
        signal = Signal.SUCCESS
    elif before.live and not after.live and after.verdict is not None:
        signal = Signal.FAILURE if after.phase is LegPhase.CONDEMNED else after.verdict.signal
    else:
        return None
    return BreakerWord(carrier=after.carrier, signal=signal, epoch=after.breaker_epoch, probe=after.probe)


def _let_go(before: Leg, after: Leg) -> bool:
    """A condemned leg may still hold a line at its carrier; its place is free when it has surely ended."""
    return before.ended_at is None and after.ended_at is not None


# --- small pieces ------------------------------------------------------------------------------------------------


def _own(call: Call, leg_id: str, event: str) -> Leg:
    leg = call.find(leg_id)
    if leg is None:
        raise IllegalTransition("call", f"{call.status.value} without leg {leg_id}", event)
    return leg


_STATUS_OF_LEG = {LegPhase.RINGING: CallStatus.RINGING, LegPhase.ANSWERED: CallStatus.IN_PROGRESS}

# --- the table ---------------------------------------------------------------------------------------------------

_ANY_TIME: dict[type[CallEvent], Handler] = {
    TimerFired: _timer,
    LegReported: _leg_reported,
    SessionResumed: _resumed,
    AgentLost: _agent_lost,
    AgentBack: _agent_back,
    HandedOver: _handed_over,
}
_MESSAGE: dict[type[CallEvent], Handler] = {
    VoicemailStarted: _recording,
    VoicemailTaken: _message,
    VoicemailKept: _message,
    VoicemailMissing: _no_message,
}
_BEFORE_ANSWER: dict[type[CallEvent], Handler] = {CancelRequested: _cancel, HangupRequested: _cancel}

TAKES: dict[CallStatus, dict[type[CallEvent], Handler]] = {
    CallStatus.SCHEDULED: {
        PromiseDue: promising.due,
        RunRequested: promising.due,
        PromiseFolded: promising.folded,
        **_BEFORE_ANSWER,
        **_ANY_TIME,
    },
    CallStatus.DIALING: {
        CallAccepted: promising.accepted,
        CallArrived: _arrived,
        RouteChosen: _routed,
        PaceHeld: _paced,
        RouteExhausted: promising.exhausted,
        DialDenied: promising.denied,
        **_BEFORE_ANSWER,
        **_ANY_TIME,
    },
    CallStatus.RINGING: {**_BEFORE_ANSWER, **_ANY_TIME},
    CallStatus.IN_PROGRESS: {HangupRequested: _hang_up, **_MESSAGE, **_ANY_TIME},
    CallStatus.RECONNECTING: {HangupRequested: _hang_up, **_MESSAGE, **_ANY_TIME},
    CallStatus.VOICEMAIL: {HangupRequested: _hang_up, **_MESSAGE, **_ANY_TIME},
    CallStatus.ENDED: {
        LegReported: _leg_reported,
        TimerFired: _timer,
        VoicemailKept: _message_after_the_end,
        AgentLost: _agent_was_lost,
        RetryFolded: promising.unfollowed,
    },
}
"""What each status takes. `reconnecting` is entered by no event yet."""

_ROUTER: frozenset[type[CallEvent]] = frozenset({PaceHeld, RouteExhausted})
_AFTER_THE_END: frozenset[type[CallEvent]] = frozenset(
    {CancelRequested, HangupRequested, DialDenied, SessionResumed, AgentBack, HandedOver, VoicemailMissing}
)

IGNORES: dict[CallStatus, frozenset[type[CallEvent]]] = {
    CallStatus.SCHEDULED: _ROUTER,
    CallStatus.DIALING: frozenset({PromiseDue}),
    CallStatus.RINGING: _ROUTER | {PromiseDue, CallArrived},
    CallStatus.IN_PROGRESS: _ROUTER | {PromiseDue, CallArrived},
    CallStatus.RECONNECTING: _ROUTER | {PromiseDue},
    CallStatus.VOICEMAIL: _ROUTER | {PromiseDue, CallArrived},
    CallStatus.ENDED: _ROUTER | _AFTER_THE_END | {PromiseDue, CallAccepted, CallArrived, VoicemailStarted, VoicemailTaken},
}
"""Late or repeated: nothing changes."""
