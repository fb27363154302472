"""Agents that hang, flood or send garbage to a caller's call: limits hold, the call survives where it can, and else says why."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agent.socket import MAX_MESSAGE
from agent.twilio_stream import Settings
from agent.twilio_stream.session import MAX_REFUSED
from carriers.lab.says import builtin
from gateway.config.structs import AgentConfig
from gateway.runtime.line import MARK_LIMIT, QUEUE_LIMIT_S

TOKEN = "broken-agent-token-0123"
SPEECH = builtin("person")[:8000]
"""One second."""
MINUTE = builtin("person")[:8000] * 60


class Far:
    """The agent's end of one call: `until(event)` waits for what the gateway says."""

    def __init__(self) -> None:
        self.url = ""
        self.socket: ServerConnection | None = None
        self.sid = self.call_id = ""
        self.marks: list[str] = []
        self._news = asyncio.Event()

    async def serve(self, socket: ServerConnection) -> None:
        self.socket = socket
        try:
            async for message in socket:
                self._heed(json.loads(message))
        except ConnectionClosed:
            self._news.set()

    def _heed(self, message: dict[str, Any]) -> None:
        if message["event"] == "start":
            self.sid, self.call_id = message["streamSid"], message["start"]["customParameters"]["call_id"]
        elif message["event"] == "mark":
            self.marks.append(message["mark"]["name"])
        self._news.set()

    async def started(self) -> str:
        """The call's id."""
        async with asyncio.timeout(15):
            while not self.call_id:
                self._news.clear()
                await self._news.wait()
        return self.call_id

    async def marked(self, *names: str) -> None:
        """Until all of these have come back."""
        async with asyncio.timeout(15):
            while not set(names) <= set(self.marks):
                self._news.clear()
                await self._news.wait()

    async def play(self, sound: bytes) -> None:
        await self.tell("media", media={"payload": base64.b64encode(sound).decode()})

    async def mark(self, name: str) -> None:
        await self.tell("mark", mark={"name": name})

    async def tell(self, event: str, **more: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps({"event": event, "streamSid": self.sid, **more}))

    async def raw(self, message: str | bytes) -> None:
        assert self.socket is not None
        await self.socket.send(message)


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    """On loopback; it takes whatever the gateway says."""
    far = Far()
    async with serve(far.serve, "127.0.0.1", 0, compression=None, max_size=None) as server:
        far.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot"
        yield far


async def called(new_world: Any, far: Far, carrier: str, **phone: Any) -> tuple[Any, str]:
    """(world, caller) of a call to our number at this carrier, which the agent has."""
    world = await staffed(new_world, far.url)
    caller = world.phone(**phone)
    world.lab.phones.dial(caller, world.lab.credentials(carrier)["numbers"][0])
    await far.started()
    return world, caller


async def staffed(new_world: Any, url: str) -> Any:
    broken = AgentConfig(name="broken", kind="twilio_stream", settings=Settings(url=url, auth_token=TOKEN, connect_timeout_s=1.0))
    world = await new_world(agents=(broken,))
    await world.provision()
    return world


async def lives(world: Any, far: Far, caller: str) -> None:
    """What the agent says now is heard, its mark comes back, and its goodbye completes the call."""
    before = world.heard_speech_s(caller)
    await far.play(SPEECH)
    await far.mark("alive")
    await far.marked("alive")
    assert world.heard_speech_s(caller) > before + 0.3
    assert far.socket is not None
    await far.socket.close()
    assert (await world.ended(far.call_id))["outcome"] == "completed"


async def test_sound_without_end_is_cut_at_ten_minutes_and_can_be_cleared(new_world: Any, far: Far) -> None:
    """Twelve minutes in a minute's pieces: the queue keeps ten, the rest is counted, and a clear makes room at once."""
    world, caller = await called(new_world, far, "twilio")
    for _ in range(12):
        await far.play(MINUTE)
    await world.hears(caller, 0.5)
    await far.mark("behind it all")
    await far.tell("clear")
    await far.marked("behind it all")
    dropped = await dropped_s(world)
    assert 12 * 60 - QUEUE_LIMIT_S - 10 < dropped <= 12 * 60 - QUEUE_LIMIT_S
    await lives(world, far, caller)


async def dropped_s(world: Any) -> float:
    """Seconds of the agent's sound that found no room, by the gateway's own metric."""
    lines = [
        line
        for line in (await world.metrics()).splitlines()
        if "media_audio_dropped_total{" in line and 'direction="out"' in line
    ]
    return sum(float(line.rpartition(" ")[2]) for line in lines) * 0.02


async def test_marks_beyond_the_limit_come_back_at_once_and_none_twice(new_world: Any, far: Far) -> None:
    """Half as many again as may wait, behind sound: the last ones return unheard, the others with the clear."""
    world, caller = await called(new_world, far, "telnyx")
    names = [f"m{number}" for number in range(MARK_LIMIT + MARK_LIMIT // 2)]
    await far.play(MINUTE)
    for name in names:
        await far.mark(name)
    await far.marked(*names[MARK_LIMIT:])
    assert not set(names[:MARK_LIMIT]) & set(far.marks)
    await far.tell("clear")
    await far.marked(*names)
    assert sorted(far.marks) == sorted(names)
    await lives(world, far, caller)


async def test_one_message_may_be_long_and_not_longer(new_world: Any, far: Far) -> None:
    """Nine minutes in one message are taken; a message above the limit ends the socket, and the call with an honest word."""
    world, caller = await called(new_world, far, "plivo")
    await far.play(MINUTE * 9)
    await world.hears(caller, 0.5)
    await far.tell("clear")
    await far.raw(json.dumps({"event": "media", "streamSid": far.sid, "media": {"payload": "A" * MAX_MESSAGE}}))
    call = await world.ended(far.call_id)
    assert (call["outcome"], call["reason"]) == ("failed", "agent-failed")
    assert far.socket is not None
    assert far.socket.close_code == 1009


def wav(sound: bytes) -> bytes:
    """16-bit samples at 16 kHz with a header, as an agent sends that was never told of mu-law."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(sound), b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16, b"data", len(sound)
    )
    return head + sound


async def test_a_wav_is_refused_and_the_call_goes_on(new_world: Any, far: Far) -> None:
    """Its noise is not played into anybody's ear; raw mu-law after it is."""
    world, caller = await called(new_world, far, "vonage")
    for _ in range(50):
        await far.play(wav(b"\x00\x40\x00\xc0" * 800))
    await far.mark("after the wavs")
    await far.marked("after the wavs")
    assert world.heard_speech_s(caller) == 0.0
    await lives(world, far, caller)


GARBAGE: Sequence[str | bytes] = (
    b"\x00\xff" * 400,
    "nonsense",
    "[]",
    "{}",
    '{"event":"media","streamSid":"MZ0","media":{"payload":"AAAA"}}',
    '{"event":"mark"}',
    "\ud7ff" * 10000,
    "[" * 10000,
)


async def test_garbage_is_dropped_until_there_is_too_much_of_it(new_world: Any, far: Far) -> None:
    """One message below the limit the agent is still heard; at the limit it is taken for broken."""
    world, caller = await called(new_world, far, "twilio")
    for number in range(MAX_REFUSED - 1):
        await far.raw(GARBAGE[number % len(GARBAGE)])
    await far.play(SPEECH)
    await far.mark("still here")
    await far.marked("still here")
    assert world.heard_speech_s(caller) > 0.3
    await far.raw("nonsense")
    call = await world.ended(far.call_id)
    assert (call["outcome"], call["reason"]) == ("failed", "agent-failed")


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """It takes connections and never says a word; the url."""
    over = asyncio.Event()

    async def keep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot"
        over.set()


async def test_an_agent_that_never_answers_the_upgrade_leaves_no_caller_in_silence(new_world: Any) -> None:
    """On every carrier the call ends within seconds, as our failure, and nobody is kept waiting on a dead line."""
    async with silent_server() as url:
        world = await staffed(new_world, url)

        async def one(carrier: str) -> None:
            caller = world.phone()
            world.lab.phones.dial(caller, world.lab.credentials(carrier)["numbers"][0])
            await world.lab.until("hangup", number=caller, timeout_s=12)

            async def look() -> dict[str, Any] | None:
                return next((call for call in await world.calls() if call["from"] == caller and call["status"] == "ended"), None)

            call = await world.eventually(look, 10, world.lab_story)
            assert (call["outcome"], call["reason"]) == ("failed", "agent-unavailable"), carrier

        await asyncio.gather(*(one(carrier) for carrier in world.carriers))
