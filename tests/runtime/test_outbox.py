"""The outbox: what is due is carried out, what failed is tried again, and what means nothing any more is dropped."""

import asyncio
from typing import Any

import pytest

from gateway.domain.commands import HangUp, Route
from gateway.domain.errors import IllegalTransition
from gateway.domain.records import Call
from gateway.runtime.calls import CallNotFound
from gateway.runtime.outbox import Outbox
from gateway.runtime.store.contract import Change, Claim
from gateway.runtime.store.memory_store import MemoryStore


async def stored(rig: Any, *commands: Any, version: int = 0) -> None:
    """A call whose outbox holds these commands."""
    now = rig.clock.time
    call = Call(id="call_1", to="+15550100001", session_id="s", created_at=now, expires_at=now + 60, version=version)
    ids = tuple(f"cmd_{at}" for at in range(len(commands)))
    await rig.store.commit(Change(call=call, commands=commands, command_ids=ids), now)


class Hands:
    """A handler that raises what it is told to, then acknowledges."""

    def __init__(self, rig: Any, *errors: BaseException) -> None:
        self._rig, self.errors, self.claims = rig, list(errors), []  # type: ignore[var-annotated]

    async def __call__(self, claim: Claim) -> None:
        self.claims.append(claim)
        if self.errors:
            raise self.errors.pop(0)
        await self._rig.store.done(claim)


async def worked(rig: Any, outbox: Outbox, seconds: float) -> None:
    """Let time pass in small steps, and the outbox do what becomes due."""
    until = rig.clock.time + seconds
    while rig.clock.time <= until:
        await outbox.work_once()
        await outbox.idle()
        rig.clock.time += 0.25


async def test_a_failed_command_is_tried_again_with_growing_pauses(rig: Any) -> None:
    """1 s, then 2, then 4: each delivery has a new token, and the one that succeeds is the last."""
    hands = Hands(rig, *(RuntimeError("carrier's folder broke") for _ in range(3)))
    outbox = Outbox(rig.store, rig.clock, {Route: hands})
    await stored(rig, Route(call_id="call_1"))
    await worked(rig, outbox, 0.5)
    assert len(hands.claims) == 1
    await worked(rig, outbox, 20)
    assert len(hands.claims) == 4
    assert [claim.deliveries for claim in hands.claims] == [1, 2, 3, 4]
    assert len({claim.token for claim in hands.claims}) == 4
    assert await rig.store.next_due() is None


@pytest.mark.parametrize(
    "error", [CallNotFound("call_1"), IllegalTransition("leg", "ended", "LegAnswered")], ids=["purged", "meaningless"]
)
async def test_a_command_that_can_never_succeed_is_dropped(rig: Any, error: Exception) -> None:
    """Its call is gone, or it means nothing to it: delivered once, and never again."""
    hands = Hands(rig, error)
    outbox = Outbox(rig.store, rig.clock, {Route: hands})
    await stored(rig, Route(call_id="call_1"))
    await worked(rig, outbox, 100)
    assert len(hands.claims) == 1
    assert await rig.store.next_due() is None


async def test_a_worker_that_dies_is_followed_by_another_after_its_lease(rig: Any) -> None:
    """Not before the lease ends; and then the dead one's token acknowledges nothing any more."""
    hands = Hands(rig, asyncio.CancelledError())
    outbox = Outbox(rig.store, rig.clock, {Route: hands}, lease_s=30.0)
    await stored(rig, Route(call_id="call_1"))
    await worked(rig, outbox, 29)
    assert len(hands.claims) == 1
    hands.errors.append(asyncio.CancelledError())
    await worked(rig, outbox, 3)
    first, second = hands.claims
    assert (first.command_id, second.deliveries) == (second.command_id, 2)
    assert not await rig.store.done(first)
    assert await rig.store.done(second)


async def test_what_is_due_later_waits(rig: Any) -> None:
    """A due time in the future is kept; the command before it is not held up."""
    hands = Hands(rig)
    outbox = Outbox(rig.store, rig.clock, {Route: hands, HangUp: hands})
    await stored(rig, Route(call_id="call_1", due=rig.clock.time + 10), HangUp(call_id="call_1", leg_id="leg_1"))
    await worked(rig, outbox, 9)
    assert [type(claim.command) for claim in hands.claims] == [HangUp]
    await worked(rig, outbox, 2)
    assert [type(claim.command) for claim in hands.claims] == [HangUp, Route]


async def test_news_wakes_a_resting_outbox(rig: Any) -> None:
    """It looks at once when this process has written something, instead of at its next poll."""
    done = asyncio.Event()

    async def hand(claim: Claim) -> None:
        await rig.store.done(claim)
        done.set()

    outbox = Outbox(rig.store, Patient(), {Route: hand})
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    await stored(rig, Route(call_id="call_1"))
    await outbox.heed(None)  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Patient:
    """A clock in whose time no poll ever comes."""

    def now(self) -> float:
        return 2e9

    async def sleep(self, seconds: float) -> None:
        await asyncio.get_running_loop().create_future()


class Swallowing(MemoryStore):
    """Drops a cancellation while it is asked, as redis-py does up to Python 3.11 when the answer comes at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def claim(self, now: float, lease_s: float, limit: int, holder: str = "") -> tuple[Claim, ...]:
        self.asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return ()
        return ()


async def test_an_outbox_whose_store_drops_the_cancellation_ends_all_the_same(rig: Any) -> None:
    """The gateway stops within moments whatever a library does with the word to stop."""
    store = Swallowing()
    running = asyncio.create_task(Outbox(store, rig.clock, {}).run())
    async with asyncio.timeout(5):
        await store.asked.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


async def test_what_is_due_by_the_stores_time_alone_waits_for_ours(rig: Any) -> None:
    """A clock that went back leaves the store's time ahead: a command that wants a pause gets it, and is no busy loop."""
    began = rig.clock.time
    await stored(rig, Route(call_id="call_1", due=began + 3.0))
    rig.store.clock = began + 60.0
    hands = Hands(rig)
    outbox = Outbox(rig.store, rig.clock, {Route: hands})
    assert await outbox.work_once() == 1
    await outbox.idle()
    assert (len(hands.claims), rig.clock.time) == (1, began + 3.0)
