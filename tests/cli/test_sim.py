"""`holdline sim`: one world, and many."""

import json

import pytest
from typer.testing import CliRunner

import gateway.simulation.runs as runs
from gateway.cli import app
from gateway.simulation.invariants import PROMISES
from gateway.simulation.invariants.evidence import Checks, Evidence


def test_one_world_tells_what_it_was_and_shows_itself() -> None:
    """--seed alone runs that world; with --trace every event of it is printed, and the digest with which to compare."""
    told = CliRunner().invoke(app, ["sim", "--seed", "2", "--trace"])
    assert told.exit_code == 0
    assert "trace " in told.stdout
    assert sum("commit" in line for line in told.stdout.splitlines()) > 20


def test_many_worlds_are_summed_up_for_machines() -> None:
    """--seeds with --json gives worlds, calls, faults hit by kind, and how often each promise was checked."""
    told = CliRunner().invoke(app, ["sim", "--seeds", "3", "--seed", "1", "--json"])
    assert told.exit_code == 0
    summary = json.loads(told.stdout.splitlines()[-1])
    assert (summary["worlds"], summary["failed"]) == (3, [])
    assert summary["totals"]["calls"] > 3
    assert summary["faults_hit"]
    assert set(summary["invariants"]) == set(PROMISES)


def test_a_broken_promise_is_told_with_all_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, the seed, what was broken, the last events and the command that shows the rest."""

    def broken(_evidence: Evidence) -> Checks:
        checks = Checks()
        checks.begin("1 bridged once")
        checks(False, "two agents spoke at once")
        return checks

    monkeypatch.setattr(runs, "judge", broken)
    told = CliRunner().invoke(app, ["sim", "--seeds", "1", "--seed", "2"])
    assert told.exit_code == 1
    assert "seed 2 failed" in told.stdout
    assert "two agents spoke at once" in told.stdout
    assert "its last 20 events" in told.stdout
    assert "holdline sim --seed 2 --trace" in told.stdout
