"""A small balancer, `python -m gateway.chaos.balancer PORT MEMBER...`: what deploy/haproxy.cfg does, where there is no HAProxy.

HTTP and WebSockets go to the member that the call id in the URL hashes to, or to the next one that is well; what names no call
goes round in turn. A member is asked for /readyz twice a second. One request a connection, so that each is balanced by its own
URL. What a member may have taken is never sent to another: the connection ends without an answer.
"""

import asyncio
import itertools
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from zlib import crc32

from gateway.chaos.ports import HOST

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

READY = "ready"
_LOOK_EVERY_S, _LOOK_S, _CONNECT_S = 0.5, 1.0, 1.0
_CHUNK = 65_536
_OF_CALL = re.compile(rb"^[A-Z]+ /carriers/[^/ ]+/[^/ ]+/([^/? ]+)")
_NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\nx-balancer: nobody\r\n\r\n"
)
_FORBIDDEN = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LOOK = b"GET /readyz HTTP/1.1\r\nhost: balancer\r\nconnection: close\r\n\r\n"


class Balancer:
    """`members` are ports of this machine."""

    def __init__(self, members: Sequence[int]) -> None:
        self.members = tuple(members)
        self.well = dict.fromkeys(self.members, True)
        self._turn = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    def order(self, head: bytes) -> list[int]:
        """The members in the order in which this request is offered to them; those that are not well come last."""
        found = _OF_CALL.match(head)
        start = crc32(found[1]) if found else next(self._turn)
        order = [self.members[(start + step) % len(self.members)] for step in range(len(self.members))]
        return sorted(order, key=lambda member: not self.well[member])

    async def look(self) -> None:
        """Ask every member for its health, for ever."""
        while True:
            await self.look_once()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look_once(self) -> None:
        """Ask every member for its health."""
        await asyncio.gather(*(self._look_at(member) for member in self.members))

    async def _look_at(self, member: int) -> None:
        self.well[member] = await _is_ready(member)

    def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection came in."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1].startswith(b"/internal/"):
                writer.write(_FORBIDDEN)
                return writer.close()
            there = await self._member(head)
            if there is None:
                writer.write(_NOBODY)
                return writer.close()
            there[1].write(one_request(head))
            await both_ways((reader, writer), there)
        writer.close()
        return None

    async def _member(self, head: bytes) -> Streams | None:
        """What never connected has taken nothing: the next one is asked."""
        for member in self.order(head):
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(HOST, member)
        return None


def one_request(head: bytes) -> bytes:
    """The head as it is passed on: whatever is no upgrade ends its connection after the answer."""
    if b"upgrade: websocket" in head.lower():
        return head
    return re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)[:-2] + b"connection: close\r\n\r\n"


async def _is_ready(member: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LOOK_S):
            reader, writer = await asyncio.open_connection(HOST, member)
            try:
                writer.write(_LOOK)
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    return False


async def both_ways(here: Streams, there: Streams) -> None:
    """Until one side is gone; then the other is, too."""
    tasks = {asyncio.create_task(_pour(here[0], there[1])), asyncio.create_task(_pour(there[0], here[1]))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        there[1].close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


async def serve(port: int, members: Sequence[int]) -> None:
    """For ever; one line on standard output when it listens."""
    balancer = Balancer(members)
    server = await asyncio.start_server(balancer.accepted, HOST, port)
    print(READY, flush=True)
    async with server, asyncio.TaskGroup() as tasks:
        tasks.create_task(balancer.look())
        tasks.create_task(server.serve_forever())


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
