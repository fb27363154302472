"""A stage for the Vonage simulator: a site in memory, with a clock that only the test moves."""

import base64
import heapq
import json
from collections.abc import Callable
from random import Random
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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
from carriers.vonage.simulator import VonageSimulator
from carriers.vonage.simulator_account import application_key

START = 1_790_000_000.0
NUMBER = "+15550190031"


class FakeNetwork:
    """Notes what the carrier does; the test plays the phones."""

    def __init__(self) -> None:
        self.dials: list[dict[str, str]] = []
        self.hung_up: list[str] = []
        self.heard: list[bytes] = []
        self.heard_by: dict[str, list[bytes]] = {}
        self.voice = b"\x55" * 160
        self.voices: dict[str, bytes] = {}
        self.answered: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.keys: list[tuple[str, str]] = []
        self.greets: Greeting | None = None
        self.texts: list[dict[str, str]] = []

    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        self.dials.append({"ref": ref, "to": to, "caller_id": caller_id})

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        self.hung_up.append(ref)

    def answer(self, now: float, *, carrier: str, ref: str) -> None:
        self.answered.append(ref)

    def refuse(self, now: float, *, carrier: str, ref: str, cause: str) -> None:
        self.refused.append((ref, cause))

    def press_keys(self, now: float, *, carrier: str, ref: str, digits: str) -> None:
        self.keys.append((ref, digits))

    def greeting(self, carrier: str, ref: str) -> Greeting | None:
        return self.greets

    def text(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str, body: str) -> None:
        self.texts.append({"ref": ref, "to": to, "caller_id": caller_id, "body": body})

    def say(self, carrier: str, ref: str) -> bytes:
        return self.voices.get(ref, self.voice)

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.heard.append(frame)
        self.heard_by.setdefault(ref, []).append(frame)


class FakeLedger:
    """A list."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def write(self, now: float, kind: str, **more: Any) -> None:
        self.entries.append({"kind": kind, **more})

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["kind"] == kind]


class Stage:
    """The simulator and everything around it. `cause` is the active reject fault."""

    def __init__(self, key: Any, knobs: dict[str, Any]) -> None:
        self.now, self.cause = START, ""
        self.network, self.ledger = FakeNetwork(), FakeLedger()
        self.effects: list[Effect] = []
        self._timers: list[tuple[float, int, str]] = []
        self.site = Site(
            name="vonage",
            base_url="http://127.0.0.1:4014",
            numbers=(NUMBER, "+15550190032"),
            random=Random(7),
            network=self.network,
            ledger=self.ledger,
            emit=self._emit,
            reject_cause=lambda now, to: self.cause or None,
            knobs=knobs,
        )
        self.sim = VonageSimulator(self.site)
        self._key = key

    def _emit(self, effect: Effect) -> None:
        if isinstance(effect, Wake):
            heapq.heappush(self._timers, (effect.at, len(self._timers), effect.key))
        else:
            self.effects.append(effect)

    # --- what a test asks

    def request(self, method: str, path: str, body: Any = None, query: str = "", token: str | None = None) -> RestReply:
        raw = b"" if body is None else json.dumps(body).encode()
        bearer = self.token() if token is None else token
        headers = {"authorization": f"Bearer {bearer}"}
        return self.sim.on_request(self.now, RestRequest(method=method, path=path, query=query, headers=headers, body=raw))

    def account(self, method: str, path: str, body: Any = None, query: str = "", form: str | None = None) -> RestReply:
        """A request with the account's own key."""
        own = self.sim.credentials()
        basic = base64.b64encode(f"{own['api_key']}:{own['api_secret']}".encode()).decode()
        raw = form.encode() if form is not None else b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Basic {basic}"}
        return self.sim.on_request(self.now, RestRequest(method=method, path=path, query=query, headers=headers, body=raw))

    def configure(self, **hooks: Any) -> str:
        """Give the application voice webhooks (a URL, or the whole object) and link the first number to it."""
        application_id = self.sim.credentials()["application_id"]
        given = {name: {"address": hook} if isinstance(hook, str) else hook for name, hook in hooks.items()}
        body = {"name": "test", "capabilities": {"voice": {"webhooks": given}}}
        assert self.account("PUT", f"/v2/applications/{application_id}", body).status == 200
        form = f"country=US&msisdn={NUMBER.removeprefix('+')}&app_id={application_id}"
        assert self.account("POST", "/number/update", form=form).status == 200
        return application_id

    def incoming(self, caller: str = "+15550100001", to: str = NUMBER) -> str:
        """A phone calls; the uuid under which the carrier knows the call."""
        call = Incoming(to=to, caller_id=caller, attestation="A")
        ref = self.sim.incoming_ref(self.now, call)
        assert ref is not None
        self.sim.on_incoming(self.now, ref, call)
        return ref

    def token(self, **claims: Any) -> str:
        own = {"application_id": self.sim.credentials()["application_id"], "iat": int(self.now), "jti": "j"}
        return jwt.encode({**own, "exp": int(self.now) + 900, **claims}, self._key, "RS256")

    def place(self, **changes: Any) -> str:
        reply = self.request("POST", "/v1/calls", order(**changes))
        assert reply.status == 201, reply.body
        return json.loads(reply.body)["uuid"]

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            at, _, key = heapq.heappop(self._timers)
            self.now = max(self.now, at)
            self.sim.on_timer(self.now, key)
        self.now = end

    def phone(self, ref: str, kind: str, **more: str) -> None:
        self.sim.on_phone(self.now, PhoneEvent(carrier="vonage", ref=ref, kind=kind, **more))

    def answer_phone(self, ref: str) -> None:
        self.pass_time(0.1)
        self.phone(ref, "ringing")
        self.phone(ref, "answered")

    def take(self, kind: type[Effect]) -> list[Any]:
        """The effects of a kind, each given out once."""
        found = [effect for effect in self.effects if isinstance(effect, kind)]
        self.effects = [effect for effect in self.effects if not isinstance(effect, kind)]
        return found

    def webhooks(self) -> list[Webhook]:
        return self.take(Webhook)

    def statuses(self) -> list[str]:
        """What the events since the last look said."""
        bodies = [json.loads(webhook.body) for webhook in self.webhooks()]
        return [body.get("status") or body.get("reason") or body.get("type") or "?" for body in bodies]

    def reply(self, webhook: Webhook, body: Any = None, status: int = 200, failure: str = "") -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else "application/json"
        answer = WebhookReply(status=status, body=raw, content_type=kind, failure=failure)
        self.sim.on_webhook_reply(self.now, webhook.id, answer)

    def connected(self, ncco: list[dict[str, Any]] | None = None) -> tuple[str, str]:
        """A call whose stream is open: the phone leg's uuid and the stream."""
        ref = self.place()
        self.answer_phone(ref)
        asked = next(webhook for webhook in self.webhooks() if webhook.url.endswith("/answer"))
        self.reply(asked, ncco or [socket_action(), after_action()])
        (opening,) = self.take(OpenSocket)
        self.sim.on_socket_open(self.now, opening.stream)
        return ref, opening.stream

    def tick(self, times: int = 1) -> None:
        """So many times 20 ms of sound, and the time that they take."""
        for _ in range(times):
            self.pass_time(0.02)
            self.sim.on_tick(self.now)

    def fetched(self, body: bytes, status: int = 200) -> str:
        """The one file that is wanted comes; its URL."""
        (wish,) = self.take(Fetch)
        self.sim.on_fetched(self.now, wish.id, WebhookReply(status=status, body=body, content_type="audio/wav"))
        return str(wish.url)

    def answered_with(self, ncco: Any, **changes: Any) -> str:
        """An answered call that carries out this flow."""
        ref = self.place(**changes)
        self.answer_phone(ref)
        self.reply(next(webhook for webhook in self.webhooks() if "/answer" in webhook.url), ncco)
        return ref

    def asked(self, step: str) -> Webhook:
        """The one webhook to a step's URL since the last look."""
        (found,) = [webhook for webhook in self.webhooks() if webhook.url.partition("?")[0].endswith(f"/{step}")]
        return found

    def bodies(self) -> list[dict[str, Any]]:
        """What all webhooks since the last look said."""
        return [json.loads(webhook.body) for webhook in self.webhooks()]

    def frames(self) -> list[Any]:
        return [frame.data for frame in self.take(SendFrame)]


def order(**changes: Any) -> dict[str, Any]:
    """A create-call request; None takes a field away."""
    body = {
        "to": [{"type": "phone", "number": "15550100001"}],
        "from": {"type": "phone", "number": NUMBER.removeprefix("+")},
        "answer_url": ["https://gw.example.com/answer"],
        "answer_method": "POST",
        "event_url": ["https://gw.example.com/event"],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def socket_action(rate: int = 8000, **changes: Any) -> dict[str, Any]:
    """A connect action as the carrier's documents have it."""
    endpoint = {
        "type": "websocket",
        "uri": "wss://gw.example.com/media",
        "content-type": f"audio/l16;rate={rate}",
        "authorization": {"type": "vonage"},
    }
    action = {"action": "connect", "eventType": "synchronous", "eventUrl": ["https://gw.example.com/stream"]}
    return {**action, "endpoint": [endpoint], **changes}


def after_action() -> dict[str, Any]:
    """A notify action that asks what to do."""
    return {"action": "notify", "payload": {"leg": "leg_1"}, "eventUrl": ["https://gw.example.com/after"]}


@pytest.fixture(scope="session")
def key() -> Any:
    """The application's key, parsed: parsing the PEM takes longer than signing."""
    return load_pem_private_key(application_key()[0].encode(), password=None)


@pytest.fixture
def make_stage(key: Any) -> Callable[..., Stage]:
    """Stages with the knobs that the test names."""
    return lambda **knobs: Stage(key, knobs)


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """A stage with all knobs at their defaults."""
    return make_stage()
