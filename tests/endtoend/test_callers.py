"""A phone calls one of our numbers, through each carrier: the whole gateway on the real store, judged by ledger and phone."""

import asyncio
from typing import Any

from carriers.contract import Wanted
from carriers.lab.phones import PhoneCall
from gateway.runtime.provisioning import Provisioning


async def provision(world: Any) -> None:
    """Point the first number of every carrier at the gateway, through the real SDKs, as `serve --lab` does."""
    await world.provision()


def number_of(world: Any, carrier: str) -> str:
    return str(world.lab.credentials(carrier)["numbers"][0])


async def inbound(world: Any, caller: str) -> dict[str, Any]:
    """The gateway's call with this caller."""

    async def look() -> dict[str, Any] | None:
        return next((call for call in await world.calls() if call["from"] == caller), None)

    found: dict[str, Any] = await world.eventually(look, 10, world.lab_story)
    return found


async def test_every_carriers_number_is_answered_by_the_same_agent(world: Any) -> None:
    """The caller hears the agent, the agent is told who calls, and the hang-up completes the call."""
    await provision(world)

    async def one(carrier: str) -> None:
        caller = world.phone(says="speech")
        world.lab.phones.dial(caller, number_of(world, carrier), caller_name="Alex", attestation="A")
        await world.hears(caller, 0.5)
        call = await inbound(world, caller)
        assert (call["direction"], call["to"], call["status"]) == ("inbound", number_of(world, carrier), "in_progress")
        assert [(leg["carrier"], leg["knowledge"]) for leg in call["legs"]] == [(carrier, "alerted")]
        assert world.told("bridge", caller, carrier)
        assert world.lab.phones.hang_up(caller)
        ended = await world.ended(call["id"])
        assert (ended["outcome"], ended["legs"][0]["status"]) == ("completed", "ended")
        assert world.dialled(caller) == []

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def test_keys_reach_the_agent_and_its_goodbye_ends_the_call(world: Any) -> None:
    """Key 9 makes the receptionist leave: the carrier ends the call, not the phone."""
    await provision(world)

    async def one(carrier: str) -> None:
        caller = world.phone(says="silence")
        world.lab.phones.dial(caller, number_of(world, carrier), dtmf="wwwwww9")
        call = await inbound(world, caller)
        ended = await world.ended(call["id"], within_s=25)
        assert ended["outcome"] == "completed"
        hangup = world.told("hangup", caller)[-1]
        assert (hangup.more["by"], hangup.more["answered"]) == ("carrier", True)

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def test_we_hang_up_on_a_caller(world: Any) -> None:
    """POST hangup ends the conversation at the carrier."""
    await provision(world)

    async def one(carrier: str) -> None:
        caller = world.phone()
        world.lab.phones.dial(caller, number_of(world, carrier))
        await world.hears(caller)
        call = await inbound(world, caller)
        assert (await world.client.post(f"{world.url}/v1/calls/{call['id']}/hangup")).status_code == 202
        assert (await world.ended(call["id"]))["outcome"] == "completed"
        await world.lab.until("hangup", number=caller, timeout_s=10)

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def test_lost_webhooks_of_the_end_are_found_by_asking(new_world: Any) -> None:
    """The caller hangs up and nobody tells us: the call ends all the same."""
    world = await new_world(stream_start_s=1.0)
    await provision(world)

    async def one(carrier: str) -> None:
        caller = world.phone()
        world.lab.phones.dial(caller, number_of(world, carrier))
        await world.hears(caller)
        call = await inbound(world, caller)
        world.fault(carrier, {"kind": "webhooks_lost"})
        world.lab.phones.hang_up(caller)
        assert (await world.ended(call["id"], within_s=30))["outcome"] == "completed"

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def test_webhooks_twice_and_shuffled_make_one_call(world: Any) -> None:
    """One caller, one call, one leg, one stream."""
    await provision(world)

    async def one(carrier: str) -> None:
        caller = world.phone()
        world.fault(carrier, {"kind": "webhooks_twice"})
        placed: PhoneCall = world.lab.phones.dial(caller, number_of(world, carrier))
        await world.hears(caller)
        call = await inbound(world, caller)
        assert [leg["carrier_call_id"] for leg in call["legs"]] == [placed.ref]
        world.lab.phones.hang_up(caller)
        await world.ended(call["id"])
        assert len([one for one in await world.calls() if one["from"] == caller]) == 1
        assert len(world.told("bridge", caller)) == 1

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def test_a_full_gateway_turns_callers_away(new_world: Any) -> None:
    """Busy, before it costs where the carrier can; and the one who talks goes on."""
    world = await new_world(max_live_calls=1)
    await provision(world)
    first = world.phone()
    world.lab.phones.dial(first, number_of(world, "twilio"))
    await world.hears(first)

    async def one(carrier: str) -> None:
        caller = world.phone()
        world.lab.phones.dial(caller, number_of(world, carrier))
        await world.lab.until("hangup", number=caller, timeout_s=15)
        call = await inbound(world, caller)
        assert (call["outcome"], call["reason"]) == ("denied", "over-capacity")
        assert world.told("bridge", caller) == []

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))
    assert (await world.post(world.phone())).status_code == 503
    assert world.lab.phones.get(first).live
    world.lab.phones.hang_up(first)
    await world.ended((await inbound(world, first))["id"])
    answers = await asyncio.gather(*(world.post(world.phone()) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 503, 503, 503, 503]


async def test_numbers_are_set_again_when_somebody_changed_them(world: Any) -> None:
    """Every look puts right what is wrong, and leaves what is right."""
    await provision(world)
    member = world.opened_carrier("twilio")
    number = number_of(world, "twilio")
    elsewhere = Wanted(carrier="twilio", public_url="https://elsewhere.example.com", numbers=(number,))
    await member.amend(elsewhere, await member.survey(elsewhere))
    ours = Wanted(carrier="twilio", public_url=world.url, numbers=(number,))
    assert any(not setting.right for setting in await member.survey(ours))
    await Provisioning({"twilio": member}, {"twilio": ours}, world.clock).once()
    assert all(setting.right for setting in await member.survey(ours))
