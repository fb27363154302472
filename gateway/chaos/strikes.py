"""Strikes our own processes as a plan says: waits for each strike's moment in the ledger, does it, and undoes it in its time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from carriers.lab.ledger import Entry
from gateway.chaos.done import Blow, Done
from gateway.chaos.ledger import Follower
from gateway.chaos.plan import KILLS, Deed, Moment, Plan, Strike
from gateway.chaos.processes import NotStarted
from gateway.chaos.rig import GatewayUnit, Rig
from gateway.chaos.wire import FaultProxy, WireFault

_PATIENCE_S = 4.0
"""So long a strike waits for its moment; then it strikes without one."""
_AFTER_BACK_S = 0.5
_DRAIN_S = 8.0
_LIVES_S = 1.5
"""So long a gateway that has come up is let live, and at least as long as its start took, however busy the machine is."""
_LATE_S = 45.0
"""A strike that is so late, because others are not undone yet, is left out."""
_GIVE_UP = 3

Whose = Callable[[Entry], Awaitable[int | None]]
"""(entry) -> the port of the gateway that has the entry's call; None if nobody knows."""


class Striker:
    """`done` tells what really happened. `heal` ends everything."""

    def __init__(self, rig: Rig, follower: Follower, done: Done, whose: Whose) -> None:
        self._rig, self._follower, self.done, self._whose = rig, follower, done, whose
        self._shared: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in ("store", "balancer", "agent")}
        self._began = 0.0
        self.failures: list[str] = []
        """What went wrong in our own machinery; a run with one is no proof."""
        self._deeds: dict[Deed, Callable[[Strike, Entry | None], Awaitable[None]]] = {
            Deed.KILL_GATEWAY: self._kill_gateway,
            Deed.KILL_ALL_GATEWAYS: self._kill_all_gateways,
            Deed.KILL_STORE: lambda strike, entry: self._kill_shared("store", strike, entry),
            Deed.KILL_BALANCER: lambda strike, entry: self._kill_shared("balancer", strike, entry),
            Deed.KILL_AGENT: lambda strike, entry: self._kill_shared("agent", strike, entry),
            Deed.PAUSE_GATEWAY: self._pause_gateway,
            Deed.PAUSE_STORE: self._pause_store,
            Deed.DRAIN_GATEWAY: self._drain_gateway,
            Deed.DISK_FULL: self._fill_disk,
            Deed.MEMORY_FULL: self._fill_memory,
            Deed.CUT_STORE: self._cut_store,
            Deed.CUT_CARRIER: self._cut_carrier,
            Deed.CUT_FRONT: self._cut_front,
        }

    async def carry_out(self, plan: Plan) -> None:
        """All of it, from now on; returns when all of it is undone."""
        self._began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for strike in plan.strikes:
                tasks.create_task(self._at(self._began + strike.at, strike))

    async def heal(self) -> None:
        """Everybody is well, runs, and can be reached."""
        for unit in self._rig.gateways:
            unit.member.resume()
            for way in unit.ways:
                await way.mend()

    # --- when ----------------------------------------------------------------------------------------------------

    async def _at(self, moment: float, strike: Strike) -> None:
        await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
        try:
            await self._strike(strike)
        except OSError as error:
            self.failures.append(f"{strike}: {type(error).__name__}: {error}")

    async def _strike(self, strike: Strike) -> None:
        entry = await self._follower.next(strike.moment.value, _PATIENCE_S)
        await asyncio.sleep(strike.delay_s)
        await self._deeds[strike.deed](strike, entry)

    def _too_late(self, strike: Strike) -> bool:
        return asyncio.get_running_loop().time() > self._began + strike.at + _LATE_S

    def _note(self, strike: Strike, whom: str, begin: float, entry: Entry | None) -> None:
        moment = _WORDS[strike.moment] if entry else "no moment"
        until = time.time() + _AFTER_BACK_S
        blow = Blow(at=begin, until=until, what=_word(strike), whom=whom, moment=moment, kill=strike.deed in KILLS)
        self.done.blows.append(blow)

    # --- gateways ------------------------------------------------------------------------------------------------

    async def _kill_gateway(self, strike: Strike, entry: Entry | None) -> None:
        unit = await self._aim(strike, entry)
        await self._kill_unit(unit, strike, entry)

    async def _kill_all_gateways(self, strike: Strike, entry: Entry | None) -> None:
        async with asyncio.TaskGroup() as tasks:
            for unit in self._rig.gateways:
                tasks.create_task(self._kill_unit(unit, strike, entry))

    async def _kill_unit(self, unit: GatewayUnit, strike: Strike, entry: Entry | None) -> None:
        async with unit.busy:
            if self._too_late(strike):
                return
            begin = time.time()
            await unit.kill()
            self.done.deaths["gateway"] += 1
            await asyncio.sleep(strike.for_s)
            took = await self._raise(unit.start, unit.kill)
            self._note(strike, unit.member.name, begin, entry)
            await asyncio.sleep(max(_LIVES_S, took))

    async def _pause_gateway(self, strike: Strike, entry: Entry | None) -> None:
        unit = await self._aim(strike, entry)
        async with unit.busy:
            begin = time.time()
            unit.member.pause()
            await asyncio.sleep(strike.for_s)
            unit.member.resume()
            self._note(strike, unit.member.name, begin, entry)

    async def _drain_gateway(self, strike: Strike, entry: Entry | None) -> None:
        """SIGTERM, as a deploy does it, and its successor."""
        unit = await self._aim(strike, entry)
        async with unit.busy:
            begin = time.time()
            unit.member.terminate()
            if not await unit.member.ended(_DRAIN_S):
                await unit.kill()
                self.done.deaths["gateway"] += 1
            await unit.front.target_is(there=False)
            await self._raise(unit.start, unit.kill)
            self._note(strike, unit.member.name, begin, entry)

    async def _aim(self, strike: Strike, entry: Entry | None) -> GatewayUnit:
        """The gateway that has the call of the moment, as far as that can be known; else the plan's. One that is being started
        again, or has only just come up, is spared while there is another: who never lives cannot be killed.
        """
        units = self._rig.gateways
        port = await self._whose(entry) if entry is not None else None
        first = next((unit for unit in units if unit.port == port), units[strike.place % len(units)])
        if entry is not None and strike.moment is Moment.DIAL:
            first = max(units, key=lambda unit: unit.dialled_at.get(entry.carrier, 0.0))
        return min(units, key=lambda unit: (unit.busy.locked(), unit is not first))

    # --- what all share ------------------------------------------------------------------------------------------

    async def _kill_shared(self, name: str, strike: Strike, entry: Entry | None) -> None:
        member = getattr(self._rig, name)
        async with self._shared[name]:
            if self._too_late(strike):
                return
            begin = time.time()
            self._store_is(name, wrong=True)
            await member.kill()
            self.done.deaths[name] += 1
            await asyncio.sleep(strike.for_s)
            await self._raise(member.start, member.kill)
            self._store_is(name, wrong=False)
            self._note(strike, name, begin, entry)

    async def _pause_store(self, strike: Strike, entry: Entry | None) -> None:
        async with self._shared["store"]:
            begin = time.time()
            self._store_is("store", wrong=True)
            self._rig.store.pause()
            await asyncio.sleep(strike.for_s)
            self._rig.store.resume()
            self._store_is("store", wrong=False)
            self._note(strike, "store", begin, entry)

    async def _fill_disk(self, strike: Strike, entry: Entry | None) -> None:
        """No file may grow: with `appendfsync always` the server ends itself rather than lie. Then there is room again."""
        async with self._shared["store"]:
            begin, store = time.time(), self._rig.store
            self._store_is("store", wrong=True)
            store.limit_file_size(1)
            if await store.ended(_PATIENCE_S):
                self.done.deaths["store (disk full)"] += 1
                await asyncio.sleep(strike.for_s)
            else:
                await store.kill()
                self.done.deaths["store"] += 1
            await self._raise(store.start, store.kill)
            self._store_is("store", wrong=False)
            self._note(strike, "store", begin, entry)

    async def _fill_memory(self, strike: Strike, entry: Entry | None) -> None:
        """`maxmemory` below what is used, with noeviction: reads are answered, writes refused."""
        async with self._shared["store"]:
            begin = time.time()
            self._store_is("store", wrong=True)
            await self._rig.say_to_store(b"CONFIG SET maxmemory 1")
            await asyncio.sleep(strike.for_s)
            await self._rig.say_to_store(b"CONFIG SET maxmemory 0")
            self._store_is("store", wrong=False)
            self._note(strike, "store", begin, entry)

    def _store_is(self, name: str, *, wrong: bool) -> None:
        if name == "store":
            self.done.store_troubles.append((time.time(), wrong))

    async def _raise(self, start: Callable[[], Awaitable[None]], kill: Callable[[], Awaitable[None]]) -> float:
        """Start it again; on a machine that is too busy more than once. The seconds that it took."""
        begin = time.monotonic()
        for left in reversed(range(_GIVE_UP)):
            try:
                await start()
                break
            except NotStarted as error:
                await kill()
                if not left:
                    self.failures.append(str(error))
        return time.monotonic() - begin

    # --- ways ----------------------------------------------------------------------------------------------------

    async def _cut_store(self, strike: Strike, entry: Entry | None) -> None:
        unit = await self._aim(strike, entry)
        self.done.store_troubles.append((time.time(), True))
        await self._cut([unit.store], strike, f"{unit.member.name} to the store", entry)
        self.done.store_troubles.append((time.time(), False))

    async def _cut_front(self, strike: Strike, entry: Entry | None) -> None:
        unit = await self._aim(strike, entry)
        await self._cut([unit.front], strike, f"balancer to {unit.member.name}", entry)

    async def _cut_carrier(self, strike: Strike, entry: Entry | None) -> None:
        """One gateway loses one carrier, or, when the plan's place says so, all of them."""
        unit = await self._aim(strike, entry)
        ways = list(unit.carriers.values()) if strike.place == 0 else [_nth(unit.carriers, strike.carrier)]
        await self._cut(ways, strike, f"{unit.member.name} to a carrier", entry)

    async def _cut(self, ways: Sequence[FaultProxy], strike: Strike, whom: str, entry: Entry | None) -> None:
        assert strike.wire is not None
        begin = time.time()
        for way in ways:
            await way.strike(strike.wire)
        await asyncio.sleep(strike.for_s if strike.wire.kind is not WireFault.RESET else 0.1)
        for way in ways:
            if way.fault is strike.wire:  # a later one has taken its place otherwise
                await way.mend()
        self._note(strike, whom, begin, entry)


_WORDS = {Moment.DIAL: "dial", Moment.RING: "ring", Moment.ANSWER: "answer", Moment.SPEECH: "speech", Moment.HANG_UP: "hang-up"}


def _word(strike: Strike) -> str:
    return f"{strike.deed}: {strike.wire.kind}" if strike.wire else str(strike.deed)


def _nth(ways: Any, index: int) -> FaultProxy:
    proxies: list[FaultProxy] = list(ways.values())
    return proxies[index % len(proxies)]
