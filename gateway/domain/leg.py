"""One attempt of a call on one carrier: its transition table and its one step function.

    intended --sending--> (sending) --reported--> accepted --> ringing --> answered --> ended
                              |                       ^
                              +--> unknown ---found---+      unknown --not found in time--> condemned

Rules that hold everything together:

1. Everything that moves a leg stands in `TAKES`. What a phase neither takes nor ignores is a bug and says so by name.
2. Only NotSent and Refused free the call at once. `unknown` is not failure: it is resolved, by a look-up or by any webhook.
3. A condemned leg stays condemned: whatever it does later is answered by a hang-up, and nobody ever hears it.
4. A hang-up that we want (`hangup_wanted`) is repeated until the leg has ended, and the leg is never bridged meanwhile.
5. Every live phase has a timer (`watch_at`), so that no leg waits for a webhook that was lost.
"""

from typing import Any

from msgspec.structs import replace

from gateway.domain import carrier_message, resend, restream
from gateway.domain import leg_verdicts as judged
from gateway.domain.commands import Answer, AnyCommand, HangUp, Resolve
from gateway.domain.errors import IllegalTransition
from gateway.domain.events import (
    DialOrphaned,
    DialReported,
    DialResending,
    DialResent,
    DialSending,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegFound,
    LegMissing,
    LegProgressed,
    LegRinging,
    LookupFailed,
    StreamClosed,
    StreamFailed,
    StreamOpened,
)
from gateway.domain.leg_facts import alerted, ended, overslept, pending_hangup, resolve_bound, talk_limit, with_handles
from gateway.domain.leg_step import Handler, LegStep, armed
from gateway.domain.outcome import Knowledge, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.verdict import Signal, Verdict
from gateway.domain.voicemail import MessageStage

_AT_CARRIER = frozenset({LegPhase.ACCEPTED, LegPhase.RINGING, LegPhase.ANSWERED})


def step(leg: Leg, event: LegEvent, now: float, policy: Policy) -> LegStep:
    """Apply one event; raise IllegalTransition for what this phase neither takes nor ignores."""
    known = with_handles(leg, event)
    handler = TAKES[leg.phase].get(type(event))
    if handler is not None:
        return handler(known, event, now, policy)
    if type(event) in IGNORES[leg.phase]:
        return LegStep(leg=known, ignored=True)
    raise IllegalTransition("leg", leg.phase.value, type(event).__name__)


def watch(leg: Leg, now: float, policy: Policy) -> LegStep:
    """The leg's timer fired: look after whatever should have happened by now."""
    if now + 0.001 < leg.watch_at or leg.ended_at is not None:
        return LegStep(leg=leg, ignored=True)
    if leg.phase is LegPhase.CONDEMNED or (leg.hangup_wanted and leg.phase in _AT_CARRIER):
        return _hang_up_again(leg, now, policy)
    return WATCHES[leg.phase](leg, None, now, policy)


def want_hangup(leg: Leg, now: float, policy: Policy, why: Verdict | None = None) -> LegStep:
    """End the leg. One that nobody has sent yet simply ends; one in sending or unknown is ended once it is known."""
    if leg.phase is LegPhase.INTENDED:
        verdict = why or judged.CANCELED
        return LegStep(leg=ended(leg, verdict, Knowledge.NOT_SENT, now))
    if not leg.live or leg.hangup_wanted:
        return LegStep(leg=leg, ignored=True)
    wanted = replace(leg, hangup_wanted=True, given_up=why)
    if leg.phase in {LegPhase.SENDING, LegPhase.UNKNOWN}:
        return LegStep(leg=wanted)
    return _hang_up_again(wanted, now, policy)


# --- the dial ----------------------------------------------------------------------------------------------------


def _send(leg: Leg, event: DialSending, now: float, _policy: Policy) -> LegStep:
    sent = replace(leg, phase=LegPhase.SENDING, fence=event.fence, deadline=event.deadline, sent_at=now)
    return armed(sent, event.deadline + 1.0)


def _report(leg: Leg, event: DialReported, now: float, policy: Policy) -> LegStep:
    if event.knowledge is Knowledge.ACCEPTED:
        return _accept(leg, event, now, policy)
    if event.knowledge is Knowledge.UNKNOWN:
        return _orphan(leg, event, now, policy)
    if event.knowledge is Knowledge.NOT_SENT:
        leg = replace(leg, sent_at=None)
    return LegStep(leg=ended(leg, event.verdict or judged.UNEXPLAINED, event.knowledge, now))


def _report_late(leg: Leg, event: DialReported, now: float, policy: Policy) -> LegStep:
    """The worker's own word after somebody took its dial for orphaned: the truth, unless it does not know either. A refusal
    is not the truth any more once the dial was sent again.
    """
    if event.knowledge is Knowledge.UNKNOWN or (leg.resent_by is not None and event.knowledge is not Knowledge.ACCEPTED):
        return LegStep(leg=leg, ignored=True)
    return _report(leg, event, now, policy)


def _orphan(leg: Leg, event: Any, now: float, policy: Policy) -> LegStep:
    unknown = replace(
        leg,
        phase=LegPhase.UNKNOWN,
        knowledge=Knowledge.UNKNOWN,
        unknown_at=now,
        verdict=getattr(event, "verdict", None) or leg.verdict,
    )
    look = Resolve(call_id=leg.call_id, leg_id=leg.id)
    return armed(unknown, now + resolve_bound(unknown, policy), look)


def _resent(leg: Leg, event: DialResent, now: float, policy: Policy) -> LegStep:
    if event.knowledge is Knowledge.ACCEPTED:
        return _accept(leg, event, now, policy)
    return resend.fruitless(leg, event.knowledge, now)


def _accept(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    accepted = replace(leg, phase=LegPhase.ACCEPTED, knowledge=Knowledge.ACCEPTED, accepted_at=now, verdict=None, unseen=0)
    return armed(accepted, now + policy.silent_after_s, *pending_hangup(accepted))


def _ring(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    ringing = replace(leg, phase=LegPhase.RINGING, knowledge=Knowledge.ALERTED, alerted_at=now, verdict=None)
    ringing = replace(ringing, accepted_at=leg.accepted_at or now, unseen=0)
    return armed(ringing, now + policy.silent_after_s, *pending_hangup(ringing))


def _answer(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    answered = replace(
        leg,
        phase=LegPhase.ANSWERED,
        knowledge=Knowledge.ALERTED,
        accepted_at=leg.accepted_at or now,
        alerted_at=leg.alerted_at or now,
        answered_at=now,
        verdict=None,
        unseen=0,
    )
    return armed(answered, now + policy.stream_start_s, *pending_hangup(answered))


def _end(leg: Leg, event: LegEnded, now: float, policy: Policy) -> LegStep:
    rang = event.alerted or event.answered or alerted(leg, now, policy)
    if rang and leg.alerted_at is None:
        leg = replace(leg, alerted_at=now)
    if event.answered and leg.answered_at is None:
        leg = replace(leg, answered_at=now)
    verdict = leg.given_up or event.verdict
    return LegStep(leg=ended(leg, verdict, Knowledge.ALERTED if rang else Knowledge.REFUSED, now))


# --- finding out -------------------------------------------------------------------------------------------------


def _found(leg: Leg, event: LegFound, now: float, policy: Policy) -> LegStep:
    if event.phase == "ended":
        verdict = event.verdict or judged.UNEXPLAINED
        answered = verdict.outcome is Outcome.COMPLETED
        return _end(leg, LegEnded(verdict=verdict, answered=answered), now, policy)
    order = [LegPhase.ACCEPTED, LegPhase.RINGING, LegPhase.ANSWERED]
    here = order.index(leg.phase) if leg.phase in order else -1
    there = order.index(LegPhase(event.phase))
    if there <= here:
        return LegStep(leg=replace(leg, unseen=0), ignored=True)
    return (_accept, _ring, _answer)[there](replace(leg, unseen=0), event, now, policy)


def _unseen(leg: Leg, _event: LegMissing, now: float, policy: Policy) -> LegStep:
    leg = replace(leg, unseen=leg.unseen + 1) if resend.settled(leg, now) else leg
    assert leg.unknown_at is not None
    if leg.unseen >= 2 and now - leg.unknown_at >= policy.resolve_for_s:
        return _condemn(leg, None, now, policy)
    return _look_again(leg, None, now, policy)


def _look_again(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    leg, again = resend.asked(leg, now)
    look = Resolve(call_id=leg.call_id, leg_id=leg.id, due=now + policy.resolve_every_s)
    return LegStep(leg=leg, commands=(*again, look))


def _vanished(leg: Leg, _event: LegMissing, now: float, policy: Policy) -> LegStep:
    """A leg that the carrier once confirmed and no longer lists: three times, since lists lag. What we hear is there."""
    if leg.stream_open and not leg.hangup_wanted:
        return LegStep(leg=leg, ignored=True)
    leg = replace(leg, unseen=leg.unseen + 1)
    if leg.unseen < 3:
        return _look_again(leg, None, now, policy)
    if not alerted(leg, now, policy):  # a carrier that answers wrongly may let it ring all the same
        return _condemn(replace(leg, verdict=leg.given_up or judged.VANISHED), None, now, policy)
    return _end(leg, LegEnded(verdict=judged.VANISHED), now, policy)


def _condemn(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    verdict = leg.verdict or judged.NOT_FOUND
    condemned = replace(leg, phase=LegPhase.CONDEMNED, hangup_wanted=True, verdict=verdict, hangups=1)
    return armed(condemned, now + policy.hangup_every_s, HangUp(call_id=leg.call_id, leg_id=leg.id))


# --- a condemned leg moves ---------------------------------------------------------------------------------------


def _hang_up_at_once(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    """It came to life after all: end it with the handle that we may only now have."""
    alive = replace(leg, ended_at=None, hangups=1)
    return armed(alive, now + policy.hangup_every_s, HangUp(call_id=leg.call_id, leg_id=leg.id))


def _condemned_report(leg: Leg, event: DialReported | DialResent, now: float, policy: Policy) -> LegStep:
    if event.knowledge is Knowledge.ACCEPTED:
        return _hang_up_at_once(leg, event, now, policy)
    return LegStep(leg=leg, ignored=True)


def _condemned_end(leg: Leg, _event: Any, now: float, _policy: Policy) -> LegStep:
    return LegStep(leg=replace(leg, ended_at=now))


def _condemned_found(leg: Leg, event: LegFound, now: float, policy: Policy) -> LegStep:
    if event.phase == "ended":
        return _condemned_end(leg, event, now, policy)
    return _hang_up_at_once(leg, event, now, policy)


def _late_answer(leg: Leg, _event: Any, now: float, _policy: Policy) -> LegStep:
    """A leg of whose end only we were sure answers after all: somebody hears silence, so end it at the carrier."""
    if leg.answered_at is not None or leg.verdict is None or leg.knowledge is Knowledge.NOT_SENT:
        return LegStep(leg=leg, ignored=True)
    return LegStep(leg=leg, commands=(HangUp(call_id=leg.call_id, leg_id=leg.id),))


# --- the stream --------------------------------------------------------------------------------------------------


def _stream_opened(leg: Leg, event: StreamOpened, now: float, policy: Policy) -> LegStep:
    """An open socket proves the answer even if no webhook came."""
    answered = _answer(leg, event, now, policy) if leg.phase is not LegPhase.ANSWERED else LegStep(leg=leg)
    opened = replace(answered.leg, streams=leg.streams + 1, stream_open=True, orphaned=False, orphaned_at=None)
    if opened.hangup_wanted:
        return LegStep(leg=opened, commands=answered.commands)
    if opened.message is not None:
        return carrier_message.stream_opened(opened, now, policy)
    return armed(opened, talk_limit(opened, policy))


def _stream_failed(leg: Leg, _event: StreamFailed, now: float, policy: Policy) -> LegStep:
    """The first failure before any sound may be mended by instructing the leg again; any other ends it."""
    failed = replace(leg, stream_open=False, stream_failures=leg.stream_failures + 1)
    if leg.message is not None:
        return LegStep(leg=failed)
    if leg.streams or failed.stream_failures > 1:
        return want_hangup(failed, now, policy, judged.STREAM_LOST)
    return _another_stream(failed, now, policy) or armed(failed, now + policy.stream_start_s)


def _stream_closed(leg: Leg, event: StreamClosed, now: float, policy: Policy) -> LegStep:
    """Mostly the person hung up and the carrier's word follows; if it does not, the timer ends the leg."""
    closed = replace(leg, stream_open=False, orphaned=event.orphaned, orphaned_at=now if event.orphaned else None)
    if event.by_agent:
        return want_hangup(closed, now, policy, judged.AGENT_HUNG_UP)
    again = _another_stream(closed, now, policy)
    if again is None and leg.message is not None:  # its own time counts
        return LegStep(leg=closed)
    return again or armed(closed, now + policy.stream_start_s)


def _another_stream(leg: Leg, now: float, policy: Policy) -> LegStep | None:
    """Tell the carrier to open one, where it is told by command and that may help."""
    if not restream.wanted(leg) or not restream.in_time(leg, now, policy):
        return None
    ordered, command, look_at = restream.order(leg, now, policy)
    return armed(ordered, look_at, command)


# --- timers ------------------------------------------------------------------------------------------------------


def _watch_sending(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    return _orphan(leg, None, now, policy)


def _watch_unknown(leg: Leg, event: Any, now: float, policy: Policy) -> LegStep:
    if overslept(leg, now):  # the look-ups that were due meanwhile come first
        return armed(leg, now + 3 * policy.resolve_every_s)
    return _condemn(leg, event, now, policy)


def _watch_accepted(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    assert leg.accepted_at is not None
    limit = policy.queued_limit_s if leg.ringing_events else leg.ring_timeout_s + policy.ring_grace_s
    if now - leg.accepted_at >= limit:
        verdict = judged.QUEUED_TOO_LONG if leg.ringing_events else judged.RANG_TOO_LONG
        return want_hangup(leg, now, policy, verdict)
    return armed(leg, now + policy.silent_after_s / 2, Resolve(call_id=leg.call_id, leg_id=leg.id))


def _watch_ringing(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    """Ask what became of it now and then, since the word of the end may be lost; after its time, end it."""
    assert leg.alerted_at is not None
    if now - leg.alerted_at >= leg.ring_timeout_s + policy.ring_grace_s:
        return want_hangup(leg, now, policy, judged.RANG_TOO_LONG)
    look = Resolve(call_id=leg.call_id, leg_id=leg.id)
    if leg.by_command:  # the answer's command may be lost as well; it is idempotent
        return armed(leg, now + policy.answer_again_s, Answer(call_id=leg.call_id, leg_id=leg.id), look)
    return armed(leg, now + policy.silent_after_s, look)


def _watch_answered(leg: Leg, _event: Any, now: float, policy: Policy) -> LegStep:
    again = _another_stream(leg, now, policy) or carrier_message.watch(leg, now, policy)
    if again is not None:
        return again
    if leg.message is MessageStage.RECORDING:
        return want_hangup(leg, now, policy, judged.MESSAGE_LEFT)
    if not leg.streams:
        return want_hangup(leg, now, policy, judged.NO_STREAM)
    if not leg.stream_open:
        return want_hangup(leg, now, policy, judged.STREAM_CLOSED)
    return want_hangup(leg, now, policy, judged.TALKED_TOO_LONG)


def _nothing(leg: Leg, _event: Any, _now: float, _policy: Policy) -> LegStep:
    return LegStep(leg=leg, ignored=True)


def _hang_up_again(leg: Leg, now: float, policy: Policy) -> LegStep:
    """Ask, and ask again, with growing pauses."""
    if leg.hangups >= policy.hangup_limit:
        return _never_confirmed(leg, now, policy)
    asked = replace(leg, hangups=leg.hangups + 1)
    pause = policy.hangup_every_s * 2**leg.hangups
    commands: tuple[AnyCommand, ...] = (HangUp(call_id=leg.call_id, leg_id=leg.id, attempt=asked.hangups),)
    if leg.hangups:  # the webhook of the end may be lost: ask
        commands = (*commands, Resolve(call_id=leg.call_id, leg_id=leg.id, due=now + policy.resolve_every_s))
    return armed(asked, now + pause, *commands)


def _never_confirmed(leg: Leg, now: float, policy: Policy) -> LegStep:
    """The carrier never confirmed our hang-up: no call may live for ever, and what has not rung may still ring."""
    if leg.phase is LegPhase.CONDEMNED:
        return LegStep(leg=replace(leg, ended_at=now))
    if alerted(leg, now, policy):
        presumed = leg.given_up or judged.PRESUMED_ENDED
        quiet = replace(leg, given_up=replace(presumed, signal=Signal.RELEASE))  # silence is no praise for the carrier
        ended_for_us = _end(quiet, LegEnded(verdict=presumed), now, policy)
        last = HangUp(call_id=leg.call_id, leg_id=leg.id, attempt=leg.hangups + 1)  # the carrier may be well again by now
        return replace(ended_for_us, commands=(*ended_for_us.commands, last))
    return _condemn(replace(leg, verdict=leg.given_up), None, now, policy)


WATCHES: dict[LegPhase, Handler] = {
    LegPhase.INTENDED: _nothing,
    LegPhase.SENDING: _watch_sending,
    LegPhase.UNKNOWN: _watch_unknown,
    LegPhase.ACCEPTED: _watch_accepted,
    LegPhase.RINGING: _watch_ringing,
    LegPhase.ANSWERED: _watch_answered,
    LegPhase.ENDED: _nothing,
    LegPhase.CONDEMNED: _nothing,
}

# --- the table ---------------------------------------------------------------------------------------------------

_ALIVE: dict[type[LegEvent], Handler] = {
    LegRinging: _ring,
    LegAnswered: _answer,
    LegEnded: _end,
    LegFound: _found,
    StreamOpened: _stream_opened,
}

TAKES: dict[LegPhase, dict[type[LegEvent], Handler]] = {
    LegPhase.INTENDED: {DialSending: _send, DialReported: _report},
    LegPhase.SENDING: {DialReported: _report, DialOrphaned: _orphan, LegProgressed: _accept, **_ALIVE},
    LegPhase.UNKNOWN: {
        DialReported: _report_late,
        DialResending: resend.sending,
        DialResent: _resent,
        LegProgressed: _accept,
        LegMissing: _unseen,
        LookupFailed: _look_again,
        **_ALIVE,
    },
    LegPhase.ACCEPTED: {LegMissing: _vanished, **_ALIVE},
    LegPhase.RINGING: {
        LegAnswered: _answer,
        LegEnded: _end,
        LegFound: _found,
        LegMissing: _vanished,
        StreamOpened: _stream_opened,
    },
    LegPhase.ANSWERED: {
        LegEnded: _end,
        LegFound: _found,
        LegMissing: _vanished,
        StreamOpened: _stream_opened,
        StreamFailed: _stream_failed,
        StreamClosed: _stream_closed,
        **carrier_message.TAKES,
    },
    LegPhase.ENDED: {LegAnswered: _late_answer, StreamOpened: _late_answer, **carrier_message.TAKES_LATE},
    LegPhase.CONDEMNED: {
        DialReported: _condemned_report,
        DialResent: _condemned_report,
        LegProgressed: _hang_up_at_once,
        LegRinging: _hang_up_at_once,
        LegAnswered: _hang_up_at_once,
        StreamOpened: _hang_up_at_once,
        LegEnded: _condemned_end,
        LegFound: _condemned_found,
    },
}
"""What each phase takes. `with_handles` has merged the carrier's ids before any of these run."""

_DIAL_WORDS: frozenset[type[LegEvent]] = frozenset({DialReported, DialResent, DialOrphaned})
_STREAM_WORDS: frozenset[type[LegEvent]] = frozenset({StreamFailed, StreamClosed, *carrier_message.TAKES})
_LATE_WORDS: frozenset[type[LegEvent]] = frozenset(carrier_message.TAKES_LATE)
_LOOKUPS: frozenset[type[LegEvent]] = frozenset({LegFound, LegMissing, LookupFailed})

IGNORES: dict[LegPhase, frozenset[type[LegEvent]]] = {
    LegPhase.INTENDED: frozenset(),
    LegPhase.SENDING: _STREAM_WORDS | {LegMissing, LookupFailed},
    LegPhase.UNKNOWN: _STREAM_WORDS | {DialOrphaned},
    LegPhase.ACCEPTED: _STREAM_WORDS | _DIAL_WORDS | {LegProgressed, LookupFailed},
    LegPhase.RINGING: _STREAM_WORDS | _DIAL_WORDS | {LegProgressed, LegRinging, LookupFailed},
    LegPhase.ANSWERED: _DIAL_WORDS | {LegProgressed, LegRinging, LegAnswered, LookupFailed},
    LegPhase.ENDED: (_STREAM_WORDS - {*carrier_message.TAKES_LATE})
    | _LOOKUPS
    | _DIAL_WORDS
    | {LegProgressed, LegRinging, LegEnded},
    LegPhase.CONDEMNED: _STREAM_WORDS | {DialOrphaned, LegMissing, LookupFailed},
}
"""Late, repeated or overtaken: nothing changes but the handles and the counters."""
