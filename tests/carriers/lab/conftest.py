"""A carrier that exists only here: the plainest dialect that has everything, so that the lab is tested without any real one.

POST /calls {"to", "from", "hook"} -> 201 {"id"}      GET, DELETE /calls/{id}
POST /calls/{id}/play {"url"}, /calls/{id}/keys {"digits"}, /calls/{id}/join {"with"}: sound, DTMF, and a call joined to it
POST /texts {"to", "from", "body"} -> 201 {"id"}      PUT /number {"hook"}: calls from phones are taken from now on
webhooks: POST hook {"id", "event", ...}, signed by x-fake-signature; the answer to `answered` and `incoming` is a document:
"stream ws://...", "answer", "hangup", "refuse CAUSE" (of an incoming call) or nothing
media: binary messages of raw mu-law both ways; the text "hangup" from the customer ends the call
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from carriers.contract import Capabilities, Kind
from carriers.lab.call_audio import CallAudio
from carriers.lab.contract import (
    CloseSocket,
    Effect,
    Fetch,
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
from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import Exchange
from carriers.lab.lab import Lab
from carriers.lab.ledger import LabLedger
from carriers.lab.orders import Answer, Deliver
from carriers.lab.phones import PhoneCall, read_call, read_phone
from carriers.lab.playback import Playback


class FakeCall(msgspec.Struct, kw_only=True):
    id: str
    to: str
    hook: str
    state: str = "queued"
    hooks: int = 0
    incoming: bool = False
    playback: Playback = msgspec.field(default_factory=lambda: Playback(10.0))
    streaming: bool = False
    audio: CallAudio | None = None


class FakeSimulator:
    """Implements `carriers.lab.contract.Simulator`."""

    causes = frozenset({"no-route", "congestion"})
    signature_headers = frozenset({"x-fake-signature"})

    def __init__(self, site: Site) -> None:
        self.site = site
        self.calls: dict[str, FakeCall] = {}
        self.replies: list[tuple[str, WebhookReply]] = []
        self.sockets: list[tuple[str, str, int]] = []
        self.timers: list[str] = []
        self.number_hook = ""
        self.texts: list[PhoneEvent] = []
        self.fetched: list[tuple[str, WebhookReply]] = []

    def credentials(self) -> dict[str, Any]:
        return {"key": "fake", "base_url": self.site.base_url, "numbers": list(self.site.numbers)}

    def is_dial(self, request: RestRequest) -> str | None:
        if request.method != "POST" or request.path != "/calls":
            return None
        return str(msgspec.json.decode(request.body)["to"])

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        if request.path == "/crash":
            raise RuntimeError("a bug in the simulator")
        wish = msgspec.json.decode(request.body) if request.body else {}
        if request.path == "/calls":
            return self._create(now, wish)
        if request.path == "/texts":
            return self._text(now, wish)
        if request.path == "/number":
            self.number_hook = wish["hook"]
            return RestReply(status=200)
        _, _, call_id, *deed = request.path.split("/")
        call = self.calls.get(call_id)
        if call is None:
            return RestReply(status=404, body=b"{}")
        if request.method == "DELETE":
            self.site.network.hang_up(now, carrier=self.site.name, ref=call.id)
        for word in deed:
            self._do(now, call, word, wish)
        return RestReply(status=200, body=msgspec.json.encode({"id": call.id, "state": call.state}))

    def _do(self, now: float, call: FakeCall, word: str, wish: dict[str, str]) -> None:
        if word == "play":
            self.site.emit(Fetch(id=f"{call.id}/file", url=wish["url"], carrier_call_id=call.id, number=call.to))
        elif word == "keys":
            self.site.network.press_keys(now, carrier=self.site.name, ref=call.id, digits=wish["digits"])
        elif word == "join":
            self._audio(call).join(self._audio(self.calls[wish["with"]]))

    def _text(self, now: float, wish: dict[str, str]) -> RestReply:
        ref = f"text-{len(self.texts)}-{self.site.random.getrandbits(32):08x}"
        self.site.network.text(now, carrier=self.site.name, ref=ref, to=wish["to"], caller_id=wish["from"], body=wish["body"])
        return RestReply(status=201, body=msgspec.json.encode({"id": ref}))

    def _audio(self, call: FakeCall) -> CallAudio:
        if call.audio is None:
            call.audio = CallAudio(self.site.network, self.site.name, call.id)
        return call.audio

    def _create(self, now: float, wish: dict[str, str]) -> RestReply:
        call = FakeCall(id=f"{self.site.name}-{self.site.random.getrandbits(32):08x}", to=wish["to"], hook=wish.get("hook", ""))
        self.site.ledger.write(now, "dial", carrier=self.site.name, number=call.to, carrier_call_id=call.id)
        self.calls[call.id] = call
        cause = self.site.reject_cause(now, call.to)
        if cause:
            self.site.emit(Wake(at=now + 0.05, key=f"reject {call.id} {cause}"))
        else:
            self.site.network.dial(now, carrier=self.site.name, ref=call.id, to=call.to, caller_id=wish["from"])
        return RestReply(status=201, body=msgspec.json.encode({"id": call.id}))

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        statuses = {"auth_error": 401, "suspended": 403, "rate_limited": 429}
        return RestReply(status=status or statuses[kind], body=msgspec.json.encode({"fault": kind, "code": code}))

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        self.replies.append((webhook_id, reply))
        call_id, _, event = webhook_id.rpartition("/")
        if event in {"answered", "incoming"} and call_id in self.calls:
            self._obey(now, self.calls[call_id], reply.body.decode())

    def _obey(self, now: float, call: FakeCall, document: str) -> None:
        word, _, rest = document.partition(" ")
        if word == "refuse":
            self.site.network.refuse(now, carrier=self.site.name, ref=call.id, cause=rest)
        if word in {"stream", "answer"}:
            self.site.network.answer(now, carrier=self.site.name, ref=call.id)
        if word == "stream":
            self.site.emit(OpenSocket(stream=call.id, url=rest, carrier_call_id=call.id, number=call.to))
        if word == "hangup":
            self.site.network.hang_up(now, carrier=self.site.name, ref=call.id)

    def on_timer(self, now: float, key: str) -> None:
        self.timers.append(key)
        word, call_id, cause = key.split(" ")
        if word == "reject":
            self.calls[call_id].state = "failed"
            self._hook(self.calls[call_id], "failed", cause=cause)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        if event.ref.startswith("text-"):
            self.texts.append(event)
            return
        call = self.calls[event.ref]
        call.state = event.kind
        if event.kind == "ended" and call.streaming:
            call.streaming = False
            self.site.emit(CloseSocket(stream=call.id))
        if event.kind == "ended" and call.audio is not None:
            call.audio.part()
            call.audio = None
        self._hook(call, event.kind, cause=event.cause, by=event.by, digit=event.digit)

    def on_socket_open(self, now: float, stream: str) -> None:
        self.sockets.append(("open", stream, 0))
        self.calls[stream].streaming = True

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self.sockets.append(("refused", stream, status))

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.calls[stream].playback.add(data)
        elif data == "hangup":
            self.site.network.hang_up(now, carrier=self.site.name, ref=stream)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        self.sockets.append(("closed", stream, code))
        self.calls[stream].streaming = False

    def on_tick(self, now: float) -> None:
        for call in list(self.calls.values()):
            if call.audio is not None:
                call.audio.tick()
            elif call.streaming:
                frame, _ = call.playback.next_frame()
                self.site.network.hear(self.site.name, call.id, frame)
                self.site.emit(SendFrame(stream=call.id, data=self.site.network.say(self.site.name, call.id)))

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return f"{self.site.name}-in-{self.site.random.getrandbits(32):08x}" if self.number_hook else None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        call = self.calls[ref] = FakeCall(id=ref, to=incoming.caller_id, hook=self.number_hook, state="ringing", incoming=True)
        more = {"from": incoming.caller_id, "to": incoming.to, "name": incoming.caller_name, "grade": incoming.attestation}
        self._hook(call, "incoming", **more)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        self.fetched.append((fetch_id, reply))
        call = self.calls.get(fetch_id.removesuffix("/file"))
        if call is not None:
            self._audio(call).play(reply.body)

    def ticking(self) -> bool:
        return any(call.audio is not None and call.audio.busy for call in self.calls.values())

    def live_calls(self) -> int:
        return sum(1 for call in self.calls.values() if call.state not in {"ended", "failed"})

    def reset(self) -> None:
        self.calls.clear()

    def _hook(self, call: FakeCall, event: str, **more: str) -> None:
        if not call.hook:
            return
        call.hooks += 1
        body = msgspec.json.encode({"id": call.id, "event": event, "seq": call.hooks, **more})
        headers = {"content-type": "application/json", "X-Fake-Signature": "signed"}
        self.site.emit(
            Webhook(
                id=f"{call.id}/{event}",
                url=call.hook,
                headers=headers,
                body=body,
                timeout_s=3.0,
                carrier_call_id=call.id,
                number=call.to,
            )
        )


@pytest.fixture
def fake_kind() -> Kind:
    """The calling card of the carrier that exists only in these tests."""
    return Kind(
        kind="fake",
        title="Fake",
        credentials=msgspec.defstruct("FakeCredentials", [("key", str)]),
        capabilities=Capabilities(),
        open=None,
        simulator=FakeSimulator,
    )


@pytest.fixture
async def lab(fake_kind: Kind) -> AsyncIterator[Lab]:
    """A running lab with the fake carrier alone."""
    async with Lab(kinds=[fake_kind]) as running:
        yield running


class World:
    """Drives an exchange in virtual time: what a deterministic simulation does, and the plainest customer there is.

    `documents`: event -> the customer's answer; `refuses`: HTTP status for media upgrades, None to accept.
    """

    def __init__(self, kind: Kind, names: tuple[str, ...] = ("fake",)) -> None:
        plans = [
            DeskPlan(name=name, kind="fake", simulator=kind.simulator, base_url=f"http://{name}.test", numbers=("+15550190001",))
            for name in names
        ]
        self.exchange = Exchange(plans, seed=1)
        self.now = 1000.0
        self.documents: dict[str, str] = {}
        self.refuses: int | None = None
        self.silent_customer = False
        self.hooks: list[tuple[float, dict[str, Any]]] = []
        self.delivered: list[Deliver] = []
        self.frames: list[tuple[float, str | bytes]] = []
        self.orders: list[Effect] = []
        self.files: dict[str, bytes] = {}

    @property
    def sim(self) -> FakeSimulator:
        simulator = self.exchange.desks["fake"].simulator
        assert isinstance(simulator, FakeSimulator)
        return simulator

    @property
    def ledger(self) -> LabLedger:
        return self.exchange.ledger

    def ask(self, method: str, path: str, body: bytes = b"", carrier: str = "fake") -> Answer:
        answer = self.exchange.on_request(self.now, carrier, RestRequest(method=method, path=path, body=body))
        self._obey()
        return answer

    def dial(self, to: str = "+15550107001", carrier: str = "fake") -> Answer:
        body = msgspec.json.encode({"to": to, "from": "+15550190001", "hook": "http://customer.test/hook"})
        return self.ask("POST", "/calls", body, carrier)

    def serve_number(self) -> None:
        """Let our number take calls."""
        self.ask("PUT", "/number", msgspec.json.encode({"hook": "http://customer.test/hook"}))

    def call_us(self, number: str = "+15550107001", **call: Any) -> PhoneCall:
        """A phone calls our number."""
        plan = read_call({"to": "+15550190001", **call}, self.exchange.network.phone(number).setup)
        placed = self.exchange.place_call(self.now, number, plan)
        self._obey()
        return placed

    def people(self, deed: Any) -> Any:
        """Act as the people on the phones: `deed` gets the network and the time."""
        done = self.exchange.as_people(self.now, deed)
        self._obey()
        return done

    def set_faults(self, *faults: dict[str, Any], carrier: str = "fake") -> None:
        self.exchange.set_faults(self.now, carrier, list(faults))
        self._obey()

    def put(self, number: str = "+15550107001", **setup: Any) -> None:
        self.exchange.set_phone(self.now, number, read_phone(setup))

    def speak(self, data: str | bytes) -> None:
        """The customer sends a message on every open stream."""
        for call in list(self.sim.calls.values()):
            self.exchange.on_socket_frame(self.now, "fake", call.id, data)
        self._obey()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (step := self._next_step()) is not None and step <= end:
            self.now = step
            if self.exchange.ticking:
                self.exchange.on_tick(self.now)
            else:
                self.exchange.on_time(self.now)
            self._obey()
        self.now = end
        self.exchange.on_time(end)
        self._obey()

    def kinds(self, *kinds: str) -> list[str]:
        return [entry.kind for entry in self.ledger.entries() if entry.kind in kinds or not kinds]

    def _next_step(self) -> float | None:
        due = self.exchange.next_due
        tick = self.now + 0.02 if self.exchange.ticking else None
        return min((at for at in (due, tick) if at is not None), default=None)

    def _obey(self) -> None:
        while orders := self.exchange.take_orders():
            for order in orders:
                self.orders.append(order.effect)
                self._obey_one(order.carrier, order.effect)

    def _obey_one(self, carrier: str, effect: Effect) -> None:
        if isinstance(effect, Deliver):
            self.delivered.append(effect)
            hook = msgspec.json.decode(effect.webhook.body)
            self.hooks.append((self.now, hook))
            body = self.documents.get(hook["event"], "").encode()
            reply = WebhookReply(status=200, body=body) if not self.silent_customer else WebhookReply(status=0, failure="timeout")
            self.exchange.on_webhook_reply(self.now, carrier, effect.key, reply)
        elif isinstance(effect, OpenSocket) and self.refuses is not None:
            self.exchange.on_socket_refused(self.now, carrier, effect.stream, self.refuses)
        elif isinstance(effect, OpenSocket):
            self.exchange.on_socket_open(self.now, carrier, effect.stream)
        elif isinstance(effect, Fetch):
            found = effect.url in self.files
            reply = WebhookReply(status=200 if found else 404, body=self.files.get(effect.url, b""))
            self.exchange.on_fetched(self.now, carrier, effect, reply)
        elif isinstance(effect, SendFrame):
            self.frames.append((self.now, effect.data))


@pytest.fixture
def world(fake_kind: Kind) -> World:
    """The fake carrier alone, in virtual time."""
    return World(fake_kind)


@pytest.fixture
def two_carriers(fake_kind: Kind) -> World:
    """Two carriers of the fake kind that reach the same phones."""
    return World(fake_kind, ("fake", "other"))
