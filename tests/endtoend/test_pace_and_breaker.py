"""Carriers are not asked faster than they take, nor at all while they fail: by the dials that the lab received."""

import asyncio
import itertools
from typing import Any

from gateway.domain.breaker import BreakerPolicy

JITTER_S = 0.5
"""Between our leave to dial and the request's arrival."""


async def test_a_burst_keeps_the_carriers_pace_and_flows_over(new_world: Any) -> None:
    """Five calls at once, Twilio at one a second and a patience of 2.2 s: three wait their turn there, two go to the next."""
    world = await new_world(pace={"twilio": 1.0}, pace_wait_s=2.2, lab={"twilio": {"calls_per_second": 1.0}})
    numbers = [world.phone(hangup_after_s=0.2) for _ in range(5)]
    calls = await asyncio.gather(*map(world.place, numbers))
    ended = await asyncio.gather(*map(world.ended, calls))
    assert [call["outcome"] for call in ended] == ["completed"] * 5
    dials = [entry.at for entry in world.lab.ledger.entries("dial", "twilio")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(dials)]
    assert min(gaps) >= 1.0 - JITTER_S, gaps
    assert 2 <= len(dials) <= 3
    rang = [world.rang(number) for number in numbers]
    assert sorted(rang) == sorted([["twilio"]] * len(dials) + [["telnyx"]] * (5 - len(dials)))
    flowed = [call for call in ended if call["legs"][0]["carrier"] == "telnyx"]
    for call in flowed:
        route = next(event for event in await world.events(call["id"]) if event["kind"] == "route-chosen")
        assert route["data"]["passed"] == ["twilio: pace"]


async def test_a_call_that_finds_no_pace_anywhere_is_promised_and_kept(new_world: Any) -> None:
    """One carrier with one dial in 2 s and no patience: the second call becomes a callback, and rings later, once."""
    world = await new_world(pace={"telnyx": 0.5}, pace_wait_s=0.2)
    numbers = [world.phone(hangup_after_s=0.1) for _ in range(2)]
    calls = [await world.place(number, carriers=["telnyx"]) for number in numbers]
    waiting = await world.until(calls[1], "scheduled")
    assert waiting["callback"]["reason"] == "no-carrier"
    await asyncio.gather(*map(world.ended, calls))
    first, second = (world.told("dial", number)[0].at for number in numbers)
    assert second - first >= 2.0 - JITTER_S
    assert [world.rang(number) for number in numbers] == [["telnyx"], ["telnyx"]]


async def test_a_carrier_that_fails_again_and_again_is_left_alone_then_probed_by_one_call(new_world: Any) -> None:
    """Three failures open the breaker: no dials; then one probe at a time; a failed one opens it longer, good ones close it."""
    policy = BreakerPolicy(consecutive=3, minimum=1000, open_s=0.7, successes=2, probe_lost_s=20.0)
    world = await new_world(breaker=policy, health_s=60.0)
    bad, good = world.carriers[:2]
    world.fault(bad, {"kind": "reject", "cause": "503"})

    async def call() -> str:
        number = world.phone(hangup_after_s=0.1)
        ended = await world.ended(await world.place(number, carriers=[bad, good]))
        assert ended["outcome"] == "completed"
        assert len(world.rang(number)) == 1
        return number

    def dials() -> int:
        return len(world.lab.ledger.entries("dial", bad))

    async def half_open() -> None:
        async def look() -> bool:
            until = (await world.breaker(bad))["open_until"]
            return until is None or until <= utc(world.lab.now())

        await world.eventually(look)

    for _ in range(3):
        await call()
    assert (dials(), (await world.breaker(bad))["state"]) == (3, "open")
    await asyncio.gather(call(), call())
    assert dials() == 3
    await half_open()
    await asyncio.gather(*(call() for _ in range(4)))
    assert (dials(), (await world.breaker(bad))["state"]) == (4, "open")
    world.fault(bad)
    await half_open()
    await asyncio.gather(*(call() for _ in range(4)))
    assert dials() == 5
    await call()
    assert (dials(), (await world.breaker(bad))["state"]) == (6, "closed")
    await asyncio.gather(call(), call())
    assert dials() == 8


def utc(at: float) -> str:
    """As the API writes times, so that texts compare like times."""
    from gateway.web.times import rfc3339

    return rfc3339(at)


async def test_when_every_breaker_is_open_the_least_bad_carrier_is_tried_all_the_same(new_world: Any) -> None:
    """Two carriers with open breakers and nobody else: the next call is a probe of one of them, not an honest refusal."""
    world = await new_world(breaker=BreakerPolicy(consecutive=1, minimum=1000, open_s=60.0), health_s=60.0)
    pair = world.carriers[:2]
    for carrier in pair:
        world.fault(carrier, {"kind": "reject", "cause": "503"})
    number = world.phone()
    call = await world.ended(await world.place(number, carriers=pair, on_exhausted="fail"))
    assert call["outcome"] == "exhausted"
    assert [(await world.breaker(carrier))["state"] for carrier in pair] == ["open", "open"]
    for carrier in pair:
        world.fault(carrier)
    again = world.phone(hangup_after_s=0.1)
    call = await world.ended(await world.place(again, carriers=pair, on_exhausted="fail"))
    assert call["outcome"] == "completed"
    assert len(world.rang(again)) == 1
