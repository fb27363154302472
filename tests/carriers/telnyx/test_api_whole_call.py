"""A whole call through the adapter against the lab: webhooks, media, end."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from carriers.contract import Attempt, Carrier, HookRequest
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from gateway.domain.events import LegAnswered, LegEnded, LegProgressed
from gateway.domain.media import Audio, MarkPlayed, StreamEvent, StreamStarted
from gateway.domain.outcome import Outcome

TO = "+15550100001"
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Gateway:
    """Webhooks and media socket of one leg, through the adapter, as the gateway would."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.events: list[Any] = []
        self.stream: list[StreamEvent] = []
        self.keys: set[str] = set()
        self._news = asyncio.Event()

    def hook(self, request: RestRequest) -> Answer:
        path = request.path.removeprefix("/carriers/telnyx/hooks/").split("/")
        heard = HookRequest(
            method=request.method,
            url=request.path,
            path=path[2],
            headers=request.headers,
            body=request.body,
            call_id=path[0],
            leg_id=path[1],
        )
        key = self.carrier.webhooks.verify(heard, time.time()).key
        if key not in self.keys:
            self.keys.add(key)
            self.events += self.carrier.webhooks.parse(heard, time.time()).events
        self._news.set()
        return Answer(reply=RestReply(status=200))

    async def media(self, socket: ServerConnection) -> None:
        codec = self.carrier.media()
        await socket.send(codec.audio(b"\x01" * 160))
        await socket.send(codec.mark("said"))
        async for frame in socket:
            self.stream += codec.decode(frame)
            self._news.set()

    async def until(self, told: Callable[[list[Any], list[StreamEvent]], bool]) -> None:
        async with asyncio.timeout(5):
            while not told(self.events, self.stream):
                self._news.clear()
                await self._news.wait()


class SplitAttempt(Attempt, frozen=True, kw_only=True):
    """An attempt whose media socket has a port of its own; the gateway has one port for both."""

    socket_url: str = ""

    @property
    def media_url(self) -> str:
        return self.socket_url


async def test_a_whole_call_through_webhooks_and_media(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """Every webhook passes our own key check and is understood once; sound and marks go both ways; the end is judged."""
    lab.phones.put(TO, behavior="answer", answer_after_s=0.2, says="tone")
    lab.set_faults("telnyx", [{"kind": "webhooks_twice"}])
    gateway, listener = Gateway(telnyx), HttpListener("127.0.0.1")
    listener.start(gateway.hook)
    async with serve(gateway.media, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        plain = msgspec.structs.asdict(bench.attempt(lab, public_url=listener.base_url))
        placed = await telnyx.place(
            SplitAttempt(**plain, socket_url=f"ws://127.0.0.1:{port}/media"), bench.soon(), bench.open_gate
        )
        await gateway.until(lambda _, stream: MarkPlayed("said") in stream and any(isinstance(it, Audio) for it in stream))
        lab.phones.hang_up(TO)
        await gateway.until(lambda events, _: any(isinstance(event, LegEnded) for event in events))
    await listener.aclose()
    assert isinstance(gateway.stream[0], StreamStarted)
    assert gateway.stream[0].carrier_call_id == placed.carrier_call_id
    assert [type(event) for event in gateway.events] == [LegProgressed, LegAnswered, LegEnded]
    assert {event.carrier_call_id for event in gateway.events} == {placed.carrier_call_id}
    assert gateway.events[-1].verdict.outcome is Outcome.COMPLETED
    assert len(lab.ledger.entries("bridge")) == 1
    assert lab.ledger.entries("rejected_frame") == lab.ledger.entries("refused") == []
