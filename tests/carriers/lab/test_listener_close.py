"""A listener that closes in the very moment in which a connection comes."""

import asyncio
import socket

import pytest

from carriers.lab.contract import RestReply
from carriers.lab.http_listener import HttpListener
from carriers.lab.orders import Answer


async def test_a_connection_that_was_just_accepted_is_reset_with_the_others() -> None:
    """Accepted before the close and not yet set up: the client gets a reset, and no request of its is answered."""
    listener = HttpListener("127.0.0.1")
    listener.start(lambda _request: Answer(reply=RestReply(status=200)))
    with socket.create_connection(("127.0.0.1", listener.port)) as client:
        client.setblocking(False)
        listener._accept()
        listener.close()
        with pytest.raises(ConnectionError):
            await _asked(client)
    await listener.aclose()


async def _asked(client: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while True:
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nhost: lab\r\n\r\n")
            answer = await loop.sock_recv(client, 1000)
            if answer:
                return answer
