"""A line of paper, and a real WebSocket server to be an agent on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agent.contract import CallInfo

CALL = CallInfo(
    call_id="call_" + "a" * 24,
    session_id="ses_" + "b" * 24,
    direction="inbound",
    from_number="+15550100001",
    to_number="+15550190001",
    agent="bot",
    caller_name="Alex",
    attestation="A",
    metadata={"order": "4711"},
)


class PaperLine:
    """`agent.contract.Line`: keeps what the agent did; `did()` waits until that has happened."""

    def __init__(self) -> None:
        self.deeds: list[tuple[str, Any]] = []
        self._news = asyncio.Event()

    def play(self, audio: bytes) -> None:
        self._note("play", audio)

    def mark(self, name: str) -> None:
        self._note("mark", name)

    def clear(self) -> None:
        self._note("clear", None)

    def hang_up(self) -> None:
        self._note("hang_up", None)

    def send_digits(self, digits: str) -> None:
        if digits.strip("0123456789*#ABCDw"):
            raise ValueError("no key")
        self._note("send_digits", digits)

    def fail(self, reason: str) -> None:
        self._note("fail", reason)

    async def did(self, deed: str, value: Any = ...) -> Any:
        async with asyncio.timeout(5):
            while True:
                for name, given in self.deeds:
                    if name == deed and value in (..., given):
                        return given
                self._news.clear()
                await self._news.wait()

    def _note(self, deed: str, value: Any) -> None:
        self.deeds.append((deed, value))
        self._news.set()


class Far:
    """The agent's end: what arrived, and the socket to answer on."""

    def __init__(self) -> None:
        self.url = ""
        self.headers: dict[str, str] = {}
        self.path = ""
        self.heard: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.socket: ServerConnection | None = None
        self.connected = asyncio.Event()

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.path, self.socket = socket.request.path, socket
        self.connected.set()
        async for message in socket:
            self.heard.put_nowait(message)

    async def next(self) -> str | bytes:
        async with asyncio.timeout(5):
            return await self.heard.get()

    async def say(self, message: str | bytes) -> None:
        async with asyncio.timeout(5):
            await self.connected.wait()
        assert self.socket is not None
        await self.socket.send(message)


@pytest.fixture
def call() -> CallInfo:
    """An inbound one."""
    return CALL


@pytest.fixture
def line() -> PaperLine:
    """See PaperLine."""
    return PaperLine()


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    """A server on loopback."""
    end = Far()
    async with serve(end.serve, "127.0.0.1", 0) as server:
        end.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot"
        yield end
        if end.socket is not None:
            end.socket.transport.abort()  # the server would wait ten seconds for a goodbye of one that was told to read nothing


@pytest.fixture
async def started(line: PaperLine) -> AsyncIterator[Callable[[Any], Awaitable[Any]]]:
    """Starts a session on the line of paper, and closes it at the end."""
    open_: list[Any] = []

    async def start(session: Any) -> Any:
        open_.append(session)
        await session.start(line)
        return session

    yield start
    for session in open_:
        await session.close()
