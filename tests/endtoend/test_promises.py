"""No carrier can take the call: it is promised and kept, or expires, or ends at once where the user wants that."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


def kill_all(world: Any) -> None:
    for carrier in world.carriers:
        world.fault(carrier, {"kind": "down"})


@pytest.mark.parametrize("health_s", [0.5, 60.0], ids=["a-health-request-sees-it", "by-the-next-try"])
async def test_a_promised_call_is_kept_when_a_carrier_comes_back(new_world: Any, health_s: float) -> None:
    """All dead: 201 and a callback; one carrier back: the phone rings once, through it."""
    world = await new_world(health_s=health_s, retry_every_s=60.0 if health_s < 1 else 2.0)
    kill_all(world)
    number, back = world.phone(hangup_after_s=0.3), world.carriers[2]
    call_id = await world.place(number)
    call = await world.until(call_id, "scheduled")
    assert call["callback"]["reason"] == "no-carrier"
    assert call["callback"]["due_at"] > call["created_at"]
    assert [leg["knowledge"] for leg in call["legs"]] == ["not_sent"] * len(world.carriers)
    if health_s < 1:
        await unwell(world, back)
    world.fault(back)
    call = await world.ended(call_id)
    assert (call["outcome"], call["callback"]) == ("completed", None)
    assert world.rang(number) == world.dialled(number) == [back]
    passed = [event["data"]["passed"] for event in await world.events(call_id) if event["kind"] == "route-exhausted"]
    assert passed
    assert all(len(names) == len(world.carriers) for names in passed)


async def unwell(world: Any, carrier: str) -> None:
    """Wait until the gateway's own health request has failed there."""

    async def look() -> bool:
        items = (await world.client.get(f"{world.url}/v1/carriers")).json()["items"]
        return not next(item for item in items if item["name"] == carrier)["well"]

    await world.eventually(look)


async def test_a_promise_ends_when_it_expires(world: Any) -> None:
    """Nobody came back in time: the call ends as expired, nothing rings, and a carrier that comes later dials nothing."""
    kill_all(world)
    number = world.phone()
    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    call_id = await world.place(number, expires_at=soon)
    await world.until(call_id, "scheduled")
    call = await world.ended(call_id)
    assert (call["outcome"], call["callback"]) == ("expired", None)
    for carrier in world.carriers:
        world.fault(carrier)
    await world.ended(await world.place(world.phone(hangup_after_s=0.1)))
    assert world.dialled(number) == []


async def test_a_user_who_wants_no_promise_gets_exhausted(world: Any) -> None:
    """`on_exhausted: fail`: every carrier is tried once, and the call ends."""
    kill_all(world)
    number = world.phone()
    call = await world.ended(await world.place(number, on_exhausted="fail"))
    assert (call["outcome"], call["callback"]) == ("exhausted", None)
    assert [leg["carrier"] for leg in call["legs"]] == world.carriers
    assert world.dialled(number) == []


async def test_a_call_for_later_waits_for_its_time(world: Any) -> None:
    """`not_before`: scheduled until then, and not one dial earlier."""
    number, begins = world.phone(hangup_after_s=0.1), datetime.now(UTC) + timedelta(seconds=2)
    call_id = await world.place(number, not_before=begins.isoformat())
    assert (await world.call(call_id))["status"] == "scheduled"
    call = await world.ended(call_id)
    assert call["outcome"] == "completed"
    assert world.told("dial", number)[0].at >= begins.timestamp()


async def test_many_promises_are_all_kept(world: Any) -> None:
    """Eight calls without a carrier: when one comes back, each phone rings exactly once."""
    kill_all(world)
    numbers = [world.phone(hangup_after_s=0.2) for _ in range(8)]
    calls = await asyncio.gather(*map(world.place, numbers))
    await asyncio.gather(*(world.until(call_id, "scheduled") for call_id in calls))
    world.fault(world.carriers[1])
    ended = await asyncio.gather(*(world.ended(call_id) for call_id in calls))
    assert [call["outcome"] for call in ended] == ["completed"] * 8
    assert [world.rang(number) for number in numbers] == [[world.carriers[1]]] * 8
