"""The thread that sends: a real socket on the other side, which answers as badly as it likes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.runtime.user_webhook_sending import BODY_READ, SendingThread
from gateway.runtime.user_webhook_verdicts import Reply

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Receiver:
    """A listening socket. `answer` is called with each connection; `requests` are the heads and bodies that came."""

    def __init__(self, answer: Answer | bytes) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
                self.requests.append(head + await reader.readexactly(length))
                if isinstance(self._answer, bytes):
                    writer.write(self._answer)
                    await writer.drain()
                else:
                    await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.gone.set()
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks?token=t"
        finally:
            server.close()


@asynccontextmanager
async def sent_to(
    answer: Answer | bytes, timeout_s: float = 5.0
) -> AsyncIterator[tuple[Receiver, Callable[[], Awaitable[Reply]]]]:
    """A receiver, and what sends one notice to it."""
    receiver = Receiver(answer)
    async with receiver.listening() as url, SendingThread(resolvers=1, timeout_s=timeout_s) as sending:
        yield receiver, lambda: sending.post(url, {"webhook-id": "msg_1", "content-type": "application/json"}, b'{"a":1}')


async def test_a_notice_is_one_post_with_its_headers_and_its_body() -> None:
    """To the whole URL, query included; the body byte for byte."""
    async with sent_to(OK) as (receiver, send):
        assert await send() == Reply(status=200)
        head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        assert lines[0] == "post /hooks?token=t http/1.1"
        assert {"webhook-id: msg_1", "content-type: application/json", "user-agent: holdline-webhooks"} <= set(lines)
        assert body == b'{"a":1}'


async def test_a_connection_is_used_again() -> None:
    """A handshake for each notice would be a burden to both."""
    async with sent_to(OK) as (receiver, send):
        for _ in range(3):
            assert await send() == Reply(status=200)
        assert (len(receiver.requests), receiver.connections) == (3, 1)


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    """Wherever it points: the URL is the config's, and nobody else's."""
    redirect = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
    async with sent_to(redirect) as (receiver, send):
        assert await send() == Reply(status=307)
        assert await send() == Reply(status=307)
        assert [request.split(b" ")[1] for request in receiver.requests] == [b"/hooks?token=t"] * 2
        assert b"cookie" not in receiver.requests[1].lower()


async def test_retry_after_is_passed_on() -> None:
    """And no more of it than a header should have."""
    wish = b"7" * 200
    async with sent_to(b"HTTP/1.1 429 Slow\r\nretry-after: " + wish + b"\r\ncontent-length: 0\r\n\r\n") as (_receiver, send):
        assert await send() == Reply(status=429, retry_after="7" * 100)


async def test_whoever_hangs_is_given_up_in_time() -> None:
    """Accepted, and never answered: an error in words, and the connection is closed."""

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with sent_to(silent, timeout_s=0.3) as (receiver, send):
        async with asyncio.timeout(5):
            assert await send() == Reply(error="no answer within 0.3 s")
            await receiver.gone.wait()


async def test_whoever_drips_is_given_up_in_time() -> None:
    """A byte of the answer's head now and then is no answer: the time goes over all of it."""

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with sent_to(dripping, timeout_s=0.3) as (_receiver, send):
        async with asyncio.timeout(5):
            assert await send() == Reply(error="no answer within 0.3 s")


async def test_an_endless_body_is_not_read() -> None:
    """The status counts; of the body a little is read, then the connection is closed."""
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with sent_to(endless) as (receiver, send):
        async with asyncio.timeout(5):
            assert await send() == Reply(status=202)
            await receiver.gone.wait()
    assert BODY_READ < written < 50_000_000


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n", "RemoteProtocolError"),
    ],
)
async def test_what_is_no_answer_is_an_error_in_words(answer: bytes, word: str) -> None:
    """Not an exception: the notice is tried again."""
    async with sent_to(answer) as (_receiver, send):
        reply = await send()
        assert (reply.status, word in reply.error) == (0, True)


async def test_nobody_there_is_an_error_in_words() -> None:
    """A port where nobody listens."""
    async with Receiver(OK).listening() as url:
        pass
    async with SendingThread(resolvers=1) as sending:
        assert "ConnectError" in (await sending.post(url, {}, b"{}")).error


async def test_a_request_that_is_given_up_is_broken_off() -> None:
    """When this process ends in the middle of it, the receiver sees the connection go."""

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with sent_to(silent) as (receiver, send):
        sending: asyncio.Task[Any] = asyncio.ensure_future(send())  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            while not receiver.requests:  # noqa: ASYNC110 # the request has no event
                await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await receiver.gone.wait()


async def test_everything_happens_in_a_thread_of_its_own() -> None:
    """Which ends with the sending."""
    async with sent_to(OK) as (_receiver, send):
        await send()
        assert "user-webhooks" in [thread.name for thread in threading.enumerate()]
    assert "user-webhooks" not in [thread.name for thread in threading.enumerate()]
