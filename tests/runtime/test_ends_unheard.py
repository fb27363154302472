"""Calls that ended without this process hearing of it: in another one, or in a write whose word was lost."""

import asyncio
from itertools import count

from gateway.domain.events import DialReported, DialSending, LegEnded, RouteChosen
from gateway.domain.outcome import CallStatus, Knowledge
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import ended_normally
from gateway.runtime.calls import Calls
from gateway.runtime.ends import Ends
from gateway.runtime.live import LiveCalls
from gateway.runtime.store.contract import IdempotencyRecord
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1000.0


class Clock:
    """Stands still."""

    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Bridge:
    """Holds sessions of calls, and closes them."""

    def __init__(self, *call_ids: str) -> None:
        self.call_ids = frozenset(call_ids)
        self.closed: list[str] = []

    async def close(self, call_id: str) -> None:
        self.closed.append(call_id)
        self.call_ids -= {call_id}


class Process:
    """One of several gateways on a store; it remembers the calls that it has written."""

    def __init__(self, store: MemoryStore, name: str, *sessions: str) -> None:
        numbers = count(1)
        self.live, self.bridge = LiveCalls(), Bridge(*sessions)
        self.calls = Calls(store, Clock(), lambda prefix: f"{prefix}_{name}_{next(numbers)}", Policy())
        self.calls.observe(self.live.heed)
        self.ends = Ends(store, Clock(), self.live, self.bridge)

    async def dial(self, call_id: str) -> None:
        call = Call(id=call_id, to="+15550100001", session_id="s", created_at=NOW, expires_at=NOW + 60, status=CallStatus.DIALING)
        await self.calls.accept(call, IdempotencyRecord(key=call_id, fingerprint="f", call_id=call_id))
        chosen = RouteChosen(leg_id="leg_1", media_token="t", carrier="a", caller_id="+15550190001", why="")
        await self.calls.apply(call_id, lambda _call: (chosen,))
        for event in (DialSending(fence=1, deadline=NOW + 8), DialReported(knowledge=Knowledge.ACCEPTED)):
            await self.calls.report(call_id, "leg_1", event)


async def ended_elsewhere() -> Process:
    """A process whose call another one has ended."""
    store = MemoryStore()
    ours, other = Process(store, "a", "call_1"), Process(store, "b")
    await ours.dial("call_1")
    await other.calls.report("call_1", "leg_1", LegEnded(verdict=ended_normally()))
    return ours


async def test_a_call_that_ended_elsewhere_is_forgotten_and_its_session_closed() -> None:
    """Nothing of it stays in memory, and a drain does not wait for it."""
    ours = await ended_elsewhere()
    assert len(ours.live) == 1
    await ours.ends.look_once()
    assert (len(ours.live), ours.bridge.closed) == (0, ["call_1"])
    await asyncio.wait_for(ours.live.none_left(), 1.0)


async def test_a_call_that_lives_is_left_alone() -> None:
    """It is known, and its session is open."""
    ours = Process(MemoryStore(), "a", "call_1")
    await ours.dial("call_1")
    await ours.ends.look_once()
    assert (len(ours.live), ours.bridge.closed) == (1, [])


async def test_a_session_of_a_call_that_is_gone_is_closed() -> None:
    """Also when the call was at rest here, and has been purged since."""
    ours = Process(MemoryStore(), "a", "call_purged")
    await ours.ends.look_once()
    assert ours.bridge.closed == ["call_purged"]


async def test_the_looking_goes_on_until_it_is_cancelled() -> None:
    """A call that ends later is found by a later look."""
    ours = await ended_elsewhere()
    looking = asyncio.create_task(ours.ends.run())
    await asyncio.wait_for(ours.live.none_left(), 1.0)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert ours.bridge.closed == ["call_1"]
