"""A pytest plugin that notes which cells of the table tests hold, and what the simulators answered meanwhile.

A test holds a cell by `@pytest.mark.referee("twilio", "create a call", by=By.DRIVES)`; it may hold several. Claims about
requests are checked: while such a test runs, the simulator must have obeyed a request of that row. Load it with
`-p referee_watch`; `--referee-record FILE` says where to write what was seen.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from operations import KINDS, By, Group, table
from simulators import own_file, simulator_class

WATCH = pytest.StashKey["Watch"]()


class Watch:
    """What the session has seen."""

    def __init__(self) -> None:
        self.cells: list[dict[str, str]] = []
        self.obeyed: set[tuple[str, str, str]] = set()
        """(kind, method, path) of every request that was answered with a 2xx."""
        self.meanwhile: set[tuple[str, str, str]] = set()
        """The same, of the test that runs."""

    def answered(self, kind: str, request: Any, reply: Any) -> None:
        """A simulator answered a request."""
        if 200 <= reply.status < 300:
            self.obeyed.add((kind, request.method, request.path))
            self.meanwhile.add((kind, request.method, request.path))

    def replay(self, kind: str, exchanges: Iterable[tuple[Any, Any]]) -> None:
        """What a simulator answered earlier counts for the test that runs now: it judges a recording."""
        for request, reply in exchanges:
            self.answered(kind, request, reply)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--referee-record", default="", help="write the cells that tests held to this file")


def pytest_configure(config: pytest.Config) -> None:
    watch = config.stash[WATCH] = Watch()
    for kind in KINDS:
        _watch(kind, watch)


def _watch(kind: str, watch: Watch) -> None:
    made = simulator_class(kind)
    plain = made.on_request

    def on_request(self: Any, now: float, request: Any) -> Any:
        reply = plain(self, now, request)
        watch.answered(kind, request, reply)
        return reply

    made.on_request = on_request


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fixtures may play for the test, so its time begins before them."""
    item.config.stash[WATCH].meanwhile = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run the test, then look whether it did what its marks say."""
    watch = item.config.stash[WATCH]
    result = yield
    for mark in item.iter_markers("referee"):
        kind, name, by = mark.args[0], mark.args[1], By(mark.kwargs["by"])
        operation = table(kind).of(name)
        if operation.group is Group.REQUEST and by is not By.VECTORS:
            seen = [f"{method} {path}" for told, method, path in watch.meanwhile if told == kind]
            assert any(operation.is_request(*told.split(" ", 1)) for told in seen), (
                f"this test is to judge {name!r} of {kind}, and the simulator obeyed no such request: {seen}"
            )
        watch.cells.append({"kind": kind, "operation": name, "by": by.value, "test": item.nodeid})
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    target = session.config.getoption("--referee-record")
    watch = session.config.stash[WATCH]
    if target:
        record = {"cells": watch.cells, "obeyed": sorted(watch.obeyed)}
        own_file(target).write_text(json.dumps(record, indent=1), encoding="utf-8")
