"""Timers that the store holds for due while this process' clock does not: time was set back, or another gateway's is ahead."""

import asyncio
from itertools import count

from gateway.domain.commands import Timer
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime.callbacks import Callbacks
from gateway.runtime.calls import Calls
from gateway.runtime.store.contract import Claim, IdempotencyRecord
from gateway.runtime.store.memory_store import MemoryStore

EXPIRES = 1010.0


class HandDriven:
    """A clock that stands still until it is moved; sleepers wake when their time has come."""

    def __init__(self, now: float) -> None:
        self._now = now
        self.sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.sleepers.append((self._now + seconds, woken))
        await woken.wait()

    async def move(self, now: float) -> None:
        self._now = now
        for until, woken in self.sleepers:
            if until <= now:
                woken.set()
        for _ in range(20):
            await asyncio.sleep(0)


class Office:
    """A store, one call that waits in it, and the one who fires its timers."""

    def __init__(self) -> None:
        self.clock, self.store = HandDriven(1000.0), MemoryStore()
        numbers = count(1)
        self.calls = Calls(self.store, self.clock, lambda prefix: f"{prefix}_{next(numbers)}", Policy())
        self.callbacks = Callbacks(self.calls, self.clock)

    async def accept(self) -> None:
        call = Call(
            id="call_1",
            to="+15550100001",
            session_id="ses_1",
            created_at=1000.0,
            not_before=1005.0,
            expires_at=EXPIRES,
            status=CallStatus.DIALING,
        )
        await self.calls.accept(call, IdempotencyRecord(key="k", fingerprint="f", call_id="call_1"))

    async def expiry(self, store_time: float) -> Claim:
        """The expiry timer, claimed at a time of the store's."""
        (claim,) = [c for c in await self.store.claim(store_time, 30.0, 10) if isinstance(c.command, Timer)]
        return claim

    async def outcome(self) -> Outcome | None:
        call = await self.store.load("call_1")
        assert call is not None
        return call.outcome


async def test_a_timer_that_comes_early_waits_for_our_clock() -> None:
    """The store's time is two seconds ahead of ours: the timer is not lost, it fires when our clock has come there."""
    office = Office()
    await office.accept()
    await office.clock.move(EXPIRES - 2.0)
    firing = asyncio.create_task(office.callbacks.fire(await office.expiry(EXPIRES)))
    await office.clock.move(EXPIRES - 1.0)
    assert await office.outcome() is None
    await office.clock.move(EXPIRES)
    await asyncio.wait_for(firing, 1.0)
    assert await office.outcome() is Outcome.EXPIRED


async def test_a_timer_that_comes_far_too_early_is_given_back() -> None:
    """Nobody holds it for longer than a few seconds at a time; it is delivered again until it may fire."""
    office = Office()
    await office.accept()
    claim = await office.expiry(EXPIRES)
    await office.clock.move(EXPIRES - 9.0)
    firing = asyncio.create_task(office.callbacks.fire(claim))
    await office.clock.move(EXPIRES - 9.0)
    await office.clock.move(EXPIRES - 2.0)
    await asyncio.wait_for(firing, 1.0)
    assert await office.outcome() is None
    again = await office.expiry(EXPIRES)
    await office.clock.move(EXPIRES)
    await office.callbacks.fire(again)
    assert await office.outcome() is Outcome.EXPIRED
