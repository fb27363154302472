"""Time, randomness and waiting come in as arguments; here is every place that may take them from the machine, and why."""

import ast
from collections.abc import Iterator, Mapping

import pytest
from msgspec import Struct


class Leave(Struct, frozen=True):
    """What a file (or a folder, ending in `/`) may take from the machine, and the reason."""

    words: frozenset[str]
    why: str


def _leave(words: str, why: str) -> Leave:
    return Leave(frozenset(words.split()), why)


ALLOWED: Mapping[str, Leave] = {
    # --- the gateway -------------------------------------------------------------------------------------------------
    "gateway/runtime/clock.py": _leave(
        "time.time asyncio.sleep secrets.token_hex secrets.token_urlsafe", "the one place that hands them to everything else"
    ),
    "gateway/runtime/ticker.py": _leave("loop.time loop.call_later", "sound goes by the loop's own time; tests give theirs"),
    "gateway/serving.py": _leave("asyncio.sleep", "uvicorn says that it has started in a flag, and in nothing to wait for"),
    "gateway/runtime/store/data_directory.py": _leave(
        "time.monotonic asyncio.sleep", "waits for another process' lock, which has no event, while no clock is there yet"
    ),
    "gateway/runtime/store/embedded.py": _leave(
        "time.monotonic asyncio.sleep secrets.token_hex",
        "starts and stops the server as a process: waits for its socket and its end, and marks its data as ours",
    ),
    "gateway/web/media_port.py": _leave("loop.call_later", "a socket whose peer does not read is not waited for for ever"),
    # --- the simulation: its loop's time is virtual --------------------------------------------------------------------------
    "carriers/in_memory.py": _leave("asyncio.sleep", "the way to a carrier takes time, in whatever loop it runs"),
    "gateway/simulation/": _leave(
        "asyncio.sleep loop.time loop.call_at loop.call_later", "worlds of virtual time: the loop is the simulation's own"
    ),
    # --- the command line: a person at a terminal, no call's fate --------------------------------------------------------
    "gateway/commands/call.py": _leave("time.sleep uuid.uuid4", "looks again at a call for a person; the key of its request"),
    "gateway/commands/check_carriers.py": _leave("time.time", "opens carriers without a gateway, so the clock comes from here"),
    "gateway/commands/check_public_url.py": _leave("secrets.token_hex", "a word that only our own server can give back"),
    "gateway/commands/lab_access.py": _leave("time.monotonic time.sleep", "waits for a lab that is another process"),
    "gateway/commands/provision.py": _leave("time.time", "opens carriers without a gateway, so the clock comes from here"),
    "gateway/chaos/": _leave(
        "time.time time.monotonic asyncio.sleep loop.time", "kills real processes at real times, and waits for them to come back"
    ),
    "gateway/commands/chaos.py": _leave("secrets.randbelow", "a seed for who gave none"),
    "gateway/commands/sim.py": _leave("time.monotonic", "tells a person how long the worlds took"),
    "gateway/demo/": _leave(
        "time.time time.monotonic asyncio.sleep datetime.datetime.now secrets.token_hex",
        "a client that acts for a person: plays scenes in real time, names files by the date, makes a key",
    ),
    # --- carriers ----------------------------------------------------------------------------------------------------
    "carriers/requests_wire.py": _leave("time.monotonic", "how long a connection has idled, in threads below an SDK"),
    # --- the lab's shell: the cores behind it get `now` --------------------------------------------------------------------
    "carriers/lab/clock.py": _leave("time.time loop.time", "the lab's one clock"),
    "carriers/lab/http_listener.py": _leave("loop.call_later", "holds an answer back, as the fault `slow` has it"),
    "carriers/lab/shell.py": _leave("loop.call_at", "the one alarm by which the pure exchange is woken"),
    "carriers/lab/ticker.py": _leave("loop.time loop.call_at", "20 ms of sound, by the loop's own time"),
}


@pytest.fixture(scope="module")
def found(trees: Mapping[str, ast.Module]) -> Mapping[str, frozenset[str]]:
    """By entry of the table, else by path: what is taken from the machine."""
    taken: dict[str, frozenset[str]] = {}
    for path, tree in trees.items():
        words = frozenset(taken_from_the_machine(tree))
        place = next((place for place in ALLOWED if path == place or (place.endswith("/") and path.startswith(place))), path)
        taken[place] = taken.get(place, frozenset()) | words
    return {place: words for place, words in taken.items() if words}


def test_time_and_randomness_are_taken_only_where_the_table_says(found: Mapping[str, frozenset[str]]) -> None:
    """No module outside the table reads a clock, sleeps, sets an alarm or draws at random, and none takes more than it says."""
    beyond = {place: sorted(words - _allowed(place)) for place, words in found.items() if words - _allowed(place)}
    assert beyond == {}


def test_the_table_allows_nothing_that_nobody_takes(found: Mapping[str, frozenset[str]]) -> None:
    """A leave that is not used any more is struck from the table, lest something else slip in under it."""
    unused = {place: sorted(leave.words - found.get(place, frozenset())) for place, leave in ALLOWED.items()}
    assert {place: words for place, words in unused.items() if words} == {}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("import time\ntime.time()", {"time.time"}, id="a clock"),
        pytest.param("import time as t\ndef f(now=t.monotonic): ...", {"time.monotonic"}, id="under another name, as a default"),
        pytest.param("from time import sleep as doze\ndoze(1)", {"time.sleep"}, id="a function under another name"),
        pytest.param("import asyncio\nasync def f():\n await asyncio.sleep(1)", {"asyncio.sleep"}, id="waiting"),
        pytest.param("from datetime import datetime\ndatetime.now()", {"datetime.datetime.now"}, id="a date"),
        pytest.param("import datetime as d\nd.date.today()", {"datetime.date.today"}, id="today"),
        pytest.param("import asyncio\nasyncio.get_running_loop().time()", {"loop.time"}, id="the loop's clock"),
        pytest.param("def f(loop, g):\n loop.call_later(1, g)", {"loop.call_later"}, id="an alarm"),
        pytest.param("import random\nrandom.choice([1])", {"random.choice"}, id="chance"),
        pytest.param("from random import Random\nRandom()", {"random.Random"}, id="a generator that seeds itself"),
        pytest.param("import uuid\nuuid.uuid4()", {"uuid.uuid4"}, id="an id"),
        pytest.param("import os\nos.urandom(8)", {"os.urandom"}, id="the machine's randomness"),
        pytest.param("from random import Random\ndef f(chance: Random): Random('seed')", set(), id="a seeded generator"),
        pytest.param("from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)", set(), id="a date of a given time"),
        pytest.param("from uuid import UUID\nUUID(int=1)", set(), id="an id of given bits"),
        pytest.param("def f(clock):\n clock.now()\n clock.sleep(1)", set(), id="a clock that was handed in"),
    ],
)
def test_what_is_taken_is_seen(source: str, words: set[str]) -> None:
    """The search finds a clock, a wait and a draw under any name, and lets pass what is given its time or its seed."""
    assert set(taken_from_the_machine(ast.parse(source))) == words


# --- the search ----------------------------------------------------------------------------------------------------

_TAKING = ("time.", "random.", "secrets.")
_TAKING_NAMES = frozenset(
    {"asyncio.sleep", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "uuid.getnode"}
    | {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"}
)
_OF_A_LOOP = frozenset({"time", "call_later", "call_at"})
_SEEDED = "random.Random"


def taken_from_the_machine(tree: ast.Module) -> Iterator[str]:
    """Words such as `time.time`, `loop.call_at`; `random.Random` only where it is made without a seed."""
    names = dict(_bound(tree))
    for node in ast.walk(tree):
        word = _word(node, names)
        if isinstance(node, ast.Call) and not node.args and _word(node.func, names) == _SEEDED:
            yield _SEEDED
        elif word and word != _SEEDED and (word.startswith(_TAKING) or word in _TAKING_NAMES):
            yield word
        elif isinstance(node, ast.Attribute) and not word and node.attr in _OF_A_LOOP:
            yield f"loop.{node.attr}"


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names that imports bind, and what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _word(node: ast.AST, names: Mapping[str, str]) -> str:
    """The full name of what an expression refers to, if it begins with an import; else empty."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        before = _word(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _allowed(place: str) -> frozenset[str]:
    return ALLOWED[place].words if place in ALLOWED else frozenset()
