"""One web application over an in-memory store, with a desk, an inbox and a clock that tests can move."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from msgspec.structs import replace

from carriers.contract import Document, HookRequest
from gateway.config.reading import hashed
from gateway.config.structs import AgentConfig, ApiKey, CarrierConfig, Config, Limits, Route, Server
from gateway.domain.errors import StoreUnavailable
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime.callback_desk import CallbackDesk
from gateway.runtime.calls import Calls
from gateway.runtime.store.contract import Change, CommitResult, Committed, IdempotencyRecord, LogEntry
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.telemetry.metrics import Metrics
from gateway.runtime.voicemail_files import VoicemailFiles
from gateway.web.app import create_app
from gateway.web.services import Services

OK = Document(body=b"<ok/>", content_type="application/xml")
NOW = 1_795_314_400.0
KEYS = {"admin": "admin-key-0123456789", "reader": "reader-key-0123456789", "writer": "writer-key-0123456789"}


def _carrier(name: str, number: str) -> CarrierConfig:
    return CarrierConfig(name=name, kind=name, credentials=None, numbers=(number,), limits=Limits(calls_per_second=2.0))


CONFIG = Config(
    server=Server(public_url="https://gw.example.com"),
    keys=(
        ApiKey(name="admin", scopes=("admin",), hash=hashed(KEYS["admin"])),
        ApiKey(name="reader", scopes=("calls:read",), hash=hashed(KEYS["reader"])),
        ApiKey(name="writer", scopes=("calls:write",), hash=hashed(KEYS["writer"])),
    ),
    carriers=(_carrier("alpha", "+15550190001"), _carrier("beta", "+15550190002"), _carrier("gamma", "+15550190003")),
    routes=(
        Route(name="default", prefix="+1", agent="receptionist"),
        Route(name="narrow", prefix="+1555", agent="echo", carriers=("alpha", "beta")),
    ),
    agents=(AgentConfig(name="receptionist", kind="receptionist"), AgentConfig(name="echo", kind="echo")),
)


@dataclass
class StoppedClock:
    """Time that passes only when somebody sleeps."""

    at: float = NOW

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


class FailingStore(MemoryStore):
    """A store that can be taken away."""

    gone = False

    async def commit(self, change: Change, now: float) -> CommitResult:
        self._look()
        return await super().commit(change, now)

    async def load(self, call_id: str) -> Call | None:
        self._look()
        return await super().load(call_id)

    async def idempotency(self, key: str) -> IdempotencyRecord | None:
        self._look()
        return await super().idempotency(key)

    async def ping(self) -> bool:
        self._look()
        return await super().ping()

    def _look(self) -> None:
        if self.gone:
            raise StoreUnavailable("away")


@dataclass
class Desk:
    """Stores what is accepted, and ends what is cancelled or hung up."""

    store: MemoryStore
    clock: StoppedClock
    draining: bool = False
    crowded: bool = False
    accepted: list[Call] = field(default_factory=list)
    raises: Exception | None = None

    def full(self) -> bool:
        return self.crowded

    def ready(self) -> bool:
        return not self.draining

    async def accept(self, call: Call, idempotency: IdempotencyRecord) -> CommitResult:
        self._maybe_raise()
        result = await self.store.commit(self._change(call, "call-accepted", idempotency), self.clock.now())
        if isinstance(result, Committed):
            self.accepted.append(result.call)
        return result

    async def cancel(self, call_id: str) -> Call:
        return await self._ended(call_id, Outcome.CANCELED)

    async def hang_up(self, call_id: str) -> Call:
        return await self._ended(call_id, Outcome.COMPLETED)

    async def write(self, call: Call, kind: str, **data: Any) -> Call:
        result = await self.store.commit(self._change(call, kind, None, **data), self.clock.now())
        assert isinstance(result, Committed)
        return result.call

    async def _ended(self, call_id: str, outcome: Outcome) -> Call:
        self._maybe_raise()
        call = await self.store.load(call_id)
        assert call is not None
        ended = replace(call, status=CallStatus.ENDED, outcome=outcome, ended_at=self.clock.now())
        return await self.write(ended, "call-ended")

    def _change(self, call: Call, kind: str, idempotency: IdempotencyRecord | None, **data: Any) -> Change:
        line = LogEntry(id=f"evt_{call.id}_{call.version}", call_id=call.id, at=self.clock.now(), kind=kind, data=data)
        return Change(call=call, entries=(line,), idempotency=idempotency)

    def _maybe_raise(self) -> None:
        if self.raises is not None:
            raise self.raises


@dataclass
class Letterbox:
    """Keeps every webhook that it is given, and answers or raises as it is told."""

    document: Document = OK
    raises: Exception | None = None
    received: list[tuple[str, HookRequest]] = field(default_factory=list)

    async def receive(self, carrier: str, request: HookRequest) -> Document:
        self.received.append((carrier, request))
        if self.raises is not None:
            raise self.raises
        return self.document


@dataclass
class Gateway:
    """What tests hold in hand."""

    client: httpx.AsyncClient
    app: Litestar
    services: Services
    store: FailingStore
    desk: Desk
    inbox: Letterbox
    clock: StoppedClock

    async def post(self, body: Any = None, **headers: str) -> httpx.Response:
        """Place a call (by default a good one) with the admin key."""
        wanted = {"to": "+15550100001"} if body is None else body
        return await self.client.post("/v1/calls", json=wanted, headers={**auth(), **headers})

    async def get(self, path: str, key: str = "admin", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**auth(key), **headers})

    def counted(self, line: str) -> bool:
        """Whether /metrics would show this line."""
        return line in self.services.metrics.text().decode().splitlines()


def auth(key: str = "admin") -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[key]}"}


def _ids() -> Iterator[str]:
    yield from (f"{number:024x}" for number in count(1))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway's web layer, fresh for each test."""
    clock, store, inbox, ids = StoppedClock(), FailingStore(), Letterbox(), _ids()
    desk = Desk(store=store, clock=clock)
    services = Services(
        config=CONFIG,
        store=store,
        clock=clock,
        new_id=lambda prefix: f"{prefix}_{next(ids)}",
        calls=desk,
        callbacks=CallbackDesk(Calls(store, clock, lambda prefix: f"{prefix}_{next(ids)}", Policy()), clock),
        inbox=inbox,
        arrivals=inbox,
        metrics=Metrics(),
        voicemail_files=VoicemailFiles(tmp_path / "voicemails", max_total_mb=1),
    )
    app = create_app(services)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://wrong-host.example") as client:
        yield Gateway(client=client, app=app, services=services, store=store, desk=desk, inbox=inbox, clock=clock)
