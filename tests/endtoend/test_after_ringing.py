"""Once the phone has rung, or said what it is, no other carrier is asked; and what a person does is no carrier's fault."""

import asyncio
from typing import Any

from gateway.domain.breaker import BreakerPolicy

TOUCHY = BreakerPolicy(consecutive=1, minimum=1, failure_rate=0.1)
"""One failure opens it."""

FATES = {
    "busy": ("busy", 0),
    "decline": ("declined", 1),
    "no_answer": ("no_answer", 1),
    "invalid": ("invalid_number", 0),
    "unreachable": ("no_answer", 0),
}
"""What the phone does -> the call's outcome, and how often it rang."""


async def test_what_the_phone_says_ends_the_call(new_world: Any) -> None:
    """Through each carrier: the outcome is the person's, exactly one carrier was dialled, and no breaker minds."""
    world = await new_world(breaker=TOUCHY)

    async def told(carrier: str, behavior: str) -> None:
        outcome, rings = FATES[behavior]
        number = world.phone(behavior=behavior)
        others = [name for name in world.carriers if name != carrier]
        call_id = await world.place(number, carriers=[carrier, *others], ring_timeout_s=5)
        call = await world.ended(call_id, within_s=25)
        assert call["outcome"] == outcome, (carrier, behavior, call)
        assert [leg["carrier"] for leg in call["legs"]] == world.dialled(number) == [carrier]
        assert world.rang(number) == [carrier] * rings
        assert call["legs"][0]["verdict"]["attribution"] in {"callee", "us"}, (carrier, behavior, call)
        assert call["answered_at"] is None

    await asyncio.gather(*(told(carrier, behavior) for carrier in world.carriers for behavior in FATES))
    assert {carrier: (await world.breaker(carrier))["state"] for carrier in world.carriers} == dict.fromkeys(
        world.carriers, "closed"
    )


async def test_a_leg_that_is_lost_while_it_rings_is_not_dialled_again(world: Any) -> None:
    """The carrier drops the call after the phone has rung: it has rung, so no other carrier may ring it again."""
    ringing = [carrier for carrier in world.carriers if carrier != "telnyx"]  # which reports no ringing

    async def lost(carrier: str) -> None:
        number = world.phone(answer_after_s=30)
        call_id = await world.place(number, carriers=[carrier, *(name for name in world.carriers if name != carrier)])
        await world.until(call_id, "ringing")
        live = world.lab.exchange.network.live(carrier)
        assert [call.number for call in live] == [number]
        assert world.lab.act(lambda now: world.lab.exchange.network.drop(now, carrier, live[0].ref))
        call = await world.ended(call_id)
        assert call["outcome"] in {"failed", "no_answer"}, (carrier, call)
        assert world.dialled(number) == world.rang(number) == [carrier]

    await asyncio.gather(*map(lost, ringing))


async def test_a_call_that_is_lost_in_conversation_is_told_as_dropped(world: Any) -> None:
    """The carrier loses an answered call: it is not completed, and nobody is dialled a second time."""

    async def dropped(carrier: str) -> str:
        number = world.phone()
        call_id = await world.place(
            number, carriers=[carrier, *(name for name in world.carriers if name != carrier)], agent="echo"
        )
        await world.hears(number)
        world.fault(carrier, {"kind": "leg_drop", "after_s": 0, "prefix": number})
        call = await world.ended(call_id)
        assert world.dialled(number) == [carrier]
        outcome: str = call["outcome"]
        return outcome

    outcomes = await asyncio.gather(*map(dropped, world.carriers))
    # Some carriers report a call that the network lost like one that somebody ended.
    assert {"dropped"} <= set(outcomes) <= {"dropped", "completed"}, dict(zip(world.carriers, outcomes, strict=True))
