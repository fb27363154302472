"""`holdline sim`: simulated worlds, many or one."""

import sys
import time
from collections.abc import Callable, Iterable

import msgspec

from gateway.runtime.store.unwaited import real_stores
from gateway.simulation.report import Summary, failure_lines, summary_lines
from gateway.simulation.runs import Outcome, run_seeds, run_world

PROGRESS_S = 2.0


def run(*, seeds: int, first: int, jobs: int, only: int | None, trace: bool, as_json: bool, out: Callable[[str], None]) -> int:
    """Run them; 0 if every promise held in every world, else 1."""
    if only is not None:
        return _one(only, trace=trace, as_json=as_json, out=out)
    began, summary = time.monotonic(), Summary()
    told = began
    for outcome in run_seeds(range(first, first + seeds), jobs):
        summary.add(outcome)
        if outcome.violations and not as_json:
            _tell(failure_lines(outcome), out)
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            print(_progress(summary, seeds, told - began), file=sys.stderr, flush=True)
    summary.failed.sort(key=lambda failed: failed.seed)
    seconds = time.monotonic() - began
    if as_json:
        out(msgspec.json.encode(summary.document(seconds)).decode())
    else:
        _tell(summary_lines(summary, seconds), out)
    return 1 if summary.failed else 0


def _one(seed: int, *, trace: bool, as_json: bool, out: Callable[[str], None]) -> int:
    with real_stores() as stores:
        world, outcome = run_world(seed, stores)
    if trace:
        _tell(world.history.lines(), out)
    if as_json:
        out(msgspec.json.encode(outcome).decode())
    else:
        _tell(_verdict(outcome), out)
    return 1 if outcome.violations else 0


def _verdict(outcome: Outcome) -> list[str]:
    if outcome.violations:
        return list(failure_lines(outcome))
    checked = sum(outcome.checks.values())
    calls = ", ".join(f"{count} {name}" for name, count in sorted(outcome.outcomes.items()))
    told = f"seed {outcome.seed}: {outcome.virtual_s:.1f} virtual seconds, {outcome.totals['calls']} calls ({calls})"
    return [f"{told}, {checked} checks held", f"trace {outcome.digest}"]


def _progress(summary: Summary, seeds: int, seconds: float) -> str:
    bad = f", {len(summary.failed)} failed" if summary.failed else ""
    return f"{summary.worlds} of {seeds} worlds, {summary.totals['calls']} calls, {seconds:.0f} s{bad}"


def _tell(lines: Iterable[str], out: Callable[[str], None]) -> None:
    for line in lines:
        out(line)
