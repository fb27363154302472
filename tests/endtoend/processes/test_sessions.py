"""Several gateways on one store, behind a balancer, are one gateway: a call goes on when its socket lands on the wrong one,
and when the one that had it is drained, stopped or killed.
"""

import asyncio
import signal
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

CARRIERS = ("twilio", "telnyx", "plivo", "vonage")
BY_BOTH_MEANS = ("twilio", "telnyx")
"""One that comes back for a document, and one that is told by a command: the two ways in which a stream moves."""


def port_of(world: Any) -> int:
    """Where a gateway listens."""
    return int(world.url.rsplit(":", 1)[1])


async def resumed(world: Any, call_id: str, within_s: float = 10.0) -> None:
    """Wait until another gateway has the session."""

    async def look() -> bool:
        return any(event["kind"] == "session-resumed" for event in await world.events(call_id))

    await world.eventually(look, within_s, lambda: f"{call_id} was not resumed: {world.lab_story()}")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_socket_that_lands_elsewhere_is_carried_to_its_session(world: Any, balancer: Any, carrier: str) -> None:
    """The session sits in one gateway, everything of the carrier's comes to the other: both hear each other all the same."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(other)
    number = world.phone(answer_after_s=1.0, says="tone")
    call_id = await world.place(number, carriers=[carrier], agent="echo")
    await world.seat(call_id)
    await world.hears(number, 1.0)
    assert not [event for event in await world.events(call_id) if event["kind"] == "session-resumed"]
    assert f'media_sockets_total{{carrier="{carrier}",result="accepted"}} 1.0' in await world.metrics()
    assert f'media_sockets_total{{carrier="{carrier}",result="accepted"}}' not in await other.metrics()
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert world.rang(number) == [carrier]


async def test_nobody_else_comes_in_between_the_gateways(world: Any) -> None:
    """The internal paths answer 403 to whoever has not the gateways' own secret."""
    for path in ("/internal/holds/call_1", "/internal/relay/twilio/call_1/leg_1"):
        with pytest.raises(InvalidStatus, match="403"):
            await connect(world.url.replace("http", "ws", 1) + path, proxy=None)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_drained_gateway_leaves_its_calls_to_the_others(world: Any, balancer: Any, carrier: str) -> None:
    """The stream is closed when the time is up, the carrier comes back, and the same session speaks from another gateway."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(world)
    number = world.phone()
    call_id = await world.place(number, carriers=[carrier], agent="receptionist")
    await world.hears(number)
    balancer.pinned = port_of(other)
    heard = world.heard_speech_s(number)
    await world.stop()
    await resumed(other, call_id)
    await other.hears(number, heard + 0.3)
    assert (await other.call(call_id))["status"] == "in_progress"
    other.lab.phones.hang_up(number)
    assert (await other.ended(call_id))["outcome"] == "completed"
    assert other.rang(number) == other.dialled(number) == [carrier]


async def test_a_drain_does_not_wait_for_the_calls_of_others(world: Any, balancer: Any) -> None:
    """A gateway that accepted a call which lives in another one has nothing to wait for, and the call goes on."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(world)
    number = world.phone()
    call_id = await other.place(number, carriers=["twilio"], agent="receptionist")
    await world.hears(number)
    async with asyncio.timeout(20):
        await other.running.drain(120)
    assert (await world.call(call_id))["status"] == "in_progress"
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"


# --- real processes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_killed_gateways_call_goes_on_in_another(world: Any, balancer: Any, serve: Any, carrier: str) -> None:
    """Kill -9 in mid-sentence: the carrier asks what to do, or is told to, and the same session goes on with the person; the
    phone rang once.
    """
    victim = await serve()
    balancer.pinned = victim.port
    number = world.phone()
    call_id = await world.place(number, carriers=[carrier], agent="receptionist")
    await world.hears(number, within_s=20)
    heard = world.heard_speech_s(number)
    await victim.kill()
    await resumed(world, call_id)
    await world.hears(number, heard + 0.3)
    assert (await world.call(call_id))["session"]["resumed"] == 1
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert world.rang(number) == world.dialled(number) == [carrier]


async def frozen(world: Any, balancer: Any, sleeper: Any, call_id: str) -> None:
    """Stop it, let its call go on elsewhere, and wake it: it finds that the session is another's."""
    sleeper.signal(signal.SIGSTOP)
    balancer.pinned = port_of(world)
    await balancer.cut()
    await resumed(world, call_id)
    sleeper.signal(signal.SIGCONT)

    async def fenced() -> bool:
        return "session-lost" in sleeper.log

    await world.eventually(fenced, 10.0, lambda: sleeper.log[-3000:])


@pytest.mark.parametrize("carrier", BY_BOTH_MEANS)
async def test_a_paused_gateway_that_wakes_up_speaks_to_nobody(world: Any, balancer: Any, serve: Any, carrier: str) -> None:
    """SIGSTOP, and the way to it breaks: the session goes on elsewhere. Woken, it is refused and ends nothing."""
    sleeper = await serve()
    balancer.pinned = sleeper.port
    number = world.phone()
    call_id = await world.place(number, carriers=[carrier], agent="receptionist")
    await world.hears(number, within_s=20)
    heard = world.heard_speech_s(number)
    await frozen(world, balancer, sleeper, call_id)
    await world.hears(number, heard + 0.3)
    assert (await world.call(call_id))["status"] == "in_progress"
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert world.rang(number) == [carrier]


@pytest.mark.parametrize("carrier", BY_BOTH_MEANS)
async def test_a_caller_of_a_paused_gateway_is_talked_to_by_another(world: Any, balancer: Any, serve: Any, carrier: str) -> None:
    """The same for somebody who called us: they hear the other gateway, and after the waking nobody talks into it."""
    sleeper = await serve()
    await world.provision()
    balancer.pinned = sleeper.port
    caller = world.phone()
    world.lab.phones.dial(caller, str(world.lab.credentials(carrier)["numbers"][0]))
    await world.hears(caller, within_s=20)
    (call,) = await world.calls()
    heard = world.heard_speech_s(caller)
    await frozen(world, balancer, sleeper, call["id"])
    await world.hears(caller, heard + 0.3)
    now = await world.call(call["id"])
    assert (now["direction"], now["status"], now["session"]["resumed"]) == ("inbound", "in_progress", 1)
    assert len(world.told("stream_open", caller)) == 2
    world.lab.phones.hang_up(caller)
    assert (await world.ended(call["id"]))["outcome"] == "completed"
    assert world.dialled(caller) == []
