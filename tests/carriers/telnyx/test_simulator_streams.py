"""The simulated Telnyx' media socket."""

import base64
import json
from typing import Any

import pytest

from carriers.lab.contract import (
    CloseSocket,
    OpenSocket,
)


def test_the_stream_begins_with_connected_and_start(new_world: Any) -> None:
    """Start names the call, and the codec of what follows; the stream's id is top-level."""
    world = new_world()
    ref, stream = world.streaming()
    connected, start = world.frames()
    assert connected == {"event": "connected", "version": "1.0.0"}
    assert (start["event"], start["stream_id"], start["start"]["call_control_id"]) == ("start", stream, ref)
    assert start["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}


def test_sound_goes_both_ways(new_world: Any) -> None:
    """Each tick sends 20 ms of the person with a higher chunk, and plays 20 ms of what was sent, else silence."""
    world = new_world()
    _, stream = world.streaming()
    payload = base64.b64encode(b"\x22" * 240).decode()
    world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    for _ in range(3):
        world.telnyx.on_tick(world.now)
    media = [frame for frame in world.frames() if frame["event"] == "media"]
    assert [frame["media"]["chunk"] for frame in media] == ["1", "2", "3"]
    assert {base64.b64decode(frame["media"]["payload"]) for frame in media} == {b"\x11" * 160}
    assert world.heard == [b"\x22" * 160, b"\x22" * 80 + b"\xff" * 80, b"\xff" * 160]


def test_marks_come_back_when_played_and_at_once_when_nothing_waits(new_world: Any) -> None:
    """A mark follows the sound before it; with an empty queue it is echoed immediately; clear returns what waits."""
    world = new_world()
    _, stream = world.streaming()

    def send(message: dict[str, Any]) -> list[str]:
        before = len(world.frames())
        world.telnyx.on_socket_frame(world.now, stream, json.dumps(message))
        return [frame["mark"]["name"] for frame in world.frames()[before:]]

    sound = {"event": "media", "media": {"payload": base64.b64encode(b"\x22" * 320).decode()}}
    assert send({"event": "mark", "mark": {"name": "at once"}}) == ["at once"]
    send(sound)
    assert send({"event": "mark", "mark": {"name": "later"}}) == []
    world.telnyx.on_tick(world.now)
    assert [frame for frame in world.frames() if frame["event"] == "mark"][1:] == []
    world.telnyx.on_tick(world.now)
    assert [frame["mark"]["name"] for frame in world.frames() if frame["event"] == "mark"] == ["at once", "later"]
    send(sound)
    send({"event": "mark", "mark": {"name": "cleared"}})
    assert send({"event": "clear"}) == ["cleared"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("garbage", 100003),
        ("[]", 100003),
        ('{"event":"unheard-of"}', 100003),
        ('{"event":"mark"}', 100003),
        ('{"event":"media","media":{"payload":"***"}}', 100004),
        ('{"event":"media","media":{}}', 100004),
        ('{"event":"media","media":{"payload":"AAAA"}}', 100004),
        (b"\x00" * 160, None),
    ],
)
def test_wrong_frames_are_answered_with_an_error_and_entered(new_world: Any, frame: str | bytes, code: int | None) -> None:
    """The stream goes on; binary frames are ignored without a word, but the ledger has them."""
    world = new_world()
    _, stream = world.streaming()
    before = len(world.frames())
    world.telnyx.on_socket_frame(world.now, stream, frame)
    assert [reply["payload"]["code"] for reply in world.frames()[before:]] == ([code] if code else [])
    assert world.entries[-1][0] == "rejected_frame"


def test_raw_sound_on_a_stream_in_mp3_mode_is_silently_not_played(new_world: Any) -> None:
    """mp3 is the default when the mode is forgotten, and the person hears nothing."""
    world = new_world()
    ref = world.place(stream_bidirectional_mode=None)
    world.phone(ref, "answered")
    stream = next(world.all(OpenSocket)).stream
    world.telnyx.on_socket_open(world.now, stream)
    payload = base64.b64encode(b"\x22" * 160).decode()
    world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    world.telnyx.on_tick(world.now)
    assert world.heard == [b"\xff" * 160]
    assert world.entries[-1][0] == "rejected_frame"


def test_a_full_buffer_is_a_rate_limit(new_world: Any) -> None:
    """What exceeds the buffer is dropped, with error 100005."""
    world = new_world(playback_limit_s=0.03)
    _, stream = world.streaming()
    payload = base64.b64encode(b"\x22" * 160).decode()
    for _ in range(2):
        world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    assert world.frames()[-1]["payload"]["code"] == 100005


def test_keys_are_told_on_both_ways(new_world: Any) -> None:
    """A key comes as a frame and as a webhook."""
    world = new_world()
    ref, _ = world.streaming()
    world.phone(ref, "digit", digit="5")
    assert world.frames()[-1]["dtmf"] == {"digit": "5"}
    assert world.payload("call.dtmf.received")["digit"] == "5"


@pytest.mark.parametrize(("code", "event"), [(1000, "streaming.stopped"), (1006, "streaming.failed")])
def test_the_call_survives_its_stream(new_world: Any, code: int, event: str) -> None:
    """A closed or broken socket ends the stream and not the call; a webhook says so."""
    world = new_world()
    _, stream = world.streaming()
    world.telnyx.on_socket_closed(world.now, stream, code)
    assert world.told()[-1] == event
    assert world.telnyx.live_calls() == 1
    world.telnyx.on_tick(world.now)
    assert world.heard == []


def test_a_refused_stream_is_reported_and_the_call_lives(new_world: Any) -> None:
    """streaming.failed says connection_failed, with the URL that was tried."""
    world = new_world()
    world.phone(world.place(), "answered")
    world.telnyx.on_socket_refused(world.now, next(world.all(OpenSocket)).stream, 403)
    payload = world.payload("streaming.failed")
    assert (payload["failure_reason"], payload["stream_params"]["stream_url"]) == ("connection_failed", "ws://127.0.0.1:1/media")
    assert world.telnyx.live_calls() == 1


def test_a_broken_stream_may_be_opened_again_by_itself(new_world: Any) -> None:
    """Call Control documents no reconnection; a knob turns one on."""
    world = new_world(stream_reconnect_after_s=1.0)
    _, stream = world.streaming()
    world.telnyx.on_socket_closed(world.now, stream, 1006)
    world.wake("reconnect")
    streams = [effect.stream for effect in world.all(OpenSocket)]
    assert (len(streams), streams[0] == stream, streams[1] == stream) == (2, True, False)


def test_streams_by_command(new_world: Any) -> None:
    """streaming_start needs an answered call without a stream; streaming_stop needs one with a stream."""
    world = new_world()
    ref = world.place()
    start, stop = f"/v2/calls/{ref}/actions/streaming_start", f"/v2/calls/{ref}/actions/streaming_stop"
    wish = {"stream_url": "ws://127.0.0.1:1/second", "stream_bidirectional_mode": "rtp"}
    assert world.error(world.ask("POST", start, wish))[1] == "90034"
    assert world.error(world.ask("POST", stop))[1] == "90048"
    world.phone(ref, "answered")
    assert world.error(world.ask("POST", start, wish))[1] == "90045"
    assert world.ask("POST", stop).status == 200
    assert world.error(world.ask("POST", start, {"stream_track": "every_track"}))[2] == "/stream_track"
    assert world.ask("POST", start, wish).status == 200
    assert [effect.url for effect in world.all(OpenSocket)] == ["ws://127.0.0.1:1/media", "ws://127.0.0.1:1/second"]
    plain = world.place(stream_url=None)
    world.phone(plain, "answered")
    assert world.error(world.ask("POST", f"/v2/calls/{plain}/actions/streaming_start", {})) == (422, "10004", "/stream_url")


def test_the_end_of_the_leg_ends_the_stream(new_world: Any) -> None:
    """A stop frame, then the socket closes."""
    world = new_world()
    ref, stream = world.streaming()
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.frames()[-1]["event"] == "stop"
    assert [effect.stream for effect in world.all(CloseSocket)] == [stream]


@pytest.mark.parametrize("opens", [True, False])
def test_a_stream_may_stand_before_the_phone_rings(new_world: Any, opens: bool) -> None:
    """With stream_establish_before_call_originate the dial waits for the socket, or for its failure."""
    world = new_world()
    ref = world.place(stream_establish_before_call_originate=True)
    stream = next(world.all(OpenSocket)).stream
    assert not world.dialled
    if opens:
        world.telnyx.on_socket_open(world.now, stream)
    else:
        world.telnyx.on_socket_refused(world.now, stream, 503)
    assert list(world.dialled) == [ref]
    world.phone(ref, "answered")
    if opens:
        world.tick()
        assert [frame["event"] for frame in world.frames()] == ["connected", "start", "media"]
    else:
        assert world.told() == ["call.initiated", "streaming.started", "streaming.failed", "call.answered", "streaming.started"]


def test_the_start_frame_carries_the_tags_of_the_application(new_world: Any) -> None:
    """As they were when the call began."""
    world = new_world()
    world.set_application(tags=["desk"])
    world.streaming()
    assert world.frames()[1]["start"]["tags"] == ["desk"]
