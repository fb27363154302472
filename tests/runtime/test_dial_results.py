"""What a POST told is never lost while its worker lives: not to a lease that ran out, not to a store that was away."""

import asyncio
from itertools import count

from carriers.contract import Attempt, Capabilities, Gate, Placed
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.commands import Dial
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import RouteChosen
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import next_carrier
from gateway.runtime.calls import Calls
from gateway.runtime.dialer import Dialer
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.store.contract import Change, Claim, CommitResult, IdempotencyRecord
from gateway.runtime.store.memory_store import MemoryStore

NOW, LEASE_S = 1000.0, 30.0
TAKEN = Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id="id-of-the-carrier")
REFUSED = Placed(knowledge=Knowledge.REFUSED, verdict=next_carrier("service-unavailable"))


class Clock:
    """Set by hand; who waits by it goes on at once, and time with him."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Slow:
    """A carrier that answers when it is told to."""

    name = "a"
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.posts = 0
        self.asked, self.answer = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        self.posts += 1
        self.asked.set()
        placed: Placed = await self.answer
        return placed


class Flaky(MemoryStore):
    """A store that is away for the next `away` commits."""

    away = 0

    async def commit(self, change: Change, now: float) -> CommitResult:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")
        return await super().commit(change, now)


class Desk:
    """One call with one leg whose Dial is due, a dialer, and a slow carrier."""

    def __init__(self) -> None:
        self.clock, self.store, self.carrier = Clock(), Flaky(), Slow()
        numbers = count(1)

        def new_id(prefix: str) -> str:
            return f"{prefix}_{next(numbers)}"

        self.calls = Calls(self.store, self.clock, new_id, Policy())
        member = Member(carrier=self.carrier, kind="a", numbers=("+15550190001",), calls_per_second=9, concurrent_calls=9)  # type: ignore[arg-type]
        fleet = Fleet([member], "http://gw.test")
        self.dialer = Dialer(self.calls, fleet, {}, self.clock, new_id, lambda: "t", Policy(), BreakerPolicy())
        self.calls.observe(self.dialer.heed)

    async def begin(self) -> None:
        call = Call(
            id="call_1", to="+15550100001", session_id="s", created_at=NOW, expires_at=NOW + 600, status=CallStatus.DIALING
        )
        await self.calls.accept(call, IdempotencyRecord(key="k", fingerprint="f", call_id="call_1"))
        chosen = RouteChosen(leg_id="leg_1", media_token="t", carrier="a", caller_id="+15550190001", why="")
        await self.calls.apply("call_1", lambda _call: (chosen,))

    async def claim(self) -> Claim:
        claims = await self.store.claim(self.clock.time, LEASE_S, 20)
        return next(claim for claim in claims if isinstance(claim.command, Dial))

    async def leg(self) -> Leg:
        call = await self.store.load("call_1")
        assert call is not None
        assert call.leg is not None
        return call.leg

    async def dialling(self) -> "asyncio.Task[None]":
        """The Dial, carried out as far as the carrier's answer."""
        task = asyncio.create_task(self.dialer.dial(await self.claim()))
        await asyncio.wait_for(self.carrier.asked.wait(), 1.0)
        return task


async def told_too_late(placed: Placed) -> tuple[Desk, Leg]:
    """The lease runs out while the carrier thinks, another worker takes the dial for orphaned; then comes the answer."""
    desk = Desk()
    await desk.begin()
    first = await desk.dialling()
    desk.clock.time += LEASE_S + 1
    await desk.dialer.dial(await desk.claim())
    assert (await desk.leg()).phase is LegPhase.UNKNOWN
    desk.carrier.answer.set_result(placed)
    await asyncio.wait_for(first, 1.0)
    return desk, await desk.leg()


async def test_an_acceptance_is_heard_though_the_lease_had_run_out() -> None:
    """The carrier's id, without which the leg could only be sought, and the truth."""
    desk, leg = await told_too_late(TAKEN)
    assert (leg.phase, leg.carrier_call_id) == (LegPhase.ACCEPTED, "id-of-the-carrier")
    assert desk.carrier.posts == 1


async def test_a_refusal_is_heard_though_the_lease_had_run_out() -> None:
    """Nothing needs to be looked for: the call is free for the next carrier."""
    _, leg = await told_too_late(REFUSED)
    assert (leg.phase, leg.knowledge) == (LegPhase.ENDED, Knowledge.REFUSED)


async def test_the_answer_is_kept_while_the_store_is_away() -> None:
    """A store that is away when the answer comes hears it when it is back, and nobody dials again."""
    desk = Desk()
    await desk.begin()
    dialling = await desk.dialling()
    desk.store.away = 3
    desk.carrier.answer.set_result(TAKEN)
    await asyncio.wait_for(dialling, 1.0)
    leg = await desk.leg()
    assert (leg.phase, leg.carrier_call_id) == (LegPhase.ACCEPTED, "id-of-the-carrier")
    assert desk.carrier.posts == 1


async def test_a_store_that_stays_away_ends_the_waiting() -> None:
    """The dialer does not wait for ever; what is left is looked up later."""
    desk = Desk()
    await desk.begin()
    dialling = await desk.dialling()
    desk.store.away = 1000
    desk.carrier.answer.set_result(TAKEN)
    result = await asyncio.wait_for(asyncio.gather(dialling, return_exceptions=True), 1.0)
    assert isinstance(result[0], StoreUnavailable)
