"""One run of chaos, from an empty folder to the judgement."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from carriers.lab.ledger import Entry
from gateway.chaos.carriers import CarrierStriker
from gateway.chaos.done import Done
from gateway.chaos.doubles import second_rings
from gateway.chaos.evidence import Scene, evidence_of
from gateway.chaos.keeping import keep
from gateway.chaos.ledger import Follower
from gateway.chaos.listening import crossed
from gateway.chaos.logs import Logged, read_logs, secrets_of
from gateway.chaos.people import People
from gateway.chaos.plan import Plan, plan_of
from gateway.chaos.report import Result
from gateway.chaos.rig import API_KEY, Rig, config_policy
from gateway.chaos.settings import EXPIRES_AFTER_S, OUTSIDE_TOKEN
from gateway.chaos.stock import Stock, all_calls, take_stock
from gateway.chaos.strikes import Striker
from gateway.chaos.truth import Truth
from gateway.chaos.verdict import Found, judge
from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.store.redis_store import RedisStore

GRACE_S = 50.0
"""After the last call has expired: a phone that rings, a talk, a leg that is looked up."""
_LOOK_EVERY_S = 1.0
_TELL_EVERY_S = 15.0


class Terms(Struct, frozen=True, kw_only=True):
    """What was asked for."""

    seed: int
    seconds: float
    kills: int
    gateways: int = 2
    wishes_each_s: float = 1.0
    haproxy: Path | None = None
    command: str = "holdline chaos"


async def run(terms: Terms, folder: Path, tell: Callable[[str], None]) -> Result:
    """Raise NotStarted if the processes do not come up."""
    began = time.monotonic()
    async with Rig(folder, gateways=terms.gateways, seed=terms.seed, haproxy=terms.haproxy) as rig:
        tell(f"up after {time.monotonic() - began:.0f} s: {terms.gateways} gateways behind {rig.public_url}, lab {rig.lab_url}")
        plan = plan_of(
            terms.seed,
            seconds=terms.seconds,
            kills=terms.kills,
            gateways=terms.gateways,
            carriers=len(rig.carriers),
            wishes_each_s=terms.wishes_each_s,
        )
        return await Run(rig, plan, tell).through(terms, began)


class Run:
    """A rig that is up, and what is to be done to it."""

    def __init__(self, rig: Rig, plan: Plan, tell: Callable[[str], None]) -> None:
        self._rig, self._plan, self._tell = rig, plan, tell
        self._follower = Follower(rig.http, rig.lab_url)
        self._store = RedisStore.connect(rig.store_url)
        numbers = {carrier: list(known["numbers"]) for carrier, known in rig.credentials.items()}
        self._people = People(rig.http, rig.public_url, rig.lab_url, API_KEY, numbers, rig.carriers)
        self.done = Done(processes=len(rig.members))
        self._striker = Striker(rig, self._follower, self.done, self._whose)
        self._carriers = CarrierStriker(rig.http, rig.lab_url, rig.carriers, self.done)
        self._by_number: dict[str, str] = {}

    async def through(self, terms: Terms, began: float) -> Result:
        """Trouble, healing, judgement."""
        await self._follower.begin()
        following = asyncio.create_task(self._follower.follow())
        telling = asyncio.create_task(self._progress())
        try:
            begin = time.time()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._people.act(self._plan))
                tasks.create_task(self._striker.carry_out(self._plan))
                tasks.create_task(self._carriers.carry_out(self._plan))
            await self._striker.heal()
            await self._carriers.heal()
            heal_at = time.time()
            self._tell(f"everything is mended after {heal_at - begin:.0f} s; waiting until every call has its end")
            left_over = await self._until_quiet()
            await self._follower.catch_up()
            return await self._judged(terms, begin, heal_at, left_over, began)
        finally:
            for task in (following, telling):
                task.cancel()
            await asyncio.gather(following, telling, return_exceptions=True)
            await self._store.aclose()

    async def _judged(self, terms: Terms, begin: float, heal_at: float, left_over: list[str], began: float) -> Result:
        stock = await take_stock(self._store)
        entries = self._follower.entries
        keep(self._rig.folder, entries, stock, self.done, self._people.told)
        truth = Truth(entries, stock.calls)
        scene = Scene(
            begin=begin,
            heal_at=heal_at,
            ended_at=time.time(),
            policy=config_policy(self._rig),
            carriers=self._rig.reports,
            wishes=self._plan.wishes,
            told=self._people.told,
            taken_back=self._people.taken_back,
            answers=_answers(self._rig.answers),
            done=self.done,
            left_over=left_over,
        )
        evidence = evidence_of(scene, truth, stock)
        listened, wrong = await crossed(self._rig.http, self._rig.lab_url, entries)
        rings = second_rings(evidence, self.done)
        logged = self._logged()
        found = Found(rings=rings, strays=truth.stray, crossed=wrong, listened=listened, logged=logged)
        checks = judge(evidence, stock, found, entries)
        failures = [*self._striker.failures, *self._carriers.failures]
        if self._follower.dropped:
            failures.append(f"the lab's ledger forgot {self._follower.dropped} entries: the run is too long for it")
        return Result(
            seed=terms.seed,
            command=terms.command,
            seconds=time.monotonic() - began,
            done=self.done,
            checks=checks,
            totals=_totals(entries, stock, self._people),
            outcomes=Counter(str(call.outcome or call.status) for call in stock.calls.values()),
            rings=rings,
            failures=failures,
        )

    def _logged(self) -> Logged:
        logs = {unit.member.name: unit.member.log.read_text("utf-8", "replace").splitlines() for unit in self._rig.gateways}
        return read_logs(logs, [API_KEY, OUTSIDE_TOKEN, *secrets_of(self._rig.credentials)])

    # --- while it runs -------------------------------------------------------------------------------------------

    async def _whose(self, entry: Entry) -> int | None:
        """The port of the gateway in which the session of the entry's call lives."""
        try:
            call_id = await self._call_of(entry.number)
            lease = (await self._store.leases((call_id,))).get(call_id) if call_id else None
        except StoreUnavailable:
            return None
        return urlsplit(lease.address).port if lease is not None and lease.address else None

    async def _call_of(self, number: str) -> str:
        if number not in self._by_number:
            wishes = {f"{index}": wish.to for index, wish in enumerate(self._plan.wishes)}
            for told in self._people.told:
                if told.call_id:
                    self._by_number[wishes[str(told.wish)]] = told.call_id
        return self._by_number.get(number, "")

    async def _until_quiet(self) -> list[str]:
        """What is still open when all should be over; empty once every call has ended and every line is free."""
        deadline = time.monotonic() + EXPIRES_AFTER_S + GRACE_S
        open_: list[str] = ["never looked"]
        while open_ and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)
            open_ = await self._open()
        return await self._lines() if open_ else []

    async def _open(self) -> list[str]:
        try:
            calls = await all_calls(self._store)
        except StoreUnavailable as error:
            return [str(error)]
        return [call.id for call in calls if _unsettled(call)] + await self._lines()

    async def _lines(self) -> list[str]:
        reports = (await self._rig.http.get(f"{self._rig.lab_url}/lab/carriers")).json()["carriers"]
        return [f"{report['live_calls']} lines of {report['name']}" for report in reports if report["live_calls"]]

    async def _progress(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            done, kinds = self.done, Counter(entry.kind for entry in self._follower.entries)
            killed = f"{done.own_kills} of ours and {done.carrier_kills} carriers killed"
            self._tell(f"{killed}; {kinds['dial']} dials, {kinds['answer']} answered, {len(self._striker.failures)} failures")


def _unsettled(call: Call) -> bool:
    waits = call.promise is not None and call.promise.due_at > time.time() + EXPIRES_AFTER_S
    return (not call.ended and not waits) or any(leg.live for leg in call.legs)


def _answers(log: Path) -> list[tuple[str, str, str]]:
    """What the agent from outside was told, over all its lives."""
    if not log.exists():
        return []
    found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return [(str(one["process"]), one["call_id"], one["session_id"]) for one in found]


def _totals(entries: list[Entry], stock: Stock, people: People) -> Mapping[str, int]:
    kinds = Counter(entry.kind for entry in entries)
    told = people.told
    legs = [leg for call in stock.calls.values() for leg in call.legs]
    return {
        "calls accepted": len({one.call_id for one in told if one.call_id}),
        "calls in the store": len(stock.calls),
        "answers repeated to a key": sum(one.replayed for one in told),
        "requests refused": sum(one.status >= 500 for one in told),
        "callers": kinds["call"],
        "callers refused by a dead carrier": people.refused_callers,
        "dials": kinds["dial"],
        "rings": kinds["ring"],
        "answers": kinds["answer"],
        "bridges": kinds["bridge"],
        "webhooks": kinds["webhook"],
        "calls ever promised": sum(any(one.kind == "call-scheduled" for one in log) for log in stock.entries.values()),
        "legs in doubt": sum(leg.unknown_at is not None for leg in legs),
        "legs condemned": sum(leg.phase == "condemned" for leg in legs),
        "sessions resumed": sum(call.resumed for call in stock.calls.values()),
    }
