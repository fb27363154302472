"""What a person reads of many worlds: progress, a summary, and of a failure all that is needed to see it again."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from gateway.simulation.runs import Outcome


class Summary(Struct, kw_only=True):
    """The sum of many outcomes."""

    worlds: int = 0
    real_stores: int = 0
    virtual_s: float = 0.0
    totals: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """One more world."""
        self.worlds += 1
        self.real_stores += outcome.real_store
        self.virtual_s += outcome.virtual_s
        for mine, theirs in (
            (self.totals, outcome.totals),
            (self.outcomes, outcome.outcomes),
            (self.faults, outcome.faults),
            (self.checks, outcome.checks),
            (self.notes, outcome.notes),
        ):
            mine.update(theirs)
        if outcome.violations:
            self.failed.append(outcome)

    def document(self, seconds: float) -> dict[str, Any]:
        """For machines."""
        return {
            "worlds": self.worlds,
            "on_the_real_store": self.real_stores,
            "virtual_s": round(self.virtual_s, 1),
            "seconds": round(seconds, 1),
            "totals": _sorted(self.totals),
            "outcomes": _sorted(self.outcomes),
            "faults_hit": _sorted(self.faults),
            "invariants": dict(self.checks),
            "notes": dict(self.notes),
            "failed": [{"seed": one.seed, "violations": list(one.violations), "digest": one.digest} for one in self.failed],
        }


def summary_lines(summary: Summary, seconds: float) -> Iterable[str]:
    """For people."""
    yield (
        f"{summary.worlds} worlds ({summary.real_stores} on the real store) of {summary.virtual_s / 3600:.1f} virtual hours"
        f" in {seconds:.0f} s"
    )
    yield ""
    yield from _table("what happened", summary.totals)
    yield from _table("how calls ended", summary.outcomes)
    yield from _table("faults that struck", summary.faults)
    yield "invariants, and how often each was checked"
    yield from (f"  {name:<52} {count:>8}" for name, count in summary.checks.items())
    yield ""
    yield from _table("allowed, and counted", summary.notes)
    word = f"{len(summary.failed)} worlds failed" if summary.failed else "no violations"
    yield f"{word}: seeds {', '.join(str(one.seed) for one in summary.failed)}" if summary.failed else word


def failure_lines(outcome: Outcome) -> Iterable[str]:
    """Why a world failed, its last events, and how to see all of them."""
    yield f"seed {outcome.seed} failed after {outcome.virtual_s:.1f} virtual seconds:"
    yield from (f"  {violation}" for violation in outcome.violations[:10])
    yield f"  its last {len(outcome.last)} events:"
    yield from (f"    {line}" for line in outcome.last)
    yield f"  replay: holdline sim --seed {outcome.seed} --trace"


def _table(title: str, counts: Counter[str]) -> Iterable[str]:
    if not counts:
        return
    yield title
    cells = [f"{name} {count}" for name, count in counts.most_common() if count]
    for start in range(0, len(cells), 5):
        yield "  " + "  ".join(f"{cell:<22}" for cell in cells[start : start + 5]).rstrip()
    yield ""


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
