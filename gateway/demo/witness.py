"""Judges a step by what the lab's carriers and phones recorded. What the gateway says of itself counts for nothing here. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from gateway.demo.parrot import Seen
from gateway.demo.recording import Hearing
from gateway.demo.story import Carrier, Step

HEARD_S = 1.0
"""So much of the agent's speech must have reached the phone."""

MARKS = 2
"""Of its chime, and of what it repeats."""

Entry = Mapping[str, Any]
"""A line of the lab's ledger."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that must hold, and what was seen instead."""

    expected: str
    saw: str
    ok: bool


class Sighting(Struct, frozen=True, kw_only=True):
    """One step's part of the ledger. `rings` are (carrier, caller id); `ends` are who ended an answered call."""

    dials: tuple[str, ...] = ()
    rings: tuple[tuple[str, str], ...] = ()
    answers: int = 0
    bridges: int = 0
    ends: tuple[str, ...] = ()


def sighting(entries: Sequence[Entry]) -> Sighting:
    """Read the ledger of one number, from the step's first entry on."""
    return Sighting(
        dials=tuple(entry["carrier"] for entry in _of(entries, "dial")),
        rings=tuple((entry["carrier"], entry["caller_id"]) for entry in _of(entries, "ring")),
        answers=len(_of(entries, "answer")),
        bridges=len(_of(entries, "bridge")),
        ends=tuple(entry["by"] for entry in _of(entries, "hangup") if entry["answered"]),
    )


def judge(step: Step, seen: Sighting, heard: Hearing | None) -> tuple[Finding, ...]:
    """Everything that must hold once the call of a step is over; `heard` is None if there is no recording."""
    return (
        _rang_once(step.through, seen),
        _dialled_once(step.through, seen),
        _finding("answered once, with sound both ways", _talk(seen), ok=(seen.answers, seen.bridges) == (1, 1)),
        _agent_reached(heard),
        _person_reached(heard),
        _ended(step, seen),
    )


def judge_waiting(status: int, call: Mapping[str, Any], seen: Sighting) -> tuple[Finding, ...]:
    """What must hold while no carrier is left: accepted, promised, and the phone silent."""
    due_at = (call.get("callback") or {}).get("due_at")
    saw = f"{status}, {call.get('status')}, " + (f"due {due_at}" if due_at else "without a due time")
    ok = status == 201 and call.get("status") == "scheduled" and bool(due_at)
    return (
        _finding("201, then scheduled with a due time", saw, ok=ok),
        _finding("no ring while no carrier is left", _rings(seen), ok=not seen.rings),
    )


def judge_outside(seen: Seen) -> tuple[Finding, ...]:
    """The agent's own log of its one call: whatever carriers were tried, to it that is one conversation."""
    sids = {start.get("streamSid") for start in seen.starts}
    return (
        _finding("the agent sees one socket and one start", f"{seen.sockets} and {len(seen.starts)}", ok=_once(seen, sids)),
        _finding("a mark comes back when Alex has heard its words", f"{seen.marks} marks", ok=seen.marks >= MARKS),
    )


def _once(seen: Seen, sids: set[Any]) -> bool:
    return seen.sockets == len(seen.starts) == len(sids) == 1


def judge_story(rings: int, answers: int, steps: int) -> Finding:
    """Over the whole story the phone rang once for each call: no late ghost of a dead carrier."""
    saw = f"{rings} rings, {answers} answers"
    return _finding(f"{steps} rings and {steps} answers in all", saw, ok=rings == answers == steps)


def _rang_once(through: Carrier, seen: Sighting) -> Finding:
    expected = f"one ring, through {through.title}, from a number that it owns ({', '.join(through.numbers)})"
    ok = len(seen.rings) == 1 and seen.rings[0][0] == through.lab and seen.rings[0][1] in through.numbers
    return _finding(expected, _rings(seen), ok=ok)


def _dialled_once(through: Carrier, seen: Sighting) -> Finding:
    count = seen.dials.count(through.lab)
    return _finding(f"{through.title} was asked once", f"asked {_times(count)}", ok=count == 1)


def _agent_reached(heard: Hearing | None) -> Finding:
    saw = "no recording" if heard is None else f"{heard.agent_s:.1f} s"
    return _finding(f"Alex hears the agent for at least {HEARD_S:g} s", saw, ok=heard is not None and heard.agent_s >= HEARD_S)


def _person_reached(heard: Hearing | None) -> Finding:
    expected = "the agent hears Alex: it answers what Alex says"
    if heard is None:
        return _finding(expected, "no recording", ok=False)
    answered = heard.answered_after_s
    saw = "no answer after Alex spoke" if answered is None else f"an answer {answered:.1f} s after Alex spoke"
    return _finding(expected, saw, ok=answered is not None and heard.person_s > 0)


def _ended(step: Step, seen: Sighting) -> Finding:
    by, who = ("carrier", "the agent") if step.agent_hangs_up else ("phone", "Alex")
    saw = ", ".join(f"ended by the {word}" for word in seen.ends) or "not ended"
    return _finding(f"{who} hangs up", saw, ok=seen.ends == (by,))


def _rings(seen: Sighting) -> str:
    return ", ".join(f"a ring through {carrier} from {caller_id}" for carrier, caller_id in seen.rings) or "no ring"


def _talk(seen: Sighting) -> str:
    return f"answered {_times(seen.answers)}, sound both ways {_times(seen.bridges)}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _of(entries: Sequence[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry["kind"] == kind]


def _finding(expected: str, saw: str, *, ok: bool) -> Finding:
    return Finding(expected=expected, saw=saw, ok=ok)
