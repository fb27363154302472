"""The simulated media socket, spoken to by our own codec and by hand."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import Attempt, HookRequest
from carriers.lab.contract import OpenSocket
from carriers.plivo.markup import PlivoMarkup
from carriers.plivo.media import PlivoMedia
from carriers.plivo.webhooks import PlivoWebhooks
from gateway.domain.events import StreamFailed
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


@pytest.mark.knob("plivo", "l16_byte_order")
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_linear_sound(world_with: Callable[..., Any], order: str, rate: int) -> None:
    """Linear sound of each rate has 20 ms a message, our codec reads it, what it plays is heard; the byte order is a guess."""
    world = world_with(l16_byte_order=order)
    ref, stream = world.streaming(contentType=f"audio/x-l16;rate={rate}")
    world.saying[ref] = bytes(range(64, 96)) * 5
    _tick(world)
    payload = base64.b64decode(world.frames("media")[0]["media"]["payload"])
    assert len(payload) == 40 * rate // 1000
    if rate != 24000:
        assert Audio(payload) in _told(world, PlivoMedia())
    media = {"contentType": "audio/x-l16", "sampleRate": str(rate), "payload": base64.b64encode(payload).decode()}
    world.frame(stream, event="playAudio", media=media)
    _tick(world)
    assert world.ears[ref][-1] == world.saying[ref]
    first = int.from_bytes(payload[:2], "little" if order == "little" else "big", signed=True)
    assert first == _linear(64)


def _linear(code: int) -> int:
    """One mu-law sample by the formula of G.711."""
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)
    return 0x84 - magnitude if inverted & 0x80 else magnitude - 0x84


def test_both_tracks(world: Any) -> None:
    """A stream that only listens may carry what the person hears, too; numbering goes on across the tracks."""
    ref = world.answered()
    world.obey(
        '<Stream audioTrack="both" contentType="audio/x-mulaw;rate=8000">wss://gw.example.com/m</Stream><Speak>hello</Speak>'
    )
    world.simulator.on_socket_open(world.now, world.of(OpenSocket)[-1].stream)
    assert world.frames("start")[0]["start"]["tracks"] == ["inbound", "outbound"]
    _tick(world)
    inbound, outbound = (frame["media"] for frame in world.frames("media"))
    assert [(inbound["track"], inbound["chunk"]), (outbound["track"], outbound["chunk"])] == [("inbound", 1), ("outbound", 2)]
    assert base64.b64decode(outbound["payload"]) == world.ears[ref][-1]


def test_extra_headers_and_types(world: Any) -> None:
    """ExtraHeaders come back on start, media and dtmf; times are text in milliseconds, counters are numbers."""
    ref, stream = world.streaming(extraHeaders="a=1,b=2")
    _tick(world)
    world.phone(ref, "digit", digit="5")
    world.frame(stream, event="clearAudio", streamId=stream)
    assert [frame.get("extra_headers") for frame in world.frames()] == ["a=1,b=2"] * 3 + [None]
    start, media, dtmf, cleared = world.frames()
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000}
    assert media["media"]["timestamp"] == str(int(world.now * 1000))
    assert dtmf["dtmf"] == {"track": "inbound", "digit": "5", "timestamp": str(int(world.now * 1000))}
    assert [type(frame["sequenceNumber"]) for frame in (start, media, dtmf, cleared)] == [int] * 4


def test_keys_to_the_person(world: Any) -> None:
    """SendDTMF presses keys at the phone."""
    ref, stream = world.streaming()
    world.frame(stream, event="sendDTMF", dtmf="12#")
    assert world.keys == [(ref, "12#")]


def test_full_buffer_is_reported(world: Any) -> None:
    """At 30, 60 and 90 % of the buffer the stream is degraded, each once on the way up, and again after it has emptied."""
    _, stream = world.streaming()
    codec = PlivoMedia()
    _told(world, codec)
    for _ in range(8):
        world.simulator.on_socket_frame(world.now, stream, codec.audio(b"\x22" * 40_000))
    assert _reports(world) == ["StartStream"] + ["DegradedStream"] * 3
    world.simulator.on_socket_frame(world.now, stream, codec.clear())
    _tick(world)
    for _ in range(3):
        world.simulator.on_socket_frame(world.now, stream, codec.audio(b"\x22" * 35_000))
    assert _reports(world) == ["StartStream"] + ["DegradedStream"] * 4


def test_second_stream_on_a_call(world: Any) -> None:
    """One call has one stream at a time; another is refused aloud and passed over."""
    ref = world.answered()
    world.obey("<Stream>wss://gw.example.com/a</Stream><Stream>wss://gw.example.com/b</Stream><Wait length='9'/>")
    assert [opened.url for opened in world.of(OpenSocket)] == ["wss://gw.example.com/a"]
    assert "second <Stream>" in world.refusals("refused")[0]["what"]
    assert world.simulator.calls[ref].alive


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


@pytest.mark.knob("plivo", "buffer_s")
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
    roomy = world_with()
    _, stream = roomy.streaming()
    for _ in range(51):
        roomy.simulator.on_socket_frame(roomy.now, stream, codec.audio(LOUD))
    assert not roomy.refusals("rejected_frame")


@pytest.mark.knob("plivo", "frame_errors")
@pytest.mark.parametrize(("guess", "told"), [(True, [StreamProblem("error", "invalid_content_type")]), (False, [])])
def test_wrong_frames_may_be_answered(world_with: Callable[..., Any], guess: bool, told: list[Any]) -> None:
    """Whether a wrong playAudio is answered is told both ways; our codec reads the answer."""
    world = world_with(frame_errors=guess)
    _, stream = world.streaming()
    world.frame(stream, event="playAudio", media={"contentType": "audio/x-l16", "sampleRate": 8000, "payload": ""})
    assert _told(world, PlivoMedia())[1:] == told


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


@pytest.mark.knob("plivo", "clean_close_event")
@pytest.mark.parametrize(("event", "failures"), [("DroppedStream", 1), ("StopStream", 0)])
def test_clean_close_may_be_reported_as_a_stop(world_with: Callable[..., Any], event: str, failures: int) -> None:
    """How Plivo reports a clean close of ours is not known; one word is a failed stream to our reader, the other is none."""
    world = world_with(clean_close_event=event)
    _, stream = world.streaming()
    world.simulator.on_socket_closed(world.now, stream, 1000)
    assert _reports(world) == ["StartStream", event]
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    hooks = [hook for hook in world.sent() if hook.url.endswith("/stream")]
    requests = [HookRequest(method="POST", url=hook.url, path="stream", headers={}, body=hook.body) for hook in hooks]
    read = [event for request in requests for event in webhooks.parse(request, world.now).events]
    assert [type(event) for event in read] == [StreamFailed] * failures


@pytest.mark.knob("plivo", "stream_event_names")
@pytest.mark.parametrize(("names", "last"), [("current", "DroppedStream"), ("older", "failed")])
def test_names_of_stream_events(world_with: Callable[..., Any], names: str, last: str) -> None:
    """The pages name the events of streams in two ways: our reader sees a lost stream in either."""
    world = world_with(stream_event_names=names)
    _, stream = world.streaming()
    world.simulator.on_socket_closed(world.now, stream, 1006)
    assert _reports(world)[-1] == last
    hook = [hook for hook in world.sent() if hook.url.endswith("/stream")][-1]
    request = HookRequest(method="POST", url=hook.url, path="stream", headers={}, body=hook.body)
    assert [type(event) for event in PlivoWebhooks("").parse(request, world.now).events] == [StreamFailed]


@pytest.mark.knob("plivo", "played_event")
@pytest.mark.parametrize("event", ["playedStream", "played"])
def test_name_of_a_played_mark(world_with: Callable[..., Any], event: str) -> None:
    """A checkpoint comes back by either name, and is a played mark to our codec."""
    world = world_with(played_event=event)
    _, stream = world.streaming()
    codec = PlivoMedia()
    _told(world, codec)
    world.simulator.on_socket_frame(world.now, stream, codec.mark("here"))
    assert world.frames()[-1]["event"] == event
    assert _told(world, codec)[-1] == MarkPlayed("here")


@pytest.mark.knob("plivo", "stream_retries")
@pytest.mark.knob("plivo", "stream_retry_s")
@pytest.mark.parametrize(("retries", "pause_s"), [(2, 0.5), (0, 2.0), (1, 2.0)])
def test_how_often_a_socket_is_tried(world_with: Callable[..., Any], retries: int, pause_s: float) -> None:
    """Each refused upgrade is tried again after a pause, as often as told; our document's Redirect follows the last."""
    world = world_with(stream_retries=retries, stream_retry_s=pause_s)
    world.answered()
    attempt = Attempt(
        call_id="c",
        leg_id="l",
        to="+15550101000",
        caller_id="+15550190021",
        public_url="https://gw.example.com",
        carrier="plivo",
        media_token="t",
    )
    world.reply(world.sent()[-1], body=PlivoMarkup().connect(attempt).body.decode())
    for tried in range(retries + 1):
        assert len(world.of(OpenSocket)) == tried + 1
        world.simulator.on_socket_refused(world.now, world.of(OpenSocket)[-1].stream, 503)
        world.run(pause_s - 0.1)
        assert len(world.of(OpenSocket)) == tried + 1
        world.run(0.2)
    assert [hook.url for hook in world.sent("Redirect")] == [attempt.hook("after")]


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
