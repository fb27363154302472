"""A TCP proxy that breaks the way: one for each pair of processes that talk.

It knows no protocol. What it does to bytes is what a network does: late, in drops, not at all, or with an end that only one side
hears of. A network loses nothing of a connection that lives on (TCP sends it again), so bytes are held back and never lost.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from random import Random

from msgspec import Struct

from gateway.chaos.ports import HOST

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 65_536
_CONNECT_S = 2.0
_LINGER_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends RST."""


class WireFault(StrEnum):
    """What may be wrong with a way."""

    LATENCY = "latency"
    """Every piece `s` later, and up to `jitter_s` more."""
    DOWN = "down"
    """Nobody listens; what was open is reset."""
    BLACK_HOLE = "black-hole"
    """Connections stay and new ones are taken; nothing comes through until it ends. A partition."""
    RESET = "reset"
    """What is open is reset, once; new connections are well."""
    HALF_OPEN = "half-open"
    """The far end loses what is open, the near end hears nothing of it; new connections are well."""
    SLOW_CLOSE = "slow-close"
    """The end of a connection is told `s` late."""
    BANDWIDTH = "bandwidth"
    """At most `bytes_per_s` each way of a connection."""


class Wire(Struct, frozen=True, kw_only=True):
    """A fault, with its size."""

    kind: WireFault
    s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: int = 0


class FaultProxy:
    """`port` leads to `target`. `strike` and `mend` may be called at any time; `heard` is called for each piece, either way."""

    def __init__(self, port: int, target: int, chance: Random, heard: Callable[[], None] = lambda: None) -> None:
        self.port, self._target, self._chance, self._heard = port, target, chance, heard
        self.fault: Wire | None = None
        self._absent = False
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._passable = asyncio.Event()
        self._passable.set()

    async def start(self) -> None:
        """Listen."""
        await self._review()

    async def aclose(self) -> None:
        """Stop listening, and reset what is open."""
        self._absent = True
        await self._review()
        for link in tuple(self._links):
            await link.ended()

    async def strike(self, fault: Wire) -> None:
        """From now on the way has this fault, and no other."""
        await self.mend()
        self.fault = fault
        if fault.kind is WireFault.BLACK_HOLE:
            self._passable.clear()
        if fault.kind is WireFault.RESET:
            self._reset_all()
        if fault.kind is WireFault.HALF_OPEN:
            for link in tuple(self._links):
                link.lose_far_end()
        await self._review()

    async def mend(self) -> None:
        """The way is well. A half-open connection learns now that its other end is gone, as it would by sending."""
        fault, self.fault = self.fault, None
        self._passable.set()
        if fault is not None and fault.kind is WireFault.HALF_OPEN:
            for link in [link for link in self._links if link.half]:
                link.reset()
        await self._review()

    async def target_is(self, *, there: bool) -> None:
        """Whoever listens at the target has died, or is back: a dead one's port refuses, and so does ours."""
        self._absent = not there
        await self._review()

    async def pass_on(self, size: int) -> None:
        """Wait as long as a piece of this size takes."""
        self._heard()
        fault = self.fault
        if fault is not None and fault.kind is WireFault.LATENCY:
            await asyncio.sleep(fault.s + self._chance.uniform(0.0, fault.jitter_s))
        elif fault is not None and fault.kind is WireFault.BANDWIDTH:
            await asyncio.sleep(size / fault.bytes_per_s)
        await self._passable.wait()

    async def closing(self) -> None:
        """Wait as long as the news of an end takes."""
        fault = self.fault
        if fault is not None and fault.kind is WireFault.SLOW_CLOSE:
            await asyncio.sleep(fault.s)
        await self._passable.wait()

    async def _review(self) -> None:
        shut = self._absent or (self.fault is not None and self.fault.kind is WireFault.DOWN)
        if shut and self._server is not None:
            self._server.close()
            self._server = None
            self._reset_all()
        elif not shut and self._server is None:
            self._server = await asyncio.start_server(self._accepted, HOST, self.port)

    def _reset_all(self) -> None:
        for link in tuple(self._links):
            link.reset()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, (reader, writer))
        self._links.add(link)
        link.task.add_done_callback(lambda _task: self._links.discard(link))

    async def connect(self) -> Streams:
        """A connection to the target; OSError or TimeoutError if there is none to be had."""
        await self._passable.wait()
        async with asyncio.timeout(_CONNECT_S):
            return await asyncio.open_connection(HOST, self._target)


class _Link:
    """One connection through a proxy: `near` is who opened it, `far` is the target."""

    def __init__(self, proxy: FaultProxy, near: Streams) -> None:
        self._proxy, self._near = proxy, near
        self._far: Streams | None = None
        self.half = False
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def reset(self) -> None:
        """Both ends hear of an end by RST."""
        self.task.cancel()

    def lose_far_end(self) -> None:
        """The far end is gone; the near one goes on talking to nobody."""
        self.half = True
        if self._far is not None:
            _abort(self._far[1])

    async def ended(self) -> None:
        """Wait until nothing of it is left."""
        with suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(asyncio.gather(self.task, return_exceptions=True), _CONNECT_S)

    async def _serve(self) -> None:
        end: Callable[[asyncio.StreamWriter], None] = _abort
        try:
            self._far = await self._proxy.connect()
            await self._both_ways(self._near, self._far)
            end = _close
        except* (OSError, TimeoutError, RuntimeError):
            # One side was reset, or there is no other side: the end below is the news. Of a transport that closed a moment
            # ago uvloop says RuntimeError.
            pass
        finally:
            for _, writer in filter(None, (self._near, self._far)):
                end(writer)

    async def _both_ways(self, near: Streams, far: Streams) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pour(near[0], far[1]))
            tasks.create_task(self._pour(far[0], near[1], from_far=True))

    async def _pour(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_far: bool = False) -> None:
        """Until the source ends; its end is handed on as a half close, so that an answer still comes back."""
        while data := await self._read(source, from_far=from_far):
            await self._proxy.pass_on(len(data))
            if not self.half:
                sink.write(data)
                await sink.drain()
        if self.half:
            raise ConnectionResetError  # the near end has given up on the half-open connection
        await self._proxy.closing()
        if not sink.transport.is_closing():
            sink.write_eof()

    async def _read(self, source: asyncio.StreamReader, *, from_far: bool) -> bytes:
        try:
            data = await source.read(_CHUNK)
        except OSError:
            if not (self.half and from_far):
                raise
            data = b""
        if self.half and from_far and not data:
            await asyncio.get_running_loop().create_future()  # the near end is told nothing until it gives up, or we mend
        return data


def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with RST; a connection that was closed by both sides already has nothing left to reset."""
    found = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        if found is not None and not writer.transport.is_closing():
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    writer.transport.abort()
