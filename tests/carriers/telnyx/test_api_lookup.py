"""Finding and hanging up legs through Telnyx' real SDK against the lab."""

import json
from typing import Any

import pytest

from carriers.contract import Carrier, LegAtCarrier
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.telnyx.webhooks import tag_of
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Outcome

TO = "+15550100001"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("by", ["id", "tag"])
async def test_a_leg_is_found_through_its_whole_life(lab: Lab, telnyx: Carrier, by: str, bench: Any) -> None:
    """By its id or by our tag: accepted, answered, and how it ended, all without one webhook."""
    lab.phones.put(TO, behavior="no_answer")
    placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    await lab.until("ring")
    asked = bench.handle(call=placed.carrier_call_id if by == "id" else "")
    first = await telnyx.find(asked)
    assert (first.state, first.carrier_call_id) == (LegAtCarrier.ACCEPTED, placed.carrier_call_id)
    assert lab.phones.answer(TO)
    assert (await bench.found(lambda: telnyx.find(asked), LegAtCarrier.ANSWERED)).carrier_call_id == placed.carrier_call_id
    lab.phones.hang_up(TO)
    ended = await bench.found(lambda: telnyx.find(asked), LegAtCarrier.ENDED)
    assert ended.verdict is not None
    assert (ended.carrier_call_id, ended.verdict.outcome) == (placed.carrier_call_id, Outcome.COMPLETED)


@pytest.mark.knob("telnyx", "call_events")
@pytest.mark.parametrize("shape", ["event", "absent"])
async def test_the_log_of_events_may_have_another_shape_or_none(shape: str, bench: Any) -> None:
    """Its shape is unpublished: in another nesting it is understood, and without it an end frees no other carrier."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": {"call_events": shape}}) as lab, bench.opened(lab) as telnyx:
        lab.phones.put(TO, behavior="busy")
        placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
        await lab.until("hangup")
        sighting = await bench.found(lambda: telnyx.find(bench.handle(call=placed.carrier_call_id)), LegAtCarrier.ENDED)
        assert sighting.verdict is not None
        assert sighting.verdict.reason == ("user-busy" if shape == "event" else "ended-unseen")
        by_tag = await telnyx.find(bench.handle())
        assert by_tag.state is (LegAtCarrier.ENDED if shape == "event" else LegAtCarrier.MISSING)


@pytest.mark.knob("telnyx", "status_kept_s")
@pytest.mark.parametrize("knobs", [{}, {"status_kept_s": -1.0}])
async def test_an_ended_leg_that_telnyx_forgot_is_still_in_its_log(knobs: dict[str, float], bench: Any) -> None:
    """A status that is gone does not make a leg unknown whose end stands in the log."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": knobs}) as lab, bench.opened(lab) as telnyx:
        lab.phones.put(TO, behavior="busy")
        placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
        await lab.until("hangup")
        sighting = await bench.found(lambda: telnyx.find(bench.handle(call=placed.carrier_call_id)), LegAtCarrier.ENDED)
        assert sighting.verdict is not None
        assert sighting.verdict.outcome is Outcome.BUSY


@pytest.mark.knob("telnyx", "active_calls_lag_s")
@pytest.mark.parametrize("knobs", [{}, {"active_calls_lag_s": 60.0}])
async def test_a_leg_that_the_list_does_not_have_yet_is_found_in_the_log(knobs: dict[str, float], bench: Any) -> None:
    """The list of active calls may lag; by its tag a leg that rings is found all the same."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": knobs}) as lab, bench.opened(lab) as telnyx:
        lab.phones.put(TO, behavior="no_answer")
        placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
        await lab.until("ring", number=TO)
        sighting = await telnyx.find(bench.handle())
        assert (sighting.state, sighting.carrier_call_id) == (LegAtCarrier.ACCEPTED, placed.carrier_call_id)


async def test_a_leg_that_was_never_placed_is_missing(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """Other legs to the same number are not mistaken for it."""
    await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    assert (await telnyx.find(bench.handle(leg="leg_2"))).state is LegAtCarrier.MISSING
    assert (await telnyx.find(bench.handle(call="v3:unknown"))).state is LegAtCarrier.MISSING


async def test_a_leg_is_found_on_the_second_page_and_an_endless_list_ends(lab: Lab, bench: Any) -> None:
    """Pages are asked for until one brings nothing new, whatever the carrier says of their number."""
    calls = [
        {
            "call_control_id": f"v3:{n}",
            "call_leg_id": "l",
            "call_session_id": "s",
            "client_state": tag_of(f"leg_{n}"),
            "call_duration": 1,
        }
        for n in range(300)
    ]
    pages: list[str] = []

    def answer(request: RestRequest) -> Answer:
        if "active_calls" not in request.path:
            return Answer(reply=RestReply(status=404))
        pages.append(request.query)
        second = "number%5D=2" in request.query
        body = {"data": calls[250:] if second else calls[:250]}
        return Answer(reply=RestReply(status=200, body=json.dumps(body).encode()))

    listener = HttpListener("127.0.0.1")
    listener.start(answer)
    try:
        async with bench.opened(lab, base_url=f"{listener.base_url}/v2") as carrier:
            assert (await carrier.find(bench.handle(leg="leg_299"))).carrier_call_id == "v3:299"
            calls[250:] = calls[:250]  # from now on the page's number changes nothing
            assert (await carrier.find(bench.handle(leg="leg_999"))).state is LegAtCarrier.MISSING
    finally:
        await listener.aclose()
    assert len(pages) == 4


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "http_error", "status": 503}, "platform-error"),
        ({"kind": "auth_error"}, "wrong-credentials"),
        ({"kind": "down"}, "unreachable"),
    ],
)
async def test_a_question_without_an_answer_is_an_error(
    lab: Lab, telnyx: Carrier, fault: dict[str, Any], reason: str, bench: Any
) -> None:
    """A look-up that failed never says that the leg is missing."""
    lab.set_faults("telnyx", [fault])
    with pytest.raises(CarrierError) as caught:
        await telnyx.find(bench.handle())
    assert caught.value.reason == reason


# --- hanging up --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
async def test_hanging_up_ends_the_leg_and_may_be_repeated(lab: Lab, telnyx: Carrier, known: bool, bench: Any) -> None:
    """By its id, or searched by its tag; a leg that is gone is a success."""
    lab.phones.put(TO, behavior="no_answer")
    placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    await lab.until("ring")
    asked = bench.handle(call=placed.carrier_call_id if known else "")
    for _ in range(2):
        await telnyx.hang_up(asked)
    (hangup,) = await lab.until("hangup")
    assert (hangup.more["by"], hangup.more["cause"]) == ("carrier", "canceled")


async def test_hanging_up_nothing_is_a_success_and_touches_no_other_leg(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """A leg that Telnyx does not know is not there; the leg beside it rings on."""
    await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    await telnyx.hang_up(bench.handle(leg="leg_2"))
    await telnyx.hang_up(bench.handle(call="v3:unknown"))
    assert lab.ledger.entries("hangup") == []


async def test_a_carrier_that_does_not_obey_is_an_error(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """The caller of hang_up must know that the leg may live on."""
    placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    lab.set_faults("telnyx", [{"kind": "http_error", "status": 500}])
    with pytest.raises(CarrierError, match="platform-error"):
        await telnyx.hang_up(bench.handle(call=placed.carrier_call_id))
