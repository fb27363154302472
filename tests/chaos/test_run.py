"""Chaos itself, short: real processes are killed under live calls, and every promise holds. The full run is `make chaos`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WITHIN_S = 280
KILLS = 5


def holdline(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """The command, as its users run it."""
    command = [sys.executable, "-m", "gateway.cli", *arguments]
    environment = {**os.environ, "COLUMNS": "100", **environ}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What a short run told, and its folder."""
    folder = tmp_path_factory.mktemp("chaos") / "run"
    arguments = ("--minutes", "0.25", "--kills", str(KILLS), "--seed", "4", "--gateways", "2", "--keep", str(folder))
    told = holdline("chaos", *arguments, "--json")
    assert told.stdout, told.stderr
    document: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    assert told.returncode == (0 if document["ok"] else 1), told.stderr
    return document, folder


def test_every_promise_holds(run: tuple[dict[str, Any], Path]) -> None:
    """Processes and carriers were killed, calls were made, and nothing was lost, doubled, crossed or dropped."""
    told, _ = run
    assert (told["violations"], told["failures"]) == ([], [])
    assert told["own_kills"] >= KILLS
    assert told["carrier_kills"] >= 2 * KILLS
    assert told["totals"]["calls accepted"] > 5
    assert told["totals"]["bridges"] > 0
    assert told["checked"]["8 nothing acknowledged is forgotten"] > 5
    assert told["checked"]["22 everything is explained, and can be replayed"] > 5


def test_what_happened_can_be_read_afterwards(run: tuple[dict[str, Any], Path]) -> None:
    """The folder holds the ledger, the calls with their logs, and what was done to whom, one JSON line each."""
    told, folder = run
    ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    assert sum(entry["kind"] == "ring" for entry in ledger) == told["totals"]["rings"]
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    assert len(calls) == told["totals"]["calls in the store"]
    assert all(call["log"] for call in calls)
    blows = [json.loads(line) for line in (folder / "blows.jsonl").read_text().splitlines()]
    assert sum(blow.get("carrier", False) and blow["kill"] for blow in blows) == told["carrier_kills"]


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    """--keep wants a new one."""
    (tmp_path / "mine").write_text("x")
    told = holdline("chaos", "--keep", str(tmp_path))
    assert told.returncode == 2
    assert "is not empty" in told.stderr


def test_an_unknown_balancer_is_named(tmp_path: Path) -> None:
    """With those that there are."""
    told = holdline("chaos", "--balancer", "f5", "--keep", str(tmp_path))
    assert told.returncode == 2
    assert "own or haproxy" in told.stderr
