"""The simulated stream: frames, playback, marks, and how it takes what it should not be sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.lab.contract import CloseSocket, OpenSocket
from carriers.lab.sound import SILENCE, to_linear, to_mulaw

LOUD = b"\x10" * 160
FRAME = to_linear(LOUD)


def texts(stage: Any) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in stage.frames() if isinstance(frame, str)]


def send(stage: Any, stream: str, *frames: str | bytes) -> None:
    for frame in frames:
        stage.sim.on_socket_frame(stage.now, stream, frame)


def notify(mark: str) -> str:
    return json.dumps({"action": "notify", "payload": {"mark": mark}})


def tick(stage: Any, times: int = 1) -> None:
    for _ in range(times):
        stage.sim.on_tick(stage.now)


def test_the_stream_opens_with_its_format(stage: Any) -> None:
    """The first message is text and names the rate."""
    stage.connected()
    assert texts(stage) == [{"event": "websocket:connected", "content-type": "audio/l16;rate=8000"}]


def test_headers_are_flattened_into_the_first_message(stage: Any) -> None:
    """What the endpoint's headers hold stands at the top level."""
    endpoint = {"type": "websocket", "uri": "ws://x", "content-type": "audio/l16;rate=8000", "headers": {"call_id": "abc"}}
    stage.connected([{"action": "connect", "endpoint": [endpoint]}])
    assert texts(stage)[0]["call_id"] == "abc"


@pytest.mark.parametrize(("rate", "size"), [(8000, 320), (16000, 640), (24000, 960)])
def test_the_person_is_heard_in_20_ms_frames(stage: Any, rate: int, size: int) -> None:
    """Each tick sends one binary frame of the rate's size, silence included."""
    endpoint = {"type": "websocket", "uri": "ws://x", "content-type": f"audio/l16;rate={rate}"}
    _, stream = stage.connected([{"action": "connect", "endpoint": [endpoint]}])
    stage.frames()
    tick(stage, 3)
    assert [len(frame) for frame in stage.frames()] == [size] * 3
    send(stage, stream, b"\0" * size)
    assert stage.ledger.kinds("rejected_frame") == []


def test_sound_survives_the_way_to_the_stream(stage: Any) -> None:
    """At 8 kHz a frame is the person's mu-law, written as 16-bit numbers."""
    stage.connected()
    stage.frames()
    tick(stage)
    (frame,) = stage.frames()
    assert to_mulaw(frame) == stage.network.voice


def test_what_is_sent_is_played_one_frame_a_tick(stage: Any) -> None:
    """Faster than real time is buffered; what has been played is followed by silence."""
    _, stream = stage.connected()
    send(stage, stream, FRAME, FRAME)
    tick(stage, 3)
    assert stage.network.heard == [LOUD, LOUD, SILENCE]


def test_a_notify_comes_back_when_all_before_it_was_played(stage: Any) -> None:
    """Not earlier; with nothing before it at once."""
    _, stream = stage.connected()
    stage.frames()
    send(stage, stream, FRAME, notify("a"), notify("b"))
    assert texts(stage) == []
    tick(stage)
    marks = [said["payload"]["mark"] for said in texts(stage)]
    assert marks == ["a", "b"]
    send(stage, stream, notify("now"))
    assert texts(stage) == [{"event": "websocket:notify", "payload": {"mark": "now"}}]


@pytest.mark.parametrize("answers", [False, True])
def test_clear_drops_the_buffer(make_stage: Callable[..., Any], answers: bool) -> None:
    """The person hears silence at once; whether pending notifies are answered is not documented: both are played."""
    stage = make_stage(clear_answers_notifies=answers)
    _, stream = stage.connected()
    stage.frames()
    send(stage, stream, FRAME, notify("a"), '{"action":"clear"}')
    told = texts(stage)
    assert told[-1] == {"event": "websocket:cleared"}
    assert [said["payload"]["mark"] for said in told[:-1]] == (["a"] if answers else [])
    tick(stage)
    assert stage.network.heard == [SILENCE]


def test_a_full_buffer_drops_what_comes(make_stage: Callable[..., Any]) -> None:
    """Frames beyond the buffer are lost, and the socket stays."""
    stage = make_stage(buffer_messages=3)
    _, stream = stage.connected()
    send(stage, stream, *[FRAME] * 10)
    tick(stage, 5)
    assert stage.network.heard == [LOUD] * 3 + [SILENCE] * 2


@pytest.mark.parametrize("size", [160, 640, 318, 0])
def test_a_frame_of_the_wrong_size_ends_the_stream(stage: Any, size: int) -> None:
    """The carrier stops listening and drops the socket, as a real log shows; then it asks what to do."""
    _, stream = stage.connected()
    stage.webhooks()
    send(stage, stream, b"\0" * size)
    assert [(close.stream, close.abrupt) for close in stage.take(CloseSocket)] == [(stream, True)]
    assert stage.ledger.kinds("rejected_frame")[0]["reason"] == f"unexpected frame size {size}, when required 320"
    assert stage.statuses() == ["disconnected"]


def test_a_tolerant_carrier_only_notes_it(make_stage: Callable[..., Any]) -> None:
    """An older engine went on: the knob plays it."""
    stage = make_stage(strict_frames=False)
    _, stream = stage.connected()
    send(stage, stream, b"\0" * 160, FRAME)
    assert stage.take(CloseSocket) == []
    tick(stage)
    assert stage.network.heard == [LOUD]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"event":"websocket:media_ready"}', '{"action":"notify"}', '{"action":"notify","payload":1}']
)
def test_text_that_is_no_command_is_noted(stage: Any, text: str) -> None:
    """It changes nothing, and the ledger shows it."""
    _, stream = stage.connected()
    stage.frames()
    send(stage, stream, text)
    assert stage.frames() == []
    assert len(stage.ledger.kinds("rejected_frame")) == 1


def test_keys_reach_the_stream(stage: Any) -> None:
    """One text message for each key, with its duration."""
    ref, _ = stage.connected()
    stage.frames()
    stage.phone(ref, "digit", digit="5")
    assert texts(stage) == [{"event": "websocket:dtmf", "digit": "5", "duration": 260}]


def test_a_stream_that_is_not_open_is_silent(stage: Any) -> None:
    """Before the upgrade is answered no sound moves."""
    stage.connected()
    stage.frames()
    stage.pass_time(2)
    endpoint = {"type": "websocket", "uri": "ws://x", "content-type": "audio/l16;rate=8000"}
    ref = stage.place(answer_url=None, answer_method=None, ncco=[{"action": "connect", "endpoint": [endpoint]}])
    stage.answer_phone(ref)
    assert len(stage.take(OpenSocket)) == 1
    tick(stage)
    assert len(stage.frames()) == 1
