"""The carrier's end of a media stream: a WebSocket client that reports to the exchange and sends what it orders."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from carriers.lab.http_listener import break_connection

MAX_MESSAGE = 1 << 23
"""Telnyx takes 30 s of sound in one message: 3.9 million characters of 16-bit samples at 48 kHz."""
OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
MAX_WAITING = 1000
"""Messages that a customer who does not read may leave waiting; older ones are dropped, as a live stream must."""


class StreamReports(Protocol):
    """Where a socket reports what happened to it."""

    def opened(self) -> None:
        """The upgrade was accepted."""
        ...

    def refused(self, status: int) -> None:
        """It was not; 0 for no connection."""
        ...

    def frame(self, data: str | bytes) -> None:
        """A message from the customer."""
        ...

    def closed(self, code: int) -> None:
        """The customer closed, or the connection broke (1006)."""
        ...


class _Connect(connect):
    """Carriers do not follow redirects to another socket."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class MediaClient:
    """One socket, from connecting to its end. `run` is its task; the rest is called from the loop at any time."""

    def __init__(self, url: str, headers: Mapping[str, str], reports: StreamReports) -> None:
        self._url, self._headers, self._reports = url, headers, reports
        self._waiting: deque[str | bytes] = deque(maxlen=MAX_WAITING)
        self._news = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._close_code: int | None = None
        """Set once the end was ordered; nothing is reported after that."""

    async def run(self) -> None:
        """Connect, carry frames both ways, report the end."""
        socket = await self._connected()
        if socket is None:
            return
        self._socket = socket
        writer = asyncio.create_task(self._write(socket))
        try:
            self._reports.opened()
            await self._read(socket)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await _closed(socket)

    def send(self, data: str | bytes) -> None:
        """Queue one message."""
        self._waiting.append(data)
        self._news.set()

    def close(self, code: int, abrupt: bool) -> None:
        """End it: after what is queued, or at once and with a reset. No report follows."""
        self._close_code = code
        self._news.set()
        if abrupt:
            self._waiting.clear()
            if self._socket is not None:
                break_connection(self._socket.transport)

    async def _connected(self) -> ClientConnection | None:
        try:
            return await _Connect(
                self._url,
                additional_headers=dict(self._headers),
                compression=None,
                max_size=MAX_MESSAGE,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as error:
            self._reports.refused(error.response.status_code)
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ValueError):  # the last: ports and hosts that are none
            self._reports.refused(0)
        return None

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                data = await socket.recv()
                if self._close_code is None:
                    self._reports.frame(data)
        except ConnectionClosed as error:
            if self._close_code is None:
                self._reports.closed(error.rcvd.code if error.rcvd else 1006)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    await socket.send(self._waiting.popleft())
                if self._close_code is not None:
                    await socket.close(self._close_code)
                    return
        except ConnectionClosed:
            return  # the reader reports it


async def _closed(socket: ClientConnection) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await socket.close()
    except TimeoutError:
        break_connection(socket.transport)
