"""The WebSocket to an agent that lives elsewhere, when the agent is not well."""

import asyncio
import threading
from typing import Any

from websockets.frames import Opcode

from agent.socket import DEAF_AFTER_S, PING_EVERY_S, AgentSocket


class Told:
    """`agent.socket.Reports`: keeps what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed: asyncio.Queue[int] = asyncio.Queue()
        self.heard = asyncio.Event()
        self._error = error

    def on_message(self, message: str | bytes) -> None:
        self.heard.set()
        if self._error is not None:
            raise self._error

    def on_closed(self, code: int) -> None:
        self.closed.put_nowait(code)

    async def nothing_within(self, seconds: float) -> bool:
        """Whether the connection is there after so long."""
        try:
            async with asyncio.timeout(seconds):
                self.closed.put_nowait(await self.closed.get())
        except TimeoutError:
            return True
        return False

    async def end(self) -> int:
        async with asyncio.timeout(5):
            return await self.closed.get()


async def connected(far: Any, told: Told, **patience: float) -> AgentSocket:
    """An agent that has said its first word."""
    socket = AgentSocket(told, **{"deaf_after_s": 0.2, **patience})
    await opened(far, socket)
    await far.say("ready")
    async with asyncio.timeout(5):
        await told.heard.wait()
    return socket


async def opened(far: Any, socket: AgentSocket) -> None:
    await socket.open(far.url, {}, 5)
    async with asyncio.timeout(5):
        await far.connected.wait()


async def test_an_agent_that_vanished_without_a_word_is_lost(far: Any) -> None:
    """No FIN ever comes from a machine that lost its power: an unanswered ping tells."""
    told = Told()
    socket = await connected(far, told)
    far.socket.transport.pause_reading()
    assert await told.end() == 1006
    await socket.close()
    assert told.closed.empty()


async def test_the_usual_patience_is_short_enough_for_a_person_who_waits(far: Any) -> None:
    """By default an agent that froze is lost within a second and a half, and the caller can be told within two."""
    told = Told()
    socket = await connected(far, told, deaf_after_s=DEAF_AFTER_S)
    far.socket.transport.pause_reading()
    assert PING_EVERY_S + DEAF_AFTER_S <= 1.5
    assert await told.end() == 1006
    await socket.close()


async def test_an_agent_that_has_said_nothing_yet_may_be_loading_its_models(far: Any) -> None:
    """Deaf for five times its patience before its first message it is there; for ever it is not."""
    told = Told()
    socket = AgentSocket(told, deaf_after_s=0.2, warm_within_s=2.0)
    await opened(far, socket)
    far.socket.transport.pause_reading()
    assert await told.nothing_within(1.0)
    assert await told.end() == 1006
    await socket.close()


async def test_an_agent_that_speaks_and_answers_no_ping_is_there(far: Any) -> None:
    """Whoever says something is not dead, whatever its library makes of pings."""
    told = Told()
    socket = await connected(far, told, deaf_after_s=0.4)
    far.socket.protocol.recv_frame = _without_pings(far.socket.protocol.recv_frame)
    for _ in range(12):
        await far.say("still talking")
        assert await told.nothing_within(0.1)
    await socket.close()
    assert told.closed.empty()


def _without_pings(receive: Any) -> Any:
    return lambda frame: None if frame.opcode is Opcode.PING else receive(frame)


async def test_a_second_of_our_own_is_not_the_agents_silence(far: Any) -> None:
    """While our own loop stands still no pong can be read: nobody is lost for that."""
    told = Told()
    socket = await connected(far, told, deaf_after_s=0.5)
    for _ in range(3):
        threading.Event().wait(0.7)  # blocks the loop, on purpose
        await (await far.socket.ping())
    assert told.closed.empty()
    await socket.close()


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
            assert await told.nothing_within(0.2)
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
