"""What a person reads at the end: who was killed when, what became of the calls, what held. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from gateway.chaos.done import Blow, Done
from gateway.chaos.doubles import AGAIN, Ring
from gateway.simulation.invariants.evidence import Checks

_MOMENTS = ("dial", "ring", "answer", "speech", "hang-up", "no moment")
_SHOWN = 20


class Result(Struct, frozen=True, kw_only=True):
    """One run."""

    seed: int
    command: str
    seconds: float
    done: Done
    checks: Checks
    totals: Mapping[str, int]
    outcomes: Mapping[str, int]
    rings: Sequence[Ring]
    failures: Sequence[str]

    @property
    def held(self) -> bool:
        """Nothing was violated, and our own machinery worked."""
        return not self.checks.violations and not self.failures


def document(result: Result) -> dict[str, Any]:
    """For machines."""
    done = result.done
    return {
        "ok": result.held,
        "seed": result.seed,
        "seconds": round(result.seconds, 1),
        "own_kills": done.own_kills,
        "carrier_kills": done.carrier_kills,
        "deaths": dict(done.deaths),
        "blows": dict(Counter(blow.what for blow in done.blows)),
        "totals": dict(result.totals),
        "outcomes": dict(result.outcomes),
        "checked": dict(result.checks.counts),
        "notes": dict(result.checks.notes),
        "rung_twice": [_ring(ring) for ring in result.rings if ring.what != AGAIN],
        "violations": list(result.checks.violations),
        "failures": list(result.failures),
    }


def lines(result: Result) -> Iterable[str]:
    """For people."""
    done = result.done
    killed = f"{done.own_kills} processes of ours and {done.carrier_kills} carriers killed"
    yield f"{killed} in {result.seconds:.0f} s, seed {result.seed}"
    yield ""
    yield from _by_moment(done.blows)
    yield from _cells("processes that died", done.deaths)
    yield from _cells("carriers", Counter(blow.what for blow in done.blows if blow.carrier))
    yield from _cells("what happened", result.totals)
    yield from _cells("how calls ended", result.outcomes)
    yield "promises, and how often each was checked"
    yield from (f"  {name:<56} {count:>7}" for name, count in result.checks.counts.items())
    yield ""
    yield from _cells("allowed, and counted", result.checks.notes)
    yield from _rings(result.rings)
    yield from _end(result)


def _by_moment(blows: Sequence[Blow]) -> Iterable[str]:
    """One line a kind of deed, one column a moment."""
    ours = [blow for blow in blows if not blow.carrier]
    yield f"{'ours, by the moment of a call':<34}" + "".join(f"{moment:>11}" for moment in _MOMENTS)
    for what in sorted({blow.what for blow in ours}):
        counts = Counter(blow.moment for blow in ours if blow.what == what)
        yield f"  {what:<32}" + "".join(f"{counts[moment] or '':>11}" for moment in _MOMENTS)
    yield ""


def _rings(rings: Sequence[Ring]) -> Iterable[str]:
    shown = [ring for ring in rings if ring.what != AGAIN]
    if not shown:
        return
    yield "phones rung twice"
    for ring in shown[:_SHOWN]:
        yield f"  {_ring(ring)}"
    if len(shown) > _SHOWN:
        yield f"  and {len(shown) - _SHOWN} more (--json has all)"
    yield ""


def _ring(ring: Ring) -> str:
    because = "; ".join(ring.because) or "nothing was wrong then"
    return f"{ring.number} {ring.first} -> {ring.second} after {ring.seconds:g} s, {ring.what} ({because})"


def _end(result: Result) -> Iterable[str]:
    for failure in result.failures[:_SHOWN]:
        yield f"OUR OWN MACHINERY: {failure}"
    for violation in result.checks.violations[:_SHOWN]:
        yield f"VIOLATION: {violation}"
    if len(result.checks.violations) > _SHOWN:
        yield f"and {len(result.checks.violations) - _SHOWN} violations more"
    yield "every promise held" if result.held else f"{len(result.checks.violations)} violations"
    yield f"the same plan again: {result.command} (real processes never play it twice alike)"


def _cells(title: str, counts: Mapping[str, int]) -> Iterable[str]:
    if not any(counts.values()):
        return
    yield title
    cells = [f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]) if count]
    for start in range(0, len(cells), 4):
        yield "  " + "  ".join(f"{cell:<30}" for cell in cells[start : start + 4]).rstrip()
    yield ""
