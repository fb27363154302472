"""A gateway process of a world: the production gateway, wired to the world's clock, ids, store and carriers; it can die.

A killed process simply stops between two steps: no clean-up runs, its connections break, what it had sent has been sent.
The next life under the same name begins with nothing but the store.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context
from random import Random
from typing import Any, cast

from msgspec.structs import replace

from carriers.contract import Carrier, CarrierSettings
from carriers.in_memory import Heard, Request
from carriers.registry import kinds
from gateway.app import Gateway, Means, Works
from gateway.config.structs import Config
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.store.contract import Store
from gateway.runtime.supervision import for_ever
from gateway.runtime.ticker import Ticker
from gateway.runtime.voicemail_memory import MemoryMessageFiles
from gateway.simulation.agents import Actors, Coupled
from gateway.simulation.coarse import Coarse
from gateway.simulation.history import History
from gateway.simulation.loop import OWNER, Owner, VirtualLoop
from gateway.simulation.peers import peers_of
from gateway.simulation.sockets import Answer, HttpExchange, WebSocket
from gateway.simulation.stores import Deed, Reach, Sky
from gateway.simulation.web import shared_web

SOUND_SLOWER = 10.0
"""The gateway's 20 ms beat comes each 200 ms, as the lab's does."""


class ProcessClock:
    """The process' idea of unix time; `step_s` is how wrong it is."""

    def __init__(self, loop: VirtualLoop, begin: float) -> None:
        self._loop, self._begin, self.step_s = loop, begin, 0.0

    def now(self) -> float:
        return self._begin + self._loop.time() + self.step_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Surroundings:
    """What all processes of a world share."""

    def __init__(
        self,
        config: Config,
        loop: VirtualLoop,
        store: Store,
        sky: Sky,
        history: History,
        coupled: Coupled,
        *,
        seed: int,
        begin: float,
        line: Callable[[str, str, Request], Heard],
        seen: Callable[[str, Deed], None],
    ) -> None:
        self.config, self.loop, self.store, self.sky = config, loop, store, sky
        self.history, self.coupled, self.seed, self.begin = history, coupled, seed, begin
        self.line, self.seen = line, seen
        self.voicemail_files = MemoryMessageFiles()
        """The disk that all processes share."""
        self.processes: list[Process] = []
        """All of them, for each to find the others."""


class Process:
    """`name` stays from life to life."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name, self._around = name, around
        around.processes.append(self)
        self.clock = ProcessClock(around.loop, around.begin)
        self.life = 0
        self.owners: list[Owner] = []
        """Of all lives."""
        self.alive = self.draining = False
        self._fatal: int | None = None
        self._exchanges: dict[HttpExchange, None] = {}
        self._sockets: dict[WebSocket, None] = {}

    # --- its lives -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a new life."""
        self.life += 1
        self.owner = Owner(f"{self.name}.{self.life}")
        self.owners.append(self.owner)
        self.alive, self.draining, self._fatal = True, False, None
        self._context = Context()
        self._context.run(OWNER.set, self.owner)
        self._around.history.note(self.name, "start", self.life)
        self._context.run(self._boot)

    def _boot(self) -> None:
        around, chance = self._around, Random(f"{self._around.seed}:{self.name}:{self.life}")
        store = cast(
            Store,
            Reach(
                around.store,
                around.sky,
                chance,
                alive=lambda: self.alive and not self.owner.halted,
                boundary=self.boundary,
                seen=lambda deed: around.seen(self.name, deed),
            ),
        )
        means = self._means(chance)
        self._fleet = Fleet([self._member(entry) for entry in around.config.carriers], around.config.server.public_url)
        server = replace(around.config.server, internal_url=f"http://{self.owner.name}")
        self.works = Works(replace(around.config, server=server), store, self._fleet, means)
        self.gateway: Gateway = self.works.gateway(web=shared_web)
        jobs = self.works.jobs() | {"salvage": self.works.messages.salvage.run}
        self._jobs = [
            around.loop.create_task(for_ever(name, job, self.clock), name=f"{self.name}-{name}") for name, job in jobs.items()
        ]

    def _means(self, chance: Random) -> Means:
        loop = self._around.loop
        ticker = Ticker(lambda: loop.time() / SOUND_SLOWER, lambda delay, turn: loop.call_later(delay * SOUND_SLOWER, turn))
        return Means(
            clock=self.clock,
            new_id=lambda prefix: f"{prefix}_{chance.getrandbits(96):024x}",
            new_token=lambda: f"{chance.getrandbits(256):064x}",
            jitter=chance,
            ticker=ticker,
            agent_of=lambda *_given: Actors(self.name, self._around.coupled, self.clock.now),
            connect=peers_of(self._around.processes),
            voicemail_files=self._around.voicemail_files,
            dress=Coarse,
            commands_poll_s=0.5,
            promises_poll_s=1.0,
        )

    def _member(self, entry: Any) -> Member:
        settings = CarrierSettings(name=entry.name, credentials=entry.credentials)
        name = entry.name
        carrier: Carrier = kinds()[entry.kind].in_memory(
            settings, self.clock.now, lambda request: self._around.line(self.name, name, request)
        )
        return Member(
            carrier=carrier,
            kind=entry.kind,
            numbers=entry.numbers,
            calls_per_second=entry.limits.calls_per_second,
            concurrent_calls=entry.limits.concurrent_calls,
        )

    # --- its deaths ----------------------------------------------------------------------------------------------

    def boundary(self) -> None:
        """Something of the process has just reached, or is about to leave for, the world outside."""
        if self._fatal is not None:
            self._fatal -= 1
            if self._fatal <= 0:
                self.kill()

    def doom(self, boundaries: int) -> None:
        """Die at the so many-th boundary from here; at once for 0."""
        if boundaries:
            self._fatal = boundaries
        else:
            self.kill()

    def spare(self) -> None:
        """Take a doom back."""
        self._fatal = None

    def kill(self) -> None:
        """End between two steps; what waits for it hears that the connection broke."""
        if not self.alive:
            return
        self.alive, self.owner.halted, self._fatal = False, True, None
        self._around.history.note(self.name, "killed")
        for exchange in self._exchanges:
            exchange.break_off(ConnectionResetError("the process died"))
        for socket in self._sockets:
            socket.break_off()
        self._exchanges, self._sockets = {}, {}

    def freeze(self) -> None:
        """Stop, as for SIGSTOP or a swapping machine: connections stay."""
        if self.alive:
            self.owner.halted = True
            self._around.history.note(self.name, "frozen")

    def thaw(self) -> None:
        """Go on where it stood, not knowing how late it is."""
        if self.alive and self.owner.halted:
            self._around.history.note(self.name, "thawed")
            self.owner.resume(self._around.loop)

    async def drain(self, for_s: float) -> None:
        """As after SIGTERM: let calls finish, then end in order."""
        if not self.alive or self.owner.halted:
            return
        owner, self.draining = self.owner, True
        self._around.history.note(self.name, "draining")
        await self._in_here(self.gateway.drain(for_s))
        await self._in_here(self._stop())
        if self.owner is owner:
            self.kill()

    async def _stop(self) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self.works.sessions.aclose()
        await self.works.inbox.aclose()
        await self.works.talking.aclose()
        await self.works.messages.desk.aclose()
        await self._fleet.aclose()

    async def _in_here(self, work: Any) -> None:
        task = self._around.loop.create_task(work, context=self._context.copy())
        while not task.done() and self.alive:
            await asyncio.wait({task}, timeout=0.5)

    # --- its doors -----------------------------------------------------------------------------------------------

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15.0
    ) -> Answer:
        """One HTTP request. ConnectionRefusedError, ConnectionResetError, TimeoutError."""
        if not self.alive:
            raise ConnectionRefusedError(self.name)
        exchange = HttpExchange(method, url, headers, body)
        self._exchanges[exchange] = None
        self._around.loop.create_task(self.gateway(exchange.scope, exchange.receive, exchange.send), context=self._context.copy())
        try:
            async with asyncio.timeout(timeout_s):
                return await exchange.done
        finally:
            self._exchanges.pop(exchange, None)

    def accept(self, socket: WebSocket) -> None:
        """One WebSocket connection."""
        self._sockets[socket] = None
        task = self._around.loop.create_task(
            self.gateway(socket.scope, socket.receive, socket.send), context=self._context.copy()
        )
        task.add_done_callback(lambda done: self._closed(socket, done))

    def _closed(self, socket: WebSocket, done: "asyncio.Task[None]") -> None:
        self._sockets.pop(socket, None)
        error = None if done.cancelled() else done.exception()
        if error is not None and not isinstance(error, OSError):  # a server logs that the other side was gone; no more
            raise error
