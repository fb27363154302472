"""A carrier that asks what to do now, while its leg is to take a message: what it is answered, and what that means."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Document, Expectation, Hook
from gateway.domain.commands import CollectMessage
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import LegAnswered, LegEnded, MessageOrdered, StreamClosed, StreamFailed, StreamOpened
from gateway.domain.outcome import CallStatus
from gateway.domain.verdict import ended_normally
from gateway.domain.voicemail import MessageStage

AFTER = Hook(expects=Expectation.AFTER_STREAM_DOCUMENT)
RECORDED = Hook(expects=Expectation.AFTER_MESSAGE_DOCUMENT)


@pytest.fixture
async def ordered(rig: Any) -> Any:
    """A rig with one answered leg that is to take a message, and whose stream we have closed."""
    await rig.accept()
    await rig.settle()
    rig.a.markup.message = lambda attempt: Document(body=b"greet and record for " + attempt.leg_id.encode())
    rig.a.markup.farewell = lambda: Document(body=b"thanks")
    for event in (LegAnswered(carrier_call_id="a-1"), StreamOpened(), MessageOrdered(), StreamClosed()):
        await rig.report(event)
    return rig


class Away:
    """Makes a store's methods fail until it is back; `tried` is set when somebody reads a call meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Any) -> None:
        self._monkeypatch, self.tried = monkeypatch, asyncio.Event()

        async def fail(*_: object, **__: object) -> None:
            raise StoreUnavailable("away")

        async def load(*_: object, **__: object) -> None:
            self.tried.set()
            raise StoreUnavailable("away")

        for name, method in {"hook_answer": fail, "load": load, "commit": fail}.items():
            monkeypatch.setattr(store, name, method)

    def back(self) -> None:
        self._monkeypatch.undo()


@pytest.mark.parametrize("told", [(), (StreamFailed(reason="stream-disconnected"),)], ids=["asks", "tells-of-the-stream-too"])
async def test_it_is_answered_with_greeting_and_recording(ordered: Any, told: tuple[Any, ...]) -> None:
    """From then on it has all that it needs; a repeat gets the same, byte for byte."""
    ordered.a.hook = replace(AFTER, events=told)
    leg = await ordered.leg()
    answer = await ordered.hook("a", b"1")
    assert answer.body == b"greet and record for " + leg.id.encode()
    assert (await ordered.leg()).message is MessageStage.RECORDING
    assert (await ordered.call()).status is CallStatus.VOICEMAIL
    assert await ordered.hook("a", b"1") == answer


async def test_after_the_recording_it_is_thanked_for(ordered: Any) -> None:
    """As long as somebody is there to hear it."""
    ordered.a.hook = AFTER
    await ordered.hook("a", b"1")
    ordered.a.hook = RECORDED
    assert (await ordered.hook("a", b"2")).body == b"thanks"
    ordered.a.hook = replace(RECORDED, events=(LegEnded(verdict=ended_normally(), answered=True),))
    assert (await ordered.hook("a", b"3")).body == b"hang up"


async def test_who_is_hung_up_on_leaves_no_message(ordered: Any) -> None:
    """The question comes too late: its answer is the end."""
    await ordered.calls.hang_up("call_1")
    ordered.a.hook = AFTER
    assert (await ordered.hook("a", b"1")).body == b"hang up"
    assert (await ordered.leg()).message is MessageStage.ORDERED


async def test_what_is_answered_while_the_store_is_away_is_written_when_it_is_back(
    ordered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the carrier asks; the leg is not ended while the person speaks, and what they say is collected."""
    ordered.a.hook = AFTER
    leg = await ordered.leg()
    away = Away(monkeypatch, ordered.store)
    for _ in range(2):
        assert (await ordered.hook("a", b"1", leg_id=leg.id)).body == b"greet and record for " + leg.id.encode()
    async with asyncio.timeout(5.0):
        await away.tried.wait()
    away.back()
    await ordered.inbox.aclose()
    assert (await ordered.leg()).message is MessageStage.RECORDING
    assert (await ordered.told()).count("message-recording") == 1
    await ordered.wait(ordered.policy.stream_start_s + 1.0)
    assert ordered.a.hung_up == []


async def test_what_is_to_be_hung_up_is_not_said_to_record(ordered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From memory as from the store."""
    await ordered.calls.hang_up("call_1")
    leg = await ordered.leg()
    ordered.a.hook = AFTER
    away = Away(monkeypatch, ordered.store)
    assert (await ordered.hook("a", b"1", leg_id=leg.id)).body == b"hang up"
    away.back()
    await ordered.inbox.aclose()
    assert (await ordered.leg()).message is MessageStage.ORDERED


@pytest.mark.parametrize("ends", [False, True], ids=["lives", "ends-with-it"])
async def test_a_carrier_that_has_recorded_was_told_to(ordered: Any, *, ends: bool) -> None:
    """Its document is asked for behind the recording: whoever gave it the first one could not write that, and died."""
    end = LegEnded(verdict=ended_normally(), answered=True)
    ordered.a.hook = replace(RECORDED, events=(end,) if ends else ())
    assert (await ordered.hook("a", b"1")).body == (b"hang up" if ends else b"thanks")
    assert (await ordered.leg()).message is MessageStage.RECORDING
    assert (await ordered.call()).status is CallStatus.VOICEMAIL
    left = [entry.command for entry in await ordered.store.claim(ordered.clock.time + 2.0, 30.0, 9)]
    assert any(isinstance(command, CollectMessage) for command in left) is ends


async def test_who_has_hung_up_before_the_question_is_not_recorded(ordered: Any) -> None:
    """The question tells of the end, too: its answer is no recording, and nothing is waited for."""
    ordered.a.hook = replace(AFTER, events=(LegEnded(verdict=ended_normally(), answered=True),))
    assert (await ordered.hook("a", b"1")).body == b"hang up"
    assert (await ordered.leg()).message is MessageStage.ORDERED
    assert (await ordered.call()).status is CallStatus.ENDED
