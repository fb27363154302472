"""A call that was handed over because its agent died, and then loses its gateway too: it goes on with the rung's agent."""

import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.twilio_stream import Settings
from gateway.config.ladder_structs import HoldRung, RungConfig
from gateway.config.structs import AgentConfig

Hire = Callable[..., Awaitable[Any]]


def entry(name: str, port: int) -> AgentConfig:
    settings = Settings(url=f"ws://127.0.0.1:{port}/bot", auth_token="handed-over-token-0123")
    return AgentConfig(name=name, kind="twilio_stream", settings=settings)


async def behind(balancer: Any, new_world: Any, *agents: AgentConfig, ladder: tuple[Any, ...]) -> tuple[Any, Any]:
    """Two gateways on one store; everything comes to the first."""
    world = await new_world(public_url=balancer.url, agents=agents, ladder=ladder)
    other = await world.twin()
    balancer.members = [int(one.url.rsplit(":", 1)[1]) for one in (world, other)]
    balancer.pinned = balancer.members[0]
    return world, other


async def kinds(world: Any, call_id: str) -> list[str]:
    return [event["kind"] for event in await world.events(call_id)]


@pytest.mark.parametrize("carrier", ["twilio", "plivo"])
async def test_the_next_agent_goes_on_in_another_gateway(balancer: Any, new_world: Any, hire: Hire, carrier: str) -> None:
    """It is started there, and not the dead one; it is told that it was resumed, and whom it once followed."""
    first, second = await hire(hertz=300), await hire(hertz=600)
    agents = (entry("first", first.port), entry("second", second.port))
    world, other = await behind(balancer, new_world, *agents, ladder=(RungConfig(agent="second"),))
    number = world.phone(says="silence")
    call_id = await world.place(number, carriers=[carrier], agent="first")
    await world.hears(number, 0.6)
    first.strike(signal.SIGKILL)
    assert "resumed" not in (await second.said("start"))["parameters"]
    second.told.clear()
    balancer.pinned = balancer.members[1]
    await world.stop()
    told = (await second.said("start"))["parameters"]
    assert (told["resumed"], told["lost_agents"], told["call_id"]) == ("1", "first", call_id)
    before = other.heard_speech_s(number)
    await other.hears(number, before + 0.6)
    assert (await other.call(call_id))["session"]["agent"] == "second"
    other.lab.phones.hang_up(number)
    assert (await other.ended(call_id))["outcome"] == "completed"


async def test_a_hold_goes_on_in_another_gateway(balancer: Any, new_world: Any, hire: Hire) -> None:
    """Nobody came back before the gateway died; the other one calls the lost agent again, and gives it the call."""
    bot = await hire()
    world, other = await behind(balancer, new_world, entry("bot", bot.port), ladder=(RungConfig(hold=HoldRung(for_s=60)),))
    number = world.phone(says="silence")
    call_id = await world.place(number, carriers=["twilio"], agent="bot")
    await world.hears(number, 0.6)
    bot.strike(signal.SIGKILL)
    await bot.stop()
    await world.eventually(lambda: held(world, call_id))
    balancer.pinned = balancer.members[1]
    await world.stop()
    await other.eventually(lambda: resumed(other, call_id))
    await bot.start()
    told = (await bot.said("start"))["parameters"]
    assert (told["resumed"], told["lost_agents"]) == ("1", "bot")
    await other.eventually(lambda: back(other, call_id))
    other.lab.phones.hang_up(number)
    assert (await other.ended(call_id))["outcome"] == "completed"


async def held(world: Any, call_id: str) -> bool:
    return bool((await world.call(call_id))["session"]["agent"] == "hold")


async def resumed(world: Any, call_id: str) -> bool:
    return "session-resumed" in await kinds(world, call_id)


async def back(world: Any, call_id: str) -> bool:
    return "agent-back" in await kinds(world, call_id)
