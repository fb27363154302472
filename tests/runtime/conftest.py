"""A gateway's runtime over the in-memory store, with two made-up carriers and a clock that is moved by hand.

`rig.settle()` carries out all that is due at this moment; `rig.wait(seconds)` lets time pass, from one due moment to the
next, and carries out what becomes due. Nothing sleeps: whoever naps inside a handler goes on at once, and time with it.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import msgspec
import pytest

from carriers.contract import (
    Arrival,
    Attempt,
    Capabilities,
    Document,
    Gate,
    Handle,
    Health,
    Hook,
    HookRequest,
    LegAtCarrier,
    Placed,
    Sighting,
    Verified,
)
from gateway.domain.admission import InboundRule
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.commands import Answer, Dial, HangUp, OpenStream, Reject, Resend, Resolve, Route, Timer
from gateway.domain.events import LegEvent
from gateway.domain.outcome import Knowledge
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import next_carrier
from gateway.runtime.answering import Answering
from gateway.runtime.arrivals import Arrivals, InboundTerms
from gateway.runtime.callbacks import Callbacks
from gateway.runtime.calls import Calls, News
from gateway.runtime.dialer import HOLD_SLACK_S, Dialer
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.health import HealthWatch
from gateway.runtime.inbox import Inbox
from gateway.runtime.live import LiveCalls, Room
from gateway.runtime.outbox import Outbox
from gateway.runtime.reconciler import Reconciler
from gateway.runtime.resending import Resending
from gateway.runtime.store.contract import IdempotencyRecord
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1_795_000_000.0


class HandClock:
    """Time is what the test says it is."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class MadeUpCarrier:
    """Does what the test has laid out, and keeps what it was asked. `before_post` runs in the line before the gate."""

    def __init__(self, name: str) -> None:
        self.name, self.capabilities = name, Capabilities(lookup_settles_s=2.0)
        self.answers: deque[Placed] = deque()
        self.posts: list[Attempt] = []
        self.before_post: Callable[[Attempt], Awaitable[None]] | None = None
        self.after_post: Callable[[Attempt], Awaitable[None]] | None = None
        self.sightings: deque[Sighting | Exception] = deque()
        self.sought: list[Handle] = []
        self.hung_up: list[str] = []
        self.disobeys: deque[Exception] = deque()
        self.health: deque[Health] = deque()
        self.hook = Hook()
        self.arrival: Arrival | None = None
        self.answered: list[str] = []
        self.rejected: list[tuple[str, str]] = []
        self.streamed: list[tuple[str, int]] = []
        self.webhooks = self.markup = self

    # --- the API ---

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        if self.before_post is not None:
            await self.before_post(attempt)
        if not gate():
            return Placed(knowledge=Knowledge.NOT_SENT, verdict=next_carrier("gate-closed"))
        self.posts.append(attempt)
        if self.after_post is not None:
            await self.after_post(attempt)
        accepted = Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=f"{self.name}-{len(self.posts)}")
        return self.answers.popleft() if self.answers else accepted

    async def find(self, handle: Handle) -> Sighting:
        self.sought.append(handle)
        told = self.sightings.popleft() if self.sightings else self._truth(handle)
        if isinstance(told, Exception):
            raise told
        return told

    def _truth(self, handle: Handle) -> Sighting:
        for number, attempt in enumerate(self.posts, 1):
            if attempt.leg_id == handle.leg_id:
                return Sighting(state=LegAtCarrier.ACCEPTED, carrier_call_id=f"{self.name}-{number}")
        return Sighting(state=LegAtCarrier.MISSING)

    async def hang_up(self, handle: Handle) -> None:
        self.hung_up.append(handle.leg_id)
        if self.disobeys:
            raise self.disobeys.popleft()

    async def probe(self) -> Health:
        return self.health.popleft() if self.health else Health(seconds=0.01)

    # --- webhooks and documents ---

    def verify(self, request: HookRequest, now: float) -> Verified:
        return Verified(key=request.body.decode())

    def parse(self, request: HookRequest, now: float) -> Hook:
        return self.hook

    def parse_arrival(self, request: HookRequest, now: float) -> Arrival | None:
        return self.arrival

    async def answer(self, attempt: Attempt, handle: Handle) -> None:
        self.answered.append(handle.carrier_call_id)
        if self.disobeys:
            raise self.disobeys.popleft()

    async def reject(self, handle: Handle, cause: str) -> None:
        self.rejected.append((handle.carrier_call_id, cause))

    async def open_stream(self, attempt: Attempt, handle: Handle, turn: int) -> None:
        self.streamed.append((handle.carrier_call_id, turn))
        if self.disobeys:
            raise self.disobeys.popleft()

    def reject_document(self, cause: str) -> Document:
        return Document(body=b"reject " + cause.encode())

    def connect(self, attempt: Attempt) -> Document:
        return Document(body=b"connect " + attempt.media_url.encode())

    def hang_up_document(self) -> Document:
        return Document(body=b"hang up")

    def acknowledge(self) -> Document:
        return Document(status=204)


class MadeUpMarkup:
    """The documents of a made-up carrier; apart, because its API has a `hang_up` too."""

    def __init__(self, carrier: MadeUpCarrier) -> None:
        self.connect, self.acknowledge, self.hang_up = carrier.connect, carrier.acknowledge, carrier.hang_up_document
        self.reject = carrier.reject_document


class Rig:
    """See the head of this file. `pace`: calls per second of each carrier; `room`: calls at once."""

    def __init__(
        self, policy: Policy | None = None, breaker: BreakerPolicy | None = None, pace: float = 1e6, room: int = 1000
    ) -> None:
        self.clock, self.store = HandClock(), MemoryStore()
        self.policy, self.breaker_policy = policy or Policy(), breaker or BreakerPolicy()
        self.a, self.b = MadeUpCarrier("a"), MadeUpCarrier("b")
        for carrier in (self.a, self.b):
            carrier.markup = MadeUpMarkup(carrier)  # type: ignore[assignment]
        members: list[Any] = [
            Member(carrier=carrier, kind="made-up", numbers=(number,), calls_per_second=pace, concurrent_calls=room)  # type: ignore[arg-type]
            for carrier, number in ((self.a, "+15550190001"), (self.b, "+15550190011"))
        ]
        self.fleet = Fleet(members, "http://gw.test")
        rules = (
            InboundRule(name="callers", agent="receptionist"),
            InboundRule(name="nuisance", from_prefix="+1666", refuse="busy"),
        )
        self.terms = InboundTerms(rules=rules, max_duration_s=3600, ring_timeout_s=45)
        self.most_live = 0
        self.nobody = ""
        """Why nobody would talk."""
        self._numbers = count(1)
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.restart()

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"

    def restart(self) -> None:
        """Another process on the same store: nothing that lived in memory is known any more."""
        self.calls = Calls(self.store, self.clock, self.new_id, self.policy)
        self.dialer = Dialer(
            self.calls,
            self.fleet,
            {},
            self.clock,
            self.new_id,
            lambda: "token",
            self.policy,
            self.breaker_policy,
            nobody=self._nobody,
        )
        self.resending = Resending(self.calls, self.fleet, self.clock, HOLD_SLACK_S)
        self.reconciler = Reconciler(self.calls, self.fleet, self.clock.sleep, random.Random(1))
        self.callbacks = Callbacks(self.calls, self.clock)
        self.live = LiveCalls()
        self.inbox = Inbox(self.calls, self.fleet, self.live, self.clock, self._count)
        self.answering = Answering(self.calls, self.fleet)
        self.arrivals = Arrivals(
            self.calls,
            self.fleet,
            self.inbox,
            self.terms,
            clock=self.clock,
            new_id=self.new_id,
            new_token=lambda: "token",
            room=Room(self.live, self.most_live),
            count=self._count,
        )
        self.health = HealthWatch(self.store, self.fleet, self.clock, self.breaker_policy, random.Random(1))
        handlers: dict[Any, Any] = {
            Route: self.dialer.route,
            Dial: self.dialer.dial,
            Resend: self.resending.resend,
            Resolve: self.reconciler.resolve,
            HangUp: self.reconciler.hang_up,
            Answer: self.answering.answer,
            OpenStream: self.answering.open_stream,
            Reject: self.answering.reject,
            Timer: self.callbacks.fire,
        }
        self.outbox = Outbox(self.store, self.clock, handlers)
        self.news: list[News] = []
        for observer in (self.dialer.heed, self.resending.heed, self.live.heed, self.health.heed, self._keep):
            self.calls.observe(observer)

    def at_most(self, calls: int) -> None:
        """Live in this process; starts it anew."""
        self.most_live = calls
        self.restart()

    async def _nobody(self, _call: Call) -> str:
        return self.nobody

    async def _keep(self, news: News) -> None:
        self.news.append(news)

    def _count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted.append((name, labels))

    # --- what a test does ----------------------------------------------------------------------------------------

    async def accept(self, call_id: str = "call_1", **changes: Any) -> None:
        plain: dict[str, Any] = {"to": "+15550100001", "session_id": "s", "created_at": self.clock.time, "expires_at": NOW + 3600}
        call = Call(id=call_id, **(plain | changes))
        await self.calls.accept(call, IdempotencyRecord(key=call_id, fingerprint="f", call_id=call_id))

    async def settle(self) -> None:
        """Carry out what is due, until nothing is due at this moment."""
        while await self.outbox.work_once() + await self.callbacks.keep_once():
            await self.outbox.idle()

    async def wait(self, seconds: float) -> None:
        """Let time pass, and everything happen in its turn."""
        until = self.clock.time + seconds
        await self.settle()
        while (due := await self.store.next_due()) is not None and due <= until:
            self.clock.time = max(self.clock.time, due)
            await self.settle()
        self.clock.time = max(self.clock.time, until)

    async def call(self, call_id: str = "call_1") -> Call:
        found = await self.store.load(call_id)
        assert found is not None
        return found

    async def leg(self, call_id: str = "call_1") -> Leg:
        found = (await self.call(call_id)).leg
        assert found is not None
        return found

    async def told(self, call_id: str = "call_1") -> list[str]:
        """The kinds of the call's log, in order."""
        return [entry.kind for entry in await self.store.entries(call_id)]

    async def report(self, event: LegEvent, call_id: str = "call_1") -> None:
        leg = await self.leg(call_id)
        await self.calls.report(call_id, leg.id, event)  # type: ignore[arg-type]

    async def hook(self, carrier: str, body: bytes, leg_id: str = "", call_id: str = "call_1") -> Document:
        leg_id = leg_id or (await self.leg(call_id)).id
        request = HookRequest(method="POST", url="u", path="step", headers={}, body=body, call_id=call_id, leg_id=leg_id)
        return await self.inbox.receive(carrier, request)

    async def arrive(self, carrier: str, body: bytes = b"first") -> Document:
        request = HookRequest(method="POST", url="u", path="voice", headers={}, body=body)
        return await self.arrivals.receive(carrier, request)

    async def content(self) -> bytes:
        """The whole store, for comparing."""
        return msgspec.json.encode(await self.store.dump(), order="deterministic")


@pytest.fixture
def new_rig() -> type[Rig]:
    """Call it with policies, pace and room."""
    return Rig


@pytest.fixture
async def rig() -> Rig:
    """A runtime with its usual patience."""
    return Rig()
