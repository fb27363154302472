"""Look-ups and hang-ups over the in-memory store: what an empty answer means, and how often a carrier is asked."""

from typing import Any

import pytest

from carriers.contract import LegAtCarrier, Placed, Sighting
from gateway.domain.errors import CarrierError
from gateway.domain.events import LegAnswered, LegRinging
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.verdict import ended_normally, next_carrier, stop

UNKNOWN = Placed(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("no-answer-in-time"))
MISSING = Sighting(state=LegAtCarrier.MISSING)
SILENT = CarrierError("timeout")


@pytest.fixture
async def lost(rig: Any) -> Any:
    """A rig whose carrier a took a dial and never said so."""
    rig.a.answers.append(UNKNOWN)
    await rig.accept()
    return rig


@pytest.mark.parametrize(
    ("state", "phase", "status"),
    [
        (LegAtCarrier.ACCEPTED, LegPhase.ACCEPTED, CallStatus.DIALING),
        (LegAtCarrier.RINGING, LegPhase.RINGING, CallStatus.RINGING),
        (LegAtCarrier.ANSWERED, LegPhase.ANSWERED, CallStatus.IN_PROGRESS),
    ],
)
async def test_a_leg_that_is_found_goes_on_as_if_the_answer_had_come(
    lost: Any, state: LegAtCarrier, phase: LegPhase, status: CallStatus
) -> None:
    """Adopted with the carrier's own id, and no other carrier is asked."""
    lost.a.sightings.append(Sighting(state=state, carrier_call_id="a-7", carrier_data={"region": "x"}))
    await lost.settle()
    leg = await lost.leg()
    assert (leg.phase, leg.carrier_call_id, leg.carrier_data) == (phase, "a-7", {"region": "x"})
    assert ((await lost.call()).status, len(lost.a.posts), lost.b.posts) == (status, 1, [])


async def test_a_leg_that_is_found_ended_is_judged_by_what_the_carrier_says(lost: Any) -> None:
    """Busy is the person's word: the call ends. A carrier's failure is not: the next carrier is asked."""
    lost.a.sightings.append(Sighting(state=LegAtCarrier.ENDED, verdict=stop("user-busy", Outcome.BUSY)))
    await lost.settle()
    assert ((await lost.call()).outcome, lost.b.posts) == (Outcome.BUSY, [])
    lost.a.answers.append(UNKNOWN)
    await lost.accept("call_2", to="+15550100002")
    lost.a.sightings.append(Sighting(state=LegAtCarrier.ENDED, verdict=next_carrier("network-failure")))
    await lost.wait(0.1)
    assert (await lost.leg("call_2")).carrier == "b"


async def test_two_empty_look_ups_after_the_settling_time_condemn(lost: Any) -> None:
    """Earlier ones count for nothing; condemned means hung up by every handle, and only then is the next carrier dialled."""
    lost.a.sightings.extend([MISSING] * 50)
    await lost.settle()
    assert (await lost.leg()).phase is LegPhase.UNKNOWN
    await lost.wait(5.9)
    assert ((await lost.leg()).phase, lost.b.posts) == (LegPhase.UNKNOWN, [])
    await lost.wait(2.0)
    first, second = (await lost.call()).legs
    assert (first.phase, second.carrier) == (LegPhase.CONDEMNED, "b")
    assert lost.a.hung_up[0] == first.id
    told = await lost.told()
    assert told.index("leg-missing") < told.index("route-chosen", 2)


async def test_a_carrier_that_answers_no_question_is_left_at_the_bound(lost: Any) -> None:
    """Unanswered look-ups are no empty ones; but no call waits for ever."""
    lost.a.sightings.extend([SILENT] * 50)
    await lost.wait(10.0)
    assert (await lost.leg()).phase is LegPhase.UNKNOWN
    await lost.wait(1.0)
    first, second = (await lost.call()).legs
    assert (first.phase, second.carrier) == (LegPhase.CONDEMNED, "b")
    assert "lookup-failed" in await lost.told()


@pytest.mark.parametrize("event", [LegRinging(carrier_call_id="a-9"), LegAnswered(carrier_call_id="a-9")])
async def test_a_condemned_leg_that_comes_to_life_is_ended_with_the_id_that_it_brings(lost: Any, event: Any) -> None:
    """Whatever it says later: hang up, again until it is over; the call that goes on elsewhere is not touched."""
    lost.a.sightings.extend([MISSING] * 6)
    await lost.wait(12.0)
    first, second = (await lost.call()).legs
    assert (first.phase, second.carrier) == (LegPhase.CONDEMNED, "b")
    asked = len(lost.a.hung_up)
    await lost.calls.report("call_1", first.id, event)
    await lost.wait(0.5)
    assert len(lost.a.hung_up) > asked
    now = await lost.call()
    assert (now.legs[0].phase, now.legs[0].carrier_call_id) == (LegPhase.CONDEMNED, "a-9")
    assert now.legs[1].id == second.id
    assert now.status is not CallStatus.IN_PROGRESS


async def test_a_hang_up_that_the_carrier_does_not_obey_is_asked_again(rig: Any) -> None:
    """Twice at once, then by the leg's own timer, more than once, until the carrier confirms the end."""
    await rig.accept()
    await rig.settle()
    await rig.report(LegRinging())
    rig.a.disobeys.extend([SILENT] * 5)
    await rig.calls.cancel("call_1")
    await rig.wait(0.0)
    assert len(rig.a.hung_up) == 2
    await rig.wait(10.0)
    assert len(rig.a.hung_up) >= 6
    rig.a.sightings.append(Sighting(state=LegAtCarrier.ENDED, verdict=stop("canceled", Outcome.CANCELED)))
    await rig.wait(20.0)
    call = await rig.call()
    assert (call.outcome, call.legs[0].phase) == (Outcome.CANCELED, LegPhase.ENDED)
    asked = len(rig.a.hung_up)
    await rig.wait(100.0)
    assert len(rig.a.hung_up) == asked


async def test_a_leg_that_went_silent_is_asked_after(rig: Any) -> None:
    """Accepted, then no word: after ten seconds the carrier is asked, and its word is taken."""
    await rig.accept()
    rig.a.sightings.append(Sighting(state=LegAtCarrier.ENDED, verdict=ended_normally()))
    await rig.wait(9.9)
    assert rig.a.sought == []
    await rig.wait(0.2)
    assert [handle.carrier_call_id for handle in rig.a.sought] == ["a-1"]
    assert (await rig.call()).outcome is Outcome.COMPLETED


async def test_nothing_is_asked_of_a_leg_that_has_ended(rig: Any) -> None:
    """A look-up that was planned before the end is acknowledged without a request."""
    rig.a.answers.append(UNKNOWN)
    rig.a.sightings.append(MISSING)
    await rig.accept()
    await rig.settle()
    assert len(rig.a.sought) == 1
    leg = await rig.leg()
    await rig.calls.cancel("call_1")
    await rig.calls.report("call_1", leg.id, LegRinging(carrier_call_id="a-1"))
    rig.a.sightings.append(Sighting(state=LegAtCarrier.ENDED, verdict=stop("canceled", Outcome.CANCELED)))
    await rig.wait(30.0)
    assert (await rig.leg()).phase is LegPhase.ENDED
    sought = len(rig.a.sought)
    await rig.wait(300.0)
    assert len(rig.a.sought) == sought
