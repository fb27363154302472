"""Two worlds for Telnyx: one in memory for the simulator, and a real lab for the adapter."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from telnyx import Telnyx

from carriers.contract import Attempt, Carrier, CarrierSettings, Handle, LegAtCarrier, Sighting
from carriers.lab.contract import (
    Effect,
    Fetch,
    Greeting,
    Incoming,
    OpenSocket,
    PhoneEvent,
    RestReply,
    RestRequest,
    SendFrame,
    Site,
    Wake,
    Webhook,
    WebhookReply,
)
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.telnyx import KIND, Credentials
from carriers.telnyx.simulator import TelnyxSimulator

NOW = 1_795_000_000.0
FROM, TO = "+15550190011", "+15550100001"
OURS = ("+15550190011", "+15550190012")


class World:
    """A site, and all that its simulator did to it; it is network and ledger at once."""

    def __init__(self, now: float = NOW, **knobs: Any) -> None:
        self.now, self.effects, self.entries, self.cause = now, [], [], ""  # type: ignore[var-annotated]
        self.dialled: dict[str, str] = {}
        self.heard: list[bytes] = []
        self.said = b"\x11" * 160
        self.refused: dict[str, str] = {}
        self.answered_calls: list[str] = []
        self.keys: list[tuple[str, str]] = []
        self.greetings: dict[str, Greeting] = {}
        self.texts: list[str] = []
        self.site = Site(
            name="telnyx",
            base_url="http://127.0.0.1:4012",
            numbers=OURS,
            random=Random(7),
            network=self,
            ledger=self,
            emit=self.effects.append,
            reject_cause=lambda _now, _to: self.cause or None,
            knobs=knobs,
        )
        self.telnyx = TelnyxSimulator(self.site)
        self.credentials = self.telnyx.credentials()

    # The network and the ledger, as far as a simulator sees them.

    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        self.dialled[ref] = to

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        self.phone(ref, "ended", cause="normal", by="carrier")

    def answer(self, now: float, *, carrier: str, ref: str) -> None:
        self.answered_calls.append(ref)

    def refuse(self, now: float, *, carrier: str, ref: str, cause: str) -> None:
        self.refused[ref] = cause
        self.phone(ref, "ended", cause=cause, by="carrier")

    def press_keys(self, now: float, *, carrier: str, ref: str, digits: str) -> None:
        self.keys.append((ref, digits))

    def greeting(self, carrier: str, ref: str) -> Greeting | None:
        return self.greetings.get(ref)

    def text(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str, body: str) -> None:
        self.texts.append(ref)

    def say(self, carrier: str, ref: str) -> bytes:
        return self.said

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.heard.append(frame)

    def write(self, now: float, kind: str, **more: Any) -> None:
        self.entries.append((kind, more))

    # What a test does.

    def ask(self, method: str, path: str, body: Any = None, query: str = "", key: str | None = None) -> RestReply:
        given = self.credentials["api_key"] if key is None else key
        headers = {"authorization": f"Bearer {given}"} if given else {}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        request = RestRequest(method=method, path=path, query=query, headers=headers, body=raw)
        return self.telnyx.on_request(self.now, request)

    def wish(self, **more: Any) -> dict[str, Any]:
        plain = {
            "connection_id": self.credentials["connection_id"],
            "from": FROM,
            "to": TO,
            "webhook_url": "http://127.0.0.1:1/hook",
            "stream_url": "ws://127.0.0.1:1/media",
            "stream_bidirectional_mode": "rtp",
        }
        return {name: value for name, value in (plain | more).items() if value is not None}

    def place(self, **more: Any) -> str:
        reply = self.ask("POST", "/v2/calls", self.wish(**more))
        assert reply.status == 200, reply.body
        return str(json.loads(reply.body)["data"]["call_control_id"])

    def command(self, ref: str, verb: str, method: str = "POST", **body: Any) -> RestReply:
        return self.ask(method, f"/v2/calls/{ref}/actions/{verb}", body)

    def do(self, ref: str, verb: str, method: str = "POST", **body: Any) -> dict[str, Any]:
        reply = self.command(ref, verb, method, **body)
        assert reply.status == 200, reply.body
        data: dict[str, Any] = json.loads(reply.body)["data"]
        return data

    def get(self, path: str, query: str = "") -> Any:
        reply = self.ask("GET", path, query=query)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)["data"]

    def talking(self, **wish: Any) -> str:
        """An answered call, without a stream unless it is asked for."""
        ref = self.place(**({"stream_url": None, "stream_bidirectional_mode": None} | wish))
        self.phone(ref, "answered")
        return ref

    def set_application(self, **fields: Any) -> None:
        path = f"/v2/call_control_applications/{self.credentials['connection_id']}"
        plain = {"application_name": "lab", "webhook_event_url": "http://127.0.0.1:1/inbound"}
        reply = self.ask("PATCH", path, plain | fields)
        assert reply.status == 200, reply.body

    def arrive(self, **more: str) -> str:
        """A phone calls one of our numbers."""
        incoming = Incoming(**({"to": OURS[0], "caller_id": TO, "caller_name": "Ada", "attestation": "A"} | more))
        ref = self.telnyx.incoming_ref(self.now, incoming)
        assert ref is not None
        self.telnyx.on_incoming(self.now, ref, incoming)
        return ref

    def fetched(self, status: int = 200, body: bytes = b"") -> Fetch:
        """Answer the file that was asked for last."""
        wish: Fetch = list(self.all(Fetch))[-1]
        self.telnyx.on_fetched(self.now, wish.id, WebhookReply(status=status, body=body))
        return wish

    def tick(self, count: int = 1) -> None:
        """20 ms, so many times."""
        for _ in range(count):
            self.now += 0.02
            self.telnyx.on_tick(self.now)

    def refusals(self) -> list[str]:
        return [str(more["detail"]) for kind, more in self.entries if kind == "refused"]

    def phone(self, ref: str, kind: str, **more: str) -> None:
        self.telnyx.on_phone(self.now, PhoneEvent(carrier="telnyx", ref=ref, kind=kind, **more))

    def wake(self, word: str) -> None:
        """Let the first timer of this kind come."""
        wakes = [effect for effect in self.all(Wake) if effect.key.startswith(word)]
        wake: Wake = min(wakes, key=lambda effect: effect.at)
        self.effects.remove(wake)
        self.now = max(self.now, wake.at)
        self.telnyx.on_timer(self.now, wake.key)

    def all(self, kind: type[Effect]) -> Iterator[Any]:
        return (effect for effect in self.effects if isinstance(effect, kind))

    @property
    def hooks(self) -> list[Webhook]:
        return list(self.all(Webhook))

    def told(self, ref: str = "") -> list[str]:
        data = [json.loads(hook.body)["data"] for hook in self.hooks]
        return [event["event_type"] for event in data if ref in ("", event["payload"].get("call_control_id"))]

    def payloads(self, event_type: str) -> list[dict[str, Any]]:
        bodies = [json.loads(hook.body)["data"] for hook in self.hooks]
        return [data["payload"] for data in bodies if data["event_type"] == event_type]

    def payload(self, event_type: str) -> dict[str, Any]:
        bodies = [json.loads(hook.body)["data"] for hook in self.hooks]
        found: dict[str, Any] = next(data["payload"] for data in bodies if data["event_type"] == event_type)
        return found

    def hangup(self) -> tuple[str, str, str]:
        payload = self.payload("call.hangup")
        return payload["hangup_cause"], payload["hangup_source"], payload["sip_hangup_cause"]

    def streaming(self) -> tuple[str, str]:
        """A call that is answered, and its open stream."""
        ref = self.place()
        self.phone(ref, "answered")
        stream = next(self.all(OpenSocket)).stream
        self.telnyx.on_socket_open(self.now, stream)
        return ref, stream

    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(effect.data) for effect in self.all(SendFrame)]

    @staticmethod
    def error(reply: RestReply) -> tuple[int, str, str]:
        """Status, code and pointer of a refusal."""
        first = json.loads(reply.body)["errors"][0]
        return reply.status, first["code"], first.get("source", {}).get("pointer", "")


@pytest.fixture
def new_world() -> type[World]:
    """Call it with knobs."""
    return World


# --- a customer on a real lab ------------------------------------------------------------------------------------


class Customer:
    """Whoever Telnyx tells: files by path, 200 for everything else; remembers what came."""

    def __init__(self) -> None:
        self._listener = HttpListener("127.0.0.1")
        self._came = asyncio.Event()
        self.requests: list[RestRequest] = []
        self.files: dict[str, RestReply] = {}

    def start(self) -> None:
        self._listener.start(self._serve)

    async def aclose(self) -> None:
        await self._listener.aclose()

    @property
    def url(self) -> str:
        return self._listener.base_url

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.body)["data"] for request in self.requests if request.method == "POST"]

    def named(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event_type"] == event_type]

    async def until(self, event_type: str, count: int = 1) -> dict[str, Any]:
        """The payload of the count-th event of this type, when it comes."""
        async with asyncio.timeout(8):
            while len(found := self.named(event_type)) < count:
                self._came.clear()
                await self._came.wait()
        payload: dict[str, Any] = found[count - 1]["payload"]
        return payload

    def _serve(self, request: RestRequest) -> Answer:
        self.requests.append(request)
        self._came.set()
        return Answer(reply=self.files.get(request.path, RestReply(status=200)))


@pytest_asyncio.fixture(loop_scope="module")
async def customer() -> AsyncIterator[Customer]:
    """An HTTP server of the customer's."""
    served = Customer()
    served.start()
    yield served
    await served.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(one_lab: Lab) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Lets the official client do something on a thread of its own, for it blocks."""
    given = one_lab.credentials("telnyx")
    client = Telnyx(
        api_key=given["api_key"], public_key=given["public_key"], base_url=given["base_url"], max_retries=0, timeout=5
    )

    async def do(deed: Callable[[Telnyx], Any]) -> Any:
        return await asyncio.to_thread(deed, client)

    yield do
    client.close()


# --- the adapter on a real lab -----------------------------------------------------------------------------------

TO = "+15550100001"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_lab() -> AsyncIterator[Lab]:
    """A lab with Telnyx alone, for all tests of this module."""
    async with Lab(kinds=("telnyx",)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_carrier(one_lab: Lab) -> AsyncIterator[Carrier]:
    """The carrier, opened on the lab."""
    async with opened(one_lab) as carrier:
        yield carrier


@pytest_asyncio.fixture(loop_scope="module")
async def lab(one_lab: Lab) -> Lab:
    """The lab as it was in the beginning: no calls, no faults, an empty ledger."""
    one_lab.reset()
    return one_lab


@pytest_asyncio.fixture(loop_scope="module")
async def telnyx(lab: Lab, one_carrier: Carrier) -> Carrier:
    """The carrier on a fresh lab."""
    return one_carrier


def settings(lab: Lab, **changes: str) -> CarrierSettings:
    given = lab.credentials("telnyx") | changes
    fields = {name: given[name] for name in Credentials.__struct_fields__}
    return CarrierSettings(name="telnyx", credentials=Credentials(**fields), base_url=given["base_url"])


@asynccontextmanager
async def opened(lab: Lab, **changes: str) -> AsyncIterator[Carrier]:
    carrier: Carrier = KIND.open(settings(lab, **changes), time.time)
    try:
        yield carrier
    finally:
        await carrier.aclose()


def attempt(lab: Lab, leg: str = "leg_1", to: str = TO, **more: Any) -> Attempt:
    plain = {
        "public_url": "http://127.0.0.1:9",
        "carrier": "telnyx",
        "media_token": "tok",
        "caller_id": lab.credentials("telnyx")["numbers"][0],
    }
    return Attempt(call_id="call_1", leg_id=leg, to=to, **(plain | more))


def handle(leg: str = "leg_1", to: str = TO, call: str = "") -> Handle:
    return Handle(call_id="call_1", leg_id=leg, to=to, caller_id="+15550190001", carrier_call_id=call, sent_at=time.time())


def soon(seconds: float = 10.0) -> float:
    return time.time() + seconds


def dials(lab: Lab) -> int:
    return len(lab.ledger.entries("dial"))


async def found(look: Callable[[], Awaitable[Sighting]], state: LegAtCarrier) -> Sighting:
    """Ask until the carrier says so; each question waits for its answer."""
    async with asyncio.timeout(5):
        while (sighting := await look()).state is not state:
            pass
    return sighting


@pytest.fixture
def bench() -> SimpleNamespace:
    """What the tests of the adapter share."""
    tools = {"attempt": attempt, "handle": handle, "soon": soon, "dials": dials, "opened": opened, "settings": settings}
    return SimpleNamespace(found=found, open_gate=lambda: True, **tools)
