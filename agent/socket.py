"""A WebSocket to an agent that lives elsewhere: connects once, sends without blocking, reports what comes and how it ends.

The one file of `agent/` that touches the network. Sound that an agent does not read in time is dropped, oldest first: two
seconds late it is of no use to a conversation. Everything else waits (a `clear` gives back a thousand marks in one go), up to
a number that no agent reaches which reads at all.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

log = structlog.get_logger(__name__)

MAX_WAITING = 200
"""Messages behind which sound is dropped; it makes 50 a second."""
MAX_WORDS = 5000
"""Messages that may wait at all; then even marks and keys give way."""
MAX_MESSAGE = 8 << 20
"""Bytes; a minute of mu-law in base64 has less than one MiB, and some agents send a whole sentence at once."""
CLOSE_TIMEOUT_S = 2.0
PING_EVERY_S = 0.5
DEAF_AFTER_S = 1.0
"""An agent that answers no ping for so long and says nothing either, or takes nothing off a full connection, is lost: a machine
without power says no goodbye. With the pings this makes 1.5 s, so that the person can be told within two. Agents that stop
longer, to load a model in the middle of a call, need more, and then the person waits as long.
"""
WARM_WITHIN_S = 5.0
"""An agent that has said nothing yet may load its models in its event loop, at its first call for seconds: until its first
message it may be deaf for so long.
"""
_LOOKS = 5
"""Patience is counted in looks and not by a clock: a second in which our own process stood still is not the agent's silence."""
CLEAN = frozenset({1000, 1001, 1005})
"""Close codes of an agent that meant it; anything else is a broken connection."""


class AgentRefused(Exception):
    """The agent could not be reached, or refused the upgrade; says how."""


class Reports(Protocol):
    """Who is told. Called in the event loop; must not block, and must not raise."""

    def on_message(self, message: str | bytes) -> None:
        """One whole message."""
        ...

    def on_closed(self, code: int) -> None:
        """The socket is gone, and we did not close it; 1006 is a broken connection."""
        ...


class _Connect(connect):
    """A redirect would carry the signature to somebody else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class AgentSocket:
    """From `open` to `close`."""

    def __init__(
        self,
        reports: Reports,
        max_waiting: int = MAX_WAITING,
        deaf_after_s: float = DEAF_AFTER_S,
        warm_within_s: float = WARM_WITHIN_S,
    ) -> None:
        self._reports, self._deaf_after_s, self._warm_within_s = reports, deaf_after_s, warm_within_s
        self._waiting: deque[tuple[str, bool]] = deque()
        """(message, whether it is sound), in order."""
        self._max_waiting = max_waiting
        self._news, self._said = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._heard = 0
        self._connection: ClientConnection | None = None
        self.dropped = 0
        """Messages that the agent did not read in time."""

    async def open(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        """Connect; raise AgentRefused with the reason in words."""
        try:
            self._connection = await _Connect(
                url,
                additional_headers=dict(headers),
                user_agent_header="Holdline",
                open_timeout=timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,  # our own pings know how long our own loop slept
                max_size=MAX_MESSAGE,
                compression=None,  # sound in base64 gains nothing, and costs a millisecond a call
                proxy=None,
            )
        except InvalidStatus as error:
            raise AgentRefused(f"the upgrade was answered with {error.response.status_code}") from error
        except TimeoutError as error:
            raise AgentRefused(f"no answer to the upgrade within {timeout_s:g} s") from error
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise AgentRefused(f"{type(error).__name__}: {error}") from error
        self._tasks = [asyncio.create_task(work(self._connection)) for work in (self._read, self._write, self._ping)]

    def send(self, message: str, *, sound: bool = False) -> None:
        """Queue one text message; when the agent does not read, the oldest sound gives way."""
        if len(self._waiting) >= (self._max_waiting if sound else MAX_WORDS):
            self._drop_oldest(sound=sound)
        self._waiting.append((message, sound))
        self._said.clear()
        self._news.set()

    def _drop_oldest(self, *, sound: bool) -> None:
        place = next((place for place, waiting in enumerate(self._waiting) if waiting[1]), None)
        if place is not None:
            del self._waiting[place]
        elif not sound:
            self._waiting.popleft()
        self.dropped += 1

    async def close(self) -> None:
        """Say what is queued, close normally, and report nothing any more."""
        if self._connection is None:
            return
        reader, *others = self._tasks
        reader.cancel()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._said.wait()
        except TimeoutError:
            log.warning("agent-does-not-read", waiting=len(self._waiting))
        for task in others:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        connection, self._connection = self._connection, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await connection.close()
        except TimeoutError:  # its own time-out waits behind a full connection
            connection.transport.abort()

    async def _read(self, connection: ClientConnection) -> None:
        try:
            async for message in connection:
                self._heard += 1
                self._reports.on_message(message)
        except ConnectionClosed:
            pass
        except Exception:  # a bug in reading it must not leave a person with an agent whom nobody hears
            log.exception("agent-message-failed")
            connection.transport.abort()
        code = connection.close_code
        self._reports.on_closed(1006 if code is None else code)

    async def _write(self, connection: ClientConnection) -> None:
        try:
            while True:
                while self._waiting:
                    message, _sound = self._waiting.popleft()
                    async with asyncio.timeout(self._patience_s):
                        await connection.send(message)
                self._said.set()
                self._news.clear()
                await self._news.wait()
        except (ConnectionClosed, TimeoutError):
            connection.transport.abort()  # pings wait behind a full connection too, so that they would not tell
            self._said.set()  # nobody is left to say it to; the reader tells how it ended

    async def _ping(self, connection: ClientConnection) -> None:
        try:
            while await self._is_there(connection):
                await asyncio.wait({self._tasks[0]}, timeout=PING_EVERY_S)
            log.warning("agent-deaf", after_s=self._patience_s)
        except (ConnectionClosed, TimeoutError):
            pass
        connection.transport.abort()

    async def _is_there(self, connection: ClientConnection) -> bool:
        """One ping: it answers, or says something else meanwhile. Raise ConnectionClosed, and TimeoutError if the ping waits."""
        async with asyncio.timeout(self._patience_s):
            pong = asyncio.ensure_future(await connection.ping())
        heard, patience_s = self._heard, self._patience_s
        for _ in range(_LOOKS):
            await asyncio.wait({pong}, timeout=patience_s / _LOOKS)
            if pong.done() or self._heard != heard:
                return True
        return False

    @property
    def _patience_s(self) -> float:
        return self._deaf_after_s if self._heard else max(self._deaf_after_s, self._warm_within_s)
