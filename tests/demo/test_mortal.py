"""The agent that dies: a process that listens, is killed for good, and comes back with its memory of calls."""

import json
import socket
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from gateway.demo.mortal import Mortal


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def call(mortal: Mortal, number: str) -> None:
    """One call's start, and the chime that answers it."""
    async with connect(f"ws://127.0.0.1:{mortal.port}/media", compression=None, proxy=None) as line:
        start = {"streamSid": "MZ1", "customParameters": {"from_number": number}}
        await line.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
        assert json.loads(await line.recv())["event"] == "media"


async def test_it_counts_calls_over_all_its_lives(tmp_path: Path) -> None:
    """Killed it takes no connection; started again it does, and knows of both calls."""
    async with Mortal(free_port(), tmp_path / "agent.log") as mortal:
        await mortal.start()
        await call(mortal, "+15550100032")
        await mortal.kill()
        with pytest.raises(ConnectionRefusedError):
            await call(mortal, "+15550100032")
        await mortal.start()
        await call(mortal, "+15550100032")
        assert mortal.calls_from("+15550100032") == 2
        assert mortal.calls_from("+15550100031") == 0
