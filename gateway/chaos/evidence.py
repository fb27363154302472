"""Ledger and store of real processes, in the shape that the simulation's promises judge."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gateway.chaos.done import Done
from gateway.chaos.plan import Wish
from gateway.chaos.replay import fill
from gateway.chaos.settings import CALLERS_AGENT
from gateway.chaos.stock import Stock
from gateway.chaos.truth import Truth
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime.store.memory_store import MemoryStore
from gateway.simulation.history import History
from gateway.simulation.invariants.evidence import Evidence
from gateway.simulation.people import TakenBack, Told
from gateway.simulation.plan import CallPlan, CarrierPlan, MishapPlan, Plan
from gateway.simulation.sound import Tones
from gateway.simulation.watch import Watch

_MANY = 10_000.0


class Scene(Struct, frozen=True, kw_only=True):
    """What is known beside ledger and store: times, what was done, what clients were told, what agents saw."""

    begin: float
    heal_at: float
    ended_at: float
    policy: Policy
    carriers: Sequence[Mapping[str, str]]
    """`name` and `kind` of each."""
    wishes: Sequence[Wish]
    told: Sequence[Told]
    taken_back: Sequence[TakenBack]
    answers: Sequence[tuple[str, str, str]]
    """(agent process, call id, session id)."""
    done: Done
    left_over: Sequence[str]


def evidence_of(scene: Scene, truth: Truth, stock: Stock) -> Evidence:
    """All calls; see `settled` for those that must have ended."""
    watch = Watch(MemoryStore(), lambda: scene.ended_at, History(lambda: scene.ended_at))
    fill(watch, stock.calls, stock.entries, scene.policy)
    for carrier, changes in scene.done.troubles.items():
        watch.troubles[carrier].extend(changes)
    watch.store_troubles.extend(scene.done.store_troubles)
    return Evidence(
        plan=_plan(scene),
        policy=scene.policy,
        begin=scene.begin,
        ended_at=scene.ended_at,
        heal_at=scene.heal_at,
        posts=truth.posts,
        people=truth.people(),
        callers=truth.callers(CALLERS_AGENT),
        tones=Tones(),
        calls=stock.calls,
        entries=stock.entries,
        told=list(scene.told),
        taken_back=list(scene.taken_back),
        watch=watch,
        answers=list(scene.answers),
        delivered=truth.delivered(),
        surprises=[],
        left_over=list(scene.left_over),
        voicemails={},
        recording={},
        messages={},
        open_promises=[call_id for call_id in stock.promised if call_id not in stock.calls or stock.calls[call_id].ended],
    )


def settled(evidence: Evidence, stock: Stock) -> Evidence:
    """Without the calls that have an open promise: one that lies in the queue is an end that is still to come."""
    calls = {call_id: call for call_id, call in stock.calls.items() if not _promised(call, stock)}
    return replace(evidence, calls=calls)


def call_plan(wish: Wish, index: int, run: str = "") -> CallPlan:
    """The wish, in the words of the simulation's clients."""
    return CallPlan(
        at=wish.at,
        to=wish.to,
        key=f"wish-{run}{index}",
        patience_s=wish.patience_s,
        tries=wish.tries,
        also=wish.also,
        another_body=wish.another_body,
        cancel_after_s=wish.cancel_after_s,
        hang_up_after_s=wish.hang_up_after_s,
        on_exhausted=wish.on_exhausted,
        not_before_s=wish.not_before_s,
        promise={"retry_on": list(wish.retry_on)} if wish.retry_on else {},
        steering=(("take-back", wish.take_back_s),) if wish.take_back_s is not None else (),
    )


def _promised(call: Call, stock: Stock) -> bool:
    return not call.ended and call.promise is not None and call.id in stock.promised


def _plan(scene: Scene) -> Plan:
    """What of a run the promises ask a plan for: what clients wished, and when processes were in trouble."""
    return Plan(
        seed=0,
        processes=scene.done.processes,
        carriers=tuple(_carrier(one["name"], one["kind"]) for one in scene.carriers),
        phones={},
        calls=tuple(call_plan(wish, index) for index, wish in enumerate(scene.wishes)),
        faults=(),
        mishaps=tuple(
            MishapPlan(at=at - scene.begin, process=0, kind="kill", for_s=for_s) for at, for_s in scene.done.own_troubles
        ),
        store=(),
        heal_at=scene.heal_at - scene.begin,
        ring_timeout_s=0,
        max_duration_s=0,
        expires_after_s=0.0,
        forged_hooks=0,
        lost_requests=0.0,
        real_store=True,
    )


def _carrier(name: str, kind: str) -> CarrierPlan:
    return CarrierPlan(name=name, kind=kind, numbers=(), calls_per_second=_MANY, concurrent_calls=int(_MANY))
