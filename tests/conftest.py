"""How the whole suite runs: in what order its files, how often Python looks for garbage, and how it starts gateways."""

import gc
import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

WAITING = (
    "tests/demo/test_demo.py",
    "tests/endtoend/processes/test_sessions.py",
    "tests/endtoend/processes/test_crash_points.py",
    "tests/endtoend/test_handover.py",
    "tests/endtoend/test_ladder.py",
    "tests/endtoend/test_voicemail.py",
    "tests/endtoend/processes/test_promises_of_killed_gateways.py",
    "tests/endtoend/processes/test_long_outage.py",
    "tests/endtoend/processes/",
    "tests/chaos/test_run.py",
    "tests/endtoend/",
    "tests/chaos/",
    "tests/contracts/",
)
"""Files, or folders of them, that take long, most of it in waiting for telephones; the longest first, since several processes
take file after file (`make test`), and one of these that came last would leave the others idle.
"""
WORKING = ("tests/simulation/test_worlds.py", "tests/browser/", "tests/cli/", "tests/machines/")
"""Those that keep a processor busy, the longest first; everything else follows."""
WAITING_FOR_ONE_WORKING = 2


def pytest_configure(config: pytest.Config) -> None:
    """Until all tests are collected nothing is thrown away: looking for garbage then took a third of the time."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    items[:] = [item for file in _mixed(list(files)) for item in files[file]]


def _mixed(files: list[str]) -> Iterator[str]:
    """So that those who wait and those who work run side by side: browsers among themselves are slower than any patience."""
    waiting = deque(sorted((file for file in files if file.startswith(WAITING)), key=lambda file: _turn(file, WAITING)))
    working = deque(sorted((file for file in files if not file.startswith(WAITING)), key=lambda file: _turn(file, WORKING)))
    while waiting or working:
        for _ in range(min(WAITING_FOR_ONE_WORKING, len(waiting))):
            yield waiting.popleft()
        if working:
            yield working.popleft()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays to the end, and need not be looked through again and again."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _turn(file: str, order: tuple[str, ...]) -> int:
    return next((turn for turn, start in enumerate(order) if file.startswith(start)), len(order))


class Warm:
    """`warm.py`, from which commands are forked. Each writes to `out` and `log` in a folder of its own, and stands in it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "warm.py")],
            env={"PATH": "", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "warm"

    def fork(
        self, arguments: list[str], environment: Mapping[str, str], folder: Path, hook: tuple[str, ...] | None = None
    ) -> int:
        """The process id of a `holdline` with these arguments. `folder / "out"` is a pipe. `hook`: a program with a function
        `die_at`, and its arguments.
        """
        return self._ask(arguments=arguments, environment=dict(environment), folder=str(folder), hook=hook, ends=False)

    def run(self, arguments: list[str], environment: Mapping[str, str], folder: Path) -> int:
        """The exit code, when it has ended."""
        return self._ask(arguments=arguments, environment=dict(environment), folder=str(folder), hook=None, ends=True)

    def end(self) -> None:
        self._process.communicate(timeout=30)

    def _ask(self, **wanted: object) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Imported once for all gateways of this process."""
    found = Warm()
    yield found
    found.end()
