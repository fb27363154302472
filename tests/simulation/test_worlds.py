"""Whole worlds: every promise holds in each, and the same seed is the same world."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from gateway.domain.outcome import CallStatus
from gateway.runtime.store.unwaited import real_stores
from gateway.simulation.invariants import PROMISES, judge
from gateway.simulation.runs import REAL_EVERY, Outcome, plan_for, run_world

SEEDS = 100
"""So many worlds in the suite; `holdline sim` runs as many as one likes."""


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """The first worlds, judged."""
    with real_stores() as stores:
        return [run_world(seed, stores)[1] for seed in range(SEEDS)]


def test_every_promise_holds_in_every_world(outcomes: list[Outcome]) -> None:
    """No world of the suite breaks any promise."""
    assert {outcome.seed: outcome.violations for outcome in outcomes if outcome.violations} == {}


def test_the_worlds_are_bad_enough(outcomes: list[Outcome]) -> None:
    """Together they kill, freeze, doubt and condemn, on the real store too, and every promise is looked at."""
    totals, checks = Counter[str](), Counter[str]()
    for outcome in outcomes:
        totals.update(outcome.totals)
        checks.update(outcome.checks)
    assert min(totals[name] for name in ("kills", "freezes", "clock steps", "store troubles", "legs condemned", "bridges")) > 5
    assert sum(outcome.real_store for outcome in outcomes) == SEEDS // REAL_EVERY
    assert [name for name in PROMISES if not checks[name]] == []
    assert len({kind for outcome in outcomes for kind in outcome.faults}) > 18


def test_the_same_seed_is_the_same_world() -> None:
    """Two runs of one seed agree in every event, byte for byte."""
    first, again = run_world(3)[0], run_world(3)[0]
    assert list(first.history.lines()) == list(again.history.lines())
    assert len(list(first.history.lines())) > 200


@pytest.mark.parametrize("seed", [4, REAL_EVERY - 1])
def test_the_same_in_any_process(seed: int) -> None:
    """Neither the order of hashes nor the process nor real time changes a world; on the real store either."""
    told = [_digest(seed, hash_seed) for hash_seed in ("1", "2")]
    assert told[0] == told[1]


def test_what_is_broken_is_found() -> None:
    """A world in which one call ended as nobody wrote it is condemned by the judge: the judge can tell."""
    world, outcome = run_world(5)
    assert not outcome.violations
    evidence = world.evidence()
    call_id, call = next(iter(evidence.calls.items()))
    evidence.calls[call_id] = type(call)(**{**_fields(call), "status": CallStatus.DIALING, "outcome": None})  # type: ignore[index]
    evidence.posts.extend(evidence.posts[:1])
    found = {violation.partition(":")[0] for violation in judge(evidence).violations}
    assert {"4 one place is one POST", "7 no zombies", "22 everything is explained, and can be replayed"} <= found


def test_a_plan_says_what_its_seed_says() -> None:
    """Plans are made of the seed alone, and differ from seed to seed."""
    assert plan_for(11) == plan_for(11)
    assert len({json.dumps([fault.fault for fault in plan_for(seed).faults]) for seed in range(30)}) > 20


def _digest(seed: int, hash_seed: str) -> str:
    words = [sys.executable, "-m", "gateway.cli", "sim", "--seed", str(seed), "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return str(json.loads(ran.stdout)["digest"])


def _fields(call: object) -> dict[str, object]:
    return {name: getattr(call, name) for name in type(call).__struct_fields__}  # type: ignore[attr-defined]
