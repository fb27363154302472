"""Callers whose agent is lost and who are handed to a colleague: what both phones recorded, and how both calls end.

The agent is never there (nobody listens on its port), so that the ladder is climbed down from the first second. Each person
speaks a tone of their own, which the other one's recording must hold.
"""

import asyncio
import itertools
import math
import socket
from typing import Any

import pytest

from agent.speech import sentence
from agent.twilio_stream import Settings
from carriers.lab import sound
from gateway.config.ladder_structs import HumanRung, RungConfig
from gateway.config.structs import AgentConfig, Route

PROMISE_S = 2.0
"""Nobody hears nothing for longer."""
CALLER_HZ, COLLEAGUE_HZ = 700, 1300
TALK_S = 1.5
_numbers = itertools.count(2001)


def nobody() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lost_agent() -> AgentConfig:
    url = f"ws://127.0.0.1:{nobody()}/bot"
    return AgentConfig(
        name="bot", kind="twilio_stream", settings=Settings(url=url, auth_token="handover-0123456789", connect_timeout_s=4.0)
    )


def colleague() -> str:
    """A number that nobody has used."""
    return f"+1555010{next(_numbers)}"


def reached_through(number: str, *carriers: str) -> Route:
    return Route(name=f"to-{number[1:]}", prefix=number, carriers=carriers, agent="echo")


def human(number: str, **settings: Any) -> RungConfig:
    return RungConfig(human=HumanRung(to=number, **settings) if settings else number)


async def staffed(new_world: Any, *ladder: Any, routes: tuple[Route, ...] = (), **knobs: Any) -> Any:
    world = await new_world(agents=(lost_agent(),), ladder=ladder, routes=routes, **knobs)
    await world.provision()
    return world


async def caller(world: Any, carrier: str = "twilio", **phone: Any) -> tuple[str, str]:
    """(number, call id) of somebody who calls us."""
    number = world.phone(**{"says": f"tone:{CALLER_HZ}", **phone})
    world.lab.phones.dial(number, world.lab.credentials(carrier)["numbers"][0])

    async def look() -> str | None:
        return next((call["id"] for call in await world.calls() if call["from"] == number), None)

    return number, await world.eventually(look, 15, world.lab_story)


def put(world: Any, number: str, **phone: Any) -> None:
    """The colleague's phone: by default it takes the call and speaks."""
    world.lab.phones.put(number, **{"answer_after_s": 3.0, "says": f"tone:{COLLEAGUE_HZ}", "dtmf": "wwwww1", **phone})


async def linked_call(world: Any, call_id: str, within_s: float = 15.0) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((call for call in await world.calls() if call["handed_from"] == call_id), None)

    found: dict[str, Any] = await world.eventually(look, within_s, world.lab_story)
    return found


async def losses(world: Any, call_id: str) -> list[tuple[str, str, str]]:
    """(agent, why, rung taken instead), in order."""
    told = [event["data"] for event in await world.events(call_id) if event["kind"] == "agent-lost"]
    return [(one["agent"], one["reason"], one.get("rung", "")) for one in told]


# --- what an ear makes of a recording ----------------------------------------------------------------------------------


def heard(world: Any, number: str) -> bytes:
    call = world.lab.phones.call(number)
    return bytes(call.recording.heard.sound) if call is not None and call.recording is not None else b""


def holds(track: bytes, name: str) -> bool:
    """Whether a tenth of a second out of the middle of this sentence is in it, sample by sample."""
    spoken = sentence(name)
    middle = len(spoken) // 2
    return spoken[middle : middle + 800] in track


def tone_frames(track: bytes, hertz: float) -> list[int]:
    """The frames in which this tone is most of what is heard."""
    return [at for at in range(len(track) // sound.FRAME) if _is_tone(track[at * sound.FRAME : (at + 1) * sound.FRAME], hertz)]


def _is_tone(frame: bytes, hertz: float) -> bool:
    linear = memoryview(sound.to_linear(frame)).cast("h")
    whole = sum(value * value for value in linear)
    return whole > 1e6 and _power(linear, hertz) > 0.7 * whole


def _power(linear: Any, hertz: float) -> float:
    turn = 2 * math.pi * hertz / sound.RATE
    real = sum(value * math.cos(turn * at) for at, value in enumerate(linear))
    imaginary = sum(value * math.sin(turn * at) for at, value in enumerate(linear))
    return 2 * (real * real + imaginary * imaginary) / len(linear)


async def hears_tone(world: Any, number: str, hertz: float, seconds: float = TALK_S, within_s: float = 20.0) -> None:
    async def look() -> bool:
        return len(tone_frames(heard(world, number), hertz)) * sound.FRAME_S >= seconds

    await world.eventually(look, within_s, lambda: f"{number} does not hear {hertz} Hz: {world.lab_story()}")


async def hears(world: Any, number: str, name: str, within_s: float = 20.0) -> None:
    async def look() -> bool:
        return holds(heard(world, number), name)

    await world.eventually(look, within_s, lambda: f"{number} does not hear {name}: {world.lab_story()}")


def longest_nothing_s(world: Any, number: str) -> float:
    """By the lab's clock, from the answer on."""
    return float(world.lab.phones.call(number).measure(world.lab.now()).longest_silence_s)


# --- both talk -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo", "vonage"])
async def test_a_caller_and_a_colleague_hear_each_other_across_carriers(new_world: Any, carrier: str) -> None:
    """The colleague is whispered to and presses 1; before that neither hears the other, and afterwards both do."""
    carriers = ["twilio", "telnyx", "plivo", "vonage"]
    other = carriers[(carriers.index(carrier) + 1) % 4]
    to = colleague()
    world = await staffed(new_world, human(to), "voicemail", routes=(reached_through(to, other),))
    put(world, to)
    number, call_id = await caller(world, carrier)
    await asyncio.gather(hears_tone(world, number, COLLEAGUE_HZ), hears_tone(world, to, CALLER_HZ))
    linked = await linked_call(world, call_id)
    assert [leg["carrier"] for leg in linked["legs"]] == [other]
    call = await world.call(call_id)
    assert (call["handed_to"], call["session"]["agent"], linked["purpose"]) == (linked["id"], "human", "handover")
    first_heard = tone_frames(heard(world, to), CALLER_HZ)[0] * sound.FRAME_S
    assert first_heard >= 2.6, "the caller was heard before the key"
    if "vonage" not in {carrier, other}:  # it resamples
        assert holds(heard(world, number), "connecting")
        assert holds(heard(world, number), "ringing")
        assert holds(heard(world, to), "whisper-press-1")
    assert longest_nothing_s(world, number) <= PROMISE_S
    assert longest_nothing_s(world, to) <= PROMISE_S
    world.lab.phones.hang_up(to)
    ended, over = await world.ended(call_id), await world.ended(linked["id"])
    assert (ended["outcome"], ended["reason"], over["outcome"]) == ("completed", "colleague-hung-up", "completed")
