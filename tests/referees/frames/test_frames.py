"""pipecat-ai reads what the simulators and the gateway send on media sockets, and they read what it sends."""

import asyncio
import audioop
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from frames.line import OpenLine
from frames.pipecats import RATE, serializer
from operations import KINDS, By
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
)
from pipecat.runner.utils import parse_telephony_websocket

from gateway.domain.media import Audio, Digit, Encoding, MarkPlayed, StreamStarted

TONE = b"".join((9000 * (1 if index // 8 % 2 else -1)).to_bytes(2, "little", signed=True) for index in range(160))
"""20 ms of a square wave of 500 Hz, 16-bit at 8 kHz."""
LOUD = audioop.lin2ulaw(TONE, 2)


def held(operation: str, *kinds: str) -> pytest.MarkDecorator:
    """One case for each carrier, holding the same row at each."""
    return pytest.mark.parametrize(
        "kind",
        [pytest.param(kind, marks=pytest.mark.referee(kind, operation, by=By.PIPECAT), id=kind) for kind in kinds or KINDS],
    )


def started(line: OpenLine) -> StreamStarted:
    """What our codec makes of the first messages."""
    codec = line.carrier.media()
    events = [event for frame in line.frames for event in codec.decode(frame)]
    return next(event for event in events if isinstance(event, StreamStarted))


async def bot(line: OpenLine) -> Any:
    """Pipecat's serializer on this line."""
    return await serializer(line.kind, started(line).stream_id)


def pcm(line: OpenLine, payload: bytes) -> bytes:
    """Sound of our codec as 16-bit."""
    return payload if started(line).format.encoding is Encoding.LINEAR16 else audioop.ulaw2lin(payload, 2)


@held("the person's sound")
async def test_both_hear_the_same_person(kind: str) -> None:
    """Of every message of the simulator, pipecat and our codec get the same sound, to the sample, and it is the person's."""
    line = await OpenLine.of(kind, says="tone")
    theirs, ours = await bot(line), line.carrier.media()
    read = [await theirs.deserialize(frame) for frame in line.frames]
    sound = b"".join(frame.audio for frame in read if isinstance(frame, InputAudioRawFrame))
    decoded = [event for frame in line.frames for event in ours.decode(frame)]
    assert sound == b"".join(pcm(line, event.payload) for event in decoded if isinstance(event, Audio))
    assert audioop.rms(sound, 2) > 1000
    assert {frame.sample_rate for frame in read if isinstance(frame, InputAudioRawFrame)} == {RATE}


@held("sound for the person")
async def test_the_person_hears_a_bot_of_pipecats(kind: str) -> None:
    """Sound that pipecat serialized is taken by the simulator and reaches the phone as it was."""
    line = await OpenLine.of(kind, says="silence")
    theirs = await bot(line)
    for _ in range(10):
        line.say(await theirs.serialize(OutputAudioRawFrame(audio=TONE, sample_rate=RATE, num_channels=1)))
    line.run(0.4)
    assert line.heard().count(LOUD) == 10


@held("sound for the person")
async def test_the_gateway_writes_sound_as_pipecat_does(kind: str) -> None:
    """For the same sound, the gateway's message says what pipecat's says; where pipecat can read it back, it is that sound."""
    line = await OpenLine.of(kind, says="silence")
    theirs, codec = await bot(line), line.codec()
    payload = TONE if codec.sends.encoding is Encoding.LINEAR16 else LOUD
    mine = codec.audio(payload)
    yours = await theirs.serialize(OutputAudioRawFrame(audio=TONE, sample_rate=RATE, num_channels=1))
    assert agrees(mine, yours)
    if kind != "plivo":  # whose two directions differ: playAudio out, media in
        assert (await theirs.deserialize(mine)).audio == pcm(line, payload)


@held("clear")
async def test_a_clear_of_pipecats_is_the_gateways(kind: str) -> None:
    """An interruption in pipecat's words is the gateway's `clear`, and empties the simulator's playback."""
    line = await OpenLine.of(kind, says="silence")
    theirs, codec = await bot(line), line.codec()
    yours = await theirs.serialize(InterruptionFrame())
    assert agrees(codec.clear(), yours)
    for _ in range(50):
        line.say(codec.audio(TONE if codec.sends.encoding is Encoding.LINEAR16 else LOUD))
    line.run(0.2)
    before = line.heard().count(LOUD)
    line.say(yours)
    line.run(1.0)
    assert 0 < before <= line.heard().count(LOUD) <= before + 1


@held("keys")
async def test_both_read_the_same_keys(kind: str) -> None:
    """The keys that the person presses are the same to pipecat and to us."""
    line = await OpenLine.of(kind, says="silence", dtmf="15*#")
    line.run(3.0)
    theirs, ours = await bot(line), line.carrier.media()
    read = [await theirs.deserialize(frame) for frame in line.frames]
    assert "".join(frame.button.value for frame in read if isinstance(frame, InputDTMFFrame)) == "15*#"
    decoded = [event for frame in line.frames for event in ours.decode(frame)]
    assert "".join(event.digit for event in decoded if isinstance(event, Digit)) == "15*#"


@held("start", "twilio", "telnyx", "plivo")
async def test_pipecat_recognizes_the_carrier(kind: str) -> None:
    """From the first two messages pipecat tells the carrier, and finds the ids of call and stream that our codec finds."""
    line = await OpenLine.of(kind, says="silence")
    socket: Any = Replayed([frame for frame in line.frames if isinstance(frame, str)])
    carrier, call = await parse_telephony_websocket(socket)
    mine = started(line)
    assert (carrier, call.stream_id, call.call_id) == (kind, mine.stream_id, mine.carrier_call_id)


@held("mark")
async def test_a_mark_sent_through_pipecat_comes_back(kind: str) -> None:
    """A mark, which pipecat passes through as a raw message, is answered by the simulator once the sound before it was played."""
    line = await OpenLine.of(kind, says="silence")
    theirs, codec = await bot(line), line.codec()
    for _ in range(10):
        line.say(await theirs.serialize(OutputAudioRawFrame(audio=TONE, sample_rate=RATE, num_channels=1)))
    line.say(await theirs.serialize(OutputTransportMessageFrame(message=json.loads(codec.mark("m-1")))))
    line.run(0.1)
    assert MarkPlayed("m-1") not in marks(line)
    line.run(0.3)
    assert marks(line) == [MarkPlayed("m-1")]


def marks(line: OpenLine) -> list[Any]:
    """The marks that came back."""
    codec = line.carrier.media()
    return [event for frame in line.frames for event in codec.decode(frame) if isinstance(event, MarkPlayed)]


def agrees(mine: str | bytes, yours: str | bytes) -> bool:
    """Whether two messages say the same: bytes are equal; text has the same event and payload, and no field's values differ."""
    if isinstance(mine, bytes) or isinstance(yours, bytes):
        return mine == yours
    return not differences(json.loads(mine), json.loads(yours))


def differences(mine: Any, yours: Any) -> list[str]:
    """Fields in which two messages contradict each other. A field that only one has must be the stream's id, which Plivo and
    Telnyx take or leave.
    """
    found = []
    for name in mine.keys() | yours.keys():
        if name not in mine or name not in yours:
            found += [] if name in {"streamId", "stream_id"} else [name]
        elif isinstance(mine[name], dict) and isinstance(yours[name], dict):
            found += differences(mine[name], yours[name])
        elif mine[name] != yours[name]:
            found.append(name)
    return found


class Replayed:
    """A WebSocket of a web framework, as pipecat reads one."""

    def __init__(self, messages: list[str]) -> None:
        self._messages = messages

    async def iter_text(self) -> AsyncIterator[str]:
        """The messages so far."""
        for message in self._messages:
            yield message
            await asyncio.sleep(0)
