"""The WebSocket to an agent that lives elsewhere, when the agent is not well."""

import asyncio
from typing import Any

from agent.socket import AgentSocket


class Told:
    """`agent.socket.Reports`: keeps what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed: asyncio.Queue[int] = asyncio.Queue()
        self._error = error

    def on_message(self, message: str | bytes) -> None:
        if self._error is not None:
            raise self._error

    def on_closed(self, code: int) -> None:
        self.closed.put_nowait(code)

    async def end(self) -> int:
        async with asyncio.timeout(5):
            return await self.closed.get()


async def connected(far: Any, told: Told, deaf_after_s: float = 0.2) -> AgentSocket:
    socket = AgentSocket(told, deaf_after_s=deaf_after_s)
    await socket.open(far.url, {}, 5)
    async with asyncio.timeout(5):
        await far.connected.wait()
    return socket


async def test_an_agent_that_vanished_without_a_word_is_lost(far: Any) -> None:
    """No FIN ever comes from a machine that lost its power: an unanswered ping tells."""
    told = Told()
    socket = await connected(far, told)
    far.socket.transport.pause_reading()
    assert await told.end() == 1006
    await socket.close()
    assert told.closed.empty()


async def test_an_agent_that_reads_nothing_is_lost(far: Any) -> None:
    """When every buffer on the way is full no ping can be sent either: what is not taken in time tells."""
    told = Told()
    socket = await connected(far, told)
    far.socket.transport.pause_reading()
    for _ in range(100):
        socket.send("x" * 1_000_000)
    assert await told.end() == 1006
    await socket.close()
    assert told.closed.empty()


async def test_goodbye_to_an_agent_that_reads_nothing_takes_no_longer_than_agreed(far: Any) -> None:
    """The call is over whatever the agent does: nothing of it is left behind."""
    told = Told()
    socket = await connected(far, told, deaf_after_s=60)
    far.socket.transport.pause_reading()
    for _ in range(100):
        socket.send("x" * 1_000_000)
    await asyncio.wait_for(socket.close(), 8)
    assert told.closed.empty()


async def test_a_quiet_agent_is_not_a_dead_one(far: Any) -> None:
    """It answers pings, and that is enough, however little is said."""
    told = Told()
    socket = await connected(far, told)
    async with asyncio.timeout(5):
        for _ in range(4):
            await (await far.socket.ping())
            await asyncio.wait([asyncio.create_task(told.closed.get())], timeout=0.2)
    socket.send("still there")
    assert await far.next() == "still there"
    await socket.close()


async def test_a_message_that_nobody_foresaw_does_not_leave_the_agent_unheard(far: Any) -> None:
    """A bug in reading it ends the connection and says so, instead of going on deaf."""
    told = Told(RuntimeError("a bug"))
    socket = await connected(far, told, deaf_after_s=60)
    await far.say("anything")
    assert await told.end() == 1006
    await socket.close()
