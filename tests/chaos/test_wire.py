"""The proxy that breaks the way: what each fault does to a connection, and that all is well afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any, TypeVar

import pytest

from gateway.chaos.ports import HOST, Ports
from gateway.chaos.wire import FaultProxy, Wire, WireFault

T = TypeVar("T")

PATIENCE_S = 5.0
SHORT_S = 0.2
RESET = (ConnectionResetError, BrokenPipeError)


@pytest.fixture
async def proxy(ports: Ports, far: Any) -> AsyncIterator[FaultProxy]:
    """In front of the echo."""
    opened = FaultProxy(ports.take(), far.port, Random("wire"))
    await opened.start()
    yield opened
    await opened.aclose()


class Talk:
    """A connection through the proxy."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def say(self, line: bytes = b"hello\n") -> bytes:
        """What comes back."""
        self.writer.write(line)
        return await soon(self.reader.readline())

    async def silent(self) -> bool:
        """Nothing comes, and no end either."""
        try:
            await asyncio.wait_for(self.reader.readline(), SHORT_S)
        except TimeoutError:
            return True
        return False


async def soon(waited: Awaitable[T]) -> T:
    return await asyncio.wait_for(waited, PATIENCE_S)


Open = Callable[[FaultProxy], Awaitable[Talk]]


@pytest.fixture
async def open_() -> AsyncIterator[Open]:
    """Opens connections through a proxy, and closes them in the end."""
    talks: list[Talk] = []

    async def one(proxy: FaultProxy) -> Talk:
        talks.append(Talk(await asyncio.open_connection(HOST, proxy.port)))
        return talks[-1]

    yield one
    for talk in talks:
        talk.writer.close()
        await asyncio.gather(talk.writer.wait_closed(), return_exceptions=True)


async def test_a_way_that_is_well(open_: Open, proxy: FaultProxy, far: Any) -> None:
    """Bytes pass both ways, and an end is handed on."""
    talk = await open_(proxy)
    assert await talk.say() == b"hello\n"
    talk.writer.write_eof()
    assert await soon(talk.reader.read()) == b""
    await soon(far.ended.wait())


async def test_an_answer_after_the_question_has_ended(open_: Open, proxy: FaultProxy) -> None:
    """Who says all it has to say and shuts that way still gets the answer."""
    talk = await open_(proxy)
    talk.writer.write(b"one\ntwo\n")
    talk.writer.write_eof()
    assert await soon(talk.reader.read()) == b"one\ntwo\n"


async def test_latency(open_: Open, proxy: FaultProxy) -> None:
    """Each way takes its time."""
    talk = await open_(proxy)
    await proxy.strike(Wire(kind=WireFault.LATENCY, s=0.1, jitter_s=0.05))
    began = asyncio.get_running_loop().time()
    assert await talk.say() == b"hello\n"
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_bandwidth(open_: Open, proxy: FaultProxy) -> None:
    """So many bytes take so long."""
    talk = await open_(proxy)
    await proxy.strike(Wire(kind=WireFault.BANDWIDTH, bytes_per_s=10_000))
    began = asyncio.get_running_loop().time()
    assert await talk.say(b"x" * 1_999 + b"\n") == b"x" * 1_999 + b"\n"
    assert asyncio.get_running_loop().time() - began >= 0.4


async def test_down(open_: Open, proxy: FaultProxy) -> None:
    """What is open is reset, nobody listens; mended, the same port listens again."""
    talk = await open_(proxy)
    assert await talk.say() == b"hello\n"
    await proxy.strike(Wire(kind=WireFault.DOWN))
    with pytest.raises(RESET):
        await soon(talk.reader.readexactly(1))
    with pytest.raises(ConnectionRefusedError):
        await open_(proxy)
    await proxy.mend()
    assert await (await open_(proxy)).say() == b"hello\n"


async def test_a_black_hole(open_: Open, proxy: FaultProxy) -> None:
    """Connections live and are taken, nothing comes through; when it ends, what was said is heard after all."""
    talk = await open_(proxy)
    assert await talk.say() == b"hello\n"
    await proxy.strike(Wire(kind=WireFault.BLACK_HOLE))
    talk.writer.write(b"are you there\n")
    another = await open_(proxy)
    another.writer.write(b"and you\n")
    assert await talk.silent()
    assert await another.silent()
    await proxy.mend()
    assert await soon(talk.reader.readline()) == b"are you there\n"
    assert await soon(another.reader.readline()) == b"and you\n"


async def test_a_reset(open_: Open, proxy: FaultProxy, far: Any) -> None:
    """Both ends hear of it; the next connection is well at once."""
    talk = await open_(proxy)
    assert await talk.say() == b"hello\n"
    await proxy.strike(Wire(kind=WireFault.RESET))
    with pytest.raises(RESET):
        await soon(talk.reader.readexactly(1))
    await soon(far.ended.wait())
    assert await (await open_(proxy)).say() == b"hello\n"


async def test_half_open(open_: Open, proxy: FaultProxy, far: Any) -> None:
    """The far end has lost the connection, the near one hears nothing of it until the way is mended; new ones are well."""
    talk = await open_(proxy)
    assert await talk.say() == b"hello\n"
    await proxy.strike(Wire(kind=WireFault.HALF_OPEN))
    await soon(far.ended.wait())
    talk.writer.write(b"are you there\n")
    assert await talk.silent()
    assert await (await open_(proxy)).say() == b"hello\n"
    await proxy.mend()
    with pytest.raises(RESET):
        await soon(talk.reader.readexactly(1))


async def test_a_slow_close(open_: Open, proxy: FaultProxy, far: Any) -> None:
    """The far end hears of the near one's end so much later."""
    talk = await open_(proxy)
    assert await talk.say() == b"hello\n"
    await proxy.strike(Wire(kind=WireFault.SLOW_CLOSE, s=SHORT_S))
    began = asyncio.get_running_loop().time()
    talk.writer.close()
    await soon(far.ended.wait())
    assert asyncio.get_running_loop().time() - began >= SHORT_S


async def test_a_dead_target_refuses(open_: Open, proxy: FaultProxy) -> None:
    """Where the process behind it is known to be dead the proxy's port refuses, as the process' own would."""
    await proxy.target_is(there=False)
    with pytest.raises(ConnectionRefusedError):
        await open_(proxy)
    await proxy.strike(Wire(kind=WireFault.LATENCY))
    with pytest.raises(ConnectionRefusedError):
        await open_(proxy)
    await proxy.target_is(there=True)
    assert await (await open_(proxy)).say() == b"hello\n"


async def test_a_target_that_nobody_knows_to_be_dead(open_: Open, proxy: FaultProxy, far: Any) -> None:
    """A connection is taken and reset: what a balancer's health check is for."""
    far.server.close()
    await far.server.wait_closed()
    talk = await open_(proxy)
    with pytest.raises((*RESET, asyncio.IncompleteReadError)):
        await soon(talk.reader.readexactly(1))
