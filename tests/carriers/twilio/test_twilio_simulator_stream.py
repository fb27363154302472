"""The lab's Twilio: Media Streams from Twilio's side, against our codec from the other."""

import base64
import json

import pytest

from carriers.lab.contract import CloseSocket, OpenSocket, SendFrame
from carriers.twilio.media import TwilioMedia
from gateway.domain.media import Audio, Digit, MarkPlayed, StreamStarted, StreamStopped

STREAM = (
    '<Stream url="ws://gw.test/media/x?lost=1" name="main" statusCallback="http://gw.test/stream">'
    '<Parameter name="a" value="b"/></Stream>'
)
CONNECT = f'<Response><Connect action="http://gw.test/after">{STREAM}</Connect></Response>'
BARE = f"<Response><Connect>{STREAM}</Connect><Redirect>http://gw.test/next</Redirect></Response>"
TICK = 0.02


def connected(world, document: str = CONNECT) -> tuple[str, str]:
    """(call, stream) of a call whose socket is open."""
    call = world.answered_call(document)
    stream = world.stream.stream
    world.sim.on_socket_open(world.now, stream)
    return call, stream


def tick(world, count: int = 1) -> None:
    for _ in range(count):
        world.pass_time(TICK)


def send(world, stream: str, message: object) -> None:
    world.sim.on_socket_frame(world.now, stream, message if isinstance(message, bytes | str) else json.dumps(message))


def media(stream: str, sound: bytes) -> dict[str, object]:
    return {"event": "media", "streamSid": stream, "media": {"payload": base64.b64encode(sound).decode()}}


def marks(world) -> list[str]:
    return [frame["mark"]["name"] for frame in world.frames if frame["event"] == "mark"]


def codes(world) -> list[str]:
    return [entry["code"] for kind, entry in world.ledger if kind == "rejected_frame"]


def test_the_query_is_lost(world) -> None:
    """Twilio connects without the query of the stream's URL, seen live; the ids are signed for the URL it uses."""
    connected(world)
    assert world.stream.url == "ws://gw.test/media/x"


def test_greeting(world) -> None:
    """`connected`, then `start` as recorded, and the stream-started callback with an ISO time."""
    call, stream = connected(world)
    first, start = world.frames
    assert first == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert (start["sequenceNumber"], start["streamSid"], start["start"]["callSid"]) == ("1", stream, call)
    assert start["start"]["customParameters"] == {"a": "b"}
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    path, fields = world.asked[-1]
    assert (path, fields["StreamEvent"], fields["StreamSid"], fields["StreamName"]) == (
        "/stream",
        "stream-started",
        stream,
        "main",
    )
    assert fields["Timestamp"].startswith("2026-11-22T11:00:0")


def test_our_codec_understands_it_all(world) -> None:
    """Everything that the lab sends is understood by the adapter's codec."""
    call, stream = connected(world)
    tick(world)
    world.phone(call, "digit", digit="5")
    send(world, stream, {"event": "mark", "streamSid": stream, "mark": {"name": "m"}})
    world.phone(call, "ended", cause="normal", by="phone")
    codec = TwilioMedia()
    told = [event for frame in world.of(SendFrame) for event in codec.decode(frame.data)]
    assert told == [StreamStarted(stream, call), Audio(world.said), Digit("5"), MarkPlayed("m"), StreamStopped()]


def test_the_lab_understands_our_codec(world) -> None:
    """Everything that the adapter's codec writes is taken by the lab without complaint."""
    _, stream = connected(world)
    codec = TwilioMedia()
    codec.decode(world.of(SendFrame)[1].data)
    for frame in (codec.audio(b"\x11" * 160), codec.mark('odd "name"'), codec.audio(b""), codec.clear()):
        send(world, stream, frame)
    assert codes(world) == []
    assert marks(world) == ['odd "name"']


def test_pacing(world) -> None:
    """One frame each way per tick: strings for numbers, chunks counted, silence where nothing is queued."""
    _, stream = connected(world)
    send(world, stream, media(stream, b"\x11" * 200))
    tick(world, 3)
    frames = [frame for frame in world.frames if frame["event"] == "media"]
    assert [frame["media"]["chunk"] for frame in frames] == ["1", "2", "3"]
    assert [frame["media"]["timestamp"] for frame in frames] == ["20", "40", "60"]
    assert [frame["sequenceNumber"] for frame in frames] == ["2", "3", "4"]
    assert base64.b64decode(frames[0]["media"]["payload"]) == world.said
    assert world.heard == [b"\x11" * 160, b"\x11" * 40 + b"\xff" * 120, b"\xff" * 160]


def test_mark_comes_back_when_heard(world) -> None:
    """A mark is returned when the sound before it has been played, at once if there is none."""
    _, stream = connected(world)
    send(world, stream, {"event": "mark", "streamSid": stream, "mark": {"name": "empty"}})
    assert marks(world) == ["empty"]
    send(world, stream, media(stream, b"\x11" * 480))
    send(world, stream, {"event": "mark", "streamSid": stream, "mark": {"name": "end"}})
    tick(world, 2)
    assert marks(world) == ["empty"]
    tick(world, 1)
    assert marks(world) == ["empty", "end"]


def test_clear_gives_marks_back(world) -> None:
    """Clear drops what was not heard and returns the outstanding marks at once."""
    _, stream = connected(world)
    send(world, stream, media(stream, b"\x11" * 1600))
    send(world, stream, {"event": "mark", "streamSid": stream, "mark": {"name": "never heard"}})
    send(world, stream, {"event": "clear", "streamSid": stream})
    assert marks(world) == ["never heard"]
    tick(world)
    assert world.heard == [b"\xff" * 160]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x11" * 160, "31950"),
        ("hello", "31951"),
        ("[]", "31951"),
        ('{"event":"media"}', "31951"),
        ({"event": "media", "streamSid": "MZother", "media": {"payload": ""}}, "31951"),
        ({"event": "media", "streamSid": "OWN", "media": {"payload": "a-_="}}, "31951"),
        ({"event": "media", "streamSid": "OWN", "media": {"payload": "AAAA", "track": "outbound"}}, "31951"),
        ({"event": "media", "streamSid": "OWN", "media": {"payload": 7}}, "31951"),
        ({"event": "mark", "streamSid": "OWN"}, "31951"),
        ({"event": "clear", "streamSid": "OWN", "now": True}, "31951"),
        ({"event": "dance", "streamSid": "OWN"}, "31951"),
    ],
)
def test_wrong_frames(world, frame, code: str) -> None:
    """A wrong frame is dropped, warned of once per stream, written to the ledger each time; the stream goes on."""
    call, stream = connected(world)
    if isinstance(frame, dict) and frame["streamSid"] == "OWN":
        frame = frame | {"streamSid": stream}
    send(world, stream, frame)
    send(world, stream, frame)
    assert codes(world) == [code, code]
    notes = json.loads(world.api("GET", f"/Calls/{call}/Notifications.json").body)["notifications"]
    assert [note["error_code"] for note in notes] == [code]
    tick(world)
    assert world.frames[-1]["event"] == "media"
    assert world.heard == [b"\xff" * 160]


def test_ten_minutes_are_the_limit(world) -> None:
    """What would wait longer than ten minutes is discarded, with 31931."""
    _, stream = connected(world)
    for _ in range(11):
        send(world, stream, media(stream, b"\x11" * 480_000))
    assert codes(world) == ["31931"]


def test_keys(world) -> None:
    """A key that the person presses arrives as dtmf."""
    call, _ = connected(world)
    world.phone(call, "digit", digit="#")
    assert world.frames[-1]["dtmf"] == {"track": "inbound_track", "digit": "#"}


def test_hang_up_by_the_person(world) -> None:
    """Stop, socket closed, stream-stopped, then completed."""
    call, stream = connected(world)
    world.phone(call, "ended", cause="normal", by="phone")
    assert world.frames[-1]["event"] == "stop"
    assert world.closed_streams == [stream]
    assert [(path, fields.get("StreamEvent", fields["CallSid"])) for path, fields in world.asked[-2:]] == [
        ("/stream", "stream-stopped"),
        ("/status", call),
    ]
    before = len(world.effects)
    tick(world)
    world.sim.on_socket_closed(world.now, stream, 1000)
    assert len(world.effects) == before


@pytest.mark.parametrize(("code", "error"), [(1000, "31921"), (1006, "31903")])
def test_socket_closed_by_us(world, code: int, error: str) -> None:
    """When our side goes, Twilio asks `action` what to do and the call lives; it never reconnects by itself."""
    call, stream = connected(world)
    world.sim.on_socket_closed(world.now, stream, code)
    path, fields = world.asked[-1]
    assert (path, fields["CallStatus"]) == ("/after", "in-progress")
    assert world.status(call) == "in-progress"
    told = [fields["StreamEvent"] for path, fields in world.asked if path == "/stream"]
    assert told == ["stream-started", *(["stream-error"] if code == 1006 else []), "stream-stopped"]
    notes = json.loads(world.api("GET", f"/Calls/{call}/Notifications.json").body)["notifications"]
    assert [note["error_code"] for note in notes] == [error]
    world.answer(CONNECT)
    assert world.stream.stream != stream
    assert world.stream.carrier_call_id == call


def test_without_action_the_next_verb_follows(world) -> None:
    """A Connect without action falls through to what stands behind it."""
    _, stream = connected(world, BARE)
    world.sim.on_socket_closed(world.now, stream, 1000)
    assert world.asked[-1][0] == "/next"


def test_with_nothing_behind_the_call_ends(world) -> None:
    """A Connect with neither action nor a verb behind it ends the call when its stream is gone."""
    call, stream = connected(world, f"<Response><Connect>{STREAM}</Connect></Response>")
    world.sim.on_socket_closed(world.now, stream, 1000)
    assert world.status(call) == "completed"


@pytest.mark.parametrize(("status", "error"), [(403, "31920"), (0, "31902")])
@pytest.mark.parametrize("reported", [True, False])
def test_refused_upgrade_falls_through(make_world, status: int, error: str, reported: bool) -> None:
    """A refused socket is reported (a knob) and asked about like a closed one."""
    world = make_world(refusal_is_reported=reported)
    call = world.answered_call(CONNECT)
    world.sim.on_socket_refused(world.now, world.stream.stream, status)
    assert world.asked[-1][0] == "/after"
    errors = [fields["StreamError"] for path, fields in world.asked if path == "/stream"]
    assert errors == ([f"Stream signal error, code: {error}"] if reported else [])
    assert world.status(call) == "in-progress"


def test_refused_upgrade_may_end_the_call(make_world) -> None:
    """With the knob off a refused socket ends the call: no vendor's word says which it is."""
    world = make_world(refusal_falls_through=False)
    call = world.answered_call(CONNECT)
    world.sim.on_socket_refused(world.now, world.stream.stream, 0)
    assert world.status(call) == "completed"


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ('<Stream url="https://gw.test/x"/>', "31923"),
        ("<Stream/>", "31923"),
        ('<Stream url="wss://gw.test/x" track="both_tracks"/>', "31941"),
    ],
)
def test_streams_that_cannot_start(world, stream: str, code: str) -> None:
    """A stream that Twilio does not start is loud in the ledger, and `action` is asked."""
    world.answered_call(f'<Response><Connect action="http://gw.test/after">{stream}</Connect></Response>')
    assert world.of(OpenSocket) == []
    assert world.asked[-1][0] == "/after"
    assert [entry["code"] for kind, entry in world.ledger if kind == "refused"] == [code]


def test_plain_ws_may_be_refused(make_world) -> None:
    """Twilio wants wss; the lab is plain, so insisting on it is a knob."""
    world = make_world(require_wss=True)
    world.answered_call(CONNECT)
    assert world.of(OpenSocket) == []


def test_new_instructions_tear_the_stream_down(world) -> None:
    """A redirect through the API ends the running stream and asks the new URL."""
    call, stream = connected(world)
    assert world.api("POST", f"/Calls/{call}.json", {"Url": "http://gw.test/new"}).status == 200
    assert world.closed_streams == [stream]
    assert world.asked[-1][0] == "/new"
    world.answer("<Response><Hangup/></Response>")
    assert world.status(call) == "completed"


def test_hang_up_through_the_api_closes_the_stream(world) -> None:
    """Status=completed during a stream: stop, close, and no `action` asked any more."""
    call, stream = connected(world)
    world.api("POST", f"/Calls/{call}.json", {"Status": "completed"})
    assert [effect.stream for effect in world.of(CloseSocket)] == [stream]
    assert world.status(call) == "completed"
    assert "/after" not in [path for path, _ in world.asked]


def test_call_ends_before_the_socket_opens(world) -> None:
    """A socket that opens for a dead call carries nothing."""
    call = world.answered_call(CONNECT)
    stream = world.stream.stream
    world.phone(call, "ended", cause="normal", by="phone")
    assert world.closed_streams == [stream]
    world.sim.on_socket_open(world.now, stream)
    tick(world)
    assert world.frames == []
