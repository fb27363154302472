"""The gateway's tasks die at the worst moments, and another gateway starts on the same store: nothing is dialled twice."""

import asyncio
from typing import Any

from carriers.registry import kinds


async def test_a_key_that_was_used_before_a_restart_finds_its_call_after_it(world: Any) -> None:
    """Same key and same body: the same call, told as it stands now; another body: refused; the phone rings once."""
    number = world.phone(hangup_after_s=0.2)
    first = await world.post(number, key="order-1")
    await world.ended(first.json()["id"])
    await world.stop()
    await world.start()
    again, other = await world.post(number, key="order-1"), await world.post(number, key="order-1", metadata={"a": "b"})
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert (again.json()["id"], again.json()["outcome"]) == (first.json()["id"], "completed")
    assert other.status_code == 422
    assert len(world.dialled(number)) == len(world.rang(number)) == 1
    assert len(await world.calls()) == 1


async def test_a_repeated_request_in_flight_is_one_call(world: Any) -> None:
    """Ten times the same key at once: ten times 201 with one and the same call, and one ring."""
    number = world.phone(hangup_after_s=0.2)
    answers = await asyncio.gather(*(world.post(number, key="order-2") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    (call_id,) = {answer.json()["id"] for answer in answers}
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 9
    await world.ended(call_id)
    assert len(world.rang(number)) == 1


async def test_dials_that_were_being_sent_are_found_or_given_up_and_never_sent_again(world: Any) -> None:
    """The gateway dies while a dial of each carrier is unanswered: what was taken is adopted, and rang once.

    What fell into a black hole is looked up and condemned, and only then the next carrier is dialled.
    """
    taken = {carrier: world.phone(answer_after_s=3.0) for carrier in world.carriers}
    holes = {carrier: world.phone(hangup_after_s=0.3) for carrier in world.carriers}
    calls = {}
    for carrier in world.carriers:
        slow = {"kind": "slow", "s": 1.5, "prefix": taken[carrier]}
        lost = {"kind": "webhooks_lost", "for_s": 1.0, "prefix": taken[carrier]}
        world.fault(carrier, slow, lost, {"kind": "blackhole", "prefix": holes[carrier]})
        for number in (taken[carrier], holes[carrier]):
            calls[number] = await world.place(number, carriers=[carrier, other_than(world, carrier)], agent="echo")
    for number in calls:
        await world.lab.until("dial", number=number)
    await world.stop()
    await world.start()
    for carrier, number in taken.items():
        await world.hears(number, 0.1, within_s=20)
        world.lab.phones.hang_up(number)
        call = await world.ended(calls[number])
        assert call["outcome"] == "completed", call
        assert world.dialled(number) == world.rang(number) == [carrier]
        assert len(world.told("bridge", number)) == 1
    for carrier, number in holes.items():
        call = await world.ended(calls[number], within_s=25)
        assert (call["outcome"], [leg["status"] for leg in call["legs"]]) == ("completed", ["condemned", "ended"])
        again = kinds()[carrier].capabilities.resends_safely  # sent once more under the same tag, into the hole as well
        assert world.dialled(number) == [carrier] * (1 + again) + [other_than(world, carrier)]
        assert world.rang(number) == [other_than(world, carrier)]


async def test_a_phone_that_rings_through_a_restart_is_answered_by_the_agent(world: Any) -> None:
    """The gateway dies while the phones ring: the next one takes the answer, and agent and person hear each other."""
    numbers = {carrier: world.phone(answer_after_s=2.5) for carrier in world.carriers}
    calls = {carrier: await world.place(number, carriers=[carrier], agent="echo") for carrier, number in numbers.items()}
    for number in numbers.values():
        await world.lab.until("ring", number=number)
    await world.stop()
    await world.start()
    for carrier, number in numbers.items():
        await world.hears(number, 0.1)
        world.lab.phones.hang_up(number)
        assert (await world.ended(calls[carrier]))["outcome"] == "completed"
        assert world.rang(number) == world.dialled(number) == [carrier]


async def test_a_promise_outlives_the_gateway_that_made_it(world: Any) -> None:
    """All dead, gateway dead, carriers back, gateway back: the phone rings once."""
    for carrier in world.carriers:
        world.fault(carrier, {"kind": "down"})
    number = world.phone(hangup_after_s=0.2)
    call_id = await world.place(number)
    await world.until(call_id, "scheduled")
    await world.stop()
    for carrier in world.carriers:
        world.fault(carrier)
    await world.start()
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert world.rang(number) == [world.carriers[0]]


async def test_two_gateways_on_one_store_dial_once(new_world: Any) -> None:
    """Two gateways share the store: twelve calls placed at both, each phone rings exactly once."""
    world = await new_world()
    twin = await world.twin()
    numbers = [world.phone(hangup_after_s=0.2) for _ in range(12)]
    ids = await asyncio.gather(*((world, twin)[at % 2].place(number) for at, number in enumerate(numbers)))
    ended = await asyncio.gather(*(world.ended(call_id) for call_id in ids))
    assert {call["outcome"] for call in ended} == {"completed"}
    assert [len(world.rang(number)) for number in numbers] == [1] * 12
    assert [len(world.dialled(number)) for number in numbers] == [1] * 12


def other_than(world: Any, carrier: str) -> str:
    """Some other carrier."""
    return str(next(name for name in world.carriers if name != carrier))
