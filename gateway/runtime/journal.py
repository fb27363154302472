"""Turns what a step did into lines of the call's log: one for the event, one for each change that a person cares about."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.domain.events import CallEvent, LegReported, RouteChosen
from gateway.domain.records import Call, Leg
from gateway.runtime.store.contract import LogEntry

_UNTOLD = frozenset({"type", "event", "media_token"})
"""The token opens the call's sound to whoever has it: it is for the carrier alone."""


def lines(event: CallEvent, before: Call, after: Call, now: float, new_id: Callable[[str], str]) -> tuple[LogEntry, ...]:
    """The log lines of one applied event, in order."""
    leg = _leg_of(event, after)
    inner = event.event if isinstance(event, LegReported) else event
    first = LogEntry(
        id=new_id("evt"),
        call_id=after.id,
        at=now,
        kind=_kebab(type(inner).__name__),
        leg_id=leg.id if leg else "",
        carrier=leg.carrier if leg else "",
        data=_telling(event, before, leg),
        event=msgspec.to_builtins(event),
    )
    if after.status is before.status:
        return (first,)
    return (first, _status_line(after, now, new_id))


def _status_line(call: Call, now: float, new_id: Callable[[str], str]) -> LogEntry:
    data: dict[str, Any] = {"status": call.status.value}
    if call.outcome is not None:
        data |= {"outcome": call.outcome.value, "reason": call.reason}
    if call.promise is not None:
        data |= {"due_at": call.promise.due_at, "reason": call.promise.reason}
    return LogEntry(
        id=new_id("evt"),
        call_id=call.id,
        at=now,
        kind=f"call-{call.status.value.replace('_', '-')}",
        leg_id=call.leg.id if call.leg else "",
        carrier=call.leg.carrier if call.leg else "",
        data=data,
    )


def _telling(event: CallEvent, before: Call, leg: Leg | None) -> dict[str, Any]:
    if isinstance(event, RouteChosen):
        return _of_route(event, before)
    if not isinstance(event, LegReported) or leg is None:
        return {key: value for key, value in msgspec.to_builtins(event).items() if key not in _UNTOLD}
    data: dict[str, Any] = {"phase": leg.phase.value}
    if leg.knowledge is not None:
        data["knowledge"] = leg.knowledge.value
    if leg.verdict is not None:
        data |= {"reason": leg.verdict.reason, "code": leg.verdict.code, "attribution": leg.verdict.attribution.value}
    return data


def _of_route(event: RouteChosen, before: Call) -> dict[str, Any]:
    data: dict[str, Any] = {"caller_id": event.caller_id, "why": event.why, "passed": list(event.passed)}
    last = before.leg
    if last is not None and last.round == before.round and last.verdict is not None:
        known = last.knowledge.value if last.knowledge else None
        data["failover"] = {"from": last.carrier, "to": event.carrier, "reason": last.verdict.reason, "known": known}
    return data


def _leg_of(event: CallEvent, call: Call) -> Leg | None:
    leg_id: str = getattr(event, "leg_id", "")
    return call.find(leg_id) if leg_id else None


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
