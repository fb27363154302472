"""Having an answered leg open another stream, through Telnyx' real SDK against the lab."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.server import Server, ServerConnection, serve

from carriers.contract import Attempt, Carrier
from carriers.lab.contract import RestRequest
from carriers.lab.lab import Lab
from gateway.domain.errors import CarrierError

TO = "+15550100001"
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Ears:
    """Media sockets that come to us: how many, and how many are still open."""

    def __init__(self) -> None:
        self.sockets: list[ServerConnection] = []
        self._came = asyncio.Event()

    async def take(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        self._came.set()
        await socket.wait_closed()

    async def until(self, count: int) -> ServerConnection:
        """The count-th socket, when it has said its start."""
        async with asyncio.timeout(8):
            while len(self.sockets) < count:
                self._came.clear()
                await self._came.wait()
            socket = self.sockets[count - 1]
            while '"start"' not in str(await socket.recv()):
                pass
        return socket


class Listening(Attempt, frozen=True, kw_only=True):
    """An attempt whose stream comes to `socket_url`."""

    socket_url: str = ""

    @property
    def media_url(self) -> str:
        return self.socket_url


@pytest_asyncio.fixture(loop_scope="module")
async def ears() -> AsyncIterator[tuple[Ears, str]]:
    """A media server, and its URL."""
    found = Ears()
    server: Server
    async with serve(found.take, "127.0.0.1", 0) as server:
        yield found, f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/stream"


def attempt(lab: Lab, url: str, **more: Any) -> Listening:
    numbers = lab.credentials("telnyx")["numbers"]
    plain = {"call_id": "call_1", "leg_id": "leg_1", "to": TO, "caller_id": numbers[0], "public_url": "http://127.0.0.1:1"}
    return Listening(**plain | {"carrier": "telnyx", "media_token": "t", "socket_url": url} | more)


@contextlib.contextmanager
def commands(lab: Lab) -> Any:
    """The verbs that reach Telnyx, in order."""
    simulator = lab._running._exchange.desks["telnyx"].simulator
    answer, seen = simulator.on_request, []

    def heard(now: float, request: RestRequest) -> Any:
        if "/actions/" in request.path:
            seen.append(request.path.rpartition("/")[2])
        return answer(now, request)

    simulator.on_request = heard  # type: ignore[method-assign]
    yield seen
    simulator.on_request = answer  # type: ignore[method-assign]


async def connected(lab: Lab, telnyx: Carrier, bench: Any, ears: tuple[Ears, str]) -> tuple[Listening, Any]:
    """A person on the line, heard on the first stream."""
    lab.phones.put(TO, answer_after_s=0.1, says="tone")
    asked = attempt(lab, ears[1])
    placed = await telnyx.place(asked, bench.soon(), bench.open_gate)
    await ears[0].until(1)
    return asked, bench.handle(call=placed.carrier_call_id)


async def test_a_stream_that_broke_is_opened_again(lab: Lab, telnyx: Carrier, bench: Any, ears: tuple[Ears, str]) -> None:
    """One command, and sound flows again in the form that the dial asked for."""
    asked, handle = await connected(lab, telnyx, bench, ears)
    ears[0].sockets[0].transport.abort()
    await lab.until("stream_close")
    with commands(lab) as seen:
        await telnyx.open_stream(asked, handle, 1)
    again = await ears[0].until(2)
    assert seen == ["streaming_start"]
    codec = telnyx.media()
    await again.send(codec.audio(b"\x11" * 160))
    await lab.until("bridge", number=TO)
    assert lab.ledger.entries("rejected_frame") == []


async def test_a_stream_that_still_hangs_open_is_stopped_first(
    lab: Lab, telnyx: Carrier, bench: Any, ears: tuple[Ears, str]
) -> None:
    """Telnyx takes one stream a call: the one to a process that reads it no more gives way."""
    asked, handle = await connected(lab, telnyx, bench, ears)
    with commands(lab) as seen:
        await telnyx.open_stream(asked, handle, 1)
    await ears[0].until(2)
    assert seen == ["streaming_start", "streaming_stop", "streaming_start"]
    assert len(lab.ledger.entries("stream_close")) == 1


async def test_a_repeated_order_is_carried_out_once(lab: Lab, telnyx: Carrier, bench: Any, ears: tuple[Ears, str]) -> None:
    """Delivered again under the same number it disturbs nobody; the next number is another order."""
    asked, handle = await connected(lab, telnyx, bench, ears)
    ears[0].sockets[0].transport.abort()
    await lab.until("stream_close")
    await telnyx.open_stream(asked, handle, 1)
    await ears[0].until(2)
    await telnyx.open_stream(asked, handle, 1)
    assert len(lab.ledger.entries("stream_open")) == 2
    await telnyx.open_stream(asked, handle, 2)
    await ears[0].until(3)


async def test_a_leg_that_is_gone_is_as_good_as_told(lab: Lab, telnyx: Carrier, bench: Any, ears: tuple[Ears, str]) -> None:
    """The person hung up meanwhile: nothing is left to open a stream of."""
    asked, handle = await connected(lab, telnyx, bench, ears)
    lab.phones.hang_up(TO)
    await lab.until("hangup")
    await telnyx.open_stream(asked, handle, 1)
    assert len(lab.ledger.entries("stream_open")) == 1


async def test_a_refusal_is_told(lab: Lab, telnyx: Carrier, bench: Any, ears: tuple[Ears, str]) -> None:
    """A leg that is not answered yet has no stream to open."""
    lab.phones.put(TO, behavior="no_answer")
    asked = attempt(lab, ears[1])
    placed = await telnyx.place(asked, bench.soon(), bench.open_gate)
    await lab.until("ring")
    with pytest.raises(CarrierError):
        await telnyx.open_stream(asked, bench.handle(call=placed.carrier_call_id), 1)
