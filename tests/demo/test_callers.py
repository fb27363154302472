"""The callers' scene: who calls whom, and what must hold when one carrier takes its call with it."""

import pytest
from msgspec.structs import replace

from gateway.demo.callers import Caller, Talk, callers, judge
from gateway.demo.story import Carrier


def _carriers(count: int) -> list[Carrier]:
    return [Carrier(name=f"c{n}", lab=f"l{n}", title=f"C{n}", numbers=(f"+155501900{n}1",)) for n in range(1, count + 1)]


def _talks(people: tuple[Caller, ...]) -> list[Talk]:
    """As it should be."""
    goes_on = [Talk(caller=person, bridges=1, before_s=1.6, heard_s=2.9, ends=("phone",)) for person in people[:-1]]
    return [*goes_on, Talk(caller=people[-1], bridges=1, before_s=1.6, heard_s=1.6, ends=("network",))]


PEOPLE = callers(_carriers(4))


def test_there_is_a_person_for_each_carrier() -> None:
    """Each has a name and a phone of their own; more carriers than people we know are left alone."""
    assert [(person.name, person.carrier.name) for person in PEOPLE] == [
        ("Bo", "c1"),
        ("Cleo", "c2"),
        ("Dana", "c3"),
        ("Eli", "c4"),
    ]
    assert len({person.number for person in PEOPLE}) == 4
    assert len(callers(_carriers(9))) == 6


def test_a_scene_that_went_well_has_no_complaint() -> None:
    """Everybody is answered, one call dies with its carrier, the others go on."""
    assert all(finding.ok for finding in judge(_talks(PEOPLE), PEOPLE[-1]))


def test_one_caller_alone_loses_nothing() -> None:
    """Without a second carrier nobody's is killed."""
    (only,) = callers(_carriers(1))
    talk = Talk(caller=only, bridges=1, before_s=1.6, heard_s=2.9, ends=("phone",))
    assert all(finding.ok for finding in judge([talk], None))


@pytest.mark.parametrize(
    ("place", "change", "expected"),
    [
        (0, {"bridges": 0}, "Bo is answered through C1"),
        (1, {"before_s": 0.2, "heard_s": 2.0}, "Cleo is answered through C2"),
        (2, {"ends": ("network",)}, "Dana's call goes on until Dana hangs up"),
        (2, {"heard_s": 1.7}, "Dana's call goes on"),
        (0, {"ends": ()}, "Bo's call goes on"),
        (3, {"ends": ("phone",)}, "Eli's call ends with C4"),
    ],
)
def test_each_fault_is_found_and_named(place: int, change: dict[str, object], expected: str) -> None:
    """One thing wrong is exactly one complaint."""
    talks = _talks(PEOPLE)
    talks[place] = replace(talks[place], **change)
    (finding,) = [finding for finding in judge(talks, PEOPLE[-1]) if not finding.ok]
    assert finding.expected.startswith(expected)
