"""A whole call: adapter, SDK, lab, a phone, and between them a gateway of a few lines that uses only the carrier's contract."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from carriers.contract import Attempt, Carrier, CarrierSettings, Expectation, Handle, HookRequest
from carriers.lab.lab import Lab
from carriers.twilio import KIND, Credentials
from gateway.domain.errors import BadSignature
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, LegProgressed, LegRinging
from gateway.domain.media import MULAW_FRAME, Audio, Digit, MarkPlayed, StreamEvent, StreamStarted
from gateway.domain.outcome import Knowledge, Outcome

OURS, THEIRS = "+15550190001", "+15550100001"
pytestmark = pytest.mark.asyncio(loop_scope="module")
TONE = bytes([0x9C, 0x1C] * (MULAW_FRAME // 2))


class Gateway:
    """Answers hooks and media sockets as the core would; remembers what it was told."""

    def __init__(self) -> None:
        self.carrier: Carrier | None = None
        self.attempt: Attempt | None = None
        self.events: list[LegEvent] = []
        self.keys: list[str] = []
        self.refused = 0
        self.asked_after = 0
        self.stream_events: list[StreamEvent] = []
        self.sending: list[Any] = []
        self.close_stream = asyncio.Event()
        self.news = asyncio.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._hook(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._media(scope, receive, send)

    async def until(self, what: Any, timeout_s: float = 8.0) -> None:
        """Wait until `what()` is true."""
        async with asyncio.timeout(timeout_s), self.news:
            await self.news.wait_for(what)

    def of(self, kind: type) -> list[Any]:
        return [event for event in (*self.events, *self.stream_events) if isinstance(event, kind)]

    async def _tell(self) -> None:
        async with self.news:
            self.news.notify_all()

    async def _hook(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        document = self._answer(self._request(scope, body))
        headers = [(b"content-type", document.content_type.encode())]
        await send({"type": "http.response.start", "status": document.status, "headers": headers})
        await send({"type": "http.response.body", "body": document.body})
        await self._tell()

    def _request(self, scope: Any, body: bytes) -> HookRequest:
        call_id, leg_id, step = scope["path"].split("/")[-3:]
        return HookRequest(
            method=scope["method"],
            url=self.attempt.public_url + scope["path"],
            path=step,
            headers={name.decode().lower(): value.decode() for name, value in scope["headers"]},
            body=body,
            call_id=call_id,
            leg_id=leg_id,
        )

    def _answer(self, request: HookRequest) -> Any:
        webhooks, markup = self.carrier.webhooks, self.carrier.markup
        try:
            self.keys.append(webhooks.verify(request, time.time()).key)
        except BadSignature:
            self.refused += 1
            return type(markup.acknowledge())(status=403)
        hook = webhooks.parse(request, time.time())
        self.events.extend(hook.events)
        if hook.expects is Expectation.AFTER_STREAM_DOCUMENT:
            self.asked_after += 1
            return markup.connect(self.attempt) if self.asked_after == 1 else markup.hang_up()
        return markup.connect(self.attempt) if hook.expects is Expectation.ANSWER_DOCUMENT else markup.acknowledge()

    async def _media(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        assert self.carrier.webhooks.verify_upgrade(self.attempt.media_url, headers, time.time())
        await send({"type": "websocket.accept"})
        codec, closing = self.carrier.media(), asyncio.create_task(self.close_stream.wait())
        try:
            await self._converse(codec, closing, receive, send)
        finally:
            closing.cancel()
            await self._tell()

    async def _converse(self, codec: Any, closing: Any, receive: Any, send: Any) -> None:
        while True:
            reading = asyncio.create_task(receive())
            await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                reading.cancel()
                self.close_stream.clear()
                await send({"type": "websocket.close", "code": 1000})
                return
            message = reading.result()
            if message["type"] == "websocket.disconnect":
                return
            told = codec.decode(message.get("text") or message.get("bytes"))
            self.stream_events.extend(told)
            if any(isinstance(event, StreamStarted) for event in told):
                for frame in (*[codec.audio(TONE)] * 25, codec.mark("said")):
                    await send({"type": "websocket.send", "text": frame})
            await self._tell()


@asynccontextmanager
async def running(lab: Lab, phone: dict[str, Any]) -> AsyncIterator[Gateway]:
    lab.phones.put(THEIRS, **phone)
    gateway = Gateway()
    config = uvicorn.Config(gateway, port=0, lifespan="off", log_level="error", ws="websockets-sansio", access_log=False)
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    serving = asyncio.create_task(server.serve(sockets=sockets))
    told = lab.credentials("twilio")
    credentials = Credentials(account_sid=told["account_sid"], auth_token=told["auth_token"])
    settings = CarrierSettings(name="twilio", credentials=credentials, base_url=told["base_url"])
    gateway.carrier = KIND.open(settings, time.time)
    gateway.attempt = Attempt(
        call_id="call_1",
        leg_id="leg_1",
        to=THEIRS,
        caller_id=OURS,
        public_url=f"http://127.0.0.1:{sockets[0].getsockname()[1]}",
        carrier="twilio",
        media_token="token",
    )
    try:
        yield gateway
    finally:
        await gateway.carrier.aclose()
        lab.reset()
        server.should_exit = True
        await serving
        sockets[0].close()


async def dial(gateway: Gateway) -> Handle:
    placed = await gateway.carrier.place(gateway.attempt, time.time() + 5, lambda: True)
    assert placed.knowledge is Knowledge.ACCEPTED
    return Handle(call_id="call_1", leg_id="leg_1", to=THEIRS, caller_id=OURS, carrier_call_id=placed.carrier_call_id)


async def test_a_conversation(shared_lab: Lab) -> None:
    """Ring, answer, sound both ways, a mark, a key, a hang-up by us: every step is signed, told and true at the phone."""
    async with running(shared_lab, {"behavior": "answer", "answer_after_s": 0.2, "says": "tone", "dtmf": "7"}) as gateway:
        handle = await dial(gateway)
        await gateway.until(lambda: gateway.of(MarkPlayed))
        await gateway.until(lambda: gateway.of(Digit))
        await gateway.carrier.hang_up(handle)
        await gateway.until(lambda: gateway.of(LegEnded))
        assert gateway.refused == 0
        assert gateway.of(LegProgressed)
        assert gateway.of(LegRinging)
        assert gateway.of(LegAnswered)
        assert {event.carrier_call_id for event in gateway.events} == {handle.carrier_call_id}
        (start,) = gateway.of(StreamStarted)
        assert start.carrier_call_id == handle.carrier_call_id
        assert {len(event.payload) for event in gateway.of(Audio)} == {MULAW_FRAME}
        assert gateway.of(MarkPlayed) == [MarkPlayed("said")]
        assert gateway.of(Digit) == [Digit("7")]
        ended = gateway.of(LegEnded)[0]
        assert (ended.verdict.outcome, ended.answered) == (Outcome.COMPLETED, True)
        assert len(set(gateway.keys)) == len(gateway.keys)
        call = shared_lab.phones.call(THEIRS)
        assert call is not None
        assert shared_lab.ledger.entries("rejected_frame") == []
        assert shared_lab.ledger.entries("refused") == []
        assert {entry.flat()["status"] for entry in shared_lab.ledger.entries("webhook")} <= {200, 204}
        assert len(shared_lab.ledger.entries("bridge")) == 1


async def test_a_lost_stream_comes_back(shared_lab: Lab) -> None:
    """We close the socket; Twilio asks what now; the same leg is given a new stream; the second time we hang up."""
    async with running(shared_lab, {"behavior": "answer", "answer_after_s": 0.1}) as gateway:
        await dial(gateway)
        await gateway.until(lambda: len(gateway.of(StreamStarted)) == 1)
        gateway.close_stream.set()
        await gateway.until(lambda: len(gateway.of(StreamStarted)) == 2)
        gateway.close_stream.set()
        await gateway.until(lambda: gateway.of(LegEnded))
        first, second = gateway.of(StreamStarted)
        assert first.stream_id != second.stream_id
        assert first.carrier_call_id == second.carrier_call_id
        assert gateway.asked_after == 2
        assert len(set(gateway.keys)) == len(gateway.keys)


async def test_busy(shared_lab: Lab) -> None:
    """A busy phone is told as busy, and no stream is opened."""
    async with running(shared_lab, {"behavior": "busy"}) as gateway:
        await dial(gateway)
        await gateway.until(lambda: gateway.of(LegEnded))
        assert gateway.of(LegEnded)[0].verdict.outcome is Outcome.BUSY
        assert shared_lab.ledger.entries("stream_open") == []


@pytest.mark.parametrize("cause", ["503", "failed", "busy-487", "404"])
async def test_rejects(shared_lab: Lab, cause: str) -> None:
    """An asynchronous reject arrives as the leg's end without a ring."""
    async with running(shared_lab, {"behavior": "answer"}) as gateway:
        shared_lab.set_faults("twilio", [{"kind": "reject", "cause": cause}])
        await dial(gateway)
        await gateway.until(lambda: gateway.of(LegEnded))
        assert shared_lab.ledger.entries("ring") == []
        reasons = {"503": "service-unavailable", "failed": "platform-failure", "busy-487": "user-busy", "404": "invalid-number"}
        assert gateway.of(LegEnded)[0].verdict.reason == reasons[cause]


async def test_unsigned_and_doubled_webhooks(shared_lab: Lab) -> None:
    """Unsigned webhooks are refused; doubled ones have the key of their first copy."""
    async with running(shared_lab, {"behavior": "busy"}) as gateway:
        shared_lab.set_faults("twilio", [{"kind": "webhooks_unsigned"}])
        await dial(gateway)
        await shared_lab.until("webhook", count=2)
        assert gateway.events == []
        assert gateway.refused >= 2
        shared_lab.set_faults("twilio", [{"kind": "webhooks_twice"}])
        before = len(gateway.keys)
        await dial(gateway)
        await gateway.until(lambda: len(gateway.of(LegEnded)) == 2 and len(gateway.keys) - before >= 4)
        keys = gateway.keys[before:]
        assert all(keys.count(key) == 2 for key in keys[:2])
