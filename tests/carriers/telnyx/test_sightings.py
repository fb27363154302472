"""What a look-up amounts to."""

from typing import Any

import pytest

from carriers.contract import LegAtCarrier
from carriers.telnyx import sightings
from carriers.telnyx.webhooks import tag_of
from gateway.domain.outcome import Outcome
from gateway.domain.verdict import Disposition

CALL = "v3:abc"


def entry(name: str, call: str = CALL, **payload: Any) -> sightings.Logged:
    found = sightings.logged(name, {"payload": {"call_control_id": call, "client_state": tag_of("leg_1"), **payload}})
    assert found is not None
    return found


def test_a_living_call_without_a_log_is_accepted() -> None:
    """Telnyx' status says that a call lives, and never whether it rings."""
    assert sightings.sighting(CALL, alive=True, entries=[]).state is LegAtCarrier.ACCEPTED


@pytest.mark.parametrize("name", ["call.answered", "call.bridged"])
def test_the_log_tells_an_answer_whose_webhook_was_lost(name: str) -> None:
    """An answer in Telnyx' own log is an answer."""
    assert sightings.sighting(CALL, alive=True, entries=[entry(name)]).state is LegAtCarrier.ANSWERED


def test_the_log_tells_how_a_leg_ended() -> None:
    """The cause of a hang-up whose webhook was lost is judged as the webhook would have been."""
    ended = sightings.sighting(
        CALL, alive=False, entries=[entry("call.hangup", hangup_cause="user_busy", sip_hangup_cause="486")]
    )
    assert ended.state is LegAtCarrier.ENDED
    assert ended.verdict is not None
    assert ended.verdict.outcome is Outcome.BUSY


def test_an_end_that_nobody_explains_frees_no_other_carrier() -> None:
    """The call may have been answered: another dial would ring the person again."""
    ended = sightings.sighting(CALL, alive=False, entries=[])
    assert ended.verdict is not None
    assert (ended.verdict.disposition, ended.verdict.outcome) == (Disposition.STOP, Outcome.FAILED)


def test_a_failure_after_an_answer_is_a_dropped_call() -> None:
    """Answered first: a 503 that ends a conversation never starts a dial."""
    log = [entry("call.answered"), entry("call.hangup", hangup_cause="unspecified", sip_hangup_cause="503")]
    ended = sightings.sighting(CALL, alive=False, entries=log)
    assert ended.verdict is not None
    assert (ended.verdict.disposition, ended.verdict.outcome) == (Disposition.STOP, Outcome.DROPPED)


def test_another_calls_entries_say_nothing() -> None:
    """The log is asked by number; other calls to the same number are in it."""
    log = [entry("call.answered", call="v3:other"), entry("call.hangup", call="v3:other")]
    assert sightings.sighting(CALL, alive=True, entries=log).state is LegAtCarrier.ACCEPTED


def test_entries_are_known_by_our_tag() -> None:
    """Only client_state ties an entry to a leg whose id at the carrier we never learned."""
    mine, other = entry("call.initiated"), entry("call.initiated", client_state=tag_of("leg_2"))
    assert sightings.of_leg(tag_of("leg_1"), [other, mine]) == [mine]


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"payload": {"call_control_id": CALL}}, True),
        ({"call_control_id": CALL}, True),
        ({"raw_event": {"data": {"payload": {"call_control_id": CALL}}}}, True),
        ({"payload": "text"}, False),
        ({}, False),
        ({"call_control_id": ["no", "text"]}, False),
    ],
)
def test_the_payload_is_found_in_whatever_shape_the_log_has(metadata: dict[str, Any], found: bool) -> None:
    """The metadata's shape is not published, so the payload is looked for; an entry without one is no entry."""
    assert (sightings.logged("call.hangup", metadata) is not None) is found
