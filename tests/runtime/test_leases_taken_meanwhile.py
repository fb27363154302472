"""Two things at once in one process: it speaks for a session while it takes the session's lease. Neither undoes the other."""

from itertools import count

import pytest

from gateway.domain.events import AgentLost
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.runtime.calls import Calls
from gateway.runtime.leases import LeaseLost, Leases
from gateway.runtime.store.contract import Change, Process
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1_763_800_000.0


class Clock:
    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


class Gate:
    """One process on the store; `between` runs right before its next write."""

    def __init__(self, name: str, store: MemoryStore) -> None:
        numbers = count(1)
        self.calls = Calls(store, Clock(), lambda prefix: f"{prefix}_{name}{next(numbers)}", Policy())
        self.let_go: list[str] = []
        self.leases = Leases(self.calls, lambda: Process(id=name, address=f"http://{name}"), self._lost)

    async def _lost(self, call_id: str) -> None:
        self.let_go.append(call_id)

    async def say(self, *, first: "Gate | None" = None) -> Call:
        """Speak; in the middle of it `first` takes the lease."""
        known, taken = self.calls.store.load, []

        async def load(call_id: str) -> Call | None:
            if first is not None and not taken:
                taken.append(await first.leases.take("call_1", 0))
            return await known(call_id)

        self.calls.store.load = load  # type: ignore[method-assign]
        return await self.leases.say("call_1", AgentLost(agent="bot", reason="start-failed"))


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    leg = Leg(
        id="leg_1",
        call_id="call_1",
        carrier="alpha",
        caller_id="+15550190001",
        media_token="t",
        round=1,
        created_at=NOW,
        phase=LegPhase.ANSWERED,
    )
    call = Call(
        id="call_1",
        to="+15550100001",
        session_id="ses_1",
        created_at=NOW,
        expires_at=NOW + 60,
        status=CallStatus.IN_PROGRESS,
        legs=(leg,),
    )
    await store.commit(Change(call=call), NOW)
    return store


async def test_what_is_said_while_we_take_the_lease_is_said_under_it(store: MemoryStore) -> None:
    """The word is written, once, the lease stays ours, and nothing is let go."""
    gate = Gate("one", store)
    call = await gate.say(first=gate)
    assert [loss.agent for loss in call.ladder.lost] == ["bot"]
    held = gate.leases.held("call_1")
    assert held is not None
    assert (held.owner, held.token, gate.let_go) == ("one", 1, [])


async def test_what_is_said_while_another_process_takes_it_is_not_said(store: MemoryStore) -> None:
    """The session is that process' from then on."""
    gate, other = Gate("one", store), Gate("two", store)
    with pytest.raises(LeaseLost):
        await gate.say(first=other)
    assert gate.let_go == ["call_1"]
    found = await store.load("call_1")
    assert found is not None
    assert found.ladder.lost == ()
