"""What the simulated Telnyx takes for granted where a command does not say, and what it takes at most."""

import base64
import json
from typing import Any

import pytest

from carriers.lab.contract import OpenSocket


def restarted(world: Any) -> str:
    """A second stream of a call that was dialled with one in rtp mode; only its URL is said."""
    ref, first = world.streaming()
    world.telnyx.on_socket_closed(world.now, first, 1000)
    world.do(ref, "streaming_start", stream_url="ws://127.0.0.1:1/second")
    stream: str = list(world.all(OpenSocket))[-1].stream
    world.telnyx.on_socket_open(world.now, stream)
    return stream


@pytest.mark.knob("telnyx", "streaming_start_inherits", no_adapter="our stream comes with the dial, and no command follows")
@pytest.mark.parametrize(("knobs", "played"), [({}, False), ({"streaming_start_inherits": True}, True)])
def test_streaming_start_begins_with_the_defaults(new_world: Any, knobs: dict[str, bool], played: bool) -> None:
    """The rtp mode of the dial does not hold for a stream that comes later: raw frames are dropped, and the ledger says so."""
    world = new_world(**knobs)
    stream = restarted(world)
    payload = base64.b64encode(b"\x22" * 160).decode()
    world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    world.tick()
    assert (world.heard[-1] == b"\x22" * 160) is played
    dropped = [more["reason"] for kind, more in world.entries if kind == "rejected_frame"]
    assert dropped == ([] if played else ["raw frames on a stream in mp3 mode are not played"])


def test_streaming_start_needs_its_own_url(new_world: Any) -> None:
    """The URL of a stream that is over is not known any more."""
    world = new_world()
    ref, first = world.streaming()
    world.telnyx.on_socket_closed(world.now, first, 1000)
    assert world.error(world.command(ref, "streaming_start")) == (422, "10004", "/stream_url")


@pytest.mark.knob("telnyx", "ring_timeout_s", no_adapter="our dial always says how long")
@pytest.mark.parametrize(("knobs", "said", "rings"), [({}, None, 30), ({"ring_timeout_s": 50.0}, None, 50), ({}, 7, 7)])
def test_how_long_a_phone_rings(new_world: Any, knobs: dict[str, float], said: int | None, rings: int) -> None:
    """As long as the dial says, else as long as is guessed; then the leg ends with `timeout`."""
    world = new_world(**knobs)
    began = world.now
    world.place(timeout_secs=said)
    world.wake("ring")
    assert (world.now - began, world.hangup()[0]) == (rings, "timeout")


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [
        ("a" * 160, "GSM-7", 1),
        ("a" * 159 + "€", "GSM-7", 2),
        ("[" * 153, "GSM-7", 2),
        ("ж" * 70, "UCS-2", 1),
        ("🙂" * 35, "UCS-2", 1),
        ("🙂" * 36, "UCS-2", 2),
    ],
)
def test_parts_of_a_text(new_world: Any, text: str, encoding: str, parts: int) -> None:
    """Characters of GSM's second table and those beyond 16 bits count twice."""
    world = new_world()
    wish = {"from": world.site.numbers[0], "to": "+15550100001", "text": text}
    sent = json.loads(world.ask("POST", "/v2/messages", wish).body)["data"]
    assert (sent["encoding"], sent["parts"]) == (encoding, parts)


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("speak", {"payload": "a" * 3001, "voice": "female"}, "/payload"),
        ("send_dtmf", {"digits": "12a"}, "/digits"),
    ],
)
def test_what_is_too_much(new_world: Any, verb: str, body: dict[str, str], pointer: str) -> None:
    """More than 3000 characters are not spoken, and keys have capital letters."""
    world = new_world()
    assert world.error(world.command(world.talking(), verb, **body)) == (422, "10015", pointer)
