"""The half for users: carriers of their own lab die, their own gateway is asked over REST."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from carriers.lab.ledger import Entry
from gateway.chaos.done import Blow, Done
from gateway.chaos.doubles import AGAIN, DARK, WRONG
from gateway.chaos.staging import judge, second_rings
from gateway.simulation.people import Told

ROOT = Path(__file__).parents[2]
KEY = "staging-key-0123456789abcdef"
WITHIN_S = 240
TO = "+15550100001"


def view(**more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"id": "call_1", "to": TO, "status": "ended", "outcome": "completed", "callback": None, "legs": []}
    return {**known, **more}


def told(call_id: str, key: str = "one") -> Told:
    return Told(at=0.0, wish=0, key=key, call_id=call_id, status=201)


def entry(at: float, kind: str, ref: str) -> Entry:
    return Entry(at=at, kind=kind, carrier=f"carrier-{ref}", number=TO, carrier_call_id=ref)


def leg(ref: str, status: str) -> dict[str, Any]:
    return {"carrier": f"carrier-{ref}", "status": status, "knowledge": None}


TWO = [entry(1, "ring", "a"), entry(2, "answer", "a"), entry(3, "bridge", "a"), entry(4, "ring", "b"), entry(5, "bridge", "b")]


def test_what_went_well_holds() -> None:
    """One call, one ring, one end."""
    checks = judge({"call_1": view()}, [told("call_1")], [entry(1, "ring", "a"), entry(3, "bridge", "a")], [])
    assert checks.violations == []
    assert checks.counts["calls lost"] == 1


@pytest.mark.parametrize(
    ("views", "asked", "name"),
    [
        pytest.param({}, [told("call_1")], "calls lost", id="unknown to the gateway"),
        pytest.param({"call_1": view(status="dialing", outcome=None)}, [told("call_1")], "one outcome", id="without an end"),
        pytest.param({"call_1": view(), "call_2": view()}, [told("call_1"), told("call_2")], "one key", id="two calls for a key"),
    ],
)
def test_what_did_not_is_named(views: dict[str, Any], asked: list[Told], name: str) -> None:
    """Each by the promise that was broken."""
    violations = judge(views, asked, [], []).violations
    assert len(violations) == 1
    assert violations[0].startswith(name)


def test_a_promise_is_an_end() -> None:
    """A call that waits for its callback is not lost."""
    assert (
        judge({"call_1": view(status="scheduled", outcome=None, callback={"id": "cb"})}, [told("call_1")], [], []).violations
        == []
    )


def test_two_bridges_at_once() -> None:
    """A person who hears two calls."""
    assert [text.split(":")[0] for text in judge({}, [], TWO, []).violations] == ["people connected twice"]
    ended = sorted([*TWO, entry(3.5, "hangup", "a")], key=lambda one: one.at)
    assert judge({}, [], ended, []).violations == []


def test_second_rings_are_explained() -> None:
    """By a leg that the gateway condemned, with the faults of that time; by an end before it; else not at all."""
    done = Done(blows=[Blow(at=0.5, until=3.0, what="dark", whom="carrier-a", carrier=True, kill=True)])
    condemned = view(legs=[leg("a", "condemned"), leg("b", "ended")])
    assert [(ring.what, ring.because) for ring in second_rings({"call_1": condemned}, TWO, done)] == [
        (DARK, ("carrier-a: dark",))
    ]
    known = view(legs=[leg("a", "ended"), leg("b", "ended")])
    assert [ring.what for ring in second_rings({"call_1": known}, TWO, done)] == [WRONG]
    ended = sorted([*TWO, entry(3.5, "hangup", "a")], key=lambda one: one.at)
    assert [ring.what for ring in second_rings({"call_1": known}, ended, done)] == [AGAIN]


# --- the command, on processes -----------------------------------------------------------------------------------


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """A `holdline` process, and what it said when it was ready."""
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        command = [sys.executable, "-m", "gateway.cli", *arguments, "--port", "0", "--json"]
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.terminate()
        process.communicate(timeout=60)


def environment(key: str = KEY) -> dict[str, str]:
    return {**os.environ, "HOLDLINE_API_KEY": key, "COLUMNS": "100"}


def chaos(*arguments: str, key: str = KEY) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gateway.cli", "chaos", *arguments]
    return subprocess.run(command, env=environment(key), capture_output=True, text=True, timeout=WITHIN_S, check=False)


def test_somebodys_own_lab_and_gateway(tmp_path: Path) -> None:
    """Their carriers are killed under calls of their gateway, nothing is lost, and in the end the carriers are well."""
    config = str(ROOT / "config.yaml")
    with (
        running(tmp_path, "lab") as lab,
        running(tmp_path, "serve", "--config", config, "--lab", lab["url"], "--data", str(tmp_path / "data")) as gateway,
    ):
        where = ("--lab", lab["url"], "--gateway", gateway["url"])
        ran = chaos(*where, "--minutes", "0.15", "--kills", "6", "--seed", "2", "--json")
        assert ran.stdout, ran.stderr
        document = json.loads(ran.stdout.splitlines()[-1])
        assert (document["violations"], document["failures"], ran.returncode) == ([], [], 0)
        assert document["carrier_kills"] >= 6
        assert document["checked"]["calls lost"] > 4
        wrong = chaos(*where, key="another-key-0123456789")
        assert wrong.returncode == 1
        assert "HOLDLINE_API_KEY" in wrong.stderr


def test_nobody_is_there() -> None:
    """A lab that does not answer is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = chaos("--lab", f"http://127.0.0.1:{port}", "--gateway", "http://127.0.0.1:1")
    assert ran.returncode == 1
    assert "is not a lab" in ran.stderr


def test_one_without_the_other() -> None:
    """--lab alone is a wrong command line."""
    assert chaos("--lab", "http://127.0.0.1:1").returncode == 2
