"""A call's life as a promise: it waits for its time, its window or a carrier, comes due, and is tried again if it failed. Pure.

Whatever is due outside the call's window moves to the next opening, and whatever would be dialled outside it is not,
however late the queue is.
"""

from msgspec.structs import replace

from gateway.domain.callback import retry
from gateway.domain.commands import Route, Timer
from gateway.domain.events import (
    CallAccepted,
    DialDenied,
    DialReported,
    DialSending,
    LegReported,
    PromiseDue,
    PromiseFolded,
    RetryFolded,
    RouteExhausted,
    RunRequested,
)
from gateway.domain.ladder import unanswered
from gateway.domain.outcome import CallStatus, Knowledge, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Promise
from gateway.domain.step import Step, end
from gateway.domain.verdict import Attribution, Disposition, Signal, Verdict, stop
from gateway.domain.window import is_open, next_opening

EXPIRY = "expiry"
OUTSIDE_WINDOW = "outside-window"
FOLDED = "promised-already"


def accepted(call: Call, _event: CallAccepted, now: float, _policy: Policy) -> Step:
    """Dial at once, unless its time or its window is to be waited for."""
    expiry = Timer(call_id=call.id, name=EXPIRY, due=call.expires_at)
    if call.not_before is not None and call.not_before > now:
        return Step(call=promised(call, call.not_before, _why_later(call), now), commands=(expiry,))
    if not is_open(call.window, now):
        return Step(call=promised(call, now, OUTSIDE_WINDOW, now), commands=(expiry,))
    return Step(call=call, commands=(Route(call_id=call.id), expiry))


def exhausted(call: Call, event: RouteExhausted, now: float, policy: Policy) -> Step:
    """No carrier can take it now."""
    if call.on_exhausted == "fail":
        return end(call, Outcome.EXHAUSTED, event.reason, now)
    due = min(max(event.retry_at, now), now + policy.retry_every_s)
    return Step(call=promised(call, due, event.reason, now))


def denied(call: Call, event: DialDenied, now: float, _policy: Policy) -> Step:
    """Forbidden, for ever or for a while; a window that opens too late lets it expire."""
    if event.rule == OUTSIDE_WINDOW:
        return Step(call=promised(call, now, OUTSIDE_WINDOW, now))
    if event.retry_at is None or event.retry_at >= call.expires_at:
        return end(call, Outcome.DENIED, event.rule, now)
    return Step(call=promised(call, event.retry_at, event.rule, now))


def due(call: Call, _event: PromiseDue | RunRequested, now: float, _policy: Policy) -> Step:
    """Its time has come, or somebody wants it kept now."""
    if now >= call.expires_at:
        return end(call, Outcome.EXPIRED, "expired", now)
    if not is_open(call.window, now):
        return Step(call=promised(call, now, OUTSIDE_WINDOW, now))
    again = replace(call, status=CallStatus.DIALING, promise=None, round=call.round + 1, pace_since=None, ladder=Descent())
    attempts = call.promise.attempts + 1 if call.promise else 1
    return Step(call=replace(again, promise_attempts=attempts), commands=(Route(call_id=call.id),))


def without_agent(call: Call, by: str) -> Verdict:
    """What it means for a leg that it is given up because nobody would talk (or goes on to talk) in its call.

    A call that may wait is dialled again when there is somebody: unless the phone has rung, which the end of the leg decides.
    """
    if unanswered(call) and call.on_exhausted != "fail":
        return Verdict(attribution=Attribution.US, disposition=Disposition.LATER, reason=by, signal=Signal.RELEASE)
    return stop(by, Outcome.FAILED, attribution=Attribution.US, signal=Signal.RELEASE)


def folded(call: Call, event: PromiseFolded, now: float, _policy: Policy) -> Step:
    """Another promise to the number, for the same purpose, is open: there is one only."""
    return end(call, Outcome.EXHAUSTED, FOLDED, now)


def unfollowed(call: Call, event: RetryFolded, _now: float, _policy: Policy) -> Step:
    """Another promise to the number, for the same purpose, is open: it is not tried again besides."""
    return Step(call=replace(call, retried_as=""))


def followed(before: Call, step: Step, now: float, policy: Policy) -> Step:
    """The step, and what comes after an end that asks for another try."""
    if before.ended or not step.call.ended:
        return step
    again = retry(step.call, now, policy)
    return step if again is None else replace(step, call=replace(step.call, retried_as=again.id), follow=again)


def promised(call: Call, due_at: float, reason: str, now: float) -> Call:
    """Waiting until then, or until its window opens next; a window that never does is left to the call's expiry."""
    opening = next_opening(call.window, due_at)
    if opening is None or opening > due_at:
        due_at, reason = opening or call.expires_at, OUTSIDE_WINDOW if reason != _why_later(call) else reason
    promise = Promise(id=f"cb_{call.id}", due_at=due_at, attempts=call.promise_attempts, reason=reason)
    since = call.promised_at if call.promised_at is not None else now
    return replace(call, status=CallStatus.SCHEDULED, promise=promise, promised_at=since)


def within_window(call: Call, event: LegReported, now: float) -> LegReported:
    """The last look before a dial is sent: one that comes after the window has closed has not been sent."""
    if not isinstance(event.event, DialSending) or is_open(call.window, now):
        return event
    verdict = Verdict(
        attribution=Attribution.US, disposition=Disposition.LATER, reason=OUTSIDE_WINDOW, signal=Signal.RELEASE, retry_after_s=0.0
    )
    return LegReported(leg_id=event.leg_id, event=DialReported(knowledge=Knowledge.NOT_SENT, verdict=verdict))


def _why_later(call: Call) -> str:
    if call.retry_of:
        return "retry"
    return "callback" if call.callback_of else "not-before"
