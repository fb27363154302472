"""Which carrier next, and why. Pure: everything known of the carriers comes in as `CarrierView`s, in priority order.

A carrier may carry a call if the call and the route allow it, if it has not been tried in this dialling round, if it
owns a caller id, if nobody took it out of service by hand, and if its breaker lets something through. When every
carrier's breaker is open, the least bad one is tried as a probe all the same: failing closed helps nobody.
"""

from collections.abc import Sequence

from msgspec import Struct

from gateway.domain import breaker as breakers
from gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState, Permit
from gateway.domain.hand import Hand
from gateway.domain.records import Call


class CarrierView(Struct, frozen=True, kw_only=True):
    """What the router knows of one carrier."""

    name: str
    numbers: tuple[str, ...]
    breaker: Breaker
    hand: Hand = Hand()


class Candidate(Struct, frozen=True, kw_only=True):
    """A carrier that may be tried now."""

    carrier: str
    caller_id: str
    permit: Permit
    why: str


class Passed(Struct, frozen=True, kw_only=True):
    """A carrier that was passed over."""

    carrier: str
    reason: str
    retry_at: float | None = None

    def __str__(self) -> str:
        return f"{self.carrier}: {self.reason}"


class Plan(Struct, frozen=True, kw_only=True):
    """Candidates in the order in which to try them, and the rest with the reason for each."""

    candidates: tuple[Candidate, ...]
    passed: tuple[Passed, ...]


def plan(call: Call, allowed: Sequence[str], views: Sequence[CarrierView], now: float, policy: BreakerPolicy) -> Plan:
    """Order the carriers for this call's next attempt. `allowed` is the route's list; the call's own list narrows it."""
    wanted = [name for name in (call.carriers or allowed) if name in allowed]
    by_name = {view.name: view for view in views}
    considered = [by_name[name] for name in wanted if name in by_name]
    judged = [_judge(call, view, position, now, policy) for position, view in enumerate(considered, 1)]
    candidates = tuple(verdict for verdict in judged if isinstance(verdict, Candidate))
    passed = tuple(verdict for verdict in judged if isinstance(verdict, Passed))
    if not candidates:
        candidates = _panic(call, considered, now, policy)
        taken = {candidate.carrier for candidate in candidates}
        passed = tuple(entry for entry in passed if entry.carrier not in taken)
    return Plan(candidates=candidates, passed=passed)


def caller_id_for(call: Call, numbers: Sequence[str]) -> str | None:
    """The number that the user asked for where this carrier owns it, else the carrier's own first; None without numbers."""
    if call.from_number is not None and call.from_number in numbers:
        return call.from_number
    return numbers[0] if numbers else None


def _judge(call: Call, view: CarrierView, position: int, now: float, policy: BreakerPolicy) -> Candidate | Passed:
    unfit = _unfit(call, view)
    if unfit is not None:
        return Passed(carrier=view.name, reason=unfit)
    permit = breakers.ask(view.breaker, now, policy)
    if not permit.allowed:
        return Passed(carrier=view.name, reason=f"breaker {view.breaker.state.value}", retry_at=permit.retry_at)
    caller_id = caller_id_for(call, view.numbers)
    assert caller_id is not None
    why = f"priority {position}" + (", as the breaker's probe" if permit.probe else "")
    return Candidate(carrier=view.name, caller_id=caller_id, permit=permit, why=why)


def _unfit(call: Call, view: CarrierView) -> str | None:
    if any(leg.carrier == view.name and leg.round == call.round for leg in call.legs):
        return "tried in this round"
    if not view.hand.in_service:
        return f"{view.hand.state.value} by hand"
    if not view.numbers:
        return "owns no caller id"
    return None


def _panic(call: Call, views: Sequence[CarrierView], now: float, policy: BreakerPolicy) -> tuple[Candidate, ...]:
    """Only if no carrier in service is let through by its breaker: the least often re-opened that is fit, as a probe."""
    if any(breakers.ask(view.breaker, now, policy).allowed for view in views if view.hand.in_service):
        return ()
    fit = [view for view in views if _unfit(call, view) is None and breakers.may_panic(view.breaker, now, policy)]
    if not fit:
        return ()
    least_bad = min(fit, key=lambda view: (view.breaker.reopenings, view.breaker.open_until))
    caller_id = caller_id_for(call, least_bad.numbers)
    assert caller_id is not None
    permit = Permit(allowed=True, epoch=least_bad.breaker.epoch, probe=least_bad.breaker.state is not BreakerState.CLOSED)
    return (Candidate(carrier=least_bad.name, caller_id=caller_id, permit=permit, why="every breaker is open: the least bad"),)
