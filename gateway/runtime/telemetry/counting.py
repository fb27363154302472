"""From what was just committed to what is counted. Pure but for the counter that is handed in."""

from collections.abc import Callable

from gateway.domain.breaker import BreakerState
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call, Leg
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.store.promise_contract import OpenPromises

BREAKER_VALUES = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}
"""`carrier_breaker_state`, as its help says."""

_LOST = "agent-lost"
Count = Callable[..., None]


def count_change(before: Call | None, after: Call, entries: tuple[LogEntry, ...], count: Count) -> None:
    """Count what one committed change of a call means: a call or a leg that ended, a leg condemned, a failover."""
    if after.outcome is not None and (before is None or before.outcome is None):
        count("gateway_calls_total", outcome=after.outcome.value)
    for leg in after.legs:
        _count_leg(before.find(leg.id) if before else None, leg, count)
    for entry in entries:
        if entry.kind == _LOST:
            count("agents_lost_total", agent=entry.data["agent"])
            count("ladder_rungs_total", rung=entry.data.get("rung") or "none")
        if entry.kind == "dial-resending":
            count("dials_resent_total", carrier=entry.carrier)
        failover = entry.data.get("failover")
        if failover:
            count("failover_total", **{"from": failover["from"], "to": failover["to"], "reason": failover["reason"]})


def show_promises(promises: OpenPromises, now: float, gauge: Count) -> None:
    """Set the gauges of what waits to be called, and is being called."""
    for (state, purpose), count in promises.counts.items():
        gauge("promises_open", count, state=state.value, purpose=purpose or "none")
    overdue_s = 0.0 if promises.first_due is None else max(now - promises.first_due, 0.0)
    gauge("promises_overdue_seconds", overdue_s)


def _count_leg(before: Leg | None, after: Leg, count: Count) -> None:
    if after.live or (before is not None and not before.live):
        return
    if after.phase is LegPhase.CONDEMNED:
        count("legs_condemned_total", carrier=after.carrier)
    if after.verdict is not None:
        verdict = after.verdict
        words = {"disposition": verdict.disposition.value, "attribution": verdict.attribution.value}
        count("gateway_attempts_total", carrier=after.carrier, **words)
