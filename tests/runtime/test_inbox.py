"""Webhooks over the in-memory store: one write, one answer, and the same answer to every repeat."""

from typing import Any

import pytest

from carriers.contract import Document, Expectation, Hook
from gateway.domain.errors import BadSignature, StoreUnavailable
from gateway.domain.events import LegAnswered, LegEnded, LegFound, LegProgressed, LegRinging, StreamClosed, StreamOpened
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.verdict import ended_normally
from gateway.runtime.inbox import UnknownHook

ANSWERED = Hook(events=(LegAnswered(carrier_call_id="a-1"),), expects=Expectation.ANSWER_DOCUMENT)
AFTER = Hook(expects=Expectation.AFTER_STREAM_DOCUMENT)
CONNECT, HANG_UP, NOTHING = b"connect ", b"hang up", b""


@pytest.fixture
async def dialled(rig: Any) -> Any:
    """A rig with one call that carrier a has accepted."""
    await rig.accept()
    await rig.settle()
    return rig


async def test_a_repeat_gets_the_first_answer_byte_for_byte_and_changes_nothing(dialled: Any) -> None:
    """Also when the state has moved on since, so that a fresh answer would be another one."""
    dialled.a.hook = ANSWERED
    first = await dialled.hook("a", b"delivery-1")
    assert first.body.startswith(CONNECT)
    await dialled.calls.hang_up("call_1")
    before = await dialled.content()
    assert await dialled.hook("a", b"delivery-1") == first
    assert await dialled.content() == before
    assert ("webhooks_total", {"carrier": "a", "result": "duplicate"}) in dialled.counted
    assert (await dialled.hook("a", b"delivery-2")).body == HANG_UP


async def test_an_answer_document_tells_of_the_state_after_its_own_event(dialled: Any) -> None:
    """The request itself proves the answer: the call is in progress when the document leaves, which connects the leg's stream."""
    dialled.a.hook = ANSWERED
    document = await dialled.hook("a", b"1")
    leg = await dialled.leg()
    assert (await dialled.call()).status is CallStatus.IN_PROGRESS
    assert document.body == CONNECT + f"ws://gw.test/carriers/a/media/call_1/{leg.id}/token".encode()


async def test_events_of_one_delivery_are_one_write(dialled: Any) -> None:
    """Ringing and answer in one request: one version more, both in the log."""
    before = (await dialled.call()).version
    dialled.a.hook = Hook(events=(LegRinging(), LegAnswered()))
    assert (await dialled.hook("a", b"1")).status == 204
    assert (await dialled.call()).version == before + 1
    assert (await dialled.told())[-4:] == ["leg-ringing", "call-ringing", "leg-answered", "call-in-progress"]


async def test_late_news_is_acknowledged_and_changes_only_what_is_known_of_the_delivery(dialled: Any) -> None:
    """An older stage after a newer one: 204, and the call stays as it is."""
    dialled.a.hook = Hook(events=(LegAnswered(),))
    await dialled.hook("a", b"1")
    call = await dialled.call()
    dialled.a.hook = Hook(events=(LegProgressed(), LegRinging()))
    assert (await dialled.hook("a", b"2")).status == 204
    after = await dialled.call()
    assert (after.status, after.legs, after.outcome) == (call.status, call.legs, call.outcome)


async def test_a_call_that_is_over_is_never_connected(dialled: Any) -> None:
    """The answer comes after the cancellation: the document hangs up."""
    await dialled.calls.cancel("call_1")
    dialled.a.hook = ANSWERED
    assert (await dialled.hook("a", b"1")).body == HANG_UP


async def test_a_leg_without_a_stream_is_instructed_once_more_and_then_hung_up(dialled: Any) -> None:
    """The carrier asks what to do: once it is told to connect again; a second failure ends the leg."""
    dialled.a.hook = ANSWERED
    await dialled.hook("a", b"1")
    dialled.a.hook = AFTER
    assert (await dialled.hook("a", b"2")).body.startswith(CONNECT)
    assert (await dialled.hook("a", b"3")).body == HANG_UP


async def test_after_a_conversation_the_leg_is_hung_up(dialled: Any) -> None:
    """The stream was there and has ended: there is nothing to connect again."""
    dialled.a.hook = ANSWERED
    await dialled.hook("a", b"1")
    await dialled.report(StreamOpened())
    await dialled.report(StreamClosed())
    dialled.a.hook = AFTER
    assert (await dialled.hook("a", b"2")).body == HANG_UP


async def test_what_belongs_to_nobody_is_refused_and_leaves_no_mark(dialled: Any) -> None:
    """Unknown carrier, call or leg, and a leg at another carrier's address."""
    dialled.a.hook = dialled.b.hook = ANSWERED
    before = await dialled.content()
    with pytest.raises(UnknownHook):
        await dialled.hook("nobody", b"1")
    with pytest.raises(UnknownHook):
        await dialled.hook("a", b"1", leg_id="leg_x", call_id="call_x")
    with pytest.raises(UnknownHook):
        await dialled.hook("a", b"1", leg_id="leg_x")
    with pytest.raises(UnknownHook):
        await dialled.hook("b", b"1")
    assert await dialled.content() == before


async def test_what_is_not_authentic_never_reaches_the_store(dialled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is looked at first."""

    def refuse(*_: object) -> None:
        raise BadSignature("unsigned")

    monkeypatch.setattr(dialled.a, "verify", refuse)
    before = await dialled.content()
    with pytest.raises(BadSignature):
        await dialled.hook("a", b"1")
    assert await dialled.content() == before


async def test_the_impossible_is_acknowledged_counted_and_changes_nothing(dialled: Any) -> None:
    """Authentic and illegal: a repetition by the carrier would not help."""
    dialled.clock.time += 1
    await dialled.accept("call_2", to="+15550100002")
    (route,) = await dialled.store.claim(dialled.clock.time, 30.0, 1)
    await dialled.dialer.route(route)
    before = await dialled.content()
    dialled.a.hook = Hook(events=(LegFound(phase="ringing"),))
    assert (await dialled.hook("a", b"1", call_id="call_2")).status == 204
    assert await dialled.content() == before
    assert ("webhooks_total", {"carrier": "a", "result": "illegal"}) in dialled.counted


async def test_an_end_is_taken_once(dialled: Any) -> None:
    """The same end in two deliveries: one outcome, one breaker word, one line in the log."""
    dialled.a.hook = Hook(events=(LegEnded(verdict=ended_normally(), answered=True),))
    await dialled.hook("a", b"1")
    await dialled.hook("a", b"2")
    assert (await dialled.call()).outcome is Outcome.COMPLETED
    assert (await dialled.told()).count("leg-ended") == 1
    assert sum(len(news.words) for news in dialled.news) == 1


class Gone:
    """Makes a store's methods fail until it is taken back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Any) -> None:
        async def fail(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        for name in ("hook_answer", "load", "commit"):
            monkeypatch.setattr(store, name, fail)


async def test_with_the_store_gone_a_live_call_is_answered_from_memory(dialled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document for a call of this process: the person is connected though nothing can be written."""
    leg = await dialled.leg()
    dialled.a.hook = ANSWERED
    Gone(monkeypatch, dialled.store)
    document: Document = await dialled.hook("a", b"1", leg_id=leg.id)
    assert document.body.startswith(CONNECT)


async def test_with_the_store_gone_news_is_refused_so_that_the_carrier_repeats_it(
    dialled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What expects no document, and what this process does not know, gets StoreUnavailable (503 on the web)."""
    leg = await dialled.leg()
    dialled.a.hook = Hook(events=(LegRinging(),))
    Gone(monkeypatch, dialled.store)
    with pytest.raises(StoreUnavailable):
        await dialled.hook("a", b"1", leg_id=leg.id)
    dialled.a.hook = ANSWERED
    dialled.restart()
    with pytest.raises(StoreUnavailable):
        await dialled.hook("a", b"2", leg_id=leg.id)
