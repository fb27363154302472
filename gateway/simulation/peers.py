"""The way from one simulated gateway to another, for media sockets that landed on the wrong one."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.simulation.sockets import BROKEN, WebSocket
from gateway.web.peers import ANSWER_S, Connect, Link, PeerGone, PeerRefused

if TYPE_CHECKING:
    from gateway.simulation.processes import Process


class MemoryLink:
    """`web.peers.Link` on a `WebSocket` of this world, of which it is the other side."""

    def __init__(self) -> None:
        self.close_code = 0
        self.refusal: int | None = None
        self._socket: WebSocket | None = None
        self._waiting: deque[str | bytes] = deque()
        self._news = asyncio.Event()

    # --- what the socket reports ---------------------------------------------------------------------------------

    def opened(self) -> None:
        self._news.set()

    def refused(self, status: int) -> None:
        self.refusal = status
        self.closed(BROKEN)

    def frame(self, data: str | bytes) -> None:
        self._waiting.append(data)
        self._news.set()

    def closed(self, code: int) -> None:
        self.close_code = self.close_code or code
        self._news.set()

    # --- the link ------------------------------------------------------------------------------------------------

    async def open(self, socket: WebSocket) -> None:
        """Until it is accepted or refused."""
        self._socket = socket
        await self._news.wait()

    async def receive(self) -> str | bytes | None:
        while not self._waiting:
            if self.close_code:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def send(self, data: str | bytes) -> None:
        if self._socket is not None and not self.close_code:
            self._socket.say(data)

    async def close(self, code: int) -> None:
        if self._socket is not None and not self.close_code:
            self.close_code = code
            self._socket.close(code)


def peers_of(processes: Sequence["Process"]) -> Connect:
    """To whichever of these has the address, if it lives; a frozen one never answers."""

    async def connect(url: str, headers: Mapping[str, str]) -> Link:
        name = urlsplit(url).hostname
        process = next((one for one in processes if one.alive and one.owner.name == name), None)
        if process is None:
            raise PeerGone(url)
        link = MemoryLink()
        socket = WebSocket(url, headers, link, lambda report: report())
        process.accept(socket)
        try:
            async with asyncio.timeout(ANSWER_S):
                await link.open(socket)
        except TimeoutError:
            socket.close(BROKEN)
            raise PeerGone(url) from None
        if link.refusal is not None:
            raise PeerRefused("not-here" if link.refusal in {0, 409} else "leg-over")
        return link

    return connect
