"""One whole call over real sockets: our documents, webhooks and codec as the customer, the lab as Plivo and the person."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve

from carriers.contract import Attempt, Carrier, CarrierSettings, Document, Expectation, HookRequest
from carriers.lab.lab import Lab
from carriers.plivo import KIND, PlivoCredentials
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, LegRinging, StreamFailed
from gateway.domain.media import Audio, MarkPlayed, StreamEvent, StreamStarted
from gateway.domain.outcome import Outcome

PERSON = "+15550101000"
LOUD = b"\x22" * 160


class Customer:
    """Answers webhooks on one port and the media socket on another; plays one second, then hangs up on the stream."""

    def __init__(self) -> None:
        self.events: list[LegEvent] = []
        self.heard: list[StreamEvent] = []
        self.wanted: list[Expectation] = []
        self.upgrade_signed = False
        self.ended = asyncio.Event()
        self.carrier: Carrier
        self.attempt: Attempt
        self.media_port = 0

    async def on_hook(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readline()).decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (line := (await reader.readline()).decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        document = self.answer(method, target, headers, body)
        head = f"HTTP/1.1 {document.status} OK\r\nContent-Type: {document.content_type}\r\nContent-Length: {len(document.body)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + document.body)
        await writer.drain()
        writer.close()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Document:
        step = target.rpartition("/")[2]
        url = self.attempt.public_url + target
        request = HookRequest(method=method, url=url, path=step, headers=headers, body=body, call_id="c", leg_id="l")
        self.carrier.webhooks.verify(request, time.time())
        hook = self.carrier.webhooks.parse(request, time.time())
        self.events += hook.events
        self.wanted.append(hook.expects)
        if any(isinstance(event, LegEnded) for event in hook.events):
            self.ended.set()
        return self.document(hook.expects)

    def document(self, expects: Expectation) -> Document:
        if expects is Expectation.ANSWER_DOCUMENT:
            connect = self.carrier.markup.connect(self.attempt)
            elsewhere = f"ws://127.0.0.1:{self.media_port}"
            own = "ws" + self.attempt.public_url.removeprefix("http")
            return Document(body=connect.body.replace(own.encode(), elsewhere.encode()), content_type=connect.content_type)
        if expects is Expectation.AFTER_STREAM_DOCUMENT:
            return self.carrier.markup.hang_up()
        return self.carrier.markup.acknowledge()

    async def on_media(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        url = f"ws://127.0.0.1:{self.media_port}{socket.request.path}"
        headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        self.upgrade_signed = self.carrier.webhooks.verify_upgrade(url, headers, time.time())
        codec = self.carrier.media()
        async for message in socket:
            events = codec.decode(message)
            self.heard += events
            if any(isinstance(event, StreamStarted) for event in events):
                for _ in range(50):
                    await socket.send(codec.audio(LOUD))
                await socket.send(codec.mark("done"))
            if MarkPlayed("done") in events:
                break
        await socket.close()


@asynccontextmanager
async def a_call() -> AsyncIterator[tuple[Lab, Customer]]:
    customer = Customer()
    hooks = await asyncio.start_server(customer.on_hook, "127.0.0.1", 0)
    public_url = f"http://127.0.0.1:{hooks.sockets[0].getsockname()[1]}"
    async with Lab(seed=3, kinds=("plivo",)) as lab, serve(customer.on_media, "127.0.0.1", 0, compression=None) as media:
        told = lab.credentials("plivo")
        credentials = PlivoCredentials(auth_id=told["auth_id"], auth_token=told["auth_token"])
        settings = CarrierSettings(name="plivo", credentials=credentials, base_url=told["base_url"])
        customer.carrier = KIND.open(settings, time.time)
        customer.media_port = next(iter(media.sockets)).getsockname()[1]
        customer.attempt = Attempt(
            call_id="c",
            leg_id="l",
            to=PERSON,
            caller_id=told["numbers"][0],
            public_url=public_url,
            carrier="plivo",
            media_token="t",
        )
        yield lab, customer
        await customer.carrier.aclose()
        hooks.close()


async def test_whole_call() -> None:
    """A person answers, hears us, is heard, and is hung up on: signed throughout, with every event in its place."""
    async with a_call() as (lab, customer):
        lab.phones.put(PERSON, behavior="answer", answer_after_s=0.2, says="tone")
        placed = await customer.carrier.place(customer.attempt, time.time() + 5, lambda: True)
        async with asyncio.timeout(10):
            await customer.ended.wait()
        told = [event for event in customer.events if not isinstance(event, StreamFailed)]
        assert [type(event) for event in told] == [LegRinging, LegAnswered, LegEnded]
        assert {event.carrier_call_id for event in customer.events} == {placed.carrier_call_id}
        ended = told[-1]
        assert isinstance(ended, LegEnded)
        assert (ended.answered, ended.verdict.outcome) == (True, Outcome.COMPLETED)
        assert Expectation.AFTER_STREAM_DOCUMENT in customer.wanted
        assert customer.upgrade_signed
        start = customer.heard[0]
        assert isinstance(start, StreamStarted)
        assert start.carrier_call_id == placed.carrier_call_id
        assert sum(isinstance(event, Audio) for event in customer.heard) >= 45
        call = lab.phones.call(PERSON)
        assert call is not None
        assert 0.98 <= call.measure(lab.now()).speech_seconds <= 1.02
        assert len(lab.ledger.entries("bridge")) == 1
        assert not lab.ledger.entries("rejected_frame")
        assert not lab.ledger.entries("refused")
