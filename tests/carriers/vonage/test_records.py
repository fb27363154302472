"""Vonage's call records, read as sightings."""

from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Handle, LegAtCarrier
from carriers.vonage import records
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Outcome

HANDLE = Handle(call_id="c", leg_id="l", to="+15550100001", caller_id="+15550190031", sent_at=1_790_000_000.0)


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "uuid": "u-1",
        "conversation_uuid": "CON-1",
        "to": {"type": "phone", "number": "15550100001"},
        "from": {"type": "phone", "number": "15550190031"},
        "status": "started",
        "direction": "outbound",
    }
    return {**base, **changes}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("started", LegAtCarrier.ACCEPTED),
        ("ringing", LegAtCarrier.RINGING),
        ("answered", LegAtCarrier.ANSWERED),
        ("human", LegAtCarrier.ANSWERED),
        ("machine", LegAtCarrier.ANSWERED),
        ("a-status-of-tomorrow", LegAtCarrier.ACCEPTED),
        ("busy", LegAtCarrier.ENDED),
        ("cancelled", LegAtCarrier.ENDED),
        ("completed", LegAtCarrier.ENDED),
        ("failed", LegAtCarrier.ENDED),
        ("rejected", LegAtCarrier.ENDED),
        ("timeout", LegAtCarrier.ENDED),
        ("unanswered", LegAtCarrier.ENDED),
    ],
)
def test_each_status_is_a_state(status: str, state: LegAtCarrier) -> None:
    """All statuses of the API description are known, and only an end has a verdict."""
    sighting = records.sighting_of(record(status=status))
    assert (sighting.state, sighting.carrier_call_id) == (state, "u-1")
    assert (sighting.verdict is not None) is (state is LegAtCarrier.ENDED)
    assert sighting.carrier_data == {"conversation_uuid": "CON-1"}


@pytest.mark.parametrize(
    ("sums", "outcome"),
    [
        ({"start_time": "2026-11-22T12:00:00.000Z", "duration": "2"}, Outcome.COMPLETED),
        ({"start_time": None, "duration": "2"}, Outcome.COMPLETED),
        ({"start_time": None, "duration": "0"}, Outcome.NO_ANSWER),
        ({}, Outcome.NO_ANSWER),
    ],
)
def test_a_completed_record_counts_as_a_conversation_only_with_an_answer(sums: dict[str, Any], outcome: Outcome) -> None:
    """Its own sums are the proof."""
    verdict = records.sighting_of(record(status="completed", **sums)).verdict
    assert verdict is not None
    assert verdict.outcome is outcome


@pytest.mark.parametrize("status", ["started", "answered", "completed", "busy"])
def test_two_calls_cannot_be_told_apart(status: str) -> None:
    """Guessing could hang up another call, or connect two conversations: no answer is the honest answer."""
    with pytest.raises(CarrierError, match="ambiguous"):
        records.choose([record(uuid="1"), record(uuid="2", status=status)], HANDLE)


def test_one_call_that_two_legs_look_for_is_nobodys() -> None:
    """It may be the other leg's, whose own look-up would then find nothing; that there is none is true for both."""
    handle = replace(HANDLE, rivals=1)
    with pytest.raises(CarrierError, match="legs that look for one: 2"):
        records.choose([record(uuid="1")], handle)
    assert records.choose([], handle).state is LegAtCarrier.MISSING


@pytest.mark.parametrize(
    "change",
    [
        {"direction": "inbound"},
        {"uuid": ""},
        {"to": {"type": "phone", "number": "15550100002"}},
        {"to": {"type": "websocket", "uri": "wss://x"}},
        {"to": "15550100001"},
        {"from": {"type": "phone", "number": "15550190032"}},
        {"from": None},
    ],
)
def test_other_calls_are_not_ours(change: dict[str, Any]) -> None:
    """Direction and both numbers must agree."""
    assert records.choose([record(**change)], HANDLE).state is LegAtCarrier.MISSING


def test_the_window_is_around_the_post() -> None:
    """Five seconds before, for their clock; twenty after; newest first."""
    assert records.window(HANDLE, 0.0) == {
        "date_start": "2026-09-21T14:13:15Z",
        "date_end": "2026-09-21T14:13:40Z",
        "order": "desc",
        "page_size": "100",
    }


def test_without_a_time_the_window_looks_back() -> None:
    """Where nobody knows when the POST left, the last ten minutes are searched."""
    bare = Handle(call_id="c", leg_id="l", to="+15550100001", caller_id="+15550190031")
    assert records.window(bare, 1_790_000_600.0) == {
        "date_start": "2026-09-21T14:13:20Z",
        "order": "desc",
        "page_size": "100",
    }


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"_embedded": None}, {"_embedded": {"calls": {}}}, {"_embedded": {"calls": [5]}}]
)
def test_a_list_in_other_words_is_empty(answer: Any) -> None:
    """What is no list of records holds none."""
    assert records.calls_of(answer) == []


def test_calls_that_belong_to_other_legs_are_passed_over() -> None:
    """They are neither found nor do they make the look-up ambiguous."""
    handle = replace(HANDLE, foreign=("other",))
    assert records.choose([record(uuid="other")], handle).state is LegAtCarrier.MISSING
    assert records.choose([record(uuid="other"), record(uuid="ours")], handle).carrier_call_id == "ours"
