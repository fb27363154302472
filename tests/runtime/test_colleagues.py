"""The calls that reach colleagues: seated here, however long another gateway takes to leave them, and ended for certain."""

from typing import Any, cast

import pytest

from gateway.domain.errors import StoreUnavailable
from gateway.domain.handover import colleague_call
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.colleagues import Colleagues, ColleagueTerms, NotDialled
from gateway.runtime.leases import LeaseLost
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1_795_000_000.0
CALLER = Call(id="call_1", to="+15550190001", session_id="ses_1", created_at=NOW, expires_at=NOW + 60)
WANTED = colleague_call(CALLER, "+15550100100", ring_s=20.0, route="out", now=NOW)


class Clock:
    """A sleep is over at once, and time has passed."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


class House:
    """`refusals`: what comes of the first attempts to seat a call, or to end it; afterwards each one works."""

    def __init__(self, *refusals: bool | Exception) -> None:
        self.clock, self.refusals, self.done = Clock(), list(refusals), [""]
        self.calls = Calls(MemoryStore(), self.clock, lambda prefix: f"{prefix}_{len(self.done)}", Policy())
        terms = ColleagueTerms(routes=(), own_numbers=())
        self.colleagues = Colleagues(self.calls, cast(Any, self), self.sit, terms, self.clock)

    async def sit(self, call_id: str) -> bool:
        return self._next(f"sit {call_id}")

    async def hang_up(self, call_id: str, by: str) -> None:
        self._next(f"end {call_id} {by}")

    def _next(self, what: str) -> bool:
        found = self.refusals.pop(0) if self.refusals else True
        if isinstance(found, Exception):
            raise found
        self.done += [what] if found else []
        return found


async def test_a_call_that_another_gateway_is_about_to_leave_is_waited_for() -> None:
    """It leaves one session after the other, and a caller may be quicker than their colleague: nobody is hung up for that."""
    house = House(False, LeaseLost("taken"), False)
    linked = await house.colleagues.place(WANTED)
    assert linked.id == WANTED.id
    assert house.done[-1] == f"sit {WANTED.id}"
    assert 0 < house.clock.slept < 2


async def test_a_call_that_another_gateway_keeps_is_hung_up() -> None:
    """Who has the colleague there has no caller for them."""
    house = House(*[False] * 1000)
    with pytest.raises(NotDialled, match="seated-elsewhere"):
        await house.colleagues.place(WANTED)
    assert house.clock.slept <= 5.0
    found = await house.calls.store.load(WANTED.id)
    assert found is not None
    assert found.cancel_wanted or found.ended


async def test_an_end_is_said_until_it_is_stored() -> None:
    """However long the store is away: a colleague would stay on an empty line; a call that is not there has its end."""
    house = House(*[StoreUnavailable("gone")] * 100)
    await house.colleagues.end(WANTED.id, "caller")
    assert house.done[-1] == f"end {WANTED.id} caller"
    assert house.clock.slept == 100.0
    purged = House(CallNotFound(WANTED.id))
    await purged.colleagues.end(WANTED.id, "caller")
    assert purged.done == [""]
