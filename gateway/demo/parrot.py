"""The demo's agent from outside: a WebSocket server in a dozen lines of Media Streams, which knows nothing of Holdline.

It chimes, says back what it hears when the person stops, and closes its socket on key 9. What it has seen is evidence.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from carriers.lab.sound import is_loud, tone

HOST = "127.0.0.1"
CHIME = tone(660, 0.5)
STOPPED_FRAMES = 25
"""So many quiet frames of 20 ms after speech: the person has finished."""


class Seen(Struct):
    """What reached the bot, over all its calls."""

    sockets: int = 0
    starts: list[dict[str, Any]] = []
    """The `start` objects."""
    marks: int = 0


class Parrot:
    """`async with parrot.served(port):`; `seen` is its own log, and `started` hears of every call."""

    def __init__(self, started: Callable[[dict[str, Any]], None] = lambda _start: None) -> None:
        self.seen = Seen()
        self._started = started

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Listen until the block ends."""
        async with serve(self._talk, HOST, port, compression=None):
            yield

    async def _talk(self, socket: ServerConnection) -> None:
        self.seen.sockets += 1
        memory: list[bytes] = []
        try:
            async for message in socket:
                await self._heed(socket, json.loads(message), memory)
        except ConnectionClosed:
            return

    async def _heed(self, socket: ServerConnection, message: dict[str, Any], memory: list[bytes]) -> None:
        match message["event"]:
            case "start":
                self.seen.starts.append(message["start"])
                self._started(message["start"])
                await _say(socket, message["streamSid"], CHIME)
            case "media":
                sound = _remembered(memory, base64.b64decode(message["media"]["payload"]))
                if sound:
                    await _say(socket, message["streamSid"], sound)
            case "mark":
                self.seen.marks += 1
            case "dtmf" if message["dtmf"]["digit"] == "9":
                await socket.close()


def _remembered(memory: list[bytes], frame: bytes) -> bytes:
    """All that was said, once it is over; else nothing."""
    if memory or is_loud(frame):
        memory.append(frame)
    if len(memory) <= STOPPED_FRAMES or any(is_loud(quiet) for quiet in memory[-STOPPED_FRAMES:]):
        return b""
    said = b"".join(memory[:-STOPPED_FRAMES])
    memory.clear()
    return said


async def _say(socket: ServerConnection, stream_sid: str, sound: bytes) -> None:
    """In one burst: the gateway paces it."""
    media = {"payload": base64.b64encode(sound).decode()}
    for message in ({"event": "media", "media": media}, {"event": "mark", "mark": {"name": "said"}}):
        await socket.send(json.dumps({**message, "streamSid": stream_sid}))


def main(port: int) -> None:
    """The same in a process of its own, which can be killed; it prints whose call it has got, a line each."""

    async def serve_for_ever() -> None:
        parrot = Parrot(lambda start: print(start["customParameters"]["from_number"], flush=True))
        async with parrot.served(port):
            await asyncio.get_running_loop().create_future()

    asyncio.run(serve_for_ever())
