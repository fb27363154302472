"""A world in memory for the simulator: virtual time, a telephone network that does as it is told, and a customer."""

import base64
import heapq
import json
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

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
from carriers.plivo.simulator import PlivoSimulator

OWN_NUMBER, PERSON = "+15550190021", "+15550101000"
HOOKS = "https://gw.example.com/hooks"


class World:
    """One simulator and all that it asks for."""

    def __init__(self, knobs: dict[str, Any]) -> None:
        self.now = 1_795_000_000.0
        self.effects: list[Effect] = []
        self.ledger: list[tuple[str, dict[str, Any]]] = []
        self.dialed: list[str] = []
        self.hung_up: list[str] = []
        self.picked_up: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.keys: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str, str]] = []
        self.greets: Greeting | None = None
        self.saying: dict[str, bytes] = {}
        """What the person of a call says, frame by frame; 0x11 unless told."""
        self.ears: dict[str, list[bytes]] = {}
        self.heard: list[bytes] = []
        self.reject: str | None = None
        self._timers: list[tuple[float, int, str]] = []
        site = Site(
            name="plivo",
            base_url="http://127.0.0.1:4011",
            numbers=(OWN_NUMBER, "+15550190022"),
            random=Random(7),
            network=self,
            ledger=self,
            emit=self._emit,
            reject_cause=lambda _now, _to: self.reject,
            knobs=knobs,
        )
        self.simulator = PlivoSimulator(site)

    # --- what the simulator calls --------------------------------------------------------------------------------

    def write(self, now: float, kind: str, **fields: Any) -> None:
        self.ledger.append((kind, fields))

    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        self.dialed.append(ref)

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        self.hung_up.append(ref)

    def answer(self, now: float, *, carrier: str, ref: str) -> None:
        self.picked_up.append(ref)

    def refuse(self, now: float, *, carrier: str, ref: str, cause: str) -> None:
        self.refused.append((ref, cause))

    def press_keys(self, now: float, *, carrier: str, ref: str, digits: str) -> None:
        self.keys.append((ref, digits))

    def greeting(self, carrier: str, ref: str) -> Greeting | None:
        return self.greets

    def text(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str, body: str) -> None:
        self.texts.append((ref, to, body))

    def say(self, carrier: str, ref: str) -> bytes:
        return self.saying.get(ref, b"\x11" * 160)

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.ears.setdefault(ref, []).append(frame)
        self.heard.append(frame)

    def _emit(self, effect: Effect) -> None:
        if isinstance(effect, Wake):
            heapq.heappush(self._timers, (effect.at, len(self._timers), effect.key))
        else:
            self.effects.append(effect)

    # --- what a test does ----------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            at, _, key = heapq.heappop(self._timers)
            self.now = max(self.now, at)
            self.simulator.on_timer(self.now, key)
        self.now = until

    def tick(self, seconds: float = 0.02) -> None:
        """Let time pass with sound, 20 ms at a time."""
        for _ in range(round(seconds / 0.02)):
            self.run(0.02)
            if self.simulator.ticking():
                self.simulator.on_tick(self.now)

    def request(self, method: str, below: str, body: Any = None, **query: str) -> RestReply:
        """An authenticated API request."""
        account = self.simulator.credentials()
        basic = base64.b64encode(f"{account['auth_id']}:{account['auth_token']}".encode()).decode()
        return self.simulator.on_request(
            self.now,
            RestRequest(
                method=method,
                path=f"/v1/Account/{account['auth_id']}/{below}",
                query=urlencode(query),
                headers={"authorization": f"Basic {basic}", "content-type": "application/json"},
                body=b"" if body is None else json.dumps(body).encode(),
            ),
        )

    def place(self, **more: Any) -> str:
        """A call with all its URLs; its id."""
        reply = self.request("POST", "Call/", create_body(**more))
        assert reply.status == 201
        return str(json.loads(reply.body)["request_uuid"])

    def phone(self, ref: str, kind: str, **more: str) -> None:
        """Something happens at the phone."""
        self.simulator.on_phone(self.now, PhoneEvent(carrier="plivo", ref=ref, kind=kind, **more))

    def answered(self, **more: Any) -> str:
        """A call that was dialled, rang and was answered."""
        ref = self.place(**more)
        self.run(1.0)
        self.phone(ref, "ringing")
        self.phone(ref, "answered")
        return ref

    def application(self, **more: Any) -> str:
        """An application for the first number, with its URLs; its id."""
        body = {"app_name": "desk", "answer_url": f"{HOOKS}/answer", "hangup_url": f"{HOOKS}/hangup", **more}
        reply = self.request("POST", "Application/", body)
        assert reply.status == 201
        app_id = str(json.loads(reply.body)["app_id"])
        assert self.request("POST", f"Number/{OWN_NUMBER[1:]}/", {"app_id": app_id}).status == 202
        return app_id

    def incoming(self, **more: Any) -> str:
        """A phone calls the first number; the call's id."""
        incoming = Incoming(to=OWN_NUMBER, caller_id=PERSON, **more)
        ref = self.simulator.incoming_ref(self.now, incoming)
        assert ref is not None
        self.simulator.on_incoming(self.now, ref, incoming)
        return ref

    def fetched(self, body: bytes = b"", status: int = 200) -> None:
        """Answer the last request for a file."""
        self.simulator.on_fetched(self.now, self.of(Fetch)[-1].id, WebhookReply(status=status, body=body))

    def sent(self, event: str = "") -> list[Webhook]:
        """The webhooks so far, of one event."""
        hooks = [effect for effect in self.effects if isinstance(effect, Webhook)]
        return [hook for hook in hooks if not event or form_of(hook).get("Event") == event]

    def reply(self, hook: Webhook, status: int = 200, body: str = "", failure: str = "") -> None:
        """Answer a webhook."""
        self.simulator.on_webhook_reply(self.now, hook.id, WebhookReply(status=status, body=body.encode(), failure=failure))

    def obey(self, document: str) -> None:
        """Answer the last request for a document."""
        self.reply(self.sent()[-1], body=f"<Response>{document}</Response>")

    def streaming(self, **attributes: str) -> tuple[str, str]:
        """A call whose stream is open: call and stream id."""
        ref = self.answered()
        shown = {"bidirectional": "true", "keepCallAlive": "true", "contentType": "audio/x-mulaw;rate=8000", **attributes}
        written = " ".join(f'{name}="{value}"' for name, value in shown.items())
        self.obey(
            f'<Stream {written} statusCallbackUrl="{HOOKS}/stream">wss://gw.example.com/media</Stream>'
            f'<Redirect method="POST">{HOOKS}/after</Redirect>'
        )
        stream = self.of(OpenSocket)[-1].stream
        self.simulator.on_socket_open(self.now, stream)
        return ref, stream

    def of(self, kind: type[Any]) -> list[Any]:
        """The effects of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def frames(self, event: str = "") -> list[dict[str, Any]]:
        """What went out on sockets, of one event."""
        frames = [json.loads(effect.data) for effect in self.of(SendFrame)]
        return [frame for frame in frames if not event or frame["event"] == event]

    def frame(self, stream: str, **content: Any) -> None:
        """A message from the customer."""
        self.simulator.on_socket_frame(self.now, stream, json.dumps(content))

    def refusals(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's entries of one kind."""
        return [fields for entry, fields in self.ledger if entry == kind]

    def closed(self) -> list[str]:
        """The sockets that the carrier closed."""
        return [effect.stream for effect in self.of(CloseSocket)]


def create_body(**more: Any) -> dict[str, Any]:
    """What the SDK would send."""
    urls = {f"{name}_url": f"{HOOKS}/{name}" for name in ("answer", "ring", "hangup")}
    return {"from": OWN_NUMBER, "to": PERSON, **urls, "ring_timeout": 45, **more}


def form_of(hook: Webhook) -> dict[str, str]:
    """A webhook's fields."""
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


@pytest.fixture(name="world")
def a_world() -> World:
    """With every knob at its default."""
    return World({})


@pytest.fixture(name="world_with")
def a_world_with() -> Callable[..., World]:
    """With knobs turned."""
    return lambda **knobs: World(knobs)
