"""The lab's Twilio: one-way streams, by `<Start>` and by the API."""

import base64
import json

from carriers.lab.contract import OpenSocket

START = (
    '<Response><Start><Stream url="ws://gw.test/fork" name="tap" track="{track}" statusCallback="http://gw.test/stream"/></Start>'
    "{rest}</Response>"
)
SAY = "<Say>Something that takes a while to say, and is heard.</Say><Pause length='60'/>"


def started(world, track: str = "both_tracks", rest: str = SAY) -> tuple[str, str]:
    call = world.answered_call(START.format(track=track, rest=rest))
    stream = world.stream.stream
    world.sim.on_socket_open(world.now, stream)
    return call, stream


def test_both_tracks(world) -> None:
    """Both sides come as tracks of one stream, while the document goes on."""
    started(world)
    world.pass_time(0.5)
    start, *rest = world.frames[1:]
    assert start["start"]["tracks"] == ["inbound", "outbound"]
    sound = {frame["media"]["track"]: base64.b64decode(frame["media"]["payload"]) for frame in rest}
    assert sound["inbound"] == world.said
    assert sound["outbound"] == world.heard[-1]


def test_nothing_sent_is_heard(world) -> None:
    """What is sent on a one-way stream is dropped and loud, and keys are not told."""
    call, stream = started(world, rest="<Pause length='60'/>")
    payload = base64.b64encode(b"\x11" * 160).decode()
    world.sim.on_socket_frame(
        world.now, stream, json.dumps({"event": "media", "streamSid": stream, "media": {"payload": payload}})
    )
    world.phone(call, "digit", digit="1")
    world.pass_time(0.1)
    assert {frame["event"] for frame in world.frames} == {"connected", "start", "media"}
    assert [entry["code"] for kind, entry in world.ledger if kind == "rejected_frame"] == ["31951"]
    assert not b"".join(world.heard).strip(b"\xff")


def test_stop(world) -> None:
    """`<Stop>` ends the stream by name; the call goes on."""
    rest = "<Pause length='1'/><Stop><Stream name='tap'/></Stop><Pause length='60'/>"
    call, stream = started(world, rest=rest)
    world.pass_time(1.1)
    assert world.frames[-1]["event"] == "stop"
    assert world.closed_streams == [stream]
    assert world.status(call) == "in-progress"


def test_loss_does_not_touch_the_call(world) -> None:
    """A broken one-way stream is reported, and the document goes on as before."""
    call, stream = started(world)
    world.sim.on_socket_closed(world.now, stream, 1006)
    assert [fields["StreamEvent"] for fields in world.told("/stream")] == ["stream-started", "stream-error", "stream-stopped"]
    assert world.status(call) == "in-progress"


def test_by_api(world) -> None:
    """The Streams resource begins and stops one, with parameters; it wants a call in progress."""
    call = world.answered_call("<Response><Pause length='60'/></Response>")
    fields = {"Url": "ws://gw.test/fork", "Name": "tap", "Parameter1.Name": "a", "Parameter1.Value": "b"}
    made = world.api("POST", f"/Calls/{call}/Streams.json", fields)
    shown = json.loads(made.body)
    assert (made.status, shown["status"], shown["name"]) == (200, "in-progress", "tap")
    world.sim.on_socket_open(world.now, shown["sid"])
    assert world.frames[-1]["start"]["customParameters"] == {"a": "b"}
    stopped = world.api("POST", f"/Calls/{call}/Streams/tap.json", {"Status": "stopped"})
    assert json.loads(stopped.body)["status"] == "stopped"
    assert world.closed_streams == [shown["sid"]]
    assert world.api("POST", f"/Calls/{call}/Streams/tap.json", {"Status": "stopped"}).status == 404
    assert world.api("POST", f"/Calls/{call}/Streams.json", fields | {"Colour": "blue"}).status == 400
    assert world.api("POST", f"/Calls/{call}/Streams.json", fields | {"Url": "https://x"}).status == 400
    world.phone(call, "ended", cause="normal", by="phone")
    assert json.loads(world.api("POST", f"/Calls/{call}/Streams.json", fields).body)["code"] == 21220


def test_fork_beside_a_conversation(world) -> None:
    """A one-way stream runs beside a `<Connect>`; each has its own socket."""
    connect = "<Connect><Stream url='ws://gw.test/talk'/></Connect>"
    call, _ = started(world, rest=connect)
    fork, talk = (wish.stream for wish in world.of(OpenSocket))
    world.sim.on_socket_open(world.now, fork)
    world.pass_time(0.1)
    assert [frame["streamSid"] for frame in world.frames if frame["event"] == "start"] == [talk, fork]
    world.phone(call, "ended", cause="normal", by="phone")
    assert set(world.closed_streams) == {fork, talk}
