"""A carrier that asks what to do now, while its leg is to take a message: what it is answered, and what that means."""

from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Document, Expectation, Hook
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
