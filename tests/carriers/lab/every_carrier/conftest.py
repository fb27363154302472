"""One real simulator on the lab's exchange in virtual time, and a customer who speaks its dialect by the adapter's pure parts.

No socket, no SDK, no gateway: in-memory dial request, webhooks, markup and media of the adapter are the customer.
"""

from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from carriers.contract import Attempt, CarrierSettings, Expectation, HookRequest, Kind
from carriers.lab import sound
from carriers.lab.contract import CloseSocket, Effect, OpenSocket, RestRequest, SendFrame, Webhook, WebhookReply
from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import Exchange
from carriers.lab.faults import Fault
from carriers.lab.ledger import Entry, LabLedger
from carriers.lab.orders import Answer, Deliver, Listen
from carriers.lab.phones import PhoneCall, read_phone
from carriers.registry import kinds
from gateway.domain.errors import BadSignature
from gateway.domain.media import Audio, Encoding, StreamEvent, StreamStarted

START = 1_795_000_000.0
OURS = "+15550190001"
PERSON = "+15550107001"
PUBLIC_URL = "http://gateway.test"
AGENT = sound.frames(sound.tone(800, 0.02))[0]


class Socket:
    """The customer's end of one media stream: speaks a tone in every tick, once the stream has started."""

    def __init__(self, codec: Any) -> None:
        self.codec, self.started = codec, False
        self.heard: list[tuple[float, bool]] = []
        """Of each frame of sound: when it came, and whether anything was to be heard in it."""

    def take(self, now: float, data: str | bytes) -> None:
        for event in self.codec.decode(data):
            self._note(now, event)

    def _note(self, now: float, event: StreamEvent) -> None:
        self.started = self.started or isinstance(event, StreamStarted)
        if isinstance(event, Audio):
            linear = self.codec.sends.encoding is not Encoding.MULAW
            self.heard.append((now, sound.is_loud(sound.to_mulaw(event.payload) if linear else event.payload)))

    def say(self) -> str | bytes:
        linear = self.codec.sends.encoding is not Encoding.MULAW
        said: str | bytes = self.codec.audio(sound.to_linear(AGENT) if linear else AGENT)
        return said


class Town:
    """The lab's exchange with one carrier, the phones, and the customer. Every method takes effect at `now`."""

    def __init__(self, kind: Kind, knobs: dict[str, Any]) -> None:
        self.kind, self.now = kind, START
        plan = DeskPlan(
            name=kind.kind,
            kind=kind.kind,
            simulator=kind.simulator,
            base_url="http://carrier.test",
            numbers=(OURS, "+15550190002"),
            knobs=knobs,
        )
        self.exchange = Exchange([plan], seed=3)
        self.exchange.on_time(self.now)
        known = self.exchange.credentials()[kind.kind]
        own = {name: value for name, value in known.items() if name in kind.credentials.__struct_fields__}
        settings = CarrierSettings(name=kind.kind, credentials=msgspec.convert(own, kind.credentials))
        self.carrier: Any = kind.in_memory(settings, lambda: self.now, None)
        self.listening = True
        self.attempts: dict[str, Attempt] = {}
        self.sockets: dict[str, Socket] = {}
        self.emitted: list[str] = []
        """Ids of the simulator's webhooks as it sent them, before any fault."""
        self.delivered: list[Webhook] = []
        self.forged: list[Webhook] = []
        """Those whose signature was missing or wrong."""
        self._legs = count(1)
        self._watch()

    @property
    def ledger(self) -> LabLedger:
        return self.exchange.ledger

    # --- what a test does ----------------------------------------------------------------------------------------

    def set_faults(self, *faults: dict[str, Any]) -> list[Fault]:
        return self._do(lambda: self.exchange.set_faults(self.now, self.kind.kind, list(faults)))

    def put(self, number: str = PERSON, **setup: Any) -> None:
        self._do(lambda: self.exchange.set_phone(self.now, number, read_phone({"says": "tone", **setup})))

    def dial(self, to: str = PERSON) -> Answer | None:
        """One create-call request; None if nobody listens."""
        leg = f"leg-{next(self._legs)}"
        attempt = Attempt(
            call_id="call-1",
            leg_id=leg,
            to=to,
            caller_id=OURS,
            public_url=PUBLIC_URL,
            carrier=self.kind.kind,
            media_token="t" * 32,
        )
        self.attempts[leg] = attempt
        wish = self.carrier.dial_request(attempt)
        if not self.listening:
            return None
        request = RestRequest(method=wish.method, path=wish.path, query=wish.query, headers=wish.headers, body=wish.body)
        return self._do(lambda: self.exchange.on_request(self.now, self.kind.kind, request))

    def talk(self, to: str = PERSON) -> PhoneCall:
        """A call that is answered and bridged, two seconds old."""
        self.put(to, answer_after_s=0.5)
        answer = self.dial(to)
        assert answer is not None
        assert answer.reply is not None
        assert answer.reply.status < 300, answer.reply.body
        self.run(3.0)
        assert self.count("bridge", number=to) == 1, self.story()
        return self.exchange.network.phone(to).live[0]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (step := self._next_step()) is not None and step <= end:
            self.now = max(self.now, step)
            if self.exchange.ticking:
                self._do(lambda: self.exchange.on_tick(self.now))
                self._speak()
            else:
                self._do(lambda: self.exchange.on_time(self.now))
        self.now = end
        self._do(lambda: self.exchange.on_time(end))

    # --- what a test sees ----------------------------------------------------------------------------------------

    def of(self, kind: str, number: str = "") -> list[Entry]:
        return self.ledger.entries(kind, number=number)

    def count(self, kind: str, number: str = "") -> int:
        return len(self.of(kind, number))

    def story(self) -> str:
        return "\n".join(f"{entry.at - START:7.2f} {entry.kind} {entry.number} {entry.more}" for entry in self.ledger.entries())

    def heard_since(self, at: float) -> list[bool]:
        """Of all sockets: the customer's frames since then, loud or not."""
        return [loud for socket in self.sockets.values() for when, loud in socket.heard if when > at]

    def speech(self, to: str = PERSON) -> float:
        """Seconds of sound that the person has heard in the phone's last answered call."""
        report = self.exchange.network.phone(to).report(self.now)
        return float(report["heard"]["speech_seconds"])

    # --- the customer --------------------------------------------------------------------------------------------

    def _do(self, deed: Callable[[], Any]) -> Any:
        done = deed()
        while orders := self.exchange.take_orders():
            for order in orders:
                self._obey(order.effect)
        return done

    def _obey(self, effect: Effect) -> None:
        carrier = self.kind.kind
        match effect:
            case Deliver():
                self.delivered.append(effect.webhook)
                self.exchange.on_webhook_reply(self.now, carrier, effect.key, self._answered(effect.webhook))
            case OpenSocket():
                self.sockets[effect.stream] = Socket(self.carrier.media())
                self.exchange.on_socket_open(self.now, carrier, effect.stream)
            case SendFrame():
                self.sockets[effect.stream].take(self.now, effect.data)
            case CloseSocket():
                self.sockets[effect.stream].started = False
            case Listen():
                self.listening = effect.open

    def _answered(self, hook: Webhook) -> WebhookReply:
        url = urlsplit(hook.url)
        _, _, _, _, call_id, leg_id, step = url.path.split("/", 6)
        request = HookRequest(
            method=hook.method,
            url=hook.url,
            path=step,
            headers={name.lower(): value for name, value in hook.headers.items()},
            body=hook.body,
            call_id=call_id,
            leg_id=leg_id,
        )
        try:
            self.carrier.webhooks.verify(request, self.now)
        except BadSignature:
            self.forged.append(hook)
            return WebhookReply(status=403)
        expects = self.carrier.webhooks.parse(request, self.now).expects
        answer = {
            Expectation.ANSWER_DOCUMENT: lambda: self.carrier.markup.connect(self.attempts[leg_id]),
            Expectation.AFTER_STREAM_DOCUMENT: self.carrier.markup.hang_up,
            Expectation.ACKNOWLEDGEMENT: self.carrier.markup.acknowledge,
        }[expects]()
        return WebhookReply(status=answer.status, body=answer.body, content_type=answer.content_type)

    def _speak(self) -> None:
        for stream, socket in list(self.sockets.items()):
            if socket.started:
                said = socket.say()
                self._do(lambda stream=stream, said=said: self.exchange.on_socket_frame(self.now, self.kind.kind, stream, said))

    def _next_step(self) -> float | None:
        tick = self.now + 0.02 if self.exchange.ticking else None
        return min((at for at in (self.exchange.next_due, tick) if at is not None), default=None)

    def _watch(self) -> None:
        # Between the simulator and the faults: what the carrier wanted to say, in its order.
        webhooks: Any = self.exchange.desks[self.kind.kind].webhooks
        send = webhooks.send

        def watched(now: float, webhook: Webhook) -> None:
            self.emitted.append(webhook.id)
            send(now, webhook)

        webhooks.send = watched


@pytest.fixture(params=kinds().values(), ids=kinds())
def town(request: pytest.FixtureRequest) -> Town:
    """Each carrier in turn, with every knob at its default."""
    return Town(request.param, {})


@pytest.fixture(params=kinds().values(), ids=kinds())
def two_towns(request: pytest.FixtureRequest) -> tuple[Town, Town]:
    """The same carrier twice, with the same seed: one to be disturbed, one to compare."""
    return Town(request.param, {}), Town(request.param, {})
