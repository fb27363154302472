"""One world: built from its plan, run to its end, judged by its invariants."""

import asyncio
import gc
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from carriers.contract import CarrierSettings, Wanted
from carriers.in_memory import Request
from carriers.lab.contract import RestRequest
from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import Exchange
from carriers.lab.phones import read_phone
from carriers.registry import kinds
from carriers.shot import HttpAnswer
from gateway.app import policy_of
from gateway.domain.records import Call
from gateway.runtime.store.contract import LogEntry, Store
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.voicemail_contract import Voicemail
from gateway.simulation.agents import Coupled
from gateway.simulation.callers import Callers
from gateway.simulation.history import History
from gateway.simulation.hooks import delivered
from gateway.simulation.invariants.evidence import Evidence
from gateway.simulation.lab import LabDriver, overheard
from gateway.simulation.later import waits_for_its_window
from gateway.simulation.logs import captured
from gateway.simulation.loop import OWNER, VirtualLoop
from gateway.simulation.network import Network
from gateway.simulation.people import Clients
from gateway.simulation.plan import BEGIN, Plan
from gateway.simulation.processes import SOUND_SLOWER, Process, Surroundings
from gateway.simulation.setting import API_KEY, PUBLIC_URL, config_of
from gateway.simulation.stores import Sky
from gateway.simulation.strikes import count_strikes
from gateway.simulation.trouble import Trouble
from gateway.simulation.truth import Truth, callers, people
from gateway.simulation.watch import Watch

YEARS_S = 10 * 365 * 86_400.0
SALVAGE_S = 40
GRACE_S = 150.0
"""How long after everything has healed and expired a call may still be on its way to its end."""


class World:
    """`store`: what the processes share; the in-memory one if none is given."""

    def __init__(self, plan: Plan, store: Store | None = None) -> None:
        self.plan = plan
        self.loop = VirtualLoop(Random(f"loop:{plan.seed}"))
        self.history = History(self.loop.time)
        self.truth, self.sky, self.coupled = Truth(), Sky(), Coupled()
        self.store: Store = store or MemoryStore()
        self.watch = Watch(self.store, self.now, self.history)
        self.network = Network(
            [],
            self.history,
            self.truth,
            Random(f"network:{plan.seed}"),
            lost_requests=plan.lost_requests,
            named=lambda carrier, answer: self._readers[carrier].named(answer),
        )
        self.exchange = Exchange([self._desk(index) for index in range(len(plan.carriers))], plan.seed)
        self.strikes: Counter[str] = Counter()
        """How often each kind of fault struck."""
        for desk in self.exchange.desks.values():
            count_strikes(desk.faults, self.strikes)
        self.config = config_of(plan, {name: desk.simulator.credentials() for name, desk in self.exchange.desks.items()})
        self._readers = self._open_readers()
        self.lab = self._lab()
        self.processes = self._processes()
        self.clients, self.callers = self._clients(), Callers(self.lab, self.history)
        self.coupled.tones.tap(self.exchange.network)
        self.surprises: list[str] = []
        self.finished_at, self._over = 0.0, False
        self.calls: dict[str, Call] = {}
        self.entries: dict[str, tuple[LogEntry, ...]] = {}
        self.left_over: list[str] = []
        self.open_promises: list[str] = []
        self.voicemails: dict[str, Voicemail] = {}
        self.recording: Mapping[str, str] = {}

    def now(self) -> float:
        """True unix time."""
        return BEGIN + self.loop.time()

    def run(self) -> None:
        """From the first moment to the last."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            with self.exchange.ledger.reading(self._note_entry), captured(self.history, self.surprises.append):
                self.loop.run_until_complete(self._live())
                self.finished_at = self.loop.time()
                self._bury()
        finally:
            self.loop.close()
            if collecting:
                gc.enable()

    def evidence(self) -> Evidence:
        """All of it, for the judge."""
        return Evidence(
            plan=self.plan,
            policy=policy_of(self.config),
            begin=BEGIN,
            ended_at=BEGIN + self.finished_at,
            heal_at=BEGIN + self.plan.heal_at,
            posts=self.truth.posts,
            people=people(self.truth.posts, self.exchange.ledger.entries()),
            callers=callers(self.exchange.ledger.entries(), self.callers.placed),
            tones=self.coupled.tones,
            calls=self.calls,
            entries=self.entries,
            told=self.clients.told,
            taken_back=self.clients.taken_back,
            watch=self.watch,
            answers=self.coupled.answers,
            delivered=list(delivered(self.network.taken, self._readers, self.calls)),
            surprises=[*self.surprises, *self.network.bugs, *self.loop.failures],
            left_over=self.left_over,
            voicemails=self.voicemails,
            recording=self.recording,
            messages={name: bytes(sound) for name, sound in self.voicemail_files.raw.items()},
            open_promises=self.open_promises,
        )

    # --- building ------------------------------------------------------------------------------------------------

    def _desk(self, index: int) -> DeskPlan:
        carrier = self.plan.carriers[index]
        return DeskPlan(
            name=carrier.name,
            kind=carrier.kind,
            simulator=overheard(kinds()[carrier.kind].simulator, self.network.overheard),
            base_url=f"http://{carrier.name}.sim",
            numbers=carrier.numbers,
            knobs=dict(carrier.lags),
        )

    def _open_readers(self) -> dict[str, Any]:
        """An adapter of each carrier that sends nothing: it reads answers and webhooks for the judge."""
        return {
            entry.name: kinds()[entry.kind].in_memory(
                CarrierSettings(name=entry.name, credentials=entry.credentials), self.now, lambda _request: None
            )
            for entry in self.config.carriers
        }

    def _lab(self) -> LabDriver:
        lab = LabDriver(
            self.exchange,
            self.loop,
            Random(f"lab:{self.plan.seed}"),
            begin=BEGIN,
            beat_s=0.02 * SOUND_SLOWER,
            deliver=self.network.deliver,
            connect=self.network.connect,
            crashed=lambda error: self.surprises.append(f"lab: {type(error).__name__}: {error}"),
        )
        self.network.lab = lab
        return lab

    def _processes(self) -> list[Process]:
        around = Surroundings(
            self.config,
            self.loop,
            self.store,
            self.sky,
            self.history,
            self.coupled,
            seed=self.plan.seed,
            begin=BEGIN,
            line=self._line,
            seen=self.watch.seen,
        )
        self.voicemail_files = around.voicemail_files
        processes = [Process(f"gw{index + 1}", around) for index in range(self.plan.processes)]
        self.network.processes.extend(processes)
        return processes

    def _line(self, process: str, carrier: str, request: Any) -> Any:
        """Between a process and a carrier: the process may die right before or right after."""
        mine = next(known for known in self.processes if known.name == process)
        heard = self.network.line(process, carrier, request)
        self.strikes["down"] += heard.lost == "refused"
        mine.boundary()
        return heard

    def _clients(self) -> Clients:
        async def send(method: str, path: str, headers: Any, body: bytes, timeout_s: float) -> Any:
            return await self.network.send(method, PUBLIC_URL + path, headers, body, timeout_s)

        return Clients(send, self.history, API_KEY, BEGIN, self.now)

    def _note_entry(self, entry: Any) -> None:
        more = [f"{name}={value}" for name, value in entry.more.items() if name in _TOLD]
        url = entry.more.get("url", "")
        self.history.note(
            "lab", entry.kind, entry.carrier, entry.number, entry.carrier_call_id[-8:], *more, url[len(PUBLIC_URL) :][:120]
        )

    # --- living --------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        for process in self.processes:
            process.start()
        for number, phone in self.plan.phones.items():
            self.lab.act(partial(self._set_phone, number, phone))
        self._point_numbers()
        trouble = Trouble(
            self.plan,
            self.lab,
            self.network,
            self.watch,
            self.sky,
            self.history,
            public_url=PUBLIC_URL,
            over=lambda: self._over,
        )
        trouble.begin()
        clients = [asyncio.ensure_future(self._client(index)) for index in range(len(self.plan.calls))]
        clients += [asyncio.ensure_future(self.callers.call(caller)) for caller in self.plan.callers]
        await self._until_over(clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self._take_stock()

    def _point_numbers(self) -> None:
        """As `holdline provision` does before the first caller."""
        for carrier in self.plan.carriers:
            wanted = Wanted(carrier=carrier.name, public_url=PUBLIC_URL, numbers=carrier.numbers)
            self._readers[carrier.name].point_here(lambda request, name=carrier.name: self._ask(name, request), wanted)

    def _set_phone(self, number: str, phone: Mapping[str, Any], now: float) -> None:
        self.exchange.set_phone(now, number, read_phone(phone))

    def _ask(self, carrier: str, request: Request) -> HttpAnswer:
        asked = RestRequest(
            method=request.method, path=request.path, query=request.query, headers=request.headers, body=request.body
        )
        answer = self.lab.request(carrier, asked)
        assert answer is not None, "no fault is on yet"
        assert answer.reply is not None, "no fault is on yet"
        return HttpAnswer(status=answer.reply.status, headers=dict(answer.reply.headers), body=answer.reply.body)

    async def _take_stock(self) -> None:
        """What the store holds when all is over, and what is still open at the carriers."""
        for call_id in self.watch.calls:
            call = await self.store.load(call_id)
            if call is not None:
                self.calls[call_id] = call
                self.entries[call_id] = await self.store.entries(call_id)
        await self._salvaged()
        claims = await self.store.claim_promises(self.now() + YEARS_S, 1.0, 1000)
        self.open_promises = [claim.call_id for claim in claims]
        for carrier in self.plan.carriers:
            self.left_over += [f"{live.carrier} {live.ref}" for live in self.exchange.network.live(carrier.name)]
            places = await self.store.live_legs(carrier.name, self.now())
            self.left_over += [f"{places} places of {carrier.name}"] if places and self._quiet() else []

    async def _salvaged(self) -> None:
        """What a dead process was recording is kept by another, in its time."""
        for _ in range(SALVAGE_S):
            self.recording = await self.store.recordings()
            if not self.recording:
                break
            await asyncio.sleep(1.0)
        page = await self.store.list_voicemails(1000, None)
        self.voicemails = {voicemail.id: voicemail for voicemail in page.items}

    async def _client(self, index: int) -> None:
        plan = self.plan.calls[index]
        await asyncio.sleep(plan.at)
        await self.clients.act(plan, index)

    async def _until_over(self, clients: Sequence[asyncio.Future[None]]) -> None:
        """Until every accepted call has ended and nothing of it is alive, at the latest long after all have expired."""
        last = self.plan.heal_at + self.plan.expires_after_s + self.plan.ring_timeout_s + self.plan.max_duration_s + GRACE_S
        await asyncio.sleep(self.plan.heal_at + 0.01)
        while self.loop.time() < last:
            await asyncio.sleep(1.0)
            if all(client.done() for client in clients) and self._quiet():
                await asyncio.sleep(3.0)
                if self._quiet():
                    return

    def _quiet(self) -> bool:
        if not all(map(self._is_over, self.watch.calls.values())):
            return False
        return not any(self.exchange.network.live(carrier.name) for carrier in self.plan.carriers)

    def _is_over(self, call: Call) -> bool:
        ended = call.ended and not any(leg.ended_at is None for leg in call.legs)
        return ended or waits_for_its_window(call, self.now())

    # --- the end -------------------------------------------------------------------------------------------------

    def _bury(self) -> None:
        """End the tasks of all processes, the dead ones' too, so that none is left for Python to complain of."""
        self._over = True
        for process in self.processes:
            process.kill()
        for task in self.loop.unfinished():
            task.cancel()
        for process in self.processes:
            for owner in process.owners:
                owner.resume(self.loop)

        async def rest() -> None:
            for _ in range(60):
                if len(self.loop.unfinished()) <= 1:
                    return
                await asyncio.sleep(1.0)

        token = OWNER.set(None)
        self.loop.run_until_complete(rest())
        OWNER.reset(token)
        for task in self.loop.unfinished():
            self.surprises.append(f"the task {task.get_name()} could not be ended: {task}")


_TOLD = frozenset({"status", "by", "cause", "fault", "failure", "code", "while_busy", "faults"})
"""What of a ledger's entry stands in the history."""
