"""Two stages for the Vonage simulator: a site in memory, with a clock that only the test moves; and the running lab with the
real SDK before it and a customer's server behind it.
"""

import asyncio
import base64
import heapq
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from vonage import Auth, HttpClientOptions, Vonage

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
from carriers.lab.lab import Lab
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


# --- the running lab ---------------------------------------------------------------------------------------------


class Plain(HTTPAdapter):
    """The SDK says https:// whatever the host; the lab listens without TLS."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        request.url = str(request.url).replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


def sdk_client(credentials: dict[str, Any], key: Any) -> Vonage:
    """The official SDK, with nothing changed but where it calls."""
    host = credentials["base_url"].removeprefix("http://")
    auth = Auth(**{name: credentials[name] for name in ("application_id", "private_key", "api_key", "api_secret")})
    auth._jwt_client._private_key = key  # parsing the PEM takes longer than all the rest
    client = Vonage(auth, HttpClientOptions(api_host=host, rest_host=host, timeout=5, pool_maxsize=1, max_retries=0))
    client.http_client._session.trust_env = False
    client.http_client._session.mount("https://", Plain())
    return client


class Customer:
    """A server of the customer's: answers webhooks with what stands under their path, keeps them, and holds streams."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Any] = {}
        """By path: an NCCO, bytes of a file, or a status."""
        self.requests: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.upgrades: list[dict[str, str]] = []
        self.heard: list[Any] = []
        self.stream: Any = None
        self.news = asyncio.Event()

    async def until(self, what: Callable[[], Any]) -> Any:
        async with asyncio.timeout(8):
            while not (found := what()):
                self.news.clear()
                await self.news.wait()
        return found

    async def event(self, **fields: Any) -> dict[str, Any]:
        """The first webhook that has these fields."""

        def seen() -> Any:
            return next((told for told in self.requests if all(told.get(name) == fields[name] for name in fields)), None)

        return await self.until(seen)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        serve = self.serve_hook if scope["type"] == "http" else self.serve_stream
        await serve(scope, receive, send)
        self.news.set()

    async def serve_hook(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if "authorization" in headers:
            self.tokens.append(headers["authorization"].removeprefix("Bearer "))
        path = scope["path"].removeprefix("/")
        self.requests.append({"path": path, "method": scope["method"], "query": scope["query_string"].decode()} | _object(body))
        answer = self.answers.get(path, 204)
        status = answer if isinstance(answer, int) else 200
        raw = b"" if isinstance(answer, int) else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = b"audio/wav" if isinstance(answer, bytes) else b"application/json"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": raw})

    async def serve_stream(self, scope: Any, receive: Any, send: Any) -> None:
        self.upgrades.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await receive()
        await send({"type": "websocket.accept"})
        self.stream = send
        while (message := await receive())["type"] == "websocket.receive":
            self.heard.append(message.get("bytes") or message.get("text"))
            self.news.set()
        self.stream = None

    def words(self) -> list[dict[str, Any]]:
        """The text messages of the stream."""
        return [json.loads(told) for told in self.heard if isinstance(told, str)]


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body) if body else {}
    return found if isinstance(found, dict) else {}


@asynccontextmanager
async def serving(customer: Customer) -> AsyncIterator[Customer]:
    """One port for webhooks, files and streams; it listens before the server runs, so nobody has to wait."""
    listening = socket.create_server(("127.0.0.1", 0))
    customer.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(customer, log_level="error", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield customer
    finally:
        server.should_exit = True
        await running
        listening.close()


class Town:
    """The lab with Vonage alone, a customer's server, and the SDK in a thread."""

    def __init__(self, lab: Lab, customer: Customer, client: Vonage) -> None:
        self.lab, self.customer, self.client = lab, customer, client
        self.credentials = lab.credentials("vonage")

    async def call(self, operation: Callable[..., Any], *args: Any) -> Any:
        """One operation of the SDK."""
        return await asyncio.to_thread(operation, *args)

    @property
    def socket_url(self) -> str:
        return self.customer.url.replace("http://", "ws://") + "/media"


@pytest.fixture
async def town(key: Any) -> AsyncIterator[Town]:
    """A lab that does not refuse a test for its haste, and whose list of calls is never late."""
    knobs = {"vonage": {"listed_after_s": 0.0, "requests_per_second": 1000, "calls_per_second": 1000}}
    numbers = {"vonage": (NUMBER, "+15550190032")}
    async with Lab(kinds=["vonage"], numbers=numbers, knobs=knobs) as lab, serving(Customer()) as customer:
        yield Town(lab, customer, sdk_client(lab.credentials("vonage"), key))
