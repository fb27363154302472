"""Where a session sits: leases taken, lost and left between two gateways on one store; never two that speak for one call."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, cast

import msgspec
import pytest

from gateway.domain.errors import AgentUnavailable
from gateway.domain.events import StreamClosed
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg, MediaCounters
from gateway.runtime.bridge import Bridge
from gateway.runtime.calls import Calls
from gateway.runtime.heartbeat import LIVES_S, Heartbeat
from gateway.runtime.leases import LeaseLost, Leases
from gateway.runtime.outbox import Outbox
from gateway.runtime.seats import Seats
from gateway.runtime.store.contract import Change, Lease
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1_763_800_000.0


class Clock:
    """Set by hand; a sleep never ends."""

    def __init__(self) -> None:
        self.time, self.slept = NOW, 0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        await asyncio.Event().wait()


class PaperBridge:
    """Sessions by call id, each with the context that it would tell."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.told: list[Any] = []
        self.unavailable = False

    @property
    def call_ids(self) -> frozenset[str]:
        return frozenset(self.sessions)

    def context(self, call_id: str) -> dict[str, Any] | None:
        return self.sessions.get(call_id)

    async def prepare(self, call: Call, context: Mapping[str, Any]) -> None:
        self.told.append(("prepare", call.resumed, dict(context)))
        if self.unavailable:
            raise AgentUnavailable(call.agent, "start-failed")
        self.sessions[call.id] = dict(context)

    async def let_go(self, call_id: str) -> None:
        self.told.append("let go")
        self.sessions.pop(call_id, None)


class Gate:
    """One gateway: what of it has to do with seats. `answers`: whether the others reach it."""

    def __init__(self, name: str, store: MemoryStore, clock: Clock, gates: dict[str, "Gate"]) -> None:
        numbers = count(1)
        self.name, self.gates, self.answers, self.asked = name, gates, True, 0
        self.calls = Calls(store, clock, lambda prefix: f"{prefix}_{name}{next(numbers)}", Policy())
        self.bridge = PaperBridge()
        self.heartbeat = Heartbeat(store, clock, name, f"http://{name}", lambda dead: self.seats.inherit(dead))
        self.leases = Leases(self.calls, self.heartbeat.me, self.bridge.let_go)
        self.seats = Seats(self.calls, self.leases, cast(Bridge, self.bridge), self.heartbeat, clock, self)
        gates[name] = self

    async def holds(self, lease: Lease) -> bool:
        self.asked += 1
        owner = self.gates.get(lease.owner)
        return owner is not None and owner.answers and await owner.seats.here(lease.call_id)

    async def talk(self, step: int = 1) -> None:
        """The person is on the line here."""
        assert await self.seats.sit("call_1")
        self.bridge.sessions["call_1"] = {"step": step}


class House:
    """Two gateways, and a call whose person is on the line."""

    def __init__(self) -> None:
        self.clock, self.store, self.gates = Clock(), MemoryStore(), {}  # type: ignore[var-annotated]
        self.one, self.two = (Gate(name, self.store, self.clock, self.gates) for name in ("one", "two"))

    async def call(self) -> Call:
        found = await self.store.load("call_1")
        assert found is not None
        return found

    async def begin(self) -> None:
        leg = Leg(
            id="leg_1",
            call_id="call_1",
            carrier="alpha",
            caller_id="+15550190001",
            media_token="t",
            round=1,
            created_at=NOW,
            phase=LegPhase.ANSWERED,
            answered_at=NOW,
            streams=1,
            stream_open=True,
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
        await self.store.commit(Change(call=call), NOW)


@pytest.fixture
async def house() -> House:
    found = House()
    await found.begin()
    return found


async def test_the_first_socket_seats_the_session_and_no_second_gateway_takes_it(house: House) -> None:
    """It is found elsewhere by the other one, which may not sit down while the owner may be alive."""
    await house.one.talk()
    lease = await house.two.seats.elsewhere("call_1")
    assert lease == Lease(call_id="call_1", token=1, owner="one", address="http://one")
    assert await house.one.seats.elsewhere("call_1") is None
    assert await house.one.seats.here("call_1")
    assert not await house.two.seats.sit("call_1")
    assert (await house.call()).resumed == 0


async def test_a_session_is_resumed_over_an_owner_that_does_not_answer(house: House) -> None:
    """From its stored context, under a higher token, counted; an agent that was only prepared here is let go first."""
    await house.one.talk(step=7)
    await house.one.seats.keep_once()
    house.two.bridge.sessions["call_1"] = {}
    lease = await house.two.seats.elsewhere("call_1")
    house.two.bridge.told.clear()
    assert await house.two.seats.sit("call_1", lease)
    assert house.two.bridge.told[0] == "let go"
    assert house.two.bridge.told[-1] == ("prepare", 1, {"step": 7})
    assert (await house.call()).resumed == 1
    assert (await house.store.leases(("call_1",)))["call_1"].token == 2


async def test_of_two_that_want_an_orphan_one_gets_it(house: House) -> None:
    """The lease that was seen is not there any more for the second: it looks again, and finds the first."""
    await house.one.talk()
    seen = await house.two.seats.elsewhere("call_1")
    three = Gate("three", house.store, house.clock, house.gates)
    assert await three.seats.sit("call_1", seen)
    assert not await house.two.seats.sit("call_1", seen)
    found = await house.two.seats.elsewhere("call_1")
    assert found is not None
    assert found.owner == "three"


async def test_an_old_owner_is_refused_every_word_and_lets_go(house: House) -> None:
    """Paused and woken: its report, its agent's hang-up and its counters change nothing, and its agent falls silent."""
    await house.one.talk()
    await house.two.seats.sit("call_1", await house.two.seats.elsewhere("call_1"))
    before = await house.call()
    with pytest.raises(LeaseLost):
        await house.one.leases.report("call_1", "leg_1", StreamClosed())
    await house.one.leases.hang_up("call_1", "agent")
    await house.one.leases.store_media("call_1", "leg_1", MediaCounters(frames_in=1))
    assert await house.call() == before
    assert await house.store.media("call_1") == {}
    assert house.one.bridge.call_ids == frozenset()


async def test_an_agent_that_was_prepared_elsewhere_is_let_go(house: House) -> None:
    """The socket came to the other gateway: within a second nobody is left waiting for it here."""
    house.one.bridge.sessions["call_1"] = {}
    await house.two.talk()
    await house.one.seats.keep_once()
    assert house.one.bridge.call_ids == frozenset()
    assert house.two.bridge.call_ids == {"call_1"}


async def test_a_context_is_stored_when_it_has_changed_and_only_then(house: House) -> None:
    """What was written meanwhile by hand stays until the agent tells something new."""
    await house.one.talk(step=1)
    await house.one.seats.keep_once()
    lease = house.one.leases.held("call_1")
    assert lease is not None
    await house.store.keep_context(lease, "by hand")
    await house.one.seats.keep_once()
    assert await house.store.context("call_1") == "by hand"
    house.one.bridge.sessions["call_1"] = {"step": 2}
    await house.one.seats.keep_once()
    assert msgspec.json.decode(await house.store.context("call_1") or "") == {"step": 2}


async def test_who_leaves_gives_everything_up(house: House) -> None:
    """Stream orphaned, context kept, lease nobody's: the next one needs to ask nobody."""
    await house.one.talk(step=3)
    await house.one.seats.leave()
    leg = (await house.call()).legs[0]
    assert (leg.stream_open, leg.orphaned, leg.live) == (False, True, True)
    assert await house.two.seats.elsewhere("call_1") is None
    assert await house.two.seats.sit("call_1")
    assert house.two.bridge.told[-1] == ("prepare", 1, {"step": 3})
    assert house.two.asked == 0


async def test_what_a_dead_process_had_is_orphaned(house: House) -> None:
    """Not heard of and not to be reached: its streams are nobody's, and it is buried."""
    await house.one.heartbeat.beat_once()
    await house.one.talk()
    await house.two.heartbeat.beat_once()
    for _ in range(2):
        house.clock.time += LIVES_S / 2 + 0.1
        house.one.answers = False
        await house.two.heartbeat.beat_once()
    assert house.two.heartbeat.found_dead("one")
    assert (await house.call()).legs[0].orphaned
    assert await house.two.seats.elsewhere("call_1") is None


async def test_a_process_that_only_lost_the_store_keeps_its_calls(house: House) -> None:
    """It is silent in the store and answers its peers: nothing of it is touched."""
    await house.one.heartbeat.beat_once()
    await house.one.talk()
    await house.two.heartbeat.beat_once()
    for _ in range(2):
        house.clock.time += LIVES_S / 2 + 0.1
        await house.two.heartbeat.beat_once()
    assert not house.two.heartbeat.found_dead("one")
    assert (await house.call()).legs[0].stream_open


async def test_a_stream_is_orphaned_only_if_nobody_has_it(house: House) -> None:
    """Asked by its owner, or while the owner answers: no. When it does not answer: yes, once the leg still wants a stream."""
    await house.one.talk()
    call = await house.call()
    assert not await house.one.seats.orphaned(call, "leg_1")
    assert not await house.two.seats.orphaned(call, "leg_1")
    house.one.answers = False
    assert await house.two.seats.orphaned(call, "leg_1")
    assert not await house.two.seats.orphaned(call, "leg_9")


async def test_a_session_whose_agent_cannot_come_back_is_still_seated_here(house: House) -> None:
    """The lease is taken, and the bridge itself tells whose agent is gone: the ladder is climbed down here."""
    await house.one.talk()
    house.two.bridge.unavailable = True
    assert await house.two.seats.sit("call_1", await house.two.seats.elsewhere("call_1"))
    assert house.two.bridge.told[-1] == ("prepare", 1, {})
    assert await house.two.seats.here("call_1")


async def test_a_process_that_is_relieved_claims_nothing_and_does_not_spin(house: House) -> None:
    """It is being stopped and another one works: what is due stays there, and waiting costs nothing."""
    house.one.heartbeat.draining = True
    await house.two.heartbeat.beat_once()
    await house.one.heartbeat.beat_once()
    assert house.one.heartbeat.relieved()
    outbox = Outbox(house.store, house.clock, {}, resting=house.one.heartbeat.relieved)
    running = asyncio.create_task(outbox.run())
    for _ in range(5):
        await outbox.heed(cast(Any, None))
        for _ in range(10):
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert 0 < house.clock.slept <= 12


async def test_a_session_is_claimed_from_whoever_does_not_answer_and_from_nobody_else(house: House) -> None:
    """As a colleague's session is, by the gateway that has taken the caller's over."""
    await house.one.talk()
    assert not await house.two.seats.claim("call_1")
    house.one.answers = False
    assert await house.two.seats.claim("call_1")
    assert await house.two.seats.claim("call_1")
    held = house.two.leases.held("call_1")
    assert held is not None
    assert (held.owner, held.token) == ("two", 2)


async def test_whoever_claims_a_session_says_that_its_streams_are_lost(house: House) -> None:
    """Before it has the lease: the carrier that asks afterwards is told to connect, and not that the conversation is over."""
    await house.one.talk()
    house.one.answers = False
    assert await house.two.seats.claim("call_1")
    leg = (await house.call()).legs[0]
    assert (leg.stream_open, leg.orphaned) == (False, True)


async def test_whoever_wants_a_session_that_is_being_seated_waits_until_it_sits(house: House, monkeypatch: Any) -> None:
    """A socket, while another one of us resumes the session: it is taken once, and is there when the socket goes on."""
    await house.one.talk(step=7)
    await house.one.seats.keep_once()
    house.one.answers = False
    reading, read = asyncio.Event(), asyncio.Event()
    context = house.store.context

    async def slow(call_id: str) -> str | None:
        reading.set()
        await read.wait()
        return await context(call_id)

    monkeypatch.setattr(house.store, "context", slow)
    claiming = asyncio.create_task(house.two.seats.claim("call_1"))
    await reading.wait()
    sitting = asyncio.create_task(house.two.seats.sit("call_1"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not sitting.done()
    read.set()
    assert await claiming
    assert await sitting
    assert [told for told in house.two.bridge.told if told[0] == "prepare"] == [("prepare", 1, {"step": 7})]
