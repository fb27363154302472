"""The adapter through the real SDK against the running lab, and one whole conversation through all its parts."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from carriers.contract import Attempt, CarrierSettings, Expectation, Handle, HookRequest, LegAtCarrier
from carriers.lab.lab import Lab
from carriers.vonage import KIND, Credentials
from gateway.domain.errors import BadSignature
from gateway.domain.events import LegEnded, LegEvent
from gateway.domain.media import Audio, Digit, MarkPlayed, StreamStarted
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Disposition

PHONE = "+15550100001"
NUMBERS = ("+15550190031", "+15550190032")


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """A lab with this carrier alone, whose list of calls is never late."""
    knobs = {"vonage": {"listed_after_s": 0.0}}
    async with Lab(kinds=["vonage"], numbers={"vonage": NUMBERS}, knobs=knobs) as running:
        yield running


@pytest.fixture
async def carrier(lab: Lab) -> AsyncIterator[Any]:
    """The adapter, pointed at the lab."""
    given = lab.credentials("vonage")
    own = {name: given[name] for name in Credentials.__struct_fields__}
    settings = CarrierSettings(name="vonage", credentials=Credentials(**own), base_url=given["base_url"])
    opened = KIND.open(settings, time.time)
    yield opened
    await opened.aclose()


def attempt(public_url: str = "http://127.0.0.1:9", **changes: Any) -> Attempt:
    base = {"call_id": "call_1", "leg_id": "leg_1", "to": PHONE, "caller_id": NUMBERS[0], "carrier": "vonage"}
    return Attempt(**{**base, "public_url": public_url, "media_token": "secret", **changes})


async def place(carrier: Any, within_s: float = 5.0, **changes: Any) -> Any:
    return await carrier.place(attempt(**changes), time.time() + within_s, lambda: True)


def handle(uuid: str = "", sent_at: float = 0.0) -> Handle:
    return Handle(call_id="call_1", leg_id="leg_1", to=PHONE, caller_id=NUMBERS[0], carrier_call_id=uuid, sent_at=sent_at)


async def test_a_placed_call_rings_once_and_is_found(lab: Lab, carrier: Any) -> None:
    """Accepted, one dial in the ledger, one ring, and both look-ups see it."""
    sent_at = time.time()
    placed = await place(carrier)
    assert placed.knowledge is Knowledge.ACCEPTED
    await lab.until("ring")
    sighting = await carrier.find(handle(placed.carrier_call_id))
    assert (sighting.state, sighting.carrier_call_id) == (LegAtCarrier.RINGING, placed.carrier_call_id)
    found = await carrier.find(handle(sent_at=sent_at))
    assert found.carrier_call_id == placed.carrier_call_id
    assert (len(lab.ledger.entries("dial")), lab.phones.get(PHONE).rings) == (1, 1)


async def test_a_hang_up_ends_the_ringing_and_may_be_repeated(lab: Lab, carrier: Any) -> None:
    """The phone stops ringing; the second hang-up finds nothing and succeeds."""
    placed = await place(carrier)
    await lab.until("ring")
    await carrier.hang_up(handle(placed.carrier_call_id))
    (hangup,) = await lab.until("hangup")
    assert hangup.more["by"] == "carrier"
    await carrier.hang_up(handle(placed.carrier_call_id))
    assert (await carrier.find(handle(placed.carrier_call_id))).state is LegAtCarrier.ENDED


async def test_probe_and_check_are_well(carrier: Any) -> None:
    """The lab's account answers, has money and has its numbers."""
    assert (await carrier.probe()).verdict is None
    findings = await carrier.check()
    assert all(finding.ok for finding in findings)
    assert findings[-1].detail == ", ".join(NUMBERS)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http_error", "status": 500, "after_placing": True},
        {"kind": "drop_after_accept"},
        {"kind": "slow", "s": 30},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_an_ambiguous_dial_is_one_post_and_is_found(lab: Lab, carrier: Any, fault: dict[str, Any]) -> None:
    """The call was placed, the answer was lost: one dial in the ledger, Unknown here, and the look-up finds it."""
    lab.set_faults("vonage", [fault])
    sent_at = time.time()
    placed = await place(carrier, within_s=1.5)
    assert placed.knowledge is Knowledge.UNKNOWN
    lab.clear_faults("vonage")
    await lab.until("ring")
    found = await carrier.find(handle(sent_at=sent_at))
    await carrier.hang_up(handle(sent_at=sent_at))
    await lab.until("hangup")
    assert found.carrier_call_id == lab.ledger.entries("ring")[0].carrier_call_id
    assert (len(lab.ledger.entries("dial")), lab.phones.get(PHONE).rings) == (1, 1)


async def test_a_carrier_that_is_down_is_not_sent(lab: Lab, carrier: Any) -> None:
    """Nothing listens: NotSent, and no dial in the ledger."""
    lab.set_faults("vonage", [{"kind": "down"}])
    assert (await place(carrier)).knowledge is Knowledge.NOT_SENT
    assert (await carrier.probe()).verdict is not None
    assert lab.ledger.entries("dial") == []


@pytest.mark.parametrize(
    ("kind", "reason"), [("auth_error", "unauthorized"), ("suspended", "account-suspended"), ("rate_limited", "rate-limited")]
)
async def test_the_labs_refusals_are_understood(lab: Lab, carrier: Any, kind: str, reason: str) -> None:
    """Each is Refused, and judged by its own words."""
    lab.set_faults("vonage", [{"kind": kind}])
    placed = await place(carrier)
    assert (placed.knowledge, placed.verdict.reason) == (Knowledge.REFUSED, reason)


# --- a whole conversation ----------------------------------------------------------------------------------------


class Gateway:
    """A gateway in small: verifies, parses, answers from the adapter's markup, and holds the leg's stream."""

    def __init__(self, carrier: Any) -> None:
        self.carrier = carrier
        self.url = ""
        self.events: list[LegEvent] = []
        self.keys: list[str] = []
        self.heard: list[Any] = []
        self.forged = 0
        self.after: Callable[[], Any] = carrier.markup.hang_up
        self.news = asyncio.Event()
        self.stream: Any = None

    async def until(self, what: Callable[[], Any]) -> Any:
        async with asyncio.timeout(8):
            while not (found := what()):
                self.news.clear()
                await self.news.wait()
        return found

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        serve = self.serve_hook if scope["type"] == "http" else self.serve_stream
        await serve(scope, receive, send)
        self.news.set()

    async def serve_hook(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        document = self.answer(self.hook(scope, body))
        headers = [(b"content-type", document.content_type.encode())]
        await send({"type": "http.response.start", "status": document.status, "headers": headers})
        await send({"type": "http.response.body", "body": document.body})

    def hook(self, scope: Any, body: bytes) -> HookRequest:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        call_id, leg_id, step = scope["path"].split("/")[-3:]
        return HookRequest(
            method=scope["method"],
            url=self.url + scope["path"],
            path=step,
            headers=headers,
            body=body,
            call_id=call_id,
            leg_id=leg_id,
        )

    def answer(self, request: HookRequest) -> Any:
        self.keys.append(self.carrier.webhooks.verify(request, time.time()).key)
        hook = self.carrier.webhooks.parse(request, time.time())
        self.events += hook.events
        documents = {
            Expectation.ACKNOWLEDGEMENT: self.carrier.markup.acknowledge,
            Expectation.ANSWER_DOCUMENT: self.connect,
            Expectation.AFTER_STREAM_DOCUMENT: lambda: self.after(),
        }
        return documents[hook.expects]()

    def connect(self) -> Any:
        return self.carrier.markup.connect(attempt(self.url))

    async def serve_stream(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        try:
            self.carrier.webhooks.verify_upgrade("", headers, time.time())
        except BadSignature:
            self.forged += 1
            await send({"type": "websocket.close", "code": 1008})
            return
        await receive()
        await send({"type": "websocket.accept"})
        self.stream, codec = send, self.carrier.media()
        while (message := await receive())["type"] == "websocket.receive":
            self.heard += codec.decode(message.get("bytes") or message.get("text"))
            self.news.set()
        self.stream = None

    async def say(self, frame: str | bytes) -> None:
        await self.stream({"type": "websocket.send", "bytes" if isinstance(frame, bytes) else "text": frame})

    def ended(self) -> list[LegEnded]:
        return [event for event in self.events if isinstance(event, LegEnded)]


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[Gateway]:
    """One port for webhooks and streams; it listens before the server runs, so nobody has to wait."""
    listening = socket.create_server(("127.0.0.1", 0))
    gateway.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(gateway, log_level="error", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield gateway
    finally:
        server.should_exit = True
        await running
        listening.close()


async def test_a_conversation_from_dial_to_hang_up(lab: Lab, carrier: Any) -> None:
    """Every part meets the simulated carrier: signed hooks, documents, sound both ways, marks, keys, clear, and the end."""
    lab.phones.put(PHONE, behavior="answer", answer_after_s=0.1, says="tone")
    async with serving(Gateway(carrier)) as gateway:
        placed = await place(carrier, public_url=gateway.url)
        await gateway.until(lambda: any(isinstance(event, Audio) for event in gateway.heard))
        assert isinstance(gateway.heard[0], StreamStarted)
        assert {len(event.payload) for event in gateway.heard if isinstance(event, Audio)} == {320}
        codec = carrier.media()
        for frame in (codec.audio(b"\x11\x22" * 160), codec.mark("said"), codec.clear()):
            await gateway.say(frame)
        lab.phones.press(PHONE, "5")
        await gateway.until(lambda: Digit("5") in gateway.heard)
        await gateway.say(codec.mark("later"))
        await gateway.until(lambda: MarkPlayed("later") in gateway.heard)
        await lab.until("bridge")
        await carrier.hang_up(handle(placed.carrier_call_id))
        (ended,) = await gateway.until(gateway.ended)
        await gateway.until(lambda: gateway.stream is None)
    assert (ended.verdict.outcome, ended.answered) == (Outcome.COMPLETED, True)
    assert {event.carrier_call_id for event in gateway.events if event.carrier_call_id} == {placed.carrier_call_id}
    assert len(set(gateway.keys)) == len(gateway.keys)
    assert (gateway.forged, len(lab.ledger.entries("bridge"))) == (0, 1)
    assert lab.ledger.entries("rejected_frame") == lab.ledger.entries("refused") == []


async def test_a_lost_stream_comes_back_on_the_same_leg(lab: Lab, carrier: Any) -> None:
    """We drop the socket; the carrier asks what now, gets a new connect document, and the person is heard again."""
    lab.phones.put(PHONE, behavior="answer", answer_after_s=0.1, says="tone")
    async with serving(Gateway(carrier)) as gateway:
        gateway.after = gateway.connect
        placed = await place(carrier, public_url=gateway.url)
        await gateway.until(lambda: any(isinstance(event, Audio) for event in gateway.heard))
        gateway.heard.clear()
        await gateway.stream({"type": "websocket.close", "code": 1000})
        await gateway.until(lambda: any(isinstance(event, Audio) for event in gateway.heard))
        gateway.after = carrier.markup.hang_up
        await gateway.stream({"type": "websocket.close", "code": 1000})
        (ended,) = await gateway.until(gateway.ended)
    assert ended.carrier_call_id == placed.carrier_call_id
    assert [type(event).__name__ for event in gateway.events].count("StreamFailed") == 2
    assert lab.phones.get(PHONE).rings == 1


async def test_an_asynchronous_rejection_is_judged_before_ringing(lab: Lab, carrier: Any) -> None:
    """A route that is closed comes as a webhook, leads to the next carrier, and rings nobody."""
    lab.set_faults("vonage", [{"kind": "reject", "cause": "cannot_route"}])
    async with serving(Gateway(carrier)) as gateway:
        await place(carrier, public_url=gateway.url)
        (ended,) = await gateway.until(gateway.ended)
    assert (ended.verdict.disposition, ended.verdict.reason, ended.alerted) == (Disposition.NEXT_CARRIER, "cannot-route", False)
    assert lab.phones.get(PHONE).rings == 0


async def test_an_unsigned_webhook_is_refused(lab: Lab, carrier: Any) -> None:
    """The lab strips the signature: nothing is taken."""
    lab.set_faults("vonage", [{"kind": "webhooks_unsigned"}])
    async with serving(Gateway(carrier)) as gateway:
        gateway.answer = _refusing(gateway)
        await place(carrier, public_url=gateway.url)
        await gateway.until(lambda: gateway.forged)
    assert gateway.events == []


def _refusing(gateway: Gateway) -> Callable[[HookRequest], Any]:
    def answer(request: HookRequest) -> Any:
        with pytest.raises(BadSignature):
            gateway.carrier.webhooks.verify(request, time.time())
        gateway.forged += 1
        return gateway.carrier.markup.acknowledge()

    return answer
