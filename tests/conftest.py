"""How the whole suite runs: in what order its files, and how often Python looks for garbage."""

import gc

import pytest

LONGEST_FIRST = (
    "tests/demo/test_demo.py",
    "tests/endtoend/processes/test_sessions.py",
    "tests/chaos/test_run.py",
    "tests/endtoend/processes/test_crash_points.py",
    "tests/simulation/test_worlds.py",
    "tests/endtoend/test_handover.py",
    "tests/endtoend/test_ladder.py",
    "tests/cli/test_check.py",
    "tests/endtoend/test_voicemail.py",
    "tests/endtoend/processes/test_promises_of_killed_gateways.py",
    "tests/endtoend/processes/test_long_outage.py",
    "tests/endtoend/processes/",
    "tests/endtoend/",
    "tests/chaos/",
    "tests/cli/",
    "tests/contracts/",
    "tests/machines/",
)
"""Files, or folders of them, that take long, most of it in waiting for telephones. Four processes take file after file
(`make test`): one of these that came last would keep three of them idle.
"""


def pytest_configure(config: pytest.Config) -> None:
    """Until all tests are collected nothing is thrown away: looking for garbage then took a third of the time."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _turn(item.nodeid))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays to the end, and need not be looked through again and again."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _turn(nodeid: str) -> int:
    return next((turn for turn, start in enumerate(LONGEST_FIRST) if nodeid.startswith(start)), len(LONGEST_FIRST))
