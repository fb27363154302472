"""One real simulator on the lab's exchange in virtual time, and a customer who speaks its dialect by the adapter's pure parts.

No socket, no SDK, no gateway: in-memory dial request, webhooks, markup and media of the adapter are the customer.
"""

import asyncio
import base64
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest

from carriers.contract import Arrival, Attempt, CarrierSettings, Document, Expectation, Handle, Hook, HookRequest, Kind
from carriers.in_memory import Heard, Request
from carriers.lab import sound
from carriers.lab.contract import CloseSocket, Effect, OpenSocket, RestRequest, SendFrame, Webhook, WebhookReply
from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import Exchange
from carriers.lab.faults import Fault
from carriers.lab.ledger import Entry, LabLedger
from carriers.lab.orders import Answer, Deliver, Listen
from carriers.lab.phones import PhoneCall, read_call, read_phone
from carriers.registry import kinds
from carriers.shot import HttpAnswer
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
        self.credentials = known
        self.carrier: Any = kind.in_memory(settings, lambda: self.now, self._line)
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
        attempt = self._attempt(leg, to)
        self.attempts[leg] = attempt
        wish = self.carrier.dial_request(attempt)
        if not self.listening:
            return None
        request = RestRequest(method=wish.method, path=wish.path, query=wish.query, headers=wish.headers, body=wish.body)
        return self._do(lambda: self.exchange.on_request(self.now, self.kind.kind, request))

    def serve_numbers(self) -> None:
        """Point our first number at the customer, in the carrier's own way."""
        _SERVE[self.kind.kind](self)

    def ask(self, method: str, path: str, body: Any = None, *, form: bool = False, basic: str = "", query: str = "") -> Any:
        """One API request as a customer makes it: JSON or a form, Basic or Bearer; what it answers, decoded."""
        secret = f"Basic {base64.b64encode(basic.encode()).decode()}" if basic else f"Bearer {self.credentials.get('api_key')}"
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        raw = b"" if body is None else urlencode(body).encode() if form else msgspec.json.encode(body)
        headers = {"authorization": secret, "content-type": kind}
        request = RestRequest(method=method, path=path, query=query, headers=headers, body=raw)
        reply = self._do(lambda: self.exchange.on_request(self.now, self.kind.kind, request)).reply
        assert reply is not None
        assert reply.status < 300, (path, reply)
        return msgspec.json.decode(reply.body) if reply.body else None

    def call_us(self, number: str = PERSON, **call: Any) -> PhoneCall:
        """A phone calls our first number."""
        plan = read_call({"to": OURS, "says": "tone", **call}, self.exchange.network.phone(number).setup)
        placed: PhoneCall = self._do(lambda: self.exchange.place_call(self.now, number, plan))
        return placed

    def take_caller(self, number: str = PERSON) -> PhoneCall:
        """A caller who is answered and bridged, three seconds old."""
        self.serve_numbers()
        placed = self.call_us(number)
        self.run(3.0)
        assert self.count("bridge", number=number) == 1, self.story()
        return placed

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

    def _attempt(self, leg: str, to: str) -> Attempt:
        return Attempt(
            call_id="call-1",
            leg_id=leg,
            to=to,
            caller_id=OURS,
            public_url=PUBLIC_URL,
            carrier=self.kind.kind,
            media_token="t" * 32,
        )

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
        _, _, _, place, *where = url.path.split("/")
        call_id, leg_id, step = where if place == "hooks" else ("", "", where[0])
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
        answer = self._told(request, leg_id) if place == "hooks" else self._arrived(request)
        return WebhookReply(status=answer.status, body=answer.body, content_type=answer.content_type)

    def _told(self, request: HookRequest, leg_id: str) -> Document:
        hook: Hook = self.carrier.webhooks.parse(request, self.now)
        return self._document(hook, leg_id)

    def _document(self, hook: Hook, leg_id: str) -> Document:
        answers: dict[Expectation, Callable[[], Document]] = {
            Expectation.ANSWER_DOCUMENT: lambda: self.carrier.markup.connect(self.attempts[leg_id]),
            Expectation.AFTER_STREAM_DOCUMENT: self.carrier.markup.hang_up,
            Expectation.ACKNOWLEDGEMENT: self.carrier.markup.acknowledge,
        }
        return answers[hook.expects]()

    def _arrived(self, request: HookRequest) -> Document:
        arrival: Arrival | None = self.carrier.webhooks.parse_arrival(request, self.now)
        if arrival is None or not arrival.to:
            return self._document(arrival.hook if arrival else Hook(), "")
        leg = f"in-{arrival.carrier_call_id}"
        attempt = self.attempts[leg] = self._attempt(leg, arrival.caller_id)
        if self.kind.capabilities.answers_by_command:
            handle = Handle(
                call_id="call-1", leg_id=leg, to=OURS, caller_id=arrival.caller_id, carrier_call_id=arrival.carrier_call_id
            )
            asyncio.run(self.carrier.answer(attempt, handle))
        return self._document(arrival.hook, leg)

    def _line(self, request: Request) -> Heard:
        asked = RestRequest(
            method=request.method, path=request.path, query=request.query, headers=request.headers, body=request.body
        )
        reply = self.exchange.on_request(self.now, self.kind.kind, asked).reply
        if reply is None:
            return Heard(lost="closed")
        return Heard(answer=HttpAnswer(status=reply.status, headers=dict(reply.headers), body=reply.body))

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


def _serve_twilio(town: Town) -> None:
    sid, token = town.credentials["account_sid"], town.credentials["auth_token"]
    root = f"/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers"
    listed = town.ask("GET", f"{root}.json", basic=f"{sid}:{token}", query=urlencode({"PhoneNumber": OURS}))
    number = listed["incoming_phone_numbers"][0]["sid"]
    urls = {"VoiceUrl": _arrival(town, "voice"), "StatusCallback": _arrival(town, "status")}
    town.ask("POST", f"{root}/{number}.json", urls, form=True, basic=f"{sid}:{token}")


def _serve_telnyx(town: Town) -> None:
    application = town.credentials["connection_id"]
    wish = {"application_name": "lab", "webhook_event_url": _arrival(town, "events")}
    town.ask("PATCH", f"/v2/call_control_applications/{application}", wish)


def _serve_plivo(town: Town) -> None:
    owner, token = town.credentials["auth_id"], town.credentials["auth_token"]
    root, basic = f"/v1/Account/{owner}", f"{owner}:{token}"
    wish = {"app_name": "lab", "answer_url": _arrival(town, "answer"), "hangup_url": _arrival(town, "hangup")}
    made = town.ask("POST", f"{root}/Application/", wish, basic=basic)
    town.ask("POST", f"{root}/Number/{OURS.removeprefix('+')}/", {"app_id": made["app_id"]}, basic=basic)


def _serve_vonage(town: Town) -> None:
    key, secret, application = (town.credentials[name] for name in ("api_key", "api_secret", "application_id"))
    hooks = {
        name: {"address": _arrival(town, name.removesuffix("_url")), "http_method": "POST"}
        for name in ("answer_url", "event_url")
    }
    body = {"name": "lab", "capabilities": {"voice": {"webhooks": hooks}}}
    town.ask("PUT", f"/v2/applications/{application}", body, basic=f"{key}:{secret}")
    number = {"country": "US", "msisdn": OURS.removeprefix("+"), "app_id": application}
    town.ask("POST", "/number/update", number, form=True, basic=f"{key}:{secret}")


def _arrival(town: Town, step: str) -> str:
    return f"{PUBLIC_URL}/carriers/{town.kind.kind}/inbound/{step}"


_SERVE: dict[str, Callable[[Town], None]] = {
    "plivo": _serve_plivo,
    "telnyx": _serve_telnyx,
    "twilio": _serve_twilio,
    "vonage": _serve_vonage,
}


@pytest.fixture(params=kinds().values(), ids=kinds())
def town(request: pytest.FixtureRequest) -> Town:
    """Each carrier in turn, with every knob at its default."""
    return Town(request.param, {})


@pytest.fixture(params=kinds().values(), ids=kinds())
def two_towns(request: pytest.FixtureRequest) -> tuple[Town, Town]:
    """The same carrier twice, with the same seed: one to be disturbed, one to compare."""
    return Town(request.param, {}), Town(request.param, {})
