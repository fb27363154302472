"""A carrier says no before the phone rings: the next one rings it, once, with a caller id of its own, and says why."""

import asyncio
from typing import Any

import pytest

REFUSALS = ("auth_error", "rate_limited", "suspended")

OPENS_AT_ONCE = frozenset({"1010"})
"""Plivo: our account is out of credit. It opens the breaker, so no other call of the carrier may run beside it."""
CARRIERS_FAULT = {"twilio": "503", "telnyx": "503", "plivo": "5010", "vonage": "internal_error"}


def after(world: Any, carrier: str) -> str:
    """The carrier that stands behind this one; behind the last stands the first."""
    place = world.carriers.index(carrier) + 1
    return str(world.carriers[place % len(world.carriers)])


async def carried_by_the_next(world: Any, carrier: str, number: str) -> dict[str, Any]:
    """Place the call with this carrier first and see it through; the call as it ended."""
    following = after(world, carrier)
    call_id = await world.place(number, carriers=[carrier, following], agent="echo")
    await world.hears(number, 0.1, within_s=15)
    world.lab.phones.hang_up(number)
    call: dict[str, Any] = await world.ended(call_id)
    first, second = call["legs"]
    assert call["outcome"] == "completed", call
    assert (first["carrier"], second["carrier"]) == (carrier, following)
    assert first["verdict"]["disposition"] == "next_carrier", first
    assert second["from"] in world.lab.credentials(following)["numbers"]
    assert world.rang(number) == [following]
    assert [entry.carrier for entry in world.told("bridge", number)] == [following]
    await explained(world, call)
    return call


async def explained(world: Any, call: dict[str, Any]) -> None:
    """The call's own log says from where to where it went, why, and what was known."""
    first, second = call["legs"]
    routes = [event for event in await world.events(call["id"]) if event["kind"] == "route-chosen"]
    assert [event["carrier"] for event in routes] == [first["carrier"], second["carrier"]]
    told = routes[1]["data"]["failover"]
    assert (told["from"], told["to"]) == (first["carrier"], second["carrier"])
    assert told["reason"] == first["verdict"]["reason"]
    assert told["known"] == first["knowledge"]
    assert routes[1]["data"]["caller_id"] == second["from"]


@pytest.mark.parametrize("half", [0, 1], ids=["first-and-third", "second-and-fourth"])
@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_refused_dial_goes_to_the_next_carrier(world: Any, fault: str, half: int) -> None:
    """The carrier's API says no without placing the call: the phone rings once, through the next carrier.

    Half of the carriers at a time, since some of these answers open the breaker of the carrier that gave them.
    """
    numbers = {carrier: world.phone() for carrier in world.carriers[half::2]}
    for carrier, number in numbers.items():
        world.fault(carrier, {"kind": fault, "prefix": number})
    for call in await asyncio.gather(*(carried_by_the_next(world, *pair) for pair in numbers.items())):
        assert world.dialled(call["to"]) == [leg["carrier"] for leg in call["legs"]]
        assert call["legs"][0]["knowledge"] == "refused"


async def test_a_carrier_that_is_down_is_passed_without_a_byte(world: Any) -> None:
    """Nothing listens: NotSent, no POST in the ledger, and the next carrier rings the phone."""
    for absent in (world.carriers[0::2], world.carriers[1::2]):
        for carrier in absent:
            world.fault(carrier, {"kind": "down"})
        numbers = {carrier: world.phone() for carrier in absent}
        calls = await asyncio.gather(*(carried_by_the_next(world, *pair) for pair in numbers.items()))
        for call in calls:
            assert call["legs"][0]["knowledge"] == "not_sent"
            assert world.dialled(call["to"]) == [call["legs"][1]["carrier"]]
        for carrier in absent:
            world.fault(carrier)


async def test_all_but_the_last_are_down(world: Any) -> None:
    """Three dead carriers are passed in one round, and the fourth carries the call."""
    *dead, last = world.carriers
    for carrier in dead:
        world.fault(carrier, {"kind": "down"})
    number = world.phone(hangup_after_s=0.5)
    call = await world.ended(await world.place(number))
    assert call["outcome"] == "completed"
    assert [leg["carrier"] for leg in call["legs"]] == world.carriers
    assert world.rang(number) == [last]


async def test_a_failure_that_comes_later_goes_to_the_next_carrier(world: Any) -> None:
    """The dial was accepted and failed before the phone rang: Refused, and the next carrier rings it, once."""
    assert set(CARRIERS_FAULT) == set(world.carriers)
    numbers = {carrier: world.phone() for carrier in world.carriers}
    for carrier, number in numbers.items():
        world.fault(carrier, {"kind": "reject", "cause": CARRIERS_FAULT[carrier], "prefix": number})
    for call in await asyncio.gather(*(carried_by_the_next(world, *pair) for pair in numbers.items())):
        assert call["legs"][0]["knowledge"] == "refused"
        assert call["legs"][0]["verdict"]["attribution"] == "carrier"
        assert world.dialled(call["to"]) == [leg["carrier"] for leg in call["legs"]]


async def test_an_account_without_credit_is_left_alone_at_once(world: Any) -> None:
    """What only a hand can mend opens the breaker with the first call, which goes on; the next call dials there no more."""
    carrier = "plivo"
    world.fault(carrier, {"kind": "reject", "cause": "1010"})
    first, second = world.phone(hangup_after_s=0.2), world.phone(hangup_after_s=0.2)
    for number in (first, second):
        call = await world.ended(await world.place(number, carriers=[carrier, after(world, carrier)]))
        assert call["outcome"] == "completed"
        assert world.rang(number) == [after(world, carrier)]
    assert (world.dialled(first)[0], world.dialled(second)) == (carrier, [after(world, carrier)])
    assert (await world.breaker(carrier))["reason"] == "misconfigured"


async def test_every_failure_that_comes_later_goes_on_or_stops_as_its_verdict_says(world: Any) -> None:
    """For every cause of every carrier: a verdict for the next carrier rings the phone there, once; any other dials nobody."""
    plans = []
    for carrier in world.carriers:
        causes = sorted(world.lab.exchange.desk(carrier).simulator.causes - OPENS_AT_ONCE)
        numbers = {cause: world.phone(hangup_after_s=0.2) for cause in causes}
        world.fault(carrier, *({"kind": "reject", "cause": cause, "prefix": number} for cause, number in numbers.items()))
        plans += [(carrier, cause, number) for cause, number in numbers.items()]

    async def rejected(carrier: str, cause: str, number: str) -> tuple[str, str]:
        async with at_once:
            call = await world.ended(await world.place(number, carriers=[carrier, after(world, carrier)]))
        first = call["legs"][0]
        assert first["carrier"] == carrier, (cause, await world.events(call["id"]))
        went_on = first["verdict"]["disposition"] == "next_carrier"
        assert len(call["legs"]) == len(world.dialled(number)) == (2 if went_on else 1), (cause, call)
        assert world.rang(number) == ([after(world, carrier)] if went_on else []), (cause, call)
        reached = call["outcome"] == "completed" or call["reason"] == "no-stream"  # they hang up at once
        assert reached == went_on, (cause, str(call), str(await world.events(call["id"])))
        assert call["from"] in world.lab.credentials(call["legs"][-1]["carrier"])["numbers"], call
        return carrier, first["verdict"]["disposition"]

    at_once = asyncio.Semaphore(30)
    seen = set(await asyncio.gather(*(rejected(*plan) for plan in plans)))
    assert seen >= {(carrier, disposition) for carrier in world.carriers for disposition in ("next_carrier", "stop")}


async def test_a_caller_id_that_the_user_asked_for_is_kept_where_the_carrier_owns_it(world: Any) -> None:
    """The first carrier's second number is used there; the next carrier, which does not own it, shows one of its own."""
    first, second = world.carriers[:2]
    wanted = world.lab.credentials(first)["numbers"][1]
    well, moved = world.phone(hangup_after_s=0.2), world.phone(hangup_after_s=0.2)
    world.fault(first, {"kind": "auth_error", "prefix": moved})
    calls = [await world.ended(await world.place(number, **{"from": wanted})) for number in (well, moved)]
    assert [call["from"] for call in calls] == [wanted, world.lab.credentials(second)["numbers"][0]]
    assert [world.told("ring", call["to"])[0].more["caller_id"] for call in calls] == [call["from"] for call in calls]
