"""The outbox when carriers hang, when the store goes away, and when a command fails for days."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.domain.commands import AnyCommand, Dial, HangUp, Resolve, Route
from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.outbox import Handler, Outbox
from gateway.runtime.store.contract import Change, Claim
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1000.0


class Clock:
    """Set by hand; who waits by it goes on at once, and time with him."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class Away(MemoryStore):
    """A store whose acknowledgements fail the next `away` times."""

    away = 0

    async def defer(self, claim: Claim, due: float) -> bool:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        return await super().defer(claim, due)


async def holding(store: MemoryStore, *commands: AnyCommand) -> None:
    """One call, and these commands in its outbox."""
    call = Call(id="call_1", to="+15550100001", session_id="s", created_at=NOW, expires_at=NOW + 600)
    ids = tuple(f"cmd_{number:04}" for number in range(len(commands)))
    await store.commit(Change(call=call, commands=commands, command_ids=ids), NOW)


def outbox(store: MemoryStore, clock: Clock, handler: Handler, **more: Any) -> Outbox:
    return Outbox(store, clock, dict.fromkeys((Dial, HangUp, Resolve, Route), handler), **more)


async def test_hanging_carriers_do_not_keep_others_waiting() -> None:
    """Ten dials hang where ten commands may be in hand: a hang-up and another call's route are carried out all the same."""
    store, clock, hang, done = MemoryStore(), Clock(), asyncio.Event(), []

    async def handle(claim: Claim) -> None:
        if isinstance(claim.command, Dial):
            await hang.wait()
        done.append(type(claim.command))
        await store.done(claim)

    dials = [Dial(call_id="call_1", leg_id=f"leg_{number}") for number in range(10)]
    await holding(store, *dials, HangUp(call_id="call_1", leg_id="leg_x"), Route(call_id="call_1"))
    box = outbox(store, clock, handle, at_once=10)
    working = asyncio.create_task(_work(box, lambda: len(done) == 2))
    await asyncio.wait_for(working, 1.0)
    assert done == [HangUp, Route]
    hang.set()
    await asyncio.wait_for(box.idle(), 1.0)
    assert len(done) == 12


async def test_what_is_in_hand_is_bounded_all_the_same() -> None:
    """No more than `most` commands are in hand, whatever they wait for."""
    store, hang, begun = MemoryStore(), asyncio.Event(), []

    async def handle(claim: Claim) -> None:
        begun.append(claim)
        await hang.wait()
        await store.done(claim)

    await holding(store, *[Dial(call_id="call_1", leg_id=f"leg_{number}") for number in range(10)])
    box = outbox(store, Clock(), handle, at_once=4, most=6)
    assert [await box.work_once(), await box.work_once()] == [4, 2]
    await asyncio.sleep(0)
    full = asyncio.create_task(box.work_once())
    await asyncio.sleep(0)
    assert len(begun) == 6
    hang.set()
    await asyncio.wait_for(full, 1.0)
    await asyncio.wait_for(box.idle(), 1.0)


async def test_a_command_that_failed_while_the_store_was_away_is_back_soon() -> None:
    """Its deferral is repeated until the store hears it: nobody waits for the lease to run out."""
    store, clock = Away(), Clock()

    async def fail(claim: Claim) -> None:
        raise StoreUnavailable("away")

    await holding(store, Route(call_id="call_1"))
    store.away = 3
    box = outbox(store, clock, fail)
    await box.work_once()
    await asyncio.wait_for(box.idle(), 1.0)
    due = await store.next_due()
    assert due is not None
    assert due <= NOW + 6.0


async def test_a_command_that_fails_for_days_stays_deferred() -> None:
    """After thousands of deliveries the pause is still half a minute."""
    store, clock = MemoryStore(), Clock()

    async def fail(claim: Claim) -> None:
        raise RuntimeError("for days")

    await holding(store, Route(call_id="call_1"))
    for _ in range(2000):
        (claim,) = await store.claim(clock.time, 30.0, 1)
        await store.defer(claim, clock.time)
    box = outbox(store, clock, fail, lease_s=60.0)
    await box.work_once()
    await asyncio.wait_for(box.idle(), 1.0)
    assert await store.next_due() == NOW + 30.0
    (again,) = await store.claim(NOW + 30.0, 30.0, 1)
    assert again.deliveries == 2002


async def _work(box: Outbox, enough: Callable[[], bool]) -> None:
    while not enough():
        await box.work_once()
        await asyncio.sleep(0)
