"""The lab's Twilio in a hand-made world: virtual time, one recording network, effects in a list. No sockets, no exchange."""

import base64
import heapq
import json
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio

from carriers.lab.contract import (
    CloseSocket,
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
from carriers.lab.lab import Lab
from carriers.twilio.simulator import TwilioSimulator

START = 1_795_345_200.0  # Sun, 22 Nov 2026 11:00:00 UTC
OURS, THEIRS = "+15550190001", "+15550100001"
XML = "text/xml"
TICK = 0.02


class _Network:
    """The world as the simulator's network; `answer` means something else to a test."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, "answer_phone" if name == "answer" else name)


class World:
    """Everything around the simulator, driven by the test."""

    def __init__(self, knobs: dict[str, Any]) -> None:
        self.now = START
        self.effects: list[Effect] = []
        self.ledger: list[tuple[str, dict[str, Any]]] = []
        self.dials: list[str] = []
        self.hangups: list[str] = []
        self.network_acts: list[tuple[str, str, str]] = []
        self.heard: list[bytes] = []
        self.heard_by: dict[str, list[bytes]] = {}
        self.said = b"\x2a" * 160
        self.saying: dict[str, bytes] = {}
        self.greets: Greeting | None = None
        self.reject: str | None = None
        self._timers: list[tuple[float, int, str]] = []
        self._ticked = START
        self.sim = TwilioSimulator(
            Site(
                name="twilio",
                base_url="http://127.0.0.1:4011",
                numbers=(OURS, "+15550190002", "+15550190003"),
                random=Random(1),
                network=_Network(self),
                ledger=self,
                emit=self._emit,
                reject_cause=lambda now, to: self.reject,
                knobs=knobs,
            )
        )
        self.credentials = self.sim.credentials()

    # the network and the ledger, as the simulator sees them
    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        self.dials.append(ref)

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        self.hangups.append(ref)
        self.sim.on_phone(now, PhoneEvent(carrier=carrier, ref=ref, kind="ended", cause="canceled", by="carrier"))

    def answer_phone(self, now: float, *, carrier: str, ref: str) -> None:
        self.network_acts.append(("answer", ref, ""))

    def refuse(self, now: float, *, carrier: str, ref: str, cause: str) -> None:
        self.network_acts.append(("refuse", ref, cause))
        self.sim.on_phone(now, PhoneEvent(carrier=carrier, ref=ref, kind="ended", cause=cause, by="carrier"))

    def press_keys(self, now: float, *, carrier: str, ref: str, digits: str) -> None:
        self.network_acts.append(("keys", ref, digits))

    def greeting(self, carrier: str, ref: str) -> Greeting | None:
        return self.greets

    def text(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str, body: str) -> None:
        self.network_acts.append(("text", ref, body))

    def say(self, carrier: str, ref: str) -> bytes:
        return self.saying.get(ref, self.said)

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.heard.append(frame)
        self.heard_by.setdefault(ref, []).append(frame)

    def write(self, now: float, kind: str, **more: Any) -> None:
        self.ledger.append((kind, more))

    # what the test does
    def pass_time(self, seconds: float) -> None:
        """Let virtual time go on: wake the simulator for what is due, in order, and tick while it wants ticks."""
        until = self.now + seconds
        while True:
            due = self._timers[0][0] if self._timers else until + 1
            tick = self._ticked + TICK if self.sim.ticking() else until + 1
            if min(due, tick) > until + 1e-6:
                break
            self.now = max(self.now, min(due, tick))
            if due <= tick:
                self.sim.on_timer(self.now, heapq.heappop(self._timers)[2])
            else:
                self._ticked = tick
                self.sim.on_tick(self.now)
            self._ticked = self._ticked if self.sim.ticking() else self.now
        self.now = max(self.now, until)
        self._ticked = self._ticked if self.sim.ticking() else self.now

    def api(self, method: str, rest: str, fields: Any = (), *, auth: str | None = None) -> RestReply:
        """A request below the account, such as `/Calls.json?To=...`."""
        login = auth or f"{self.credentials['account_sid']}:{self.credentials['auth_token']}"
        path, _, query = rest.partition("?")
        return self.sim.on_request(
            self.now,
            RestRequest(
                method=method,
                path=f"/2010-04-01/Accounts/{self.credentials['account_sid']}{path}",
                query=query,
                headers={"authorization": "Basic " + base64.b64encode(login.encode()).decode()},
                body=urlencode(fields, doseq=True).encode(),
            ),
        )

    def place(self, **changes: Any) -> RestReply:
        """Create a call; a change to None leaves the parameter out."""
        fields = {
            "To": THEIRS,
            "From": OURS,
            "Url": "http://gw.test/answer",
            "StatusCallback": "http://gw.test/status",
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            "Timeout": "20",
            "TimeLimit": "600",
        } | changes
        return self.api("POST", "/Calls.json", {name: value for name, value in fields.items() if value is not None})

    def configure(self, number: str = OURS, **fields: str) -> dict[str, Any]:
        """Set something on a number of the account; its resource."""
        path = "/IncomingPhoneNumbers.json?" + urlencode({"PhoneNumber": number})
        sid = json.loads(self.api("GET", path).body)["incoming_phone_numbers"][0]["sid"]
        reply = self.api("POST", f"/IncomingPhoneNumbers/{sid}.json", fields)
        assert reply.status == 200, reply.body
        shown: dict[str, Any] = json.loads(reply.body)
        return shown

    def incoming(self, **more: str) -> str:
        """A phone calls our number; the call's sid."""
        call = Incoming(**{"to": OURS, "caller_id": THEIRS, "attestation": "A"} | more)
        sid = self.sim.incoming_ref(self.now, call)
        assert sid is not None
        self.sim.on_incoming(self.now, sid, call)
        return sid

    def fetched(self, body: bytes, status: int = 200) -> None:
        """Answer the newest request for a file."""
        self.sim.on_fetched(self.now, self.of(Fetch)[-1].id, WebhookReply(status=status, body=body))

    def phone(self, sid: str, kind: str, **more: str) -> None:
        self.sim.on_phone(self.now, PhoneEvent(carrier="twilio", ref=sid, kind=kind, **more))

    def answered_call(self, document: str, **changes: Any) -> str:
        """A call that rang, was answered, and got this document."""
        sid: str = json.loads(self.place(**changes).body)["sid"]
        self.pass_time(0.1)
        self.phone(sid, "ringing")
        self.phone(sid, "answered")
        self.pass_time(0.1)
        if changes.get("Url", "") is not None:
            self.answer(document)
        return sid

    def answer(self, document: str, status: int = 200, content_type: str = XML, failure: str = "") -> Webhook:
        """Answer the newest request that no one answered yet, whatever it is."""
        hook = self.webhooks[-1]
        reply = WebhookReply(status=status, body=document.encode(), content_type=content_type, failure=failure)
        self.sim.on_webhook_reply(self.now, hook.id, reply)
        return hook

    # what the test looks at
    def shown(self, rest: str) -> dict[str, Any]:
        """A resource."""
        reply = self.api("GET", rest)
        assert reply.status == 200, reply.body
        document: dict[str, Any] = json.loads(reply.body)
        return document

    def told(self, path: str) -> list[dict[str, str]]:
        """The fields of all webhooks to a path, in order."""
        return [fields for asked, fields in self.asked if asked == path]

    @property
    def refused(self) -> list[dict[str, Any]]:
        """The ledger's refusals."""
        return [entry for kind, entry in self.ledger if kind == "refused"]

    def status(self, sid: str) -> str:
        text: str = json.loads(self.api("GET", f"/Calls/{sid}.json").body)["status"]
        return text

    def of(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def webhooks(self) -> list[Webhook]:
        return self.of(Webhook)

    @property
    def asked(self) -> list[tuple[str, dict[str, str]]]:
        """(path, fields) of every webhook, in order."""
        return [(urlsplit(hook.url).path, dict(parse_qsl(hook.body.decode(), keep_blank_values=True))) for hook in self.webhooks]

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(frame.data) for frame in self.of(SendFrame)]

    @property
    def stream(self) -> OpenSocket:
        return self.of(OpenSocket)[-1]

    @property
    def closed_streams(self) -> list[str]:
        return [effect.stream for effect in self.of(CloseSocket)]

    def _emit(self, effect: Effect) -> None:
        self.effects.append(effect)
        if isinstance(effect, Wake):
            heapq.heappush(self._timers, (effect.at, len(self.effects), effect.key))


@pytest.fixture
def make_world() -> Callable[..., World]:
    """A world with the knobs given by name."""
    return lambda **knobs: World(knobs)


@pytest.fixture
def world() -> World:
    """A world with every knob at its default."""
    return World({})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_lab() -> AsyncIterator[Lab]:
    """One running lab with one Twilio for all tests of a module; each test leaves it as it found it."""
    async with Lab(kinds=["twilio"], numbers={"twilio": [OURS]}, knobs={"twilio": {"calls_per_second": 50.0}}) as lab:
        yield lab
