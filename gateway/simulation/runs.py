"""Many worlds: one after the other, or in several processes of this machine. The same seed gives the same world in each."""

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from itertools import islice

from msgspec import Struct

from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import Exchange
from carriers.registry import kinds
from gateway.runtime.store.unwaited import RealStores, real_stores
from gateway.simulation.invariants import judge
from gateway.simulation.plan import KindPlan, Plan, plan_of
from gateway.simulation.world import World

REAL_EVERY = 20
"""One seed in so many runs on the real Lua scripts."""
LAST = 20


class Outcome(Struct, frozen=True, kw_only=True):
    """What one world came to. `last`: its last lines if anything was violated, else nothing."""

    seed: int
    violations: tuple[str, ...]
    checks: dict[str, int]
    notes: dict[str, int]
    faults: dict[str, int]
    totals: dict[str, int]
    outcomes: dict[str, int]
    digest: str
    virtual_s: float
    real_store: bool
    last: tuple[str, ...] = ()


def plan_for(seed: int) -> Plan:
    """The world of a seed, with every carrier that can be simulated."""
    return plan_of(seed, _kinds(), real_store=seed % REAL_EVERY == REAL_EVERY - 1)


@cache
def _kinds() -> dict[str, KindPlan]:
    """What the kinds of carriers that can be simulated let a seed choose from."""
    known = {kind: card for kind, card in kinds().items() if card.in_memory is not None}
    plans = [
        DeskPlan(name=kind, kind=kind, simulator=card.simulator, base_url=f"http://{kind}.sim", numbers=("+15550190001",))
        for kind, card in known.items()
    ]
    desks = Exchange(plans).desks
    return {
        kind: KindPlan(causes=tuple(sorted(desks[kind].simulator.causes)), lags=dict(card.look_up_lags))
        for kind, card in known.items()
    }


def run_world(seed: int, stores: RealStores | None = None) -> tuple[World, Outcome]:
    """Build, run and judge one world. Without `stores` every world has the store in memory."""
    plan = plan_for(seed)
    with ExitStack() as stack:
        real = plan.real_store and stores is not None
        store = stack.enter_context(stores.store(f"sim-{seed}")) if real and stores else None
        world = World(plan, store)
        world.run()
    return world, _outcome(world, real=real)


def _outcome(world: World, *, real: bool) -> Outcome:
    checks = judge(world.evidence())
    calls = world.calls.values()
    counts, ledger = world.history.counts, world.exchange.ledger.totals
    totals = {
        "calls": len(world.calls),
        "legs": sum(len(call.legs) for call in calls),
        "dials": len(world.truth.posts),
        "rings": ledger["ring"],
        "bridges": ledger["bridge"],
        "webhooks": ledger["webhook"],
        "kills": counts.get("killed", 0),
        "freezes": counts.get("frozen", 0),
        "drains": counts.get("draining", 0),
        "clock steps": counts.get("clock-step", 0),
        "store troubles": sum(1 for _, on in world.watch.store_troubles if on),
        "legs in doubt": sum(1 for call in calls for leg in call.legs if leg.unknown_at is not None),
        "legs condemned": len(world.watch.condemned_at),
        "forgeries": world.watch.forgeries,
        "stale workers fenced": world.watch.fenced,
    }
    return Outcome(
        seed=world.plan.seed,
        violations=tuple(checks.violations),
        checks=dict(checks.counts),
        notes=dict(checks.notes),
        faults=dict(world.strikes),
        totals=totals,
        outcomes=dict(Counter(str(call.outcome or "waits for its window") for call in calls)),
        digest=world.history.digest(),
        virtual_s=world.finished_at,
        real_store=real,
        last=tuple(world.history.last(LAST)) if checks.violations else (),
    )


def run_seeds(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    """All of them, as they finish."""
    if jobs <= 1:
        with real_stores() as stores:
            for seed in seeds:
                yield run_world(seed, stores)[1]
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker) as pool:
        yield from _as_they_finish(pool, iter(seeds), jobs)


def _as_they_finish(pool: ProcessPoolExecutor, seeds: Iterator[int], jobs: int) -> Iterator[Outcome]:
    under_way: set[Future[Outcome]] = {pool.submit(_run_here, seed) for seed in islice(seeds, 2 * jobs)}
    while under_way:
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        under_way |= {pool.submit(_run_here, seed) for seed in islice(seeds, len(done))}
        for future in done:
            yield future.result()


_worker = ExitStack()
_stores: list[RealStores] = []


def _begin_worker() -> None:
    """A server of its own for each process; it ends with it."""
    import atexit

    _stores.append(_worker.enter_context(real_stores()))
    atexit.register(_worker.close)


def _run_here(seed: int) -> Outcome:
    return run_world(seed, _stores[0])[1]
