"""The writing half of a media socket: what the bridge queues without waiting, one task sends in order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from carriers.contract import MediaCodec
from gateway.domain.media import StreamStarted

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

WAITING_LIMIT = 250
"""Messages that may wait: 5 s of sound. A carrier that takes none for so long is not there any more."""
_CLOSING_S = 1.0
"""How long a close may take to be sent, behind a carrier that does not read."""
_GIVING_UP = 1011


class SocketPort:
    """`runtime.stream.Port` on an ASGI `send`. `failure` says why we gave the socket up, if we did."""

    def __init__(self, send: Send, codec: MediaCodec) -> None:
        self.codec = codec
        self.started = StreamStarted()
        self.failure = ""
        self._send = send
        self._closing = False
        self._waiting: deque[Message] = deque()
        self._more = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None

    def start(self) -> asyncio.Task[None]:
        """The task that writes; it ends when the socket is closed, or the other side is gone."""
        self._writer = asyncio.get_running_loop().create_task(self._write())
        return self._writer

    def send(self, message: str | bytes) -> None:
        if self._closing:
            return
        if len(self._waiting) >= WAITING_LIMIT:
            self._waiting.clear()
            self.give_up(_GIVING_UP, "not-draining")
            return
        self._waiting.append({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})
        self._more.set()

    def close(self, code: int, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        self._waiting.append({"type": "websocket.close", "code": code, "reason": reason})
        self._more.set()
        if self._writer is not None:
            self._patience = asyncio.get_running_loop().call_later(_CLOSING_S, self._writer.cancel)

    def give_up(self, code: int, reason: str) -> None:
        """Close because of what the other side does, or does not do."""
        self.failure = self.failure or reason
        self.close(code, reason)

    async def _write(self) -> None:
        try:
            while not await self._sent_all():
                self._more.clear()
                await self._more.wait()
        except OSError:
            return  # the other side is gone; the reading half is told so too
        finally:
            if self._patience is not None:
                self._patience.cancel()

    async def _sent_all(self) -> bool:
        """True once the close has been sent too."""
        while self._waiting:
            message = self._waiting.popleft()
            await self._send(message)
            if message["type"] == "websocket.close":
                return True
        return False
