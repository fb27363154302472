"""Plain data measured against a type: every fault, its path, and its cure."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from gateway.domain.outcome import Direction
from gateway.strict import describe, faults


class Inner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part."""

    calls_per_second: Annotated[float, Meta(ge=0.1, le=10)] = 1.0
    word: Literal["a", "b"] = "a"


class Outer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole."""

    name: Annotated[str, Meta(pattern="^[a-z]+$", max_length=8)]
    count: Annotated[int, Meta(ge=1)] = 1
    on: bool = False
    way: Direction = Direction.OUTBOUND
    tags: dict[str, str] = {}
    parts: Annotated[tuple[Inner, ...], Meta(max_length=2)] = ()
    maybe: Annotated[int, Meta(le=5)] | None = None


WRONG = [
    ({"name": "A"}, "name", '"A"', "like ^[a-z]+$"),
    ({"name": "abcdefghi"}, "name", '"abcdefghi"', "at most 8 characters"),
    ({"name": 5}, "name", "5", "text"),
    ({}, "name", "nothing", "required"),
    ({"name": "a", "count": 0}, "count", "0", "at least 1"),
    ({"name": "a", "count": 1.5}, "count", "1.5", "a whole number"),
    ({"name": "a", "count": True}, "count", "true", "a whole number"),
    ({"name": "a", "on": "yes"}, "on", '"yes"', "true or false"),
    ({"name": "a", "way": "sideways"}, "way", '"sideways"', "one of outbound, inbound"),
    ({"name": "a", "tags": {"k": 1}}, "tags.k", "1", "text"),
    ({"name": "a", "tags": []}, "tags", "a list", "a mapping"),
    ({"name": "a", "parts": [{}, {}, {}]}, "parts", "3 entries", "at most 2 entries"),
    ({"name": "a", "parts": [{}, {"calls_per_second": 11}]}, "parts[1].calls_per_second", "11", "from 0.1 to 10"),
    ({"name": "a", "parts": [{"calls_per_second": float("nan")}]}, "parts[0].calls_per_second", "nan", "from 0.1 to 10"),
    ({"name": "a", "parts": [{"word": "c"}]}, "parts[0].word", '"c"', "one of a, b"),
    ({"name": "a", "parts": ["x"]}, "parts[0]", '"x"', "a mapping"),
    ({"name": "a", "maybe": 6}, "maybe", "6", "at most 5"),
    ({"name": "a", "parts": [{"calls_per_secnd": 1}]}, "parts[0].calls_per_secnd", "an unknown key", "`calls_per_second`?"),
    ({"name": "a", "zzz": 1}, "zzz", "an unknown key", "allowed here: count, maybe, name"),
    ([], "", "a list", "a mapping"),
]


@pytest.mark.parametrize(("value", "path", "found", "allowed"), WRONG)
def test_each_fault_names_path_finding_and_cure(value: object, path: str, found: str, allowed: str) -> None:
    """One fault gives one problem, which says where, what was found and what is allowed."""
    (problem,) = faults(value, Outer)
    assert (problem.path, problem.found) == (path, found)
    assert allowed in problem.allowed


def test_all_faults_come_at_once() -> None:
    """Nobody has to run a program five times to learn of five mistakes."""
    value = {"name": 1, "count": "x", "on": 0, "parts": [{"word": 1, "x": 2}]}
    paths = {problem.path for problem in faults(value, Outer)}
    assert paths == {"name", "count", "on", "parts[0].word", "parts[0].x"}


def test_secret_values_are_not_repeated() -> None:
    """A wrong value at a secret path is described by its kind alone."""
    (problem,) = faults({"name": "HUNTER2"}, Outer, hide=lambda path: path == "name")
    assert "HUNTER2" not in str(problem)
    assert "text" in problem.found


def test_long_values_are_cut() -> None:
    """A message stays readable whatever was sent."""
    assert len(describe("x" * 5000)) < 100


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 20)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["a", "b", "outbound"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "count", "on", "way", "tags", "parts", "maybe", "word", "calls_per_second", "x"]),
            inner,
            max_size=7,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(ANYTHING)
def test_faultless_is_what_msgspec_takes(value: object) -> None:
    """Our look and msgspec's conversion agree on every value: what is refused by one is refused by the other."""
    try:
        msgspec.convert(value, Outer)
        accepted = True
    except msgspec.ValidationError:
        accepted = False
    assert accepted == (not faults(value, Outer))
