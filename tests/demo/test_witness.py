"""The witness believes the lab's ledger and the recording, and finds each thing that did not hold."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.demo.recording import Hearing
from gateway.demo.story import Carrier, Step
from gateway.demo.witness import Finding, judge, judge_story, judge_waiting, sighting

FIRST = Carrier(name="main", lab="first", title="First", numbers=("+15550190001", "+15550190002"))
STEP = Step(name="first-call", title="a call", through=FIRST, voice="hello")
HEARD = Hearing(seconds=6.0, person_s=1.1, agent_s=3.2, answered_after_s=0.7)


def _entry(kind: str, carrier: str = "first", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "carrier": carrier, "number": "+15550100001", **more}


def _ring(carrier: str = "first", caller_id: str = "+15550190001") -> dict[str, Any]:
    return _entry("ring", carrier, caller_id=caller_id)


GOOD = (
    _entry("dial"),
    _ring(),
    _entry("webhook"),
    _entry("answer"),
    _entry("bridge"),
    _entry("hangup", by="phone", answered=True),
)


def _wrong(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if not finding.ok]


def test_a_call_that_went_well_has_no_complaint() -> None:
    """One dial, one ring from an owned number, one answer, sound both ways, and the person hung up."""
    assert _wrong(judge(STEP, sighting(GOOD), HEARD)) == []


@pytest.mark.parametrize(
    ("entries", "expected", "saw"),
    [
        ((*GOOD, _ring()), "one ring", "a ring through first from +15550190001, a ring"),
        ((*GOOD, _ring("second", "+15550190011")), "one ring", "through second"),
        ((_entry("dial"), _ring(caller_id="+15550190099"), *GOOD[2:]), "from a number that it owns", "+15550190099"),
        ((*GOOD, _entry("dial")), "asked once", "twice"),
        (tuple(entry for entry in GOOD if entry["kind"] != "bridge"), "sound both ways", "never"),
        ((*GOOD, _entry("answer")), "answered once", "answered twice"),
        (GOOD[:-1], "Alex hangs up", "not ended"),
        ((*GOOD[:-1], _entry("hangup", by="carrier", answered=True)), "Alex hangs up", "ended by the carrier"),
    ],
)
def test_each_fault_is_found_and_named(entries: tuple[dict[str, Any], ...], expected: str, saw: str) -> None:
    """One thing wrong in the ledger is exactly one complaint, which says what was expected and what was seen."""
    (finding,) = _wrong(judge(STEP, sighting(entries), HEARD))
    assert expected in finding.expected
    assert saw in finding.saw


@pytest.mark.parametrize(
    ("heard", "complaints"),
    [
        (replace(HEARD, agent_s=0.4), ["Alex hears the agent"]),
        (replace(HEARD, answered_after_s=None), ["the agent hears Alex"]),
        (None, ["Alex hears the agent", "the agent hears Alex"]),
    ],
)
def test_a_call_in_which_one_side_heard_nothing_does_not_hold(heard: Hearing | None, complaints: list[str]) -> None:
    """Rings and answers in the ledger are not enough: the recording must prove that both heard each other."""
    found = [finding.expected for finding in _wrong(judge(STEP, sighting(GOOD), heard))]
    assert [any(word in one for one in found) for word in complaints] == [True] * len(complaints)
    assert len(found) == len(complaints)


def test_the_agent_must_hang_up_where_the_step_says_so() -> None:
    """In the step in which Alex presses a key, an end by the person means that the key was not heard."""
    (finding,) = _wrong(judge(replace(STEP, agent_hangs_up=True), sighting(GOOD), HEARD))
    assert finding.expected == "the agent hangs up"


def test_a_phone_that_never_rang_is_no_success() -> None:
    """An empty ledger fails everything that a call consists of."""
    assert len(_wrong(judge(STEP, sighting(()), None))) == 6


SCHEDULED = {"status": "scheduled", "callback": {"due_at": "2026-11-22T13:00:00Z"}}


def test_a_promised_call_with_a_silent_phone_holds() -> None:
    """201, scheduled, a due time, and no ring: that is what waiting for a carrier looks like."""
    assert _wrong(judge_waiting(201, SCHEDULED, sighting((_entry("dial"),)))) == []


@pytest.mark.parametrize(
    ("status", "call", "entries"),
    [
        (202, SCHEDULED, ()),
        (201, {"status": "ended", "callback": None}, ()),
        (201, {"status": "scheduled", "callback": None}, ()),
        (201, SCHEDULED, (_ring(),)),
    ],
)
def test_a_broken_promise_is_found(status: int, call: dict[str, Any], entries: tuple[dict[str, Any], ...]) -> None:
    """Another status, no due time, or a ring while no carrier is left does not hold."""
    assert len(_wrong(judge_waiting(status, call, sighting(entries)))) == 1


@pytest.mark.parametrize(("rings", "answers", "ok"), [(5, 5, True), (6, 5, False), (5, 4, False), (4, 4, False)])
def test_a_late_ghost_spoils_the_story(rings: int, answers: int, ok: bool) -> None:
    """Over all steps there are exactly as many rings and answers as calls."""
    assert judge_story(rings, answers, 5).ok is ok
