"""The demo's agent from outside, over a real socket: what it says, when, and what it has seen."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from carriers.lab.sound import SILENCE, is_loud
from gateway.demo.parrot import CHIME, STOPPED_FRAMES, Parrot, Seen
from gateway.demo.voices import sentence
from gateway.demo.witness import judge_outside


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
async def line(parrot: Parrot) -> AsyncIterator[ClientConnection]:
    """A gateway's socket to it."""
    port = free_port()
    async with parrot.served(port), connect(f"ws://127.0.0.1:{port}/media", compression=None, proxy=None) as socket_:
        yield socket_


async def tell(line: ClientConnection, **message: Any) -> None:
    await line.send(json.dumps({"streamSid": "MZ1", **message}))


async def say(line: ClientConnection, sound: bytes) -> None:
    for start in range(0, len(sound), 160):
        payload = base64.b64encode(sound[start : start + 160]).decode()
        await tell(line, event="media", media={"payload": payload})


async def said(line: ClientConnection) -> bytes:
    """One utterance and its mark."""
    async with asyncio.timeout(5):
        media, mark = json.loads(await line.recv()), json.loads(await line.recv())
    assert (media["event"], mark["event"], media["streamSid"]) == ("media", "mark", "MZ1")
    return base64.b64decode(media["media"]["payload"])


async def test_it_chimes_repeats_and_leaves_on_nine(line: ClientConnection, parrot: Parrot) -> None:
    """Sentence by sentence, each when it is over; other keys mean nothing; its own log has one start."""
    await tell(line, event="connected")
    await tell(line, event="start", start={"streamSid": "MZ1", "callSid": "CA1"})
    assert await said(line) == CHIME
    for name in ("hello", "again"):
        await say(line, SILENCE * 10 + sentence(name) + SILENCE * (2 * STOPPED_FRAMES))
        repeated = await said(line)
        assert repeated in sentence(name) + SILENCE * 2
        assert is_loud(repeated[:160])
    await tell(line, event="mark", mark={"name": "said"})
    await tell(line, event="dtmf", dtmf={"digit": "5"})
    await tell(line, event="dtmf", dtmf={"digit": "9"})
    await asyncio.wait_for(line.wait_closed(), 5)
    assert line.close_code == 1000
    assert parrot.seen == Seen(sockets=1, starts=[{"streamSid": "MZ1", "callSid": "CA1"}], marks=1)


@pytest.mark.parametrize(
    ("seen", "ok"),
    [
        (Seen(sockets=1, starts=[{"streamSid": "MZ1"}], marks=2), [True, True]),
        (Seen(sockets=2, starts=[{"streamSid": "MZ1"}, {"streamSid": "MZ1"}], marks=2), [False, True]),
        (Seen(sockets=1, starts=[], marks=0), [False, False]),
    ],
)
def test_the_agents_own_log_is_judged(seen: Seen, ok: list[bool]) -> None:
    """Two sockets are two conversations, and words that nobody heard bring no mark."""
    assert [finding.ok for finding in judge_outside(seen)] == ok
