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


class World:
    """Everything around the simulator, driven by the test."""

    def __init__(self, knobs: dict[str, Any]) -> None:
        self.now = START
        self.effects: list[Effect] = []
        self.ledger: list[tuple[str, dict[str, Any]]] = []
        self.dials: list[str] = []
        self.hangups: list[str] = []
        self.heard: list[bytes] = []
        self.said = b"\x2a" * 160
        self.reject: str | None = None
        self._timers: list[tuple[float, int, str]] = []
        self.sim = TwilioSimulator(
            Site(
                name="twilio",
                base_url="http://127.0.0.1:4011",
                numbers=(OURS, "+15550190002", "+15550190003"),
                random=Random(1),
                network=self,
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

    def say(self, carrier: str, ref: str) -> bytes:
        return self.said

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.heard.append(frame)

    def write(self, now: float, kind: str, **more: Any) -> None:
        self.ledger.append((kind, more))

    # what the test does
    def pass_time(self, seconds: float) -> None:
        """Let virtual time go on; wake the simulator for what is due, in order."""
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            at, _, key = heapq.heappop(self._timers)
            self.now = max(self.now, at)
            self.sim.on_timer(self.now, key)
        self.now = until

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
