"""A caller and a colleague talk through one gateway of several: their sockets land anywhere, and their gateway leaves or dies."""

import math
import socket
from functools import cache
from typing import Any

import pytest

from agent.twilio_stream import Settings
from carriers.contract import Wanted
from carriers.lab import sound
from gateway.config.ladder_structs import RungConfig
from gateway.config.structs import AgentConfig, Route
from gateway.runtime.provisioning import Provisioning

CALLER_HZ, COLLEAGUE_HZ = 700, 1300
COLLEAGUE = "+15550102900"
TOKEN = "handover-0123456789"


def nobody() -> str:
    """Where nobody listens: whoever comes to this agent is handed to the colleague."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"ws://127.0.0.1:{probe.getsockname()[1]}/bot"


THE_SAME: dict[str, Any] = {
    "agents": [
        {"name": "bot", "kind": "twilio_stream", "settings": {"url": nobody(), "auth_token": TOKEN}},
        {"name": "echo", "kind": "echo"},
    ],
    "routes": [
        {"name": "out", "prefix": "+1", "agent": "echo"},
        {"name": "colleague", "prefix": COLLEAGUE, "carriers": ["plivo"], "agent": "echo"},
        {"name": "callers", "direction": "inbound", "prefix": "+", "agent": "bot"},
    ],
    "ladder": [{"human": COLLEAGUE}],
}
"""As the fixture `world` has it, for a process."""


@pytest.fixture
async def world(balancer: Any, new_world: Any) -> Any:
    """One gateway behind the balancer, whose only agent is lost; the colleague is reached through Plivo."""
    bot = AgentConfig(name="bot", kind="twilio_stream", settings=Settings(url=nobody(), auth_token=TOKEN))
    route = Route(name="colleague", prefix=COLLEAGUE, carriers=("plivo",), agent="echo")
    found = await new_world(public_url=balancer.url, agents=(bot,), ladder=(RungConfig(human=COLLEAGUE),), routes=(route,))
    balancer.members = [port_of(found)]
    return found


def port_of(world: Any) -> int:
    return int(world.url.rsplit(":", 1)[1])


async def rung(world: Any, balancer: Any, **phone: Any) -> tuple[str, str]:
    """(number, call id) of a caller through Twilio; the colleague's phone rings, and will be answered."""
    await point_numbers(world, balancer)
    world.lab.phones.put(COLLEAGUE, **{"answer_after_s": 1.0, "says": f"tone:{COLLEAGUE_HZ}", "dtmf": "1", **phone})
    number = world.phone(says=f"tone:{CALLER_HZ}")
    world.lab.phones.dial(number, world.lab.credentials("twilio")["numbers"][0])
    await world.lab.until("ring", number=COLLEAGUE, timeout_s=25)

    async def look() -> str | None:
        return next((call["id"] for call in await world.calls() if call["from"] == number), None)

    return number, await world.eventually(look, 15, world.lab_story)


async def point_numbers(world: Any, balancer: Any) -> None:
    """Callers come through the balancer, to whichever gateway it chooses."""
    wanted = {one.name: Wanted(carrier=one.name, public_url=balancer.url, numbers=one.numbers) for one in world.config.carriers}
    await Provisioning({name: world.opened_carrier(name) for name in wanted}, wanted, world.clock).once()


def tone_s(world: Any, number: str, hertz: float) -> float:
    """Seconds of this tone in the phone's recording."""
    call = world.lab.phones.call(number)
    track = bytes(call.recording.heard.sound) if call is not None and call.recording is not None else b""
    frames = (track[at : at + sound.FRAME] for at in range(0, len(track) - sound.FRAME + 1, sound.FRAME))
    return sum(_is_tone(frame, hertz) for frame in frames) * sound.FRAME_S


@cache  # looks are many, and frames of a tone are alike
def _is_tone(frame: bytes, hertz: float) -> bool:
    linear = memoryview(sound.to_linear(frame)).cast("h")
    turn = 2 * math.pi * hertz / sound.RATE
    real = sum(value * math.cos(turn * at) for at, value in enumerate(linear))
    imaginary = sum(value * math.sin(turn * at) for at, value in enumerate(linear))
    whole = sum(value * value for value in linear)
    return whole > 1e6 and 2 * (real * real + imaginary * imaginary) / len(linear) > 0.7 * whole


async def talk(world: Any, number: str, seconds: float = 0.6, within_s: float = 20.0) -> None:
    """Both hear so much more of each other than they have heard."""
    goals = {one: tone_s(world, one, hertz) + seconds for one, hertz in ((number, COLLEAGUE_HZ), (COLLEAGUE, CALLER_HZ))}

    async def look() -> bool:
        return tone_s(world, number, COLLEAGUE_HZ) >= goals[number] and tone_s(world, COLLEAGUE, CALLER_HZ) >= goals[COLLEAGUE]

    await world.eventually(look, within_s, world.lab_story)


async def over(world: Any, call_id: str) -> list[tuple[str, int]]:
    """(outcome, how often its session was taken over) of the caller's call and of the colleague's."""
    linked = [call["id"] for call in await world.calls() if call["handed_from"] == call_id]
    ended = [await world.ended(one) for one in (call_id, *linked)]
    return [(call["outcome"], call["session"]["resumed"]) for call in ended]


async def test_the_colleagues_socket_is_carried_to_the_callers_gateway(world: Any, balancer: Any) -> None:
    """Everything of the colleague's leg comes to the other gateway, which has nothing to do with it."""
    other = await world.twin()
    number, call_id = await rung(world, balancer, answer_after_s=3.0)
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(other)
    await talk(world, number)
    world.lab.phones.hang_up(COLLEAGUE)
    assert await over(world, call_id) == [("completed", 0), ("completed", 0)]


async def test_both_go_on_in_another_gateway_when_theirs_leaves(world: Any, balancer: Any) -> None:
    """No phone rings again, nobody is whispered to again, and each hears the other as before."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(world)
    number, call_id = await rung(world, balancer)
    await talk(world, number)
    balancer.pinned = port_of(other)
    await world.stop()
    await talk(other, number)
    assert len(other.rang(COLLEAGUE)) == 1
    other.lab.phones.hang_up(COLLEAGUE)
    assert await over(other, call_id) == [("completed", 1), ("completed", 1)]


async def test_both_go_on_when_their_gateway_is_killed(world: Any, balancer: Any, serve: Any) -> None:
    """Kill -9 in the middle of their talk: where one gateway is left, both find each other in it."""
    victim = await serve(**THE_SAME)
    balancer.pinned = victim.port
    number, call_id = await rung(world, balancer)
    await talk(world, number)
    await victim.kill()
    await talk(world, number)
    assert len(world.rang(COLLEAGUE)) == 1
    world.lab.phones.hang_up(number)
    assert await over(world, call_id) == [("completed", 1), ("completed", 1)]


async def test_nobody_is_left_alone_when_the_gateway_dies_before_the_answer(world: Any, balancer: Any, serve: Any) -> None:
    """Kill -9 while it rings: the caller is taken over, the same call goes on to ring, and who answers it has the caller."""
    victim = await serve(**THE_SAME)
    balancer.pinned = victim.port
    number, call_id = await rung(world, balancer, answer_after_s=5.0)
    await victim.kill()
    await talk(world, number)
    assert len(world.rang(COLLEAGUE)) == 1
    world.lab.phones.hang_up(number)
    assert [outcome for outcome, _ in await over(world, call_id)] == ["completed", "completed"]
