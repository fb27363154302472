"""Callbacks that are asked for: to whom, when, and only once."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call
from gateway.domain.window import Window
from gateway.runtime.callback_requests import CallbackImpossible, CallbackRequests, CallbackTerms, OutboundRoute

TERMS = CallbackTerms(
    routes=(
        OutboundRoute(name="default", prefix="+1", agent="receptionist"),
        OutboundRoute(name="closer", prefix="+1555019", agent="echo"),
    ),
    agents=frozenset({"receptionist", "echo", "bot"}),
    after_s=10.0,
    expires_after_s=600.0,
    retry_on=(Outcome.BUSY,),
    window=None,
    ring_timeout_s=30,
    max_duration_s=600,
)
DAWN = Window(timezone="UTC", opens="05:00", closes="06:00")


def requests_of(rig: Any, **changes: Any) -> CallbackRequests:
    return CallbackRequests(rig.calls, replace(TERMS, **changes), rig.clock)


def a_caller(rig: Any, **changes: Any) -> Call:
    """Somebody who called us."""
    given: dict[str, Any] = {
        "id": "call_in1",
        "direction": Direction.INBOUND,
        "to": "+15550190001",
        "from_number": "+15550100007",
        "session_id": "ses_in1",
        "created_at": rig.clock.time,
        "expires_at": rig.clock.time + 60,
        "agent": "bot",
        "language": "en-US",
        "metadata": {"order": "7"},
    }
    return Call(**(given | changes))


async def test_a_caller_is_promised_a_call(rig: Any) -> None:
    """To their number, from the one they called, by the agent they spoke to, after a moment; and it is dialled then."""
    call = await requests_of(rig).ask(a_caller(rig), purpose="callback", note="wants to know when it comes")
    assert (call.status, call.direction, call.to) == (CallStatus.SCHEDULED, Direction.OUTBOUND, "+15550100007")
    assert (call.from_number, call.agent, call.route) == ("+15550190001", "bot", "default")
    assert (call.callback_of, call.purpose, call.note) == ("call_in1", "callback", "wants to know when it comes")
    assert (call.language, call.metadata, call.retry_on) == ("en-US", {"order": "7"}, (Outcome.BUSY,))
    assert call.promise is not None
    assert call.promise.due_at == rig.clock.time + 10
    assert call.expires_at == rig.clock.time + 610
    await rig.wait(9)
    assert rig.a.posts == []
    await rig.wait(1)
    assert [attempt.to for attempt in rig.a.posts] == ["+15550100007"]


async def test_who_was_called_is_called_back(rig: Any) -> None:
    """An outbound call's person is the number it called."""
    await rig.accept(to="+15550190042", agent="nobody-any-more")
    await rig.settle()
    call = await requests_of(rig).ask(await rig.call(), purpose="callback")
    assert (call.to, call.from_number, call.route, call.agent) == ("+15550190042", "+15550190001", "closer", "echo")


async def test_asking_twice_gives_the_same_one(rig: Any) -> None:
    """Whoever asks again, in another process too, finds the promise as it stands; even when it is over."""
    first = await requests_of(rig).ask(a_caller(rig), purpose="callback", due_at=rig.clock.time + 60)
    rig.restart()
    assert await requests_of(rig).ask(a_caller(rig), purpose="callback", note="again") == first
    await rig.calls.cancel(first.id)
    again = await requests_of(rig).ask(a_caller(rig), purpose="callback")
    assert (again.id, again.outcome) == (first.id, Outcome.CANCELED)


async def test_a_thousand_askers_get_one_promise(rig: Any) -> None:
    """Every one of them called us from the same number: they share the one that is open, and the phone rings once."""
    asks = requests_of(rig)
    promised = [await asks.ask(a_caller(rig, id=f"call_in{number}"), purpose="callback") for number in range(1000)]
    assert {call.id for call in promised} == {promised[0].id}
    await rig.wait(30)
    assert len(rig.a.posts) == 1


async def test_who_asks_while_somebody_else_is_called_back_is_called_too(rig: Any) -> None:
    """Two callers behind an office's number: while the first one's callback is dialled, the others are promised another."""
    asks = requests_of(rig)
    first = await asks.ask(a_caller(rig), purpose="callback")
    await rig.wait(10)
    assert (await rig.call(first.id)).status is CallStatus.DIALING
    second = await asks.ask(a_caller(rig, id="call_in2"), purpose="callback")
    third = await asks.ask(a_caller(rig, id="call_in3"), purpose="callback")
    assert (second.id != first.id, third.id) == (True, second.id)
    await rig.wait(10)
    assert [attempt.to for attempt in rig.a.posts] == ["+15550100007"] * 2


async def test_when_it_is_over_another_may_be_asked_for(rig: Any) -> None:
    """By another call; the number is free again."""
    first = await requests_of(rig).ask(a_caller(rig), purpose="callback")
    await rig.calls.cancel(first.id)
    second = await requests_of(rig).ask(a_caller(rig, id="call_in2"), purpose="callback")
    assert (second.id != first.id, second.status) == (True, CallStatus.SCHEDULED)


async def test_a_callback_that_fails_is_followed_by_another(rig: Any) -> None:
    """What is promised in a callback is a promise of its own, and not the one that is just being kept and ends with the call."""
    asks = requests_of(rig)
    first = await asks.ask(a_caller(rig), purpose="callback")
    await rig.wait(10)
    second = await asks.ask(await rig.call(first.id), purpose="callback")
    assert (second.id != first.id, second.status, second.callback_of) == (True, CallStatus.SCHEDULED, first.id)
    assert second.promise is not None
    assert 60 <= second.promise.due_at - rig.clock.time <= 75
    assert await asks.ask(await rig.call(first.id), purpose="callback") == second


async def test_callbacks_that_fail_come_to_an_end(rig: Any) -> None:
    """Nobody is called all day because each time the agent dies: as many in a row as there are attempts."""
    asks, call = requests_of(rig), a_caller(rig)
    for _ in range(3):
        call = await asks.ask(call, purpose="callback")
    with pytest.raises(CallbackImpossible) as caught:
        await asks.ask(call, purpose="callback")
    assert caught.value.reason == await asks.obstacle(call) == "called-back-often-enough"


async def test_another_purpose_is_another_promise(rig: Any) -> None:
    """Ids are made of both."""
    first = await requests_of(rig).ask(a_caller(rig), purpose="callback")
    second = await requests_of(rig).ask(a_caller(rig), purpose="apology")
    assert first.id != second.id
    assert second.status is CallStatus.SCHEDULED


@pytest.mark.parametrize(
    ("number", "reason"),
    [(None, "no-number"), ("+442079460000", "no-route")],
    ids=["withheld", "nowhere-we-call"],
)
async def test_who_cannot_be_called_gets_no_promise(rig: Any, number: str | None, reason: str) -> None:
    """Said by name, and nothing is stored."""
    with pytest.raises(CallbackImpossible) as caught:
        await requests_of(rig).ask(a_caller(rig, from_number=number), purpose="callback")
    assert caught.value.reason == reason
    assert await rig.store.next_due() is None


async def test_a_time_and_an_agent_may_be_given(rig: Any) -> None:
    """Then they hold, and the note is cut to what an agent can be told."""
    call = await requests_of(rig).ask(
        a_caller(rig), purpose="callback", agent="echo", due_at=rig.clock.time + 3600, note="x" * 5000
    )
    assert call.promise is not None
    assert (call.agent, call.promise.due_at, len(call.note)) == ("echo", rig.clock.time + 3600, 500)
