"""One call through each carrier alone: who rang, who heard whom, and how it is told afterwards."""

import asyncio
import cmath
from typing import Any

from carriers.lab.sound import EXPANDED


async def talk(world: Any, carrier: str, agent: str) -> dict[str, Any]:
    """A call through this carrier alone until the person has heard sound, then the person hangs up."""
    number = world.phone(says="speech")
    call_id = await world.place(number, carriers=[carrier], agent=agent)
    await world.hears(number, 0.4)
    assert (await world.call(call_id))["status"] == "in_progress"
    assert world.lab.phones.hang_up(number)
    call: dict[str, Any] = await world.ended(call_id)
    return call


async def test_each_carrier_alone_carries_a_call_whose_ends_hear_each_other(world: Any) -> None:
    """The phone rings once, is answered, hears its own voice back from the echo agent, and the call is completed."""
    calls = await asyncio.gather(*(talk(world, carrier, "echo") for carrier in world.carriers))
    for carrier, call in zip(world.carriers, calls, strict=True):
        number, leg = call["to"], call["legs"][-1]
        assert (call["outcome"], len(call["legs"]), leg["carrier"]) == ("completed", 1, carrier), call
        assert world.dialled(number) == world.rang(number) == [carrier]
        assert [entry.carrier for entry in world.told("bridge", number)] == [carrier]
        assert leg["from"] in world.lab.credentials(carrier)["numbers"]
        assert call["from"] == leg["from"] == world.told("ring", number)[0].more["caller_id"]
        assert leg["media"]["frames_in"] > 20
        assert leg["media"]["frames_out"] > 20
        assert leg["alerted_at"] <= leg["answered_at"] <= leg["ended_at"]


async def test_the_receptionist_greets_through_each_carrier_within_a_second(world: Any) -> None:
    """The default agent's speech reaches the person's ear within a second of the answer."""

    async def greeted(carrier: str) -> float:
        number = world.phone(says="silence")
        call_id = await world.place(number, carriers=[carrier])
        await world.hears(number, 0.1)
        answered = world.told("answer", number)[0].at
        waited: float = world.lab.now() - answered
        assert world.lab.phones.hang_up(number)
        assert (await world.ended(call_id))["outcome"] == "completed"
        return waited

    waited = dict(zip(world.carriers, await asyncio.gather(*map(greeted, world.carriers)), strict=True))
    assert {carrier: seconds for carrier, seconds in waited.items() if seconds > 1.5} == {}


async def test_nobody_hears_another_call(world: Any) -> None:
    """Two calls at once through each carrier, each person with a tone of their own: every ear holds its own tone alone."""
    tones = {"low": 400, "high": 1000}

    async def own_tone(carrier: str, hertz: int) -> tuple[int, bytes]:
        number = world.phone(says=f"tone:{hertz}")
        call_id = await world.place(number, carriers=[carrier], agent="echo")
        await world.hears(number, 0.5)
        heard = bytes(world.lab.phones.call(number).recording.heard.sound)
        world.lab.phones.hang_up(number)
        await world.ended(call_id)
        return hertz, heard

    pairs = [(carrier, hertz) for carrier in world.carriers for hertz in tones.values()]
    for own, heard in await asyncio.gather(*(own_tone(*pair) for pair in pairs)):
        other = tones["low"] if own == tones["high"] else tones["high"]
        assert strength(heard, own) > 20 * strength(heard, other)


def strength(mulaw: bytes, hertz: float) -> float:
    """How much of one frequency is in a sound: the size of its Fourier coefficient, squared."""
    turns = (sample * cmath.exp(-2j * cmath.pi * hertz * at / 8000) for at, sample in enumerate(EXPANDED[code] for code in mulaw))
    return float(abs(sum(turns)) ** 2)
