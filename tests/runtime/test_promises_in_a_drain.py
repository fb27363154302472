"""A gateway that is being stopped begins no calls: promises that come due stay with the store, for others or for later."""

import asyncio
from itertools import count
from typing import Any, cast

from gateway.app import Desk, Gateway
from gateway.domain.outcome import CallStatus
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime.callbacks import Callbacks
from gateway.runtime.calls import Calls
from gateway.runtime.live import LiveCalls, Room
from gateway.runtime.store.contract import IdempotencyRecord
from gateway.runtime.store.memory_store import MemoryStore


class Clock:
    """Set by hand."""

    time = 1000.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


class Parts:
    """Of a gateway in which nothing is live: it only notes that it is draining."""

    def __init__(self, callbacks: Callbacks) -> None:
        self.callbacks, self.live = callbacks, LiveCalls()
        self.heartbeat = self.seats = self
        self.draining = False

    async def nothing_here(self) -> None:
        await asyncio.Event().wait()

    async def leave(self) -> None:
        assert self.draining


async def test_a_promise_that_comes_due_in_a_drain_waits() -> None:
    """It is neither kept nor leased: another gateway has it at once."""
    clock, store, numbers = Clock(), MemoryStore(), count(1)
    calls = Calls(store, clock, lambda prefix: f"{prefix}_{next(numbers)}", Policy())
    call = Call(id="call_1", to="+15550100001", session_id="s", created_at=1000.0, expires_at=2000.0, not_before=1010.0)
    await calls.accept(call, IdempotencyRecord(key="k", fingerprint="f", call_id="call_1"))
    draining, other = Callbacks(calls, clock), Callbacks(calls, clock)
    nobody: Any = None
    await Gateway(nobody, nobody, nobody, Desk(calls, Room(LiveCalls(), 0)), cast(Any, Parts(draining))).drain(1.0)
    clock.time = 1011.0
    assert await draining.keep_once() == 0
    assert await other.keep_once() == 1
    stored = await store.load("call_1")
    assert stored is not None
    assert stored.status is CallStatus.DIALING
