"""What the router would do with a call now, and why, without dialling: the same plan that a dial follows."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from gateway.compliance.decision import Denied, decide
from gateway.domain import routing
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.records import Call
from gateway.runtime.fleet import carrier_views
from gateway.runtime.store.contract import Store


class Explained(Struct, frozen=True, kw_only=True):
    """One carrier: its place in the order (from 1; None if it is passed over), and why."""

    carrier: str
    place: int | None
    caller_id: str | None
    reason: str
    retry_at: float | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """All carriers of the route, those that would be tried first; `denied` is the compliance rule that forbids the call."""

    carriers: tuple[Explained, ...]
    denied: str | None = None


class Rule(Protocol):
    """What the config's route says."""

    @property
    def carriers(self) -> tuple[str, ...]: ...

    @property
    def compliance(self) -> str: ...


async def explain(
    store: Store,
    call: Call,
    rule: Rule,
    numbers: Mapping[str, tuple[str, ...]],
    room: Mapping[str, int],
    now: float,
    policy: BreakerPolicy,
) -> Explanation:
    """`numbers`: caller ids of every carrier by name, in order of priority; `room`: how many calls each may carry at once."""
    views = await carrier_views(store, numbers)
    plan = routing.plan(call, rule.carriers or tuple(numbers), views, now, policy)
    full = {name for name in numbers if await store.live_legs(name, now) >= room[name]}
    tried = [_candidate(place, candidate, full, room) for place, candidate in enumerate(plan.candidates, 1)]
    passed = [_passed(entry) for entry in plan.passed]
    decision = decide(rule.compliance, call, now)
    return Explanation(carriers=(*tried, *passed), denied=decision.rule if isinstance(decision, Denied) else None)


def _candidate(place: int, candidate: routing.Candidate, full: set[str], room: Mapping[str, int]) -> Explained:
    """A full carrier keeps its place: the call waits for it a moment before it goes on to the next."""
    crowded = f"; full now, all {room[candidate.carrier]} of its places are taken" if candidate.carrier in full else ""
    return Explained(carrier=candidate.carrier, place=place, caller_id=candidate.caller_id, reason=candidate.why + crowded)


def _passed(entry: routing.Passed) -> Explained:
    return Explained(carrier=entry.carrier, place=None, caller_id=None, reason=entry.reason, retry_at=entry.retry_at)
