"""Nobody knows whether the dial was taken: it is found and goes on, or it is condemned before another carrier is asked.

The phone rings once, and at most one leg is ever bridged; the ledger says so, not the gateway.
"""

import asyncio
from typing import Any

import pytest

from carriers.registry import kinds

LOST_ANSWERS: list[dict[str, Any]] = [
    {"kind": "drop_after_accept"},
    {"kind": "http_error", "status": 500, "after_placing": True},
]
TAKEN = [{"kind": "slow", "s": 3.5}, *LOST_ANSWERS]
FROM_THE_CARRIER = ("leg-progressed", "leg-ringing", "leg-answered", "stream-opened")


def after(world: Any, carrier: str) -> str:
    place = world.carriers.index(carrier) + 1
    return str(world.carriers[place % len(world.carriers)])


async def adopted(world: Any, carrier: str, number: str) -> dict[str, Any]:
    """Place it, hear each other, hang up: the first leg was found and carried the call to its end."""
    call_id = await world.place(number, carriers=[carrier, after(world, carrier)], agent="echo")
    await world.hears(number, 0.1, within_s=20)
    world.lab.phones.hang_up(number)
    call: dict[str, Any] = await world.ended(call_id, within_s=20)
    assert call["outcome"] == "completed", call
    assert [leg["carrier"] for leg in call["legs"]] == world.dialled(number) == world.rang(number) == [carrier]
    assert len(world.told("bridge", number)) == 1
    return call


async def test_a_dial_that_was_taken_all_the_same_is_adopted(world: Any) -> None:
    """Answered too late, with 500, or not at all: webhooks prove the call, nobody else is dialled, and the phone rings once."""
    plans = []
    for carrier in world.carriers:
        numbers = [world.phone(answer_after_s=1.0) for _ in TAKEN]
        world.fault(carrier, *({**fault, "prefix": number} for fault, number in zip(TAKEN, numbers, strict=True)))
        plans += [(carrier, number) for number in numbers]
    await asyncio.gather(*(adopted(world, *plan) for plan in plans))


async def test_a_dial_whose_webhooks_are_late_is_found_by_asking(new_world: Any) -> None:
    """Answer lost and webhooks late: the carrier is asked for the leg by our tag, and it goes on as if answered."""
    world = await new_world(stream_start_s=6.0)
    plans = []
    for carrier in world.carriers:
        numbers = [world.phone(answer_after_s=3.0) for _ in LOST_ANSWERS]
        faults = [{**fault, "prefix": number} for fault, number in zip(LOST_ANSWERS, numbers, strict=True)]
        world.fault(carrier, *faults, {"kind": "webhooks_late", "s": 3.5})
        plans += [(carrier, number) for number in numbers]
    for call in await asyncio.gather(*(adopted(world, *plan) for plan in plans)):
        told = [event["kind"] for event in await world.events(call["id"])]
        assert "leg-found" in told, told
        by_carrier = [told.index(kind) for kind in FROM_THE_CARRIER if kind in told]
        assert told.index("leg-found") < min(by_carrier), told


BLIND = {"telnyx": {"active_calls_lag_s": 600.0, "call_events": "absent"}}
"""Telnyx answers look-ups, and lists nothing."""


@pytest.mark.parametrize("fault", TAKEN, ids=lambda fault: fault["kind"])
async def test_a_dial_that_no_look_up_finds_is_told_by_sending_it_again(new_world: Any, fault: dict[str, Any]) -> None:
    """Taken, its answer and its webhooks lost, its lists blind: the same command once more gets the first one's id."""
    world = await new_world(lab=BLIND)
    number = world.phone(answer_after_s=3.5)
    lost = {"kind": "webhooks_lost", "for_s": 3.0}
    world.fault("telnyx", fault, lost)
    call_id = await world.place(number, carriers=["telnyx", "twilio"], agent="echo", ring_timeout_s=30)
    await world.lab.until("dial", number=number)
    world.fault("telnyx", lost)
    await world.hears(number, 0.1, within_s=20)
    world.lab.phones.hang_up(number)
    call = await world.ended(call_id)
    assert ([leg["carrier"] for leg in call["legs"]], call["outcome"]) == (["telnyx"], "completed")
    assert (world.rang(number), world.dialled(number)) == (["telnyx"], ["telnyx", "telnyx"])
    ids = {entry.carrier_call_id for entry in world.told("dial", number) if entry.carrier_call_id}
    assert len(ids) == len(world.told("bridge", number)) == 1
    assert [event["kind"] for event in await world.events(call_id)].count("dial-resending") == 1
    assert 'dials_resent_total{carrier="telnyx"} 1.0' in await world.metrics()


async def test_a_dial_that_never_arrived_is_placed_by_sending_it_again(world: Any) -> None:
    """A black hole that closes after the first: the second rings the phone, once, and no other carrier is asked."""
    number = world.phone(answer_after_s=0.5)
    world.fault("telnyx", {"kind": "blackhole", "prefix": number})
    call_id = await world.place(number, carriers=["telnyx", "twilio"], agent="echo")
    await world.lab.until("dial", number=number)
    world.fault("telnyx")
    await world.hears(number, 0.1, within_s=20)
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert (world.rang(number), world.dialled(number)) == (["telnyx"], ["telnyx", "telnyx"])


@pytest.mark.knob("telnyx", "duplicate_dial")
async def test_a_repeat_that_is_refused_proves_nothing(new_world: Any) -> None:
    """Nobody publishes what a repeat is answered with: refused, the first is waited for, and its webhooks are believed."""
    world = await new_world(lab={"telnyx": {**BLIND["telnyx"], "duplicate_dial": "refused"}}, stream_start_s=5.0)
    number = world.phone(answer_after_s=4.0)
    late = {"kind": "webhooks_late", "s": 2.0}
    world.fault("telnyx", {"kind": "drop_after_accept"}, late)
    call_id = await world.place(number, carriers=["telnyx", "twilio"], agent="echo", ring_timeout_s=30)
    await world.lab.until("dial", number=number)
    world.fault("telnyx", late)
    await world.hears(number, 0.1, within_s=20)
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert (world.rang(number), world.dialled(number)) == (["telnyx"], ["telnyx", "telnyx"])


async def moved_on(world: Any, carrier: str, number: str) -> dict[str, Any]:
    """Place it and hear each other through the next carrier; the first leg as it ended."""
    following = after(world, carrier)
    call_id = await world.place(number, carriers=[carrier, following], agent="echo")
    await world.hears(number, 0.1, within_s=25)
    world.lab.phones.hang_up(number)
    call = await world.ended(call_id)
    first, second = call["legs"]
    assert (second["carrier"], call["outcome"]) == (following, "completed")
    assert world.rang(number) == [following]
    assert world.dialled(number) == [carrier] * posts_of(carrier, first) + [following]
    return dict(first)


def posts_of(carrier: str, leg: dict[str, Any]) -> int:
    """A dial in doubt is sent twice where the carrier ignores repeats, and nowhere else."""
    resends = kinds()[carrier].capabilities.resends_safely
    return 2 if resends and leg["knowledge"] == "unknown" else 1


async def test_a_dial_that_was_not_taken_is_looked_for_before_the_next_carrier_is_asked(world: Any) -> None:
    """A black hole, or 503 without a call: two empty look-ups later the leg is condemned, and the next carrier rings, once.

    A carrier whose table says that it never places with a 503 has refused: nothing needs to be looked for.
    """
    holes = {carrier: world.phone() for carrier in world.carriers}
    errors = {carrier: world.phone() for carrier in world.carriers}
    for carrier in world.carriers:
        unavailable = {"kind": "http_error", "status": 503, "prefix": errors[carrier]}
        world.fault(carrier, {"kind": "blackhole", "prefix": holes[carrier]}, unavailable)
    legs = await asyncio.gather(*(moved_on(world, *pair) for pair in [*holes.items(), *errors.items()]))
    known = [(leg["status"], leg["knowledge"]) for leg in legs]
    assert known[: len(holes)] == [("condemned", "unknown")] * len(holes)
    assert set(known[len(holes) :]) <= {("condemned", "unknown"), ("ended", "refused")}


async def test_a_condemned_leg_that_comes_to_life_is_hung_up_and_never_heard(world: Any) -> None:
    """The carrier took the dial, answers no question, and dials when the call is over: whoever answers hears nobody, for 2 s.

    Its look-ups are not answered either, so that the leg is condemned when its time is up.
    """
    first, second = world.carriers[:2]
    number = world.phone(hangup_after_s=0.3)
    late = {"kind": "queueing", "s": 8.5}
    world.fault(first, {"kind": "drop_after_accept"}, late, {"kind": "webhooks_lost"})
    call_id = await world.place(number, carriers=[first, second], agent="echo", ring_timeout_s=60)
    await world.lab.until("dial", carrier=first, number=number)
    # From here on its API answers nothing, so that neither a look-up nor our hang-up reaches it.
    world.fault(first, {"kind": "blackhole"}, late, {"kind": "webhooks_lost"})
    call = await world.ended(call_id, within_s=25)
    assert [leg["status"] for leg in call["legs"]] == ["condemned", "ended"]
    assert world.rang(number) == [second]
    world.fault(first, {"kind": "blackhole"})
    await world.lab.until("answer", carrier=first, number=number, timeout_s=15)
    await world.lab.until("hangup", carrier=first, number=number)
    hangup = world.told("hangup", number, first)[0].more
    assert hangup["seconds"] <= 2.0, hangup
    assert world.told("bridge", number, first) == world.told("stream_open", number, first) == []
    now = await world.call(call_id)
    assert {**now, "legs": now["legs"][1:]} == {**call, "legs": call["legs"][1:]}
    assert now["legs"][0]["status"] == "condemned"
