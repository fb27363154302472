"""Calls as promises: retries that a request asks for, windows that nothing is dialled outside of, and folding."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from gateway.domain.call import Step, step
from gateway.domain.callback import callback_ids, retry_ids
from gateway.domain.commands import Dial, Route, Timer
from gateway.domain.events import (
    CallAccepted,
    CancelRequested,
    DialSending,
    LegEnded,
    LegReported,
    LegRinging,
    PromiseDue,
    PromiseFolded,
    RetryFolded,
    RouteChosen,
    RouteExhausted,
    RunRequested,
)
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome, Priority
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import stop
from gateway.domain.window import Window

ZONE = ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=ZONE).timestamp()
EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=ZONE).timestamp()
MORNING = datetime(2026, 11, 24, 9, 0, tzinfo=ZONE).timestamp()
DAY = Window(timezone="America/New_York", opens="09:00", closes="18:00")
POLICY = Policy(retry_first_s=60.0, retry_factor=2.0, retry_limit_s=200.0, retry_attempts=4)
BUSY = stop("user-busy", Outcome.BUSY)


def a_call(now: float = NOON, **given: Any) -> Call:
    plain: dict[str, Any] = {"id": "call_1", "to": "+15550100001", "session_id": "ses_1"}
    return Call(**(plain | {"created_at": now, "expires_at": now + 86_400} | given))


def accept(call: Call, now: float = NOON) -> Step:
    return step(call, CallAccepted(), now, POLICY)


def route(call: Call, now: float) -> Step:
    chosen = RouteChosen(leg_id="leg_1", media_token="t", carrier="a", caller_id="+15550190001", why="")
    return step(call, chosen, now, POLICY)


def end_as(call: Call, outcome: Outcome, now: float = NOON) -> Step:
    """Dial it, let it ring, and let the person not take it."""
    call = route(accept(call, now).call, now).call
    for event in (DialSending(fence=1, deadline=now + 8), LegRinging()):
        call = step(call, LegReported(leg_id="leg_1", event=event), now, POLICY).call
    return step(call, LegReported(leg_id="leg_1", event=LegEnded(verdict=stop("told", outcome))), now, POLICY)


# --- retries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.NO_ANSWER, Outcome.DECLINED])
def test_an_end_that_was_named_makes_a_new_call(outcome: Outcome) -> None:
    """Linked both ways, with all that was asked for, waiting until its pause is over; in the step that ends the first."""
    asked: dict[str, Any] = {"retry_on": (outcome,), "metadata": {"order": "7"}, "agent": "bot", "route": "default"}
    asked |= {"carriers": ("a", "b"), "purpose": "transactional", "priority": Priority.HIGH, "ring_timeout_s": 20}
    ended = end_as(a_call(**asked), outcome)
    again = ended.follow
    assert again is not None
    assert (ended.call.outcome, ended.call.retried_as) == (outcome, again.id)
    assert (again.retry_of, again.retries, again.expires_at) == ("call_1", 1, ended.call.expires_at)
    assert {name: getattr(again, name) for name in asked} == asked
    assert again.not_before is not None
    assert NOON + 60 <= again.not_before < NOON + 75
    promise = accept(again).call.promise
    assert promise is not None
    assert (promise.due_at, promise.reason) == (again.not_before, "retry")


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        ({"retry_on": ()}, Outcome.BUSY),
        ({"retry_on": (Outcome.BUSY,)}, Outcome.NO_ANSWER),
        ({"retry_on": (Outcome.BUSY,), "retries": 3}, Outcome.BUSY),
        ({"retry_on": (Outcome.BUSY,), "expires_at": NOON + 59}, Outcome.BUSY),
        ({"retry_on": (Outcome.BUSY,), "window": DAY, "expires_at": EVENING}, Outcome.BUSY),
    ],
    ids=["not-asked", "another-end", "often-enough", "too-late", "the-window-opens-too-late"],
)
def test_nothing_more_is_made(asked: dict[str, Any], outcome: Outcome) -> None:
    """Only what was asked for, so often and so late as allowed."""
    late = "window" in asked
    now = NOON + 5 * 3600 + 59 * 60 + 30 if late else NOON  # 17:59:30: the pause ends after the window has closed
    ended = end_as(a_call(now, **{"expires_at": now + 86_400, **asked}), outcome, now)
    assert ended.call.ended
    assert (ended.follow, ended.call.retried_as) == (None, "")


def test_pauses_grow_to_their_limit_and_differ_between_calls() -> None:
    """60, 120, then 200 s, each up to a quarter longer; a hundred calls that failed together come back apart."""
    pauses = []
    for retries in range(3):
        again = end_as(a_call(retry_on=(Outcome.BUSY,), retries=retries), Outcome.BUSY).follow
        assert again is not None
        assert again.not_before is not None
        pauses.append(again.not_before - NOON)
    assert [base <= pause < base * 1.25 for base, pause in zip((60, 120, 200), pauses, strict=True)] == [True] * 3
    many = [end_as(a_call(id=f"call_{one}", retry_on=(Outcome.BUSY,)), Outcome.BUSY).follow for one in range(100)]
    assert len({round(again.not_before) for again in many if again and again.not_before}) > 10


def test_the_same_call_is_tried_again_as_the_same_one() -> None:
    """Ids come from the call alone, and those of callbacks and retries never meet."""
    call = a_call()
    assert retry_ids(call) == retry_ids(a_call(NOON + 500))
    every = {*retry_ids(call), *callback_ids(call, "callback"), *callback_ids(call, "other")}
    assert len(every) == 6
    assert all(re.fullmatch(r"(call|ses)_[0-9a-f]{24}", one) for one in every)


def test_a_canceled_call_is_not_tried_again() -> None:
    """Whatever its leg then says."""
    call = route(accept(a_call(retry_on=(Outcome.BUSY,))).call, NOON).call
    call = step(call, LegReported(leg_id="leg_1", event=DialSending(fence=1, deadline=NOON + 8)), NOON, POLICY).call
    call = step(call, CancelRequested(), NOON, POLICY).call
    ended = step(call, LegReported(leg_id="leg_1", event=LegEnded(verdict=BUSY)), NOON, POLICY)
    assert (ended.call.outcome, ended.follow) == (Outcome.CANCELED, None)


def test_a_late_word_makes_no_second_retry() -> None:
    """The end makes it; what comes after the end does not."""
    ended = end_as(a_call(retry_on=(Outcome.BUSY,)), Outcome.BUSY)
    late = step(ended.call, LegReported(leg_id="leg_1", event=LegEnded(verdict=BUSY)), NOON + 1, POLICY)
    assert (late.follow, late.call.retried_as) == (None, ended.call.retried_as)


# --- windows -------------------------------------------------------------------------------------------------------


def test_a_call_outside_its_window_waits_for_the_opening() -> None:
    """Accepted in the evening, due in the morning; within the window it is dialled at once."""
    later = accept(a_call(EVENING, window=DAY), EVENING)
    assert later.call.promise is not None
    assert (later.call.status, later.call.promise.due_at, later.call.promise.reason) == (
        CallStatus.SCHEDULED,
        MORNING,
        "outside-window",
    )
    assert later.call.promised_at == EVENING
    assert [type(command) for command in later.commands] == [Timer]
    assert Route in [type(command) for command in accept(a_call(window=DAY)).commands]


def test_a_time_outside_the_window_moves_to_the_opening() -> None:
    """`not_before` in the night is the next morning."""
    promise = accept(a_call(window=DAY, not_before=EVENING)).call.promise
    assert promise is not None
    assert (promise.due_at, promise.reason) == (MORNING, "not-before")


def test_a_promise_that_comes_due_late_waits_for_the_next_opening() -> None:
    """The queue was slow, or somebody wants it now: outside the window nothing is dialled."""
    waiting = accept(a_call(window=DAY, not_before=NOON + 60)).call
    for event in (PromiseDue(), RunRequested()):
        late = step(waiting, event, EVENING, POLICY)
        assert late.call.promise is not None
        assert (late.call.status, late.call.promise.due_at, late.commands) == (CallStatus.SCHEDULED, MORNING, ())
        assert late.call.promise_attempts == 0


def test_no_carrier_is_chosen_outside_the_window() -> None:
    """The route command was late: no leg, no dial."""
    late = route(accept(a_call(window=DAY)).call, EVENING)
    assert late.call.promise is not None
    assert (late.call.legs, late.commands, late.call.promise.due_at) == ((), (), MORNING)


def test_no_dial_is_sent_outside_the_window() -> None:
    """A carrier was chosen in time, its dial comes late: it is not sent, and the call waits."""
    dialing = route(accept(a_call(window=DAY)).call, NOON)
    assert [type(command) for command in dialing.commands] == [Dial]
    sending = LegReported(leg_id="leg_1", event=DialSending(fence=1, deadline=EVENING + 8))
    late = step(dialing.call, sending, EVENING, POLICY)
    assert late.call.leg is not None
    assert (late.call.leg.phase, late.call.leg.knowledge) == (LegPhase.ENDED, Knowledge.NOT_SENT)
    assert late.call.promise is not None
    assert late.call.promise.due_at == MORNING


def test_a_wait_for_a_carrier_ends_within_the_window() -> None:
    """Tried again in 15 s, which is after closing: in the morning then."""
    closing = EVENING - 2 * 3600 - 5
    held = step(
        accept(a_call(closing, window=DAY), closing).call, RouteExhausted(passed=(), retry_at=closing + 60), closing, POLICY
    )
    assert held.call.promise is not None
    assert (held.call.promise.due_at, held.call.promise.reason) == (MORNING, "outside-window")


def test_a_retry_falls_into_the_window() -> None:
    """Busy a minute before closing: tried again in the morning."""
    now = EVENING - 2 * 3600 - 30
    again = end_as(a_call(now, window=DAY, retry_on=(Outcome.BUSY,)), Outcome.BUSY, now).follow
    assert again is not None
    assert (again.not_before, again.window) == (MORNING, DAY)


# --- run now, and one for each number and purpose --------------------------------------------------------------------


def test_a_promise_is_kept_at_once_if_somebody_says_so() -> None:
    """It is dialled as if its time had come; one that has expired expires."""
    waiting = accept(a_call(not_before=NOON + 3600)).call
    running = step(waiting, RunRequested(), NOON + 1, POLICY)
    assert (running.call.status, running.call.promise_attempts) == (CallStatus.DIALING, 1)
    assert [type(command) for command in running.commands] == [Route]
    over = step(replace(waiting, expires_at=NOON + 1), RunRequested(), NOON + 1, POLICY)
    assert over.call.outcome is Outcome.EXPIRED


def test_a_second_promise_for_the_same_is_folded() -> None:
    """It ends without a carrier, and says why; a retry that would be the second is taken back."""
    waiting = step(accept(a_call()).call, RouteExhausted(passed=(), retry_at=NOON + 5), NOON, POLICY).call
    ended = step(waiting, PromiseFolded(into="call_0"), NOON, POLICY).call
    assert (ended.outcome, ended.reason, ended.promise) == (Outcome.EXHAUSTED, "promised-already", None)
    busy = end_as(a_call(retry_on=(Outcome.BUSY,)), Outcome.BUSY).call
    assert step(busy, RetryFolded(into="call_0"), NOON, POLICY).call.retried_as == ""
