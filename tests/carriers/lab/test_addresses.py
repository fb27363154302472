"""The lab's own sockets are sent to addresses that are none: nobody is reached, and nothing falls over."""

import pytest
from websockets.asyncio.server import ServerConnection, serve

from carriers.lab.contract import Webhook
from carriers.lab.media_client import MediaClient
from carriers.lab.webhook_sender import WebhookSender


class Reports:
    """What a media client reports."""

    def __init__(self) -> None:
        self.refusals: list[int] = []

    def opened(self) -> None:
        raise AssertionError("nobody is there")

    def refused(self, status: int) -> None:
        self.refusals.append(status)

    def frame(self, data: str | bytes) -> None:
        raise AssertionError("nobody is there")

    def closed(self, code: int) -> None:
        raise AssertionError("nobody is there")


@pytest.mark.parametrize("rest", ["[", "127.0.0.1:99999/x", "127.0.0.1:abc/x", "a..b/x"])
async def test_a_socket_to_no_address(rest: str) -> None:
    """A media socket that cannot be addressed is refused without an HTTP status, so that the call goes on."""
    reports = Reports()
    await MediaClient(f"ws://{rest}", {}, reports).run()
    assert reports.refusals == [0]


@pytest.mark.parametrize("rest", ["[", "127.0.0.1:99999/x", "127.0.0.1:abc/x", "a..b/x"])
async def test_a_webhook_to_no_address(rest: str) -> None:
    """A webhook that cannot be addressed has reached nobody, as a refused connection has."""
    sender = WebhookSender()
    reply = await sender.send(Webhook(id="1", url=f"http://{rest}", timeout_s=2.0))
    await sender.aclose()
    assert (reply.status, reply.failure) == (0, "connect")


async def test_a_long_message() -> None:
    """The longest message that a carrier documents, half a minute of 16-bit samples at 48 kHz in base64, arrives whole."""
    long = "A" * 3_900_000
    got: list[int] = []

    async def customer(socket: ServerConnection) -> None:
        await socket.send(long)

    class Taking(Reports):
        def opened(self) -> None:
            pass

        def frame(self, data: str | bytes) -> None:
            got.append(len(data))

        def closed(self, code: int) -> None:
            self.refusals.append(code)

    reports = Taking()
    async with serve(customer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await MediaClient(f"ws://127.0.0.1:{port}/m", {}, reports).run()
    assert (got, reports.refusals) == ([len(long)], [1000])
