"""An agent from outside, as `python -m gateway.chaos.agent PORT FILE`: Media Streams over a WebSocket, in a process that may be
killed. It hums at a height that is the call's alone, and appends each conversation that it is given to FILE as a JSON line.
"""

import asyncio
import base64
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from carriers.lab.sound import tone
from gateway.chaos.crossings import pitch
from gateway.chaos.ports import HOST

READY = "ready"
_PIECE_S = 0.5
_NUMBER = "number"


class Agent:
    """`log` is the file."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def talk(self, socket: ServerConnection) -> None:
        """One conversation, until its socket closes."""
        with suppress(ConnectionClosed):
            async for message in socket:
                told: dict[str, Any] = json.loads(message)
                if told["event"] == "start":
                    self._keep(told["start"])
                    await self._hum(socket, told["streamSid"], told["start"])

    def _keep(self, start: dict[str, Any]) -> None:
        known = start["customParameters"]
        line = {"at": time.time(), "process": os.getpid(), "call_id": known["call_id"], "session_id": known["session_id"]}
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    async def _hum(self, socket: ServerConnection, stream_sid: str, start: dict[str, Any]) -> None:
        """Ten seconds, in pieces."""
        number = start["customParameters"].get("to_number", "")
        piece = base64.b64encode(tone(pitch(number), _PIECE_S)).decode()
        message = json.dumps({"event": "media", "streamSid": stream_sid, "media": {"payload": piece}})
        for _ in range(20):
            await socket.send(message)


async def run(port: int, log: Path) -> None:
    """For ever; one line on standard output when it listens."""
    async with serve(Agent(log).talk, HOST, port, compression=None):
        print(READY, flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2])))
