"""Callers whose agent is lost and who are handed to a colleague: what both phones recorded, and how both calls end.

The agent is never there (nobody listens on its port), so that the ladder is climbed down from the first second. Each person
speaks a tone of their own, which the other one's recording must hold.
"""

import asyncio
import itertools
import math
import socket
from functools import cache
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

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


@cache  # looks are many, and frames of a tone are alike
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


async def test_keys_are_heard_on_the_other_side(new_world: Any) -> None:
    """Each way, as tones, from the moment on at which both talk; the 1 that takes the call is nobody's business."""
    to = colleague()
    world = await staffed(new_world, human(to), routes=(reached_through(to, "telnyx"),))
    put(world, to, answer_after_s=0.2, says="silence", dtmf="1")
    number, call_id = await caller(world, "plivo", says="silence")
    await world.eventually(lambda: handed(world, call_id), 15, world.lab_story)
    world.lab.phones.press(number, "5")
    await hears_key(world, to, 770, 1336)
    world.lab.phones.press(to, "9")
    await hears_key(world, number, 852, 1477)
    assert not key_frames(heard(world, number), 697, 1209), "the 1"
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    over = await world.ended((await linked_call(world, call_id))["id"])
    assert (over["outcome"], over["reason"]) == ("completed", "caller-hung-up")


async def handed(world: Any, call_id: str) -> bool:
    return (await world.call(call_id))["handed_to"] is not None


def key_frames(track: bytes, low: float, high: float) -> list[int]:
    frames = [track[at : at + sound.FRAME] for at in range(0, len(track) - sound.FRAME + 1, sound.FRAME)]
    return [at for at, frame in enumerate(frames) if _is_key(frame, low, high)]


def _is_key(frame: bytes, low: float, high: float) -> bool:
    linear = memoryview(sound.to_linear(frame)).cast("h")
    whole = sum(value * value for value in linear)
    parts = [_power(linear, hertz) for hertz in (low, high)]
    return whole > 1e6 and min(parts) > 0.15 * whole and sum(parts) > 0.7 * whole


async def hears_key(world: Any, number: str, low: float, high: float) -> None:
    async def look() -> bool:
        return len(key_frames(heard(world, number), low, high)) >= 3

    await world.eventually(look, 10, lambda: f"{number} does not hear the key: {world.lab_story()}")


@pytest.mark.parametrize("whisper", ["announce", "none"])
async def test_without_a_key_the_colleague_has_the_caller_at_once(new_world: Any, whisper: str) -> None:
    """After the announcement, or with the answer."""
    to = colleague()
    world = await staffed(new_world, human(to, whisper=whisper), routes=(reached_through(to, "telnyx"),))
    put(world, to, answer_after_s=0.5, dtmf="")
    number, call_id = await caller(world, "twilio")
    await asyncio.gather(hears_tone(world, number, COLLEAGUE_HZ), hears_tone(world, to, CALLER_HZ))
    assert holds(heard(world, to), "whisper-announce") == (whisper == "announce")
    assert longest_nothing_s(world, number) <= PROMISE_S
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    ended, over = await world.ended(call_id), await world.ended((await linked_call(world, call_id))["id"])
    assert (ended["outcome"], over["outcome"], over["reason"]) == ("completed", "completed", "caller-hung-up")


# --- nobody takes the call -------------------------------------------------------------------------------------------------


async def test_busy_declined_and_silent_phones_are_followed_by_the_next_rung(new_world: Any) -> None:
    """The caller is told each time, never hears nothing, and the fourth colleague has them."""
    busy, declines, silent, takes = (colleague() for _ in range(4))
    ladder = (human(busy), human(declines), human(silent, ring_s=5), human(takes))
    world = await staffed(new_world, *ladder)
    put(world, busy, behavior="busy")
    put(world, declines, behavior="decline", answer_after_s=0.5)
    put(world, silent, behavior="no_answer")
    put(world, takes, answer_after_s=0.5)
    number, call_id = await caller(world, "telnyx")
    await asyncio.gather(hears_tone(world, number, COLLEAGUE_HZ, within_s=60), hears_tone(world, takes, CALLER_HZ, within_s=60))
    found = await losses(world, call_id)
    assert [rung for _, _, rung in found] == ["human"] * 4
    assert [why for _, why, _ in found[1:]] == ["colleague-busy", found[2][1], "colleague-no-answer"]
    assert found[2][1] in {"colleague-declined", "colleague-busy"}
    assert holds(heard(world, number), "colleague-unreached")
    assert longest_nothing_s(world, number) <= PROMISE_S
    assert all(world.lab.phones.get(one).answers == 0 for one in (busy, declines, silent))
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"


async def test_a_mailbox_never_has_a_caller(new_world: Any) -> None:
    """It answers and talks, and presses nothing: the caller does not hear it, and goes on down the ladder."""
    to = colleague()
    world = await staffed(new_world, human(to), routes=(reached_through(to, "plivo"),))
    put(world, to, answer_after_s=0.5, dtmf="")
    number, call_id = await caller(world, "twilio")
    call = await world.ended(call_id, within_s=40)
    assert (call["outcome"], call["handed_to"]) == ("failed", None)
    assert (await losses(world, call_id))[1:] == [("human", "colleague-took-no-call", "goodbye")]
    track = heard(world, number)
    assert tone_frames(track, COLLEAGUE_HZ) == []
    assert tone_frames(heard(world, to), CALLER_HZ) == []
    assert all(holds(track, name) for name in ("connecting", "ringing", "colleague-unreached", "sorry-goodbye"))
    assert longest_nothing_s(world, number) <= PROMISE_S
    assert (await world.ended((await linked_call(world, call_id))["id"]))["reason"] == "gateway-hung-up"


async def test_the_colleagues_leg_fails_over_as_every_leg_does(new_world: Any) -> None:
    """The first carrier is down, the second one refuses: the third one reaches the colleague, whose phone rings once."""
    to = colleague()
    world = await staffed(new_world, human(to), routes=(reached_through(to, "twilio", "plivo", "vonage"),))
    put(world, to, answer_after_s=0.5)
    world.fault("twilio", {"kind": "http_error", "status": 503, "prefix": to})
    world.fault("plivo", {"kind": "down"})
    number, call_id = await caller(world, "telnyx")
    await asyncio.gather(hears_tone(world, number, COLLEAGUE_HZ, within_s=30), hears_tone(world, to, CALLER_HZ, within_s=30))
    linked = await linked_call(world, call_id)
    assert [leg["carrier"] for leg in linked["legs"]] == ["twilio", "plivo", "vonage"]
    assert world.rang(to) == ["vonage"]
    assert longest_nothing_s(world, number) <= PROMISE_S
    world.lab.phones.hang_up(to)
    assert (await world.ended(call_id))["outcome"] == "completed"


async def test_a_caller_who_hangs_up_stops_the_colleagues_phone_at_once(new_world: Any) -> None:
    """Long before it would have been answered; nobody answers to nobody, and no rung follows."""
    to = colleague()
    world = await staffed(new_world, human(to), "voicemail", routes=(reached_through(to, "telnyx"),))
    put(world, to, answer_after_s=15.0)
    number, call_id = await caller(world, "plivo")
    await world.lab.until("ring", number=to, timeout_s=15)
    world.lab.phones.hang_up(number)
    call, over = await world.ended(call_id), await world.ended((await linked_call(world, call_id))["id"])
    assert (call["outcome"], call["reason"], over["outcome"]) == ("failed", "agent-unavailable", "canceled")
    assert world.lab.phones.get(to).answers == 0
    assert [rung for _, _, rung in await losses(world, call_id)] == ["human"]


async def test_a_broken_line_to_the_colleague_is_no_goodbye(new_world: Any) -> None:
    """The caller is told, and the next colleague has them."""
    first, second = colleague(), colleague()
    routes = (reached_through(first, "telnyx"), reached_through(second, "twilio"))
    world = await staffed(new_world, human(first), human(second), routes=routes)
    put(world, first, answer_after_s=0.3, says="silence", dtmf="1")
    put(world, second, answer_after_s=0.3)
    number, call_id = await caller(world, "vonage")
    await hears_tone(world, first, CALLER_HZ, seconds=0.2)
    world.fault("telnyx", {"kind": "stream_cut", "after_s": 0.1, "prefix": first})
    await asyncio.gather(hears_tone(world, number, COLLEAGUE_HZ, within_s=30), hears_tone(world, second, CALLER_HZ, within_s=30))
    assert (await losses(world, call_id))[1:] == [("human", "colleague-lost", "human")]
    world.lab.phones.hang_up(second)
    call = await world.ended(call_id)
    assert (call["outcome"], call["reason"]) == ("completed", "colleague-hung-up")
    assert [one["outcome"] for one in await world.calls() if one["handed_from"] == call_id] == ["completed", "dropped"]


async def test_nobody_is_connected_with_their_own_phone(new_world: Any) -> None:
    """The colleague calls us themselves: their rung is passed over, and says why."""
    world = await staffed(new_world, human("+15550102999"))
    world.lab.phones.put("+15550102999", says="silence")
    world.lab.phones.dial("+15550102999", world.lab.credentials("twilio")["numbers"][0])

    async def look() -> str | None:
        return next((call["id"] for call in await world.calls() if call["from"] == "+15550102999"), None)

    call_id = await world.eventually(look, 15, world.lab_story)
    assert (await world.ended(call_id))["outcome"] == "failed"
    (lost,) = [event["data"] for event in await world.events(call_id) if event["kind"] == "agent-lost"]
    assert lost["passed"] == ["human: that is who calls"]
    assert len(await world.calls()) == 1


# --- a call of ours ----------------------------------------------------------------------------------------------------------


async def test_somebody_whom_we_called_is_handed_over_when_their_agent_is_lost(new_world: Any) -> None:
    """In mid-call: the agent's socket breaks, and the colleague has the person."""
    sockets: list[ServerConnection] = []
    to = colleague()

    async def agent(connection: ServerConnection) -> None:
        sockets.append(connection)
        await connection.wait_closed()

    async with serve(agent, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot"
        bot = AgentConfig(
            name="bot", kind="twilio_stream", first_word_s=0, settings=Settings(url=url, auth_token="handover-0123456789")
        )
        world = await new_world(agents=(bot,), ladder=(human(to),), routes=(reached_through(to, "vonage"),))
        put(world, to, answer_after_s=0.5)
        number = world.phone(says=f"tone:{CALLER_HZ}")
        call_id = await world.place(number, agent="bot", carriers=["plivo"])
        await world.until(call_id, "in_progress")
        sockets[0].transport.abort()
        await asyncio.gather(hears_tone(world, number, COLLEAGUE_HZ), hears_tone(world, to, CALLER_HZ))
        world.lab.phones.hang_up(number)
        call, over = await world.ended(call_id), await world.ended((await linked_call(world, call_id))["id"])
    assert (call["outcome"], over["outcome"], call["handed_to"]) == ("completed", "completed", over["id"])
