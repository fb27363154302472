"""A caller and a colleague: the linked call, when the rung is passed over, and how both calls end."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain import call as calls
from gateway.domain import ladder
from gateway.domain.events import AgentLost, HandedOver
from gateway.domain.handover import colleague_call, ends_the_caller, handover_ids, taken, why_not_reached
from gateway.domain.ladder import Chances, Choice, Rung, RungKind, next_rung
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Loss

NOW = 1_795_348_800.0
TO = "+15550101777"
LOST = Loss(at=NOW, agent="bot", reason="socket-1006", began=True)
HUMAN = Rung(kind=RungKind.HUMAN, to=TO)


def a_call(**changes: Any) -> Call:
    """A caller's, answered two minutes ago, that stands on the human rung."""
    call = Call(
        id="call_1",
        direction=Direction.INBOUND,
        to="+15550190001",
        from_number="+15550101234",
        session_id="ses_1",
        created_at=NOW - 121,
        expires_at=NOW,
        agent="bot",
        language="en-US",
        metadata={"shop": "7"},
        status=CallStatus.IN_PROGRESS,
        answered_at=NOW - 120,
        max_duration_s=600,
        ladder=Descent(lost=(LOST,), rung=0, talking="human"),
    )
    return replace(call, **changes)


def linked(call: Call | None = None, **changes: Any) -> Call:
    made = colleague_call(call or a_call(), TO, ring_s=19.5, route="default", now=NOW)
    return replace(made, **changes)


def test_the_linked_call_is_an_ordinary_one_that_is_tried_once() -> None:
    """It rings as long as it is told, lasts no longer than the caller's call may, and never becomes a promise."""
    made = linked()
    assert (made.to, made.route, made.agent, made.handed_from) == (TO, "default", "colleague", "call_1")
    assert (made.direction, made.from_number, made.carriers) == (Direction.OUTBOUND, None, ())
    assert (made.ring_timeout_s, made.max_duration_s) == (20, 480)
    assert (made.on_exhausted, made.retry_on, made.purpose) == ("fail", (), "handover")
    assert (made.language, made.metadata) == ("en-US", {"shop": "7"})
    assert made.expires_at == NOW + 15 + 19.5


def test_a_caller_whose_time_is_nearly_up_gets_a_minute_at_the_carrier() -> None:
    """Carriers take no shorter limits; the caller's own limit ends both."""
    assert linked(a_call(max_duration_s=121)).max_duration_s == 60


def test_who_asks_again_gets_the_same_call_and_another_loss_another_one() -> None:
    """After a crash nobody's phone rings twice; after a hold that brought the agent back it may ring again."""
    assert handover_ids(a_call()) == handover_ids(a_call(resumed=3))
    others = [
        a_call(id="call_2"),
        a_call(ladder=Descent(lost=(LOST,), rung=1)),
        a_call(ladder=Descent(lost=(LOST, LOST), rung=0)),
    ]
    assert len({handover_ids(call)[0] for call in [a_call(), *others]}) == 4


def test_the_rung_is_passed_over_for_the_colleague_and_without_a_way() -> None:
    """Nobody is connected with their own phone; what else stands against it is said."""
    before = a_call(ladder=Descent(lost=(LOST,)))
    cases = [(replace(before, from_number=TO), {}, "that is who calls"), (before, {"human": "no store"}, "no store")]
    for call, absent, why in cases:
        choice = next_rung((HUMAN,), call, Chances(at=NOW, absent=absent))
        assert isinstance(choice, Choice)
        assert (choice.rung, choice.passed) == (ladder.GOODBYE, (f"human: {why}",))


def test_a_second_colleague_is_tried_after_the_first() -> None:
    """The first one's silence stands against nobody else."""
    call = a_call(ladder=Descent(lost=(LOST, replace(LOST, agent="human", began=False)), rung=0, talking="human"))
    other = Rung(kind=RungKind.HUMAN, to="+15550101778")
    choice = next_rung((HUMAN, other), call, Chances(at=NOW, absent={}))
    assert isinstance(choice, Choice)
    assert (choice.rung, choice.place) == (other, 1)


def test_with_a_colleague_a_call_is_completed_and_waiting_for_one_it_has_failed() -> None:
    """Whoever hangs up: the caller was helped, or was not."""
    waiting = a_call()
    assert ladder.judged(waiting, Outcome.COMPLETED, "hung-up") == (Outcome.FAILED, "agent-failed")
    handed = calls.step(waiting, HandedOver(to="call_9"), NOW, Policy()).call
    assert handed.handed_to == "call_9"
    assert ladder.judged(handed, Outcome.COMPLETED, "hung-up") == (Outcome.COMPLETED, "hung-up")
    lost = AgentLost(agent="human", reason="colleague-lost", began=True, rung="goodbye", place=1, to="goodbye")
    after = calls.step(handed, lost, NOW, Policy()).call
    assert ladder.judged(after, Outcome.COMPLETED, "hung-up") == (Outcome.FAILED, "agent-failed")


def test_whether_the_colleague_has_the_caller_is_read_from_both_calls() -> None:
    """The caller's call names the linked one; another handover's does not count."""
    made = linked()
    assert taken(a_call(handed_to=made.id), made)
    assert not taken(a_call(handed_to="call_0"), made)


@pytest.mark.parametrize(
    ("outcome", "ends", "why"),
    [
        (Outcome.COMPLETED, True, "colleague-completed"),
        (Outcome.NO_ANSWER, False, "colleague-no-answer"),
        (Outcome.BUSY, False, "colleague-busy"),
        (Outcome.DROPPED, False, "colleague-dropped"),
        (None, False, "colleague-gone"),
    ],
)
def test_only_a_hang_up_ends_the_caller_too(outcome: Outcome | None, ends: bool, why: str) -> None:
    """A line that broke is no goodbye: the caller goes on down the ladder."""
    call = linked(outcome=outcome)
    assert (ends_the_caller(call), why_not_reached(call)) == (ends, why)
