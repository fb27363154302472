"""A gateway dies under two people who talk: whatever comes first at the one that is left, each has the other again.

All of that gateway but its carriers, its sound and its sockets is real, on a store in memory. What carriers and heartbeat
bring comes one after the other, in every order; and at once, with the store's answers in many orders.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count, permutations
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from agent.contract import CallInfo
from agent.handover import Handover, Party, Switchboard
from carriers.contract import Document, Expectation, Hook, HookRequest
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.events import LegEnded, StreamFailed
from gateway.domain.handover import COLLEAGUE, colleague_call
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.media import MULAW_8K, StreamStarted
from gateway.domain.outcome import CallStatus, Direction, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Leg, Loss
from gateway.domain.verdict import ended_normally
from gateway.runtime import handover
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.bridge import Bridge
from gateway.runtime.callback_requests import OutboundRoute
from gateway.runtime.calls import Calls
from gateway.runtime.casting import Casting, Gone
from gateway.runtime.colleagues import Colleagues, ColleagueTerms
from gateway.runtime.handover import Handovers
from gateway.runtime.heartbeat import LIVES_S, Heartbeat
from gateway.runtime.inbox import Inbox
from gateway.runtime.ladder import Ladder
from gateway.runtime.last_words import LastWords
from gateway.runtime.leases import Leases
from gateway.runtime.live import LiveCalls
from gateway.runtime.seats import Seats
from gateway.runtime.sessions import Sessions
from gateway.runtime.store.contract import Change, Lease, Process
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.stream import Port
from gateway.runtime.ticker import Ticker
from gateway.web.places import Places
from gateway.web.relay import Relay

NOW = 1_795_000_000.0
TO = "+15550100100"
CALLER_ID = "call_1"
RUNG = Rung(kind=RungKind.HUMAN, to=TO)
DEAD = Process(id="dead", address="http://dead")
AFTER = Hook(expects=Expectation.AFTER_STREAM_DOCUMENT)


def talking(call: Call, carrier: str) -> Call:
    """The person is on the line, through a stream."""
    leg = Leg(
        id=f"leg_{call.id}",
        call_id=call.id,
        carrier=carrier,
        caller_id="+15550190001",
        media_token="token",
        round=1,
        created_at=NOW,
        phase=LegPhase.ANSWERED,
        answered_at=NOW,
        streams=1,
        stream_open=True,
    )
    return replace(call, status=CallStatus.IN_PROGRESS, answered_at=NOW, legs=(leg,))


def both_calls() -> tuple[Call, Call]:
    """The caller's, and that of the colleague who has them."""
    caller = Call(
        id=CALLER_ID,
        direction=Direction.INBOUND,
        to="+15550190001",
        from_number="+15550101234",
        session_id="ses_1",
        created_at=NOW,
        expires_at=NOW + 60,
        agent="bot",
        ladder=Descent(lost=(Loss(at=NOW, agent="bot", reason="socket-1006", began=True),), rung=0, talking="human"),
    )
    linked = colleague_call(caller, TO, ring_s=20.0, route="out", now=NOW)
    return talking(replace(caller, handed_to=linked.id), "a"), talking(linked, "b")


LINKED_ID = both_calls()[1].id


class Clock:
    """Set by hand; a sleep is over when everybody else has had a turn."""

    def __init__(self) -> None:
        self.time, self.sleeps = NOW, 0

    def now(self) -> float:
        return self.time

    async def sleep(self, _seconds: float) -> None:
        self.sleeps += 1
        await asyncio.sleep(0.001)


class Hesitant(MemoryStore):
    """Its answers overtake one another, in an order that the seed gives."""

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self._chance = random.Random(seed) if seed is not None else None

    async def think(self) -> None:
        for _ in range(self._chance.randrange(6) if self._chance else 0):
            await asyncio.sleep(0)


def _hesitating(name: str) -> Any:
    async def answer(self: Hesitant, *arguments: Any, **named: Any) -> Any:
        await self.think()
        found = await getattr(MemoryStore, name)(self, *arguments, **named)
        await self.think()
        return found

    return answer


for _name in ("load", "commit", "leases", "leased", "take_lease", "context", "hook_answer", "beat"):
    setattr(Hesitant, _name, _hesitating(_name))


class PaperPort:
    """A socket to nobody, and its codec."""

    sends = MULAW_8K

    def __init__(self) -> None:
        self.codec = self
        self.started = StreamStarted("S2", "", MULAW_8K)
        self.closed = False

    def audio(self, payload: bytes) -> bytes:
        return payload

    def mark(self, name: str) -> str:
        return name

    def clear(self) -> str:
        return "clear"

    def send(self, message: str | bytes) -> None:
        """Nobody hears it."""

    def close(self, code: int, reason: str) -> None:
        self.closed = True


class Watched(Party):
    """Keeps what it is told to let its person hear."""

    def __init__(self, call: CallInfo, board: Switchboard) -> None:
        super().__init__(call, board)
        self.sounds: list[str] = []

    def wait(self, *sentences: str, sound: str = "hold-sound") -> None:
        self.sounds += [*sentences, sound]
        super().wait(*sentences, sound=sound)

    def leave(self, word: str) -> None:
        self.sounds.append(word)
        super().leave(word)


class Survivor:
    """The gateway that is left, on the store as the dead one left it; it finds nobody at the dead one's address."""

    def __init__(self, rig: Any, seed: int | None) -> None:
        self.clock, self.store, numbers = Clock(), Hesitant(seed), count(1)
        self.carriers = {"a": rig.a, "b": rig.b}
        for carrier in self.carriers.values():
            carrier.hook = AFTER
        self.calls = calls = Calls(self.store, self.clock, lambda prefix: f"{prefix}_{next(numbers)}", Policy())
        self.heartbeat = Heartbeat(self.store, self.clock, "left", "http://left", lambda dead: self.seats.inherit(dead))
        self.leases = Leases(calls, self.heartbeat.me, lambda call_id: self.bridge.let_go(call_id))
        self.parties: dict[str, Watched] = {}
        self.gone: list[Gone] = []
        self.ports: list[PaperPort] = []
        self.bridge = self._bridge()
        self.seats = Seats(calls, self.leases, self.bridge, self.heartbeat, self.clock, self)
        terms = ColleagueTerms(routes=(OutboundRoute(name="out", prefix="+1", agent="echo"),), own_numbers=())
        colleagues = Colleagues(calls, self.leases, self.seats.claim, terms, self.clock)
        self.board = Handovers(cast(Ladder, self), colleagues, self.clock)
        self.inbox = Inbox(calls, rig.fleet, LiveCalls(), self.clock, lambda *_, **__: None, self.seats.orphaned)
        self.places = Places(self.seats, cast(Relay, self))
        self.sessions = Sessions(self.bridge, LastWords(self.store))
        for part in (self.leases, self.sessions, self.board):
            calls.observe(part.heed)
        self.bodies, self.away = count(1), False
        """`away`: the store is, and of calls that are not here nothing is known."""
        self.asking: asyncio.Event | None = None
        """Set when the dead one is asked whether it lives, which is then not known until `asked`."""
        self.asked = asyncio.Event()

    def _bridge(self) -> Bridge:
        parts = {name: Handover(lambda: self.board) for name in (RungKind.HUMAN.value, COLLEAGUE)}
        for part in parts.values():
            part.session = self._party  # type: ignore[method-assign]
        return Bridge(
            casting=Casting(parts, lambda *_, **__: None, health=AgentHealth((), BreakerPolicy(), self.clock.now)),
            ticker=Ticker(self.clock.now, lambda *_: None),
            report=self.leases.report,
            end_call=self.leases.hang_up,
            on_gone=self._gone,
            store_media=self.leases.store_media,
            clock=self.clock.now,
        )

    def _party(self, call: CallInfo) -> Party:
        self.parties[call.call_id] = party = Watched(call, self.board)
        return party

    async def _gone(self, gone: Gone) -> None:
        self.gone.append(gone)

    # --- the dead one, and the ladder ---

    async def holds(self, _lease: Lease) -> bool:
        if self.asking is not None:
            self.asking.set()
            await self.asked.wait()
        return False

    async def carry(self, *_: object) -> bool:
        return False

    async def rung_of(self, call_id: str) -> tuple[Call, Rung] | None:
        call = await self.store.load(call_id)
        return None if call is None or call.ended else (call, RUNG)

    async def call(self, call_id: str) -> Call | None:
        here = not self.away or call_id in self.bridge.call_ids
        return await self.store.load(call_id) if here else None

    async def descend(self, gone: Gone) -> None:
        self.gone.append(gone)

    # --- what happens ---

    async def bury(self) -> None:
        """The other one's lease on life has run out."""
        for _ in range(2):
            self.clock.time += LIVES_S / 2 + 0.1
            await self.heartbeat.beat_once()
        assert self.heartbeat.found_dead(DEAD.id)

    async def hook(self, call_id: str) -> None:
        """The carrier asks what to do with the leg whose stream is gone."""
        document = await self.post(call_id)
        assert document.body.startswith(b"connect"), f"{call_id} is hung up"

    async def post(self, call_id: str) -> Document:
        """A webhook of the leg's carrier."""
        body = f"{next(self.bodies)}".encode()
        leg = await self.leg(call_id)
        request = HookRequest(method="POST", url="u", path="stream", headers={}, body=body, call_id=call_id, leg_id=leg.id)
        return await self.inbox.receive(leg.carrier, request)

    async def socket(self, call_id: str) -> None:
        """The carrier does so."""
        leg = await self.leg(call_id)
        admitted: Any = SimpleNamespace(call_id=call_id, leg=leg, carrier=self.carriers[leg.carrier])
        carried = await self.places.elsewhere(admitted, cast(Any, None), cast(Any, None))
        assert not carried
        port = PaperPort()
        self.ports.append(port)
        await self.bridge.open_stream(call_id, leg.id, cast(Port, port))

    async def leg(self, call_id: str) -> Leg:
        found = await self.store.load(call_id)
        assert found is not None
        assert found.leg is not None
        return found.leg

    def hung_up(self, call_id: str) -> bool:
        """It was asked for that."""
        return '"hangup_wanted":true' in self.store.calls[call_id].body

    async def joined(self) -> None:
        """Both hear each other, in calls that go on."""
        await self.until(lambda: (one := self.parties.get(CALLER_ID)) is not None and one.other is self.parties.get(LINKED_ID))
        for call_id in (CALLER_ID, LINKED_ID):
            leg = await self.leg(call_id)
            assert (leg.stream_open, leg.orphaned, leg.hangup_wanted) == (True, False, False), call_id
            assert await self.seats.here(call_id)
            assert self.parties[call_id].on_line
        assert set(self.parties[LINKED_ID].sounds) <= {"hold-sound"}
        assert not self.gone
        assert not any(port.closed for port in self.ports)
        assert set(self.store.calls) == {CALLER_ID, LINKED_ID}

    async def until(self, look: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while True:
                if look():
                    return
                await asyncio.sleep(0.001)

    async def aclose(self) -> None:
        await self.bridge.aclose()
        await self.sessions.aclose()
        await self.board.aclose()


Open = Callable[..., Awaitable[Survivor]]


@pytest.fixture
async def survivor(rig: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make one: a gateway had both, and is no more."""
    monkeypatch.setattr(handover, "LOOK_EVERY_S", 0.02)
    opened: list[Survivor] = []

    async def build(seed: int | None = None) -> Survivor:
        found = Survivor(rig, seed)
        opened.append(found)
        await found.heartbeat.beat_once()
        await found.store.beat(DEAD, NOW, LIVES_S)
        for call in both_calls():
            await found.store.commit(Change(call=call), NOW)
            lease = await found.store.take_lease(call.id, DEAD, 0)
            assert lease is not None
            await found.store.keep_context(lease, '{"kept": {"agent": "bot", "context": {}}}')
        return found

    yield build
    for one in opened:
        await one.aclose()


async def test_a_word_of_the_lost_stream_that_comes_late_ends_no_new_one(survivor: Open) -> None:
    """The carrier says that the stream broke, and asks what to do: the new stream is open before the dead one was asked."""
    home = await survivor()
    home.carriers["a"].hook = Hook(events=(StreamFailed(reason="broken"),))
    home.asking = asking = asyncio.Event()
    late = asyncio.create_task(home.post(CALLER_ID))
    await asking.wait()
    home.asking, home.carriers["a"].hook = None, AFTER
    for call_id in (CALLER_ID, LINKED_ID):
        await home.hook(call_id)
        await home.socket(call_id)
    home.asked.set()
    await late
    await home.joined()


async def test_a_colleague_who_is_there_first_waits_for_the_store_too(survivor: Open) -> None:
    """While it is away nothing is known of the caller: that is no reason to tell the colleague that they are gone."""
    home = await survivor()
    home.away = True
    await home.hook(LINKED_ID)
    await home.socket(LINKED_ID)
    await home.until(lambda: home.clock.sleeps > 3)
    assert home.parties[LINKED_ID].sounds == ["hold-sound"]
    home.away = False
    await home.hook(CALLER_ID)
    await home.socket(CALLER_ID)
    await home.joined()


STEPS = ("caller asks", "caller comes", "colleague asks", "colleague comes", "buried")
ORDERS = [
    order
    for order in permutations(STEPS)
    if all(order.index(f"{who} asks") < order.index(f"{who} comes") for who in ("caller", "colleague"))
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: ", ".join(order))
async def test_both_are_together_again_whatever_comes_first(survivor: Open, order: tuple[str, ...]) -> None:
    """Each step has had all its consequences before the next one comes; then either end ends both."""
    home = await survivor()
    steps: dict[str, Callable[[], Awaitable[None]]] = {
        "caller asks": lambda: home.hook(CALLER_ID),
        "caller comes": lambda: home.socket(CALLER_ID),
        "colleague asks": lambda: home.hook(LINKED_ID),
        "colleague comes": lambda: home.socket(LINKED_ID),
        "buried": home.bury,
    }
    for step in order:
        await steps[step]()
        await asyncio.sleep(0.002)
    await home.joined()
    await home.leases.report(CALLER_ID, f"leg_{CALLER_ID}", LegEnded(verdict=ended_normally(), answered=True))
    await home.until(lambda: home.hung_up(LINKED_ID))


@pytest.mark.parametrize("seed", range(40))
async def test_both_are_together_again_when_all_comes_at_once(survivor: Open, seed: int) -> None:
    """No answer of the store that comes late undoes what another one began."""
    home = await survivor(seed)
    chance = random.Random(1000 + seed)

    async def person(call_id: str) -> None:
        await pause()
        await home.hook(call_id)
        await pause()
        await home.socket(call_id)

    async def pause() -> None:
        for _ in range(chance.choice((0, chance.randrange(40), chance.randrange(200)))):
            await asyncio.sleep(0)

    async def buried() -> None:
        await pause()
        await home.bury()

    await asyncio.gather(person(CALLER_ID), person(LINKED_ID), buried())
    await home.joined()
