"""Phones that rang more than once for one call, each with its explanation. Pure.

A phone may ring again when the first leg is known to have ended (the line was lost, a promise is kept), and must not ring again
otherwise, unless nobody could know: the carrier took the call, its answer was lost, it could not be asked, and no webhook came.
Then the leg was condemned first. Which faults made it unknowable stands here; a ring without an explanation is a violation.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from msgspec import Struct

from gateway.chaos.done import Blow, Done
from gateway.domain.outcome import Direction, LegPhase
from gateway.domain.records import Call, Leg
from gateway.simulation.invariants.evidence import Evidence
from gateway.simulation.truth import Person

AGAIN = "called again after the first leg had ended"
DARK = "rung twice: the carrier could not be asked, and no webhook came"
WRONG = "rung twice without an explanation"


class Ring(Struct, frozen=True, kw_only=True):
    """A second ring. `because`: the faults that were on between the two, and what they struck."""

    call_id: str
    number: str
    first: str
    second: str
    """Carriers."""
    seconds: float
    """Between the rings."""
    what: str
    because: tuple[str, ...] = ()


def second_rings(evidence: Evidence, done: Done) -> list[Ring]:
    """All of them, in order of calls."""
    rung = _rung(evidence.people)
    return [
        _ring(evidence, done, call, one, other)
        for call in evidence.calls.values()
        if call.direction is Direction.OUTBOUND
        for one, other in pairwise(rung.get(call.id, ()))
    ]


def _rung(people: Iterable[Person]) -> Mapping[str, list[Person]]:
    found: dict[str, list[Person]] = {}
    for person in sorted((one for one in people if one.rang_at is not None), key=lambda one: one.rang_at or 0.0):
        found.setdefault(person.call_id, []).append(person)
    return found


def _ring(evidence: Evidence, done: Done, call: Call, one: Person, other: Person) -> Ring:
    first = one.rang_at or 0.0
    sent = _sent_at(call, other)
    what = _what(evidence.leg_at(call.id, one.leg_id, sent), one, other)
    leg = call.find(one.leg_id)
    begin = leg.sent_at if leg is not None and leg.sent_at is not None else one.placed_at
    return Ring(
        call_id=call.id,
        number=call.to,
        first=one.carrier,
        second=other.carrier,
        seconds=round((other.rang_at or 0.0) - first, 2),
        what=what,
        because=_because(done.during(begin, sent, one.carrier)) if what != AGAIN else (),
    )


def _sent_at(call: Call, person: Person) -> float:
    leg = call.find(person.leg_id)
    return leg.sent_at if leg is not None and leg.sent_at is not None else person.placed_at


def _what(then: Leg | None, one: Person, other: Person) -> str:
    """By what the store knew of the first leg when the second was sent."""
    if then is None or one.leg_id == other.leg_id:
        return WRONG
    lost = then.phase is LegPhase.ENDED and then.unknown_at is not None and then.accepted_at is None and then.alerted_at is None
    if then.phase is LegPhase.CONDEMNED or lost:
        return DARK
    return AGAIN if then.phase is LegPhase.ENDED else WRONG


def _because(blows: Iterable[Blow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{blow.whom}: {blow.what}" for blow in blows))
