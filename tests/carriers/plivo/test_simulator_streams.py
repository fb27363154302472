"""The simulated media socket, spoken to by our own codec and by hand."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.lab.contract import OpenSocket
from carriers.plivo.media import PlivoMedia
from gateway.domain.media import Audio, Digit, MarkPlayed, StreamProblem, StreamStarted

LOUD = b"\x22" * 160


def _reports(world: Any) -> list[str]:
    forms = [dict(parse_qsl(hook.body.decode())) for hook in world.sent() if hook.url.endswith("/stream")]
    return [form["Event"] for form in forms]


def _told(world: Any, codec: PlivoMedia) -> list[Any]:
    """All that the simulator has sent, as our codec reads it."""
    return [event for frame in world.frames() for event in codec.decode(json.dumps(frame))]


def _tick(world: Any, times: int = 1) -> None:
    for _ in range(times):
        world.now += 0.02
        world.simulator.on_tick(world.now)


def test_start_and_sound(world: Any) -> None:
    """The socket begins with start and then carries 20 ms of the person per tick, numbered."""
    ref, stream = world.streaming()
    _tick(world, 2)
    assert _told(world, PlivoMedia()) == [StreamStarted(stream, ref), Audio(b"\x11" * 160), Audio(b"\x11" * 160)]
    assert [frame["sequenceNumber"] for frame in world.frames()] == [1, 2, 3]
    assert [frame["media"]["chunk"] for frame in world.frames("media")] == [1, 2]
    assert _reports(world) == ["StartStream"]


def test_playback_marks_and_order(world: Any) -> None:
    """What our codec plays is heard in order, and a checkpoint comes back when all before it was heard."""
    _, stream = world.streaming()
    codec = PlivoMedia()
    _told(world, codec)
    for message in (codec.audio(LOUD), codec.audio(LOUD), codec.mark("done")):
        world.simulator.on_socket_frame(world.now, stream, message)
    _tick(world)
    assert not world.frames("playedStream")
    _tick(world, 2)
    assert world.heard == [LOUD, LOUD, b"\xff" * 160]
    assert MarkPlayed("done") in _told(world, codec)


def test_mark_on_an_empty_buffer_comes_back_at_once(world: Any) -> None:
    """A checkpoint with nothing before it is reached already."""
    _, stream = world.streaming()
    codec = PlivoMedia()
    _told(world, codec)
    world.simulator.on_socket_frame(world.now, stream, codec.mark("now"))
    assert MarkPlayed("now") in _told(world, codec)


def test_clear_drops_sound_and_marks(world: Any) -> None:
    """After clearAudio nothing is heard, and the checkpoints that waited are never acknowledged."""
    _, stream = world.streaming()
    codec = PlivoMedia()
    _told(world, codec)
    for message in (codec.audio(LOUD), codec.mark("lost"), codec.clear()):
        world.simulator.on_socket_frame(world.now, stream, message)
    _tick(world, 3)
    assert world.heard == [b"\xff" * 160] * 3
    assert not world.frames("playedStream")
    assert len(world.frames("clearedAudio")) == 1


def test_keys(world: Any) -> None:
    """A key pressed on the phone arrives as a digit."""
    ref, _ = world.streaming()
    world.phone(ref, "digit", digit="5")
    assert _told(world, PlivoMedia())[-1] == Digit("5")


def test_default_format_is_linear(world: Any) -> None:
    """A stream that names no contentType carries 16-bit linear, and our codec follows."""
    ref = world.answered()
    world.obey('<Stream bidirectional="true" keepCallAlive="true">wss://gw.example.com/media</Stream>')
    stream = world.of(OpenSocket)[-1].stream
    world.simulator.on_socket_open(world.now, stream)
    codec = PlivoMedia()
    _told(world, codec)
    world.simulator.on_socket_frame(world.now, stream, codec.audio(b"\x00\x00" * 160))
    _tick(world)
    assert len(base64.b64decode(world.frames("media")[0]["media"]["payload"])) == 320
    assert world.heard == [b"\xff" * 160]
    assert world.simulator.calls[ref].answered


@pytest.mark.parametrize(
    "content",
    [
        {"event": "playAudio", "media": {"contentType": "audio/x-l16", "sampleRate": 8000, "payload": ""}},
        {"event": "playAudio", "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "***"}},
        {"event": "playAudio"},
        {"event": "checkpoint", "streamId": "another", "name": "a"},
        {"event": "checkpoint"},
        {"event": "clearAudio"},
        {"event": "sendDTMF", "dtmf": "hello"},
        {"event": "sendDTMF", "dtmf": 1},
        {"event": "mark", "name": "a"},
        {"noevent": 1},
    ],
)
def test_wrong_frames_stand_in_the_ledger(world: Any, content: dict[str, Any]) -> None:
    """A message that Plivo would not take is recorded, and the stream goes on."""
    _, stream = world.streaming()
    world.frame(stream, **content)
    assert len(world.refusals("rejected_frame")) == 1
    _tick(world)
    assert world.frames("media")


@pytest.mark.parametrize("data", ["not json", "[]", b"\x00\x01", "x" * 70_000])
def test_garbage_stands_in_the_ledger(world: Any, data: str | bytes) -> None:
    """Garbage is recorded and breaks nothing."""
    _, stream = world.streaming()
    world.simulator.on_socket_frame(world.now, stream, data)
    assert len(world.refusals("rejected_frame")) == 1


def test_wrong_format_is_complained_of(world: Any) -> None:
    """Sound of another type than the stream's is refused with a word, which our codec reports."""
    _, stream = world.streaming()
    world.frame(stream, event="playAudio", media={"contentType": "audio/x-l16", "sampleRate": 8000, "payload": ""})
    assert _told(world, PlivoMedia())[-1] == StreamProblem("error", "invalid_content_type")


def test_buffer_has_a_limit(world_with: Callable[..., Any]) -> None:
    """What exceeds the buffer is dropped and complained of."""
    world = world_with(buffer_s=1.0)
    _, stream = world.streaming()
    codec = PlivoMedia()
    _told(world, codec)
    for _ in range(51):
        world.simulator.on_socket_frame(world.now, stream, codec.audio(LOUD))
    assert len(world.refusals("rejected_frame")) == 1
    assert _told(world, codec)[-1] == StreamProblem("error", "buffer_overflow")


def test_refused_socket_is_tried_twice_more(world: Any) -> None:
    """Three upgrades, then the stream is reported dropped and the rest of the document has its turn."""
    world.answered()
    world.obey(
        '<Stream bidirectional="true" keepCallAlive="true" statusCallbackUrl="https://gw.example.com/hooks/stream">'
        "wss://gw.example.com/media</Stream><Redirect>https://gw.example.com/hooks/after</Redirect>"
    )
    for _ in range(3):
        world.simulator.on_socket_refused(world.now, world.of(OpenSocket)[-1].stream, 403)
        world.run(1.0)
    assert len(world.of(OpenSocket)) == 3
    assert _reports(world) == ["DroppedStream"]
    assert len(world.sent("Redirect")) == 1


@pytest.mark.parametrize("code", [1000, 1006])
def test_lost_socket_leads_to_the_next_verb(world: Any, code: int) -> None:
    """When our side drops, there is no second connection: the call lives and asks what now."""
    _, stream = world.streaming()
    world.simulator.on_socket_closed(world.now, stream, code)
    assert _reports(world) == ["StartStream", "DroppedStream"]
    assert len(world.sent("Redirect")) == 1
    assert world.simulator.live_calls() == 1


def test_clean_close_may_be_reported_as_a_stop(world_with: Callable[..., Any]) -> None:
    """How Plivo reports a clean close of ours is not known; the friendlier guess is played as well."""
    world = world_with(clean_close_event="StopStream")
    _, stream = world.streaming()
    world.simulator.on_socket_closed(world.now, stream, 1000)
    assert _reports(world) == ["StartStream", "StopStream"]


def test_without_keep_alive_the_call_ends_with_its_document(world: Any) -> None:
    """The classic mistake: the document is exhausted at once, and the call with it."""
    ref = world.answered()
    world.obey('<Stream bidirectional="true">wss://gw.example.com/media</Stream>')
    assert world.hung_up == [ref]


def test_end_of_the_call_closes_the_socket(world: Any) -> None:
    """Plivo closes without a word on the socket."""
    ref, stream = world.streaming()
    before = len(world.frames())
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.closed() == [stream]
    assert len(world.frames()) == before
    assert _reports(world) == ["StartStream", "StopStream"]


def test_stream_timeout(world: Any) -> None:
    """A stream with a time-out stops by itself, and the document goes on."""
    _, stream = world.streaming(streamTimeout="30")
    world.run(30.0)
    assert world.closed() == [stream]
    assert len(world.sent("Redirect")) == 1
