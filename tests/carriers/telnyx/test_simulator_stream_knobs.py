"""Each guess about Telnyx' media sockets, turned both ways against our own reading of the frames."""

import base64
import json
from typing import Any

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import OpenSocket, SendFrame
from carriers.lab.sound import EXPANDED, to_mulaw, tone
from carriers.telnyx.media import TelnyxMediaCodec
from carriers.telnyx.webhooks import TelnyxWebhooks
from gateway.domain.events import StreamFailed
from gateway.domain.media import Audio, StreamProblem, StreamStarted

OURS = {
    "stream_track": "inbound_track",
    "stream_codec": "PCMU",
    "stream_bidirectional_mode": "rtp",
    "stream_bidirectional_codec": "PCMU",
    "stream_bidirectional_sampling_rate": 8000,
}
"""As our dial asks for it."""


def streaming(world: Any, **wish: Any) -> str:
    """The open stream of an answered call."""
    ref = world.place(**(OURS | wish))
    world.phone(ref, "answered")
    stream: str = list(world.all(OpenSocket))[-1].stream
    world.telnyx.on_socket_open(world.now, stream)
    return stream


def read(world: Any, stream: str) -> list[Any]:
    """All frames of a socket as our codec understands them."""
    codec = TelnyxMediaCodec()
    frames = [effect.data for effect in world.all(SendFrame) if effect.stream == stream]
    return [event for frame in frames for event in codec.decode(frame)]


def heard(world: Any, stream: str) -> list[bytes]:
    return [event.payload for event in read(world, stream) if isinstance(event, Audio)]


def say(world: Any, stream: str, message: str) -> None:
    world.telnyx.on_socket_frame(world.now, stream, message)


def media(sound: bytes) -> str:
    return json.dumps({"event": "media", "media": {"payload": base64.b64encode(sound).decode()}})


@pytest.mark.knob("telnyx", "leg_codec")
@pytest.mark.knob("telnyx", "transcoding")
@pytest.mark.parametrize(
    ("knobs", "encoding"),
    [({}, "PCMU"), ({"leg_codec": "PCMA"}, "PCMU"), ({"leg_codec": "PCMA", "transcoding": False}, "PCMA")],
)
def test_a_leg_may_be_a_law(new_world: Any, knobs: dict[str, Any], encoding: str) -> None:
    """We ask for mu-law, and understand the leg's own codec where Telnyx cannot turn it."""
    world = new_world(**knobs)
    world.said = tone(440, 0.02)
    stream = streaming(world)
    world.tick()
    assert world.frames()[1]["start"]["media_format"]["encoding"] == encoding
    (frame,) = heard(world, stream)
    apart = [abs(EXPANDED[ours] - EXPANDED[said]) for ours, said in zip(frame, world.said, strict=True)]
    assert max(apart) <= 600


def test_legs_outside_north_america_are_a_law(new_world: Any) -> None:
    """Without a wish the stream has the leg's codec, and the webhook says which."""
    world = new_world()
    streaming(world, to="+442079460001", stream_codec=None)
    assert world.payload("call.answered")["codec"] == "PCMA"
    assert world.frames()[1]["start"]["media_format"]["encoding"] == "PCMA"


@pytest.mark.knob("telnyx", "frames_swap_every")
@pytest.mark.parametrize("knobs", [{}, {"frames_swap_every": 3}])
def test_frames_may_overtake_each_other(new_world: Any, knobs: dict[str, int]) -> None:
    """Order is not guaranteed; we hear it in order all the same."""
    world = new_world(**knobs)
    stream = streaming(world)
    said = [bytes([0x10 + index]) * 160 for index in range(8)]
    for world.said in said:
        world.tick()
    chunks = [int(frame["media"]["chunk"]) for frame in world.frames() if frame["event"] == "media"]
    assert (chunks == sorted(chunks)) is not bool(knobs)
    assert heard(world, stream) == said


@pytest.mark.knob("telnyx", "frame_timestamps")
@pytest.mark.parametrize(("knobs", "stamps"), [({}, ["0", "20", "40"]), ({"frame_timestamps": "chunks"}, ["1", "2", "3"])])
def test_the_unit_of_timestamps_is_unknown(new_world: Any, knobs: dict[str, str], stamps: list[str]) -> None:
    """We go by the chunk's number."""
    world = new_world(**knobs)
    stream = streaming(world)
    world.tick(3)
    assert [frame["media"]["timestamp"] for frame in world.frames() if frame["event"] == "media"] == stamps
    assert len(heard(world, stream)) == 3


@pytest.mark.knob("telnyx", "short_frames")
@pytest.mark.parametrize("knobs", [{}, {"short_frames": "padded"}])
def test_a_tail_of_less_than_20_ms(new_world: Any, knobs: dict[str, str]) -> None:
    """What Telnyx makes of it is unknown, so ours is filled up and always heard."""
    world = new_world(**knobs)
    stream = streaming(world)
    say(world, stream, media(b"\x22" * 80))
    taken = bool(knobs)
    assert ("rejected_frame" in [kind for kind, _ in world.entries]) is not taken
    say(world, stream, TelnyxMediaCodec().audio(b"\x33" * 80))
    world.tick(2)
    assert b"\x33" * 80 + b"\xff" * 80 in world.heard


@pytest.mark.knob("telnyx", "playback_limit_s")
@pytest.mark.parametrize(("knobs", "codes"), [({}, []), ({"playback_limit_s": 0.5}, ["100005"])])
def test_how_much_may_wait(new_world: Any, knobs: dict[str, float], codes: list[str]) -> None:
    """Beyond it a frame is dropped, and we are told."""
    world = new_world(**knobs)
    stream = streaming(world)
    for _ in range(2):
        say(world, stream, TelnyxMediaCodec().audio(b"\x22" * 3200))
    assert [event.code for event in read(world, stream) if isinstance(event, StreamProblem)] == codes


@pytest.mark.knob("telnyx", "socket_closed_event")
@pytest.mark.parametrize("word", ["streaming.stopped", "streaming.failed"])
def test_what_a_closed_socket_is_called(new_world: Any, word: str) -> None:
    """A clean close of ours may be told as an end or as a failure: only the failure is news to us."""
    world = new_world(**({} if word == "streaming.stopped" else {"socket_closed_event": word}))
    world.telnyx.on_socket_closed(world.now, streaming(world), 1000)
    hook = world.hooks[-1]
    request = HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=hook.body)
    events = TelnyxWebhooks(world.credentials["public_key"]).parse(request, world.now).events
    assert (world.told()[-1], [type(event) for event in events]) == (word, [StreamFailed] if word.endswith("failed") else [])


@pytest.mark.knob("telnyx", "stream_reconnect_after_s")
@pytest.mark.knob("telnyx", "reconnect_keeps_id")
@pytest.mark.parametrize(
    "knobs", [{}, {"stream_reconnect_after_s": 1.0}, {"stream_reconnect_after_s": 1.0, "reconnect_keeps_id": True}]
)
def test_a_broken_stream_may_come_again(new_world: Any, knobs: dict[str, Any]) -> None:
    """Nothing is documented for Call Control; a second connection begins as a first one, under either id."""
    world = new_world(**knobs)
    stream = streaming(world)
    world.telnyx.on_socket_closed(world.now, stream, 1006)
    if not knobs:
        assert len(list(world.all(OpenSocket))) == 1
    else:
        world.wake("reconnect")
        again = list(world.all(OpenSocket))[-1].stream
        world.telnyx.on_socket_open(world.now, again)
        assert (again == stream) is bool(knobs.get("reconnect_keeps_id"))
        stream = again
    started = [event for event in read(world, stream) if isinstance(event, StreamStarted)]
    assert {event.stream_id for event in started} == {stream}


@pytest.mark.knob("telnyx", "stream_token_in", no_adapter="our token stands in the URL's path, where it is certain")
@pytest.mark.parametrize("place", ["header", "start", "nowhere"])
def test_where_the_token_of_a_stream_is_sent(new_world: Any, place: str) -> None:
    """The documents say no more than "as part of the WebSocket connection"."""
    world = new_world(**({} if place == "header" else {"stream_token_in": place}))
    streaming(world, stream_auth_token="s3cret")
    wish = next(world.all(OpenSocket))
    assert (dict(wish.headers) == {"authorization": "Bearer s3cret"}) is (place == "header")
    assert (world.frames()[1]["start"].get("stream_auth_token") == "s3cret") is (place == "start")


@pytest.mark.knob("telnyx", "l16_byte_order", no_adapter="our streams are mu-law, because this is unknown")
@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("rate", [8000, 16_000, 24_000])
def test_linear_sound_both_ways(new_world: Any, order: str, rate: int) -> None:
    """Of any rate; 20 ms of it are as long as they should be, and come through."""
    world = new_world(**({} if order == "big" else {"l16_byte_order": order}))
    world.said = tone(400, 0.02)
    wish = {"stream_codec": "L16", "stream_bidirectional_codec": "L16", "stream_bidirectional_sampling_rate": rate}
    stream = streaming(world, **wish)
    world.tick()
    assert world.frames()[1]["start"]["media_format"] == {"encoding": "L16", "sample_rate": rate, "channels": 1}
    sound = base64.b64decode(world.frames()[-1]["media"]["payload"])
    assert len(sound) == rate // 50 * 2
    if order == "little" and rate == 8000:
        assert to_mulaw(sound) == world.said
    say(world, stream, media(sound))
    world.tick()
    assert world.heard[-1] == world.said


@pytest.mark.parametrize(
    ("track", "tracks"),
    [("inbound_track", ["inbound"]), ("outbound_track", ["outbound"]), ("both_tracks", ["inbound", "outbound"])],
)
def test_tracks(new_world: Any, track: str, tracks: list[str]) -> None:
    """Each has its own count of chunks; what we sent is heard on the outbound one, and our codec leaves it out."""
    world = new_world()
    stream = streaming(world, stream_track=track)
    say(world, stream, media(b"\x22" * 160))
    world.tick()
    frames = [frame["media"] for frame in world.frames() if frame["event"] == "media"]
    assert [(frame["track"], frame["chunk"]) for frame in frames] == [(name, "1") for name in tracks]
    if "outbound" in tracks:
        assert base64.b64decode(frames[-1]["payload"]) == b"\x22" * 160
    assert heard(world, stream) == ([world.said] if "inbound" in tracks else [])


def test_parameters_and_a_stream_by_command(new_world: Any) -> None:
    """streaming_start takes what dial and answer do not; its parameters come back in the start frame."""
    world = new_world()
    ref = world.talking()
    pairs = [{"name": "room", "value": "7"}]
    world.do(ref, "streaming_start", stream_url="ws://127.0.0.1:1/x", custom_parameters=pairs, client_state="c3Q=")
    stream = next(world.all(OpenSocket)).stream
    world.telnyx.on_socket_open(world.now, stream)
    start = world.frames()[1]["start"]
    assert (start["custom_parameters"], start["client_state"]) == ({"room": "7"}, "c3Q=")
    assert world.error(world.command(ref, "streaming_stop", stream_id="another"))[1] == "90048"
    world.do(ref, "streaming_stop", stream_id=stream)
    assert world.frames()[-1]["event"] == "stop"


@pytest.mark.parametrize("name", ["G722", "OPUS", "AMR-WB"])
@pytest.mark.parametrize("field", ["stream_codec", "stream_bidirectional_codec"])
def test_codecs_that_the_lab_lacks_are_refused_by_name(new_world: Any, field: str, name: str) -> None:
    """In the answer and in the ledger."""
    world = new_world()
    assert world.error(world.ask("POST", "/v2/calls", world.wish(**{field: name})))[2] == f"/{field}"
    assert world.refusals() == [f"the lab does not simulate {field} {name}"]


def test_mp3_is_taken_once_a_second_and_not_played(new_world: Any) -> None:
    """A faster one is a rate limit; that the lab plays none stands in the ledger."""
    world = new_world()
    stream = streaming(world, stream_bidirectional_mode="mp3")
    say(world, stream, media(b"ID3" + b"\x00" * 300))
    assert world.refusals() == ["the lab does not simulate the playing of mp3"]
    say(world, stream, media(b"ID3" + b"\x00" * 300))
    assert world.frames()[-1]["payload"]["code"] == 100005
