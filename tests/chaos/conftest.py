"""A far end to talk to through what breaks, and free ports."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.chaos.ports import HOST, Ports

PATIENCE_S = 5.0


class EchoServer:
    """Gives back every line; `ended` is set when a connection of it ended."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ended = asyncio.Event()
        self.connections = 0

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
def ports() -> Ports:
    """Free ones, elsewhere than a run's."""
    return Ports(7_000)


@pytest.fixture
async def far(ports: Ports) -> AsyncIterator[EchoServer]:
    """The target."""
    server = EchoServer(ports.take())
    await server.start()
    yield server
    server.server.close()
