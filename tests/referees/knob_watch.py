"""A pytest plugin that judges the rule of the knobs (README.md): what values simulators read while marked tests ran, and
whether the adapter worked on them. Load it with `-p knob_watch`; it changes no outcome of a test, only that of the session.
"""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from knob_rule import Held, Knob, judge, listed_knobs
from simulators import own_file, simulator_class

from carriers.registry import kinds

CARRIERS = Path(__file__).parents[2] / "carriers"
WATCH = pytest.StashKey["Watch"]()


class Watch:
    """What the session has seen: by knob, the values read under its mark, and whether adapter code ran with it."""

    def __init__(self) -> None:
        self.current: dict[Knob, Held] = {}
        self.held: dict[Knob, Held] = {}
        self.read: set[Knob] = set()

    def saw(self, kind: str, name: str, value: Any) -> None:
        """A simulator read a knob."""
        knob = Knob(kind=kind, name=name)
        self.read.add(knob)
        if knob in self.current:
            self.current[knob].values.add(repr(value))


class Watched(dict[str, Any]):
    """A site's knobs, telling what is read of them."""

    def __init__(self, knobs: dict[str, Any], kind: str, watch: Watch) -> None:
        super().__init__(knobs)
        self._kind, self._watch = kind, watch

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        self._watch.saw(self._kind, key, value)
        return value

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        self._watch.saw(self._kind, key, value)
        return value


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--knob-record", default="", help="write what was seen of the knobs to this file instead of judging it")


def pytest_configure(config: pytest.Config) -> None:
    watch = config.stash[WATCH] = Watch()
    for kind in kinds():
        _watch_simulators(kind, watch)


def _watch_simulators(kind: str, watch: Watch) -> None:
    made = simulator_class(kind)
    plain = made.__init__

    def watched(self: Any, site: Any, *more: Any, **named: Any) -> None:
        if not isinstance(site.knobs, Watched):
            site.knobs = Watched(site.knobs, kind, watch)
        plain(self, site, *more, **named)

    made.__init__ = watched  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Set-up, call and tear-down of a marked test: fixtures build most worlds."""
    watch = item.config.stash[WATCH]
    marked = {Knob(kind=mark.args[0], name=mark.args[1]): mark.kwargs.get("no_adapter", "") for mark in item.iter_markers("knob")}
    watch.current = {knob: Held(no_adapter=why, tests={item.nodeid.partition("[")[0]}) for knob, why in marked.items()}
    if not watch.current:
        return (yield)
    spy = AdapterSpy({knob.kind for knob in watch.current})
    with spy:
        result = yield
    for knob, seen in watch.current.items():
        seen.adapter = knob.kind in spy.worked
        watch.held[knob] = watch.held[knob].and_also(seen) if knob in watch.held else seen
    watch.current = {}
    return result


class AdapterSpy:
    """Notes which carriers' adapter code is entered, on this thread and on those begun meanwhile."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = {str(CARRIERS / kind) + "/": kind for kind in wanted}
        self.worked: set[str] = set()

    def __enter__(self) -> None:
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _look(self, frame: FrameType, event: str, _arg: Any) -> None:
        if event != "call":
            return
        folder, slash, file = frame.f_code.co_filename.rpartition("/")
        kind = self._wanted.get(folder + slash)
        if kind and not file.startswith(("simulator", "__init__")) and frame.f_code.co_name != "<module>":
            self.worked.add(kind)


def pytest_sessionfinish(session: pytest.Session) -> None:
    watch = session.config.stash[WATCH]
    target = session.config.getoption("--knob-record")
    if target:
        own_file(target).write_text(json.dumps(record(watch), indent=1))


def record(watch: Watch) -> dict[str, Any]:
    """What was seen, for another process to judge."""
    held = [
        {"kind": knob.kind, "name": knob.name, "values": sorted(seen.values), "adapter": seen.adapter}
        | {"no_adapter": seen.no_adapter, "tests": sorted(seen.tests)}
        for knob, seen in watch.held.items()
    ]
    return {"held": held, "read": sorted([knob.kind, knob.name] for knob in watch.read)}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Judge the carriers whose tests were asked for."""
    if config.getoption("--knob-record"):
        return
    watch = config.stash[WATCH]
    asked = {kind for kind in kinds() if not config.args or any(f"carriers/{kind}" in arg for arg in config.args)} or set(kinds())
    wrong = [line for kind in sorted(asked) for line in judge(kind, watch.held, watch.read)]
    knobs = sum(len(listed_knobs(kind)) for kind in asked)
    terminalreporter.section("knobs")
    for line in wrong:
        terminalreporter.line(line)
    terminalreporter.line(f"{knobs} knobs of {', '.join(sorted(asked))}, {len(wrong)} faults against the rule of the knobs")
