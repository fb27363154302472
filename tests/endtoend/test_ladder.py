"""Agents that are killed, frozen, mute, full or not there: what the person hears instead, by their own phone's recording.

Each agent is a process of its own (far_agent/bot.py) that hums; the lab's clock counts how long a person hears nothing.
"""

import base64
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.speech import sentence
from agent.twilio_stream import Settings
from carriers.lab.says import builtin
from carriers.lab.sound import SILENCE, to_wav
from gateway.config.ladder_structs import CallbackRung, HoldRung, RungConfig
from gateway.config.structs import AgentConfig
from gateway.domain.breaker import BreakerPolicy

TOKEN = "ladder-agent-token-0123"
PROMISE_S = 2.0
"""Nobody hears nothing for longer."""
Hire = Callable[..., Awaitable[Any]]
"""(manner, hertz) -> an agent in a process of its own, as the fixture `hire` has it."""


def entry(name: str, port: int, **changes: Any) -> AgentConfig:
    settings = Settings(url=f"ws://127.0.0.1:{port}/bot", auth_token=TOKEN, connect_timeout_s=4.0)
    return AgentConfig(name=name, kind="twilio_stream", settings=settings, **changes)


def nobody() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def staffed(new_world: Any, *agents: AgentConfig, ladder: tuple[Any, ...] = (), **knobs: Any) -> Any:
    world = await new_world(agents=agents, ladder=ladder, **knobs)
    await world.provision()
    return world


async def caller(world: Any, carrier: str = "twilio", **phone: Any) -> tuple[str, str]:
    """(number, call id) of somebody who calls us."""
    number = world.phone(**{"says": "silence", **phone})
    world.lab.phones.dial(number, world.lab.credentials(carrier)["numbers"][0])

    async def look() -> str | None:
        return next((call["id"] for call in await world.calls() if call["from"] == number), None)

    return number, await world.eventually(look, 10, world.lab_story)


async def losses(world: Any, call_id: str) -> list[dict[str, Any]]:
    return [event["data"] for event in await world.events(call_id) if event["kind"] == "agent-lost"]


def heard(world: Any, number: str, name: str) -> bool:
    """Whether the phone's recording holds a tenth of a second out of the middle of this sentence."""
    call = world.lab.phones.call(number)
    sound = sentence(name)
    middle = len(sound) // 2
    return call is not None and call.recording is not None and sound[middle : middle + 800] in bytes(call.recording.heard.sound)


async def hears(world: Any, number: str, name: str, within_s: float = 15.0) -> None:
    async def look() -> bool:
        return heard(world, number, name)

    await world.eventually(look, within_s, lambda: f"{number} does not hear {name}: {world.lab_story()}")


def longest_nothing_s(world: Any, number: str) -> float:
    """By the lab's clock, from the answer on."""
    return float(world.lab.phones.call(number).measure(world.lab.now()).longest_silence_s)


# --- lost in mid-call ------------------------------------------------------------------------------------------------


async def test_a_killed_agent_leaves_nobody_in_silence_on_any_carrier(new_world: Any, hire: Hire) -> None:
    """Killed (-9) in four conversations at once: each caller is asked for a moment, is told goodbye, and never hears nothing."""
    bot = await hire()
    world = await staffed(new_world, entry("bot", bot.port))
    calls = {carrier: await caller(world, carrier) for carrier in world.carriers}
    for number, _ in calls.values():
        await world.hears(number, 1.0)
    bot.strike(signal.SIGKILL)
    for carrier, (number, call_id) in calls.items():
        call = await world.ended(call_id)
        assert (call["outcome"], call["reason"]) == ("failed", "agent-failed"), carrier
        assert heard(world, number, "one-moment"), carrier
        assert heard(world, number, "sorry-goodbye"), carrier
        assert longest_nothing_s(world, number) <= PROMISE_S, carrier
        (lost,) = await losses(world, call_id)
        assert (lost["agent"], lost["reason"], lost["rung"], lost["began"]) == ("bot", "socket-1006", "goodbye", True)


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
async def test_the_next_agent_takes_the_call_over(new_world: Any, hire: Hire, direction: str) -> None:
    """It is told whom it follows and why; the call is completed as if nothing had happened."""
    first, second = await hire(hertz=300), await hire(hertz=600)
    ladder = (RungConfig(agent="second"),)
    world = await staffed(new_world, entry("first", first.port), entry("second", second.port), ladder=ladder)
    number, call_id = await begun(world, direction, "first")
    await world.hears(number, 1.0)
    first.strike(signal.SIGKILL)
    told = (await second.said("start"))["parameters"]
    assert (told["lost_agents"], told["lost_because"], told["call_id"]) == ("first", "socket-1006", call_id)
    before = world.heard_speech_s(number)
    await world.hears(number, before + 1.5)
    assert longest_nothing_s(world, number) <= PROMISE_S
    assert heard(world, number, "one-moment")
    assert (await world.call(call_id))["session"]["agent"] == "second"
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    call = await world.ended(call_id)
    assert (call["outcome"], call["agent"]) == ("completed", "first")
    assert "agent-breaker" not in str(await world.events(call_id))


async def begun(world: Any, direction: str, agent: str, **phone: Any) -> tuple[str, str]:
    if direction == "inbound":
        return await caller(world, **phone)
    number = world.phone(**{"says": "silence", **phone})
    return number, await world.place(number, agent=agent)


async def test_a_hold_brings_the_lost_agent_back(new_world: Any, hire: Hire) -> None:
    """Killed and started again two seconds later: the person has heard a sentence and a sound, and the conversation goes on."""
    bot = await hire()
    world = await staffed(new_world, entry("bot", bot.port), ladder=(RungConfig(hold=HoldRung(for_s=20)),))
    number, call_id = await caller(world)
    stream = (await bot.said("start"))["stream"]
    await world.hears(number, 0.6)
    bot.strike(signal.SIGKILL)
    await bot.stop()
    await hears(world, number, "hold")
    await bot.start()
    back = await bot.said("start")
    assert back["stream"] == stream
    assert back["parameters"]["lost_agents"] == "bot"
    await world.eventually(lambda: went_back(world, call_id))
    before = world.heard_speech_s(number)
    await world.hears(number, before + 1.0)
    assert longest_nothing_s(world, number) <= PROMISE_S
    assert (await world.call(call_id))["session"]["agent"] == "bot"
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    assert (await world.ended(call_id))["outcome"] == "completed"


async def went_back(world: Any, call_id: str) -> bool:
    return "agent-back" in [event["kind"] for event in await world.events(call_id)]


async def test_a_hold_that_nobody_comes_back_to_is_over_in_its_time(new_world: Any, hire: Hire) -> None:
    """The next rung is taken, and the story names both descents."""
    bot = await hire()
    world = await staffed(new_world, entry("bot", bot.port), ladder=(RungConfig(hold=HoldRung(for_s=3)),))
    number, call_id = await caller(world)
    await world.hears(number, 0.6)
    bot.strike(signal.SIGKILL)
    call = await world.ended(call_id, within_s=20)
    assert (call["outcome"], call["reason"]) == ("failed", "agent-failed")
    assert [(lost["agent"], lost["reason"], lost["rung"]) for lost in await losses(world, call_id)] == [
        ("bot", "socket-1006", "hold"),
        ("hold", "nobody-came-back", "goodbye"),
    ]
    assert heard(world, number, "sorry-goodbye")
    assert longest_nothing_s(world, number) <= PROMISE_S


async def test_a_frozen_agent_is_found_out(new_world: Any, hire: Hire) -> None:
    """SIGSTOP: its socket stays open and nothing comes; the pings tell within the promise."""
    bot = await hire()
    world = await staffed(new_world, entry("bot", bot.port))
    number, call_id = await caller(world)
    await world.hears(number, 0.6)
    bot.strike(signal.SIGSTOP)
    assert (await world.ended(call_id))["reason"] == "agent-failed"
    assert heard(world, number, "one-moment")
    assert longest_nothing_s(world, number) <= PROMISE_S


async def test_a_mute_agent_is_lost_when_its_first_word_is_due(new_world: Any, hire: Hire) -> None:
    """It is connected and answers pings; from the moment it counts as lost the promise holds."""
    bot = await hire("mute")
    world = await staffed(new_world, entry("bot", bot.port, first_word_s=1.0))
    number, call_id = await caller(world)
    assert (await world.ended(call_id))["reason"] == "agent-failed"
    assert [lost["reason"] for lost in await losses(world, call_id)] == ["no-first-word"]
    assert heard(world, number, "one-moment")
    assert longest_nothing_s(world, number) <= 1.0 + PROMISE_S


async def test_an_agent_that_does_not_answer_to_speech_is_lost(new_world: Any, hire: Hire) -> None:
    """The person has spoken, then nobody says anything."""
    bot = await hire("mute")
    silent = entry("bot", bot.port, first_word_s=0, reply_within_s=2.0)
    world = await staffed(new_world, silent)
    once = base64.b64encode(to_wav(builtin("person")[:8000] + SILENCE * 500)).decode()
    _number, call_id = await caller(world, says=f"data:audio/wav;base64,{once}")
    call = await world.ended(call_id, within_s=30)
    assert call["reason"] == "agent-failed"
    assert [lost["reason"] for lost in await losses(world, call_id)] == ["no-answer-to-speech"]


# --- lost before the first word ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["404", "503", "rude", "refused"])
async def test_an_agent_that_takes_no_call_is_no_dead_air(new_world: Any, hire: Hire, manner: str) -> None:
    """No such path, full, hangs up at once, not there at all: the caller hears of it within the promise."""
    port = nobody() if manner == "refused" else (await hire(manner)).port
    world = await staffed(new_world, entry("bot", port))
    number, call_id = await caller(world)
    call = await world.ended(call_id)
    assert call["outcome"] == "failed"
    assert call["reason"] == ("agent-failed" if manner == "rude" else "agent-unavailable")
    assert heard(world, number, "sorry-goodbye")
    assert longest_nothing_s(world, number) <= PROMISE_S
    (lost,) = await losses(world, call_id)
    assert lost["reason"] in {"start-failed", "socket-1013", "lost-at-once"}
    if manner.isdigit():
        assert manner in lost["detail"]


async def test_an_agent_that_is_slow_to_start_is_waited_for_with_a_word(new_world: Any, hire: Hire) -> None:
    """Two seconds for the upgrade: the caller is asked for a moment, then the agent itself speaks; nothing was lost."""
    bot = await hire("slow")
    world = await staffed(new_world, entry("bot", bot.port))
    number, call_id = await caller(world)
    await bot.said("start")
    before = world.heard_speech_s(number)
    await world.hears(number, before + 0.6)
    assert heard(world, number, "one-moment")
    assert longest_nothing_s(world, number) <= PROMISE_S
    assert await losses(world, call_id) == []
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    assert (await world.ended(call_id))["outcome"] == "completed"


async def test_before_the_answer_the_next_agent_is_ready_and_nobody_hears_of_it(new_world: Any, hire: Hire) -> None:
    """We call somebody, and the agent is not there: while their phone rings the next one takes its place."""
    second = await hire(hertz=600)
    world = await staffed(
        new_world, entry("first", nobody()), entry("second", second.port), ladder=("voicemail", RungConfig(agent="second"))
    )
    number = world.phone(says="silence", answer_after_s=1.0)
    call_id = await world.place(number, agent="first")
    await second.said("start")
    await world.hears(number, 1.0)
    assert not heard(world, number, "one-moment")
    (lost,) = await losses(world, call_id)
    assert (lost["rung"], lost["to"]) == ("agent", "second")
    assert lost["passed"] == ["voicemail: nobody has answered yet"]
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    assert (await world.ended(call_id))["outcome"] == "completed"


async def test_without_another_agent_nobody_is_rung_for_nothing(new_world: Any) -> None:
    """Our own call is taken back before anybody answers to nobody."""
    world = await staffed(new_world, entry("first", nobody()), ladder=("voicemail", "callback"))
    number = world.phone(says="silence", answer_after_s=2.0)
    call_id = await world.place(number, agent="first", on_exhausted="fail")
    call = await world.ended(call_id)
    assert (call["outcome"], call["reason"]) == ("failed", "agent-unavailable")
    assert world.told("answer", number) == []
    (lost,) = await losses(world, call_id)
    assert lost.keys() & {"rung", "to"} == set()
    assert lost["passed"] == [f"{rung}: nobody has answered yet" for rung in ("voicemail", "callback", "goodbye")]


# --- the other rungs ---------------------------------------------------------------------------------------------------


async def test_who_presses_one_is_called_back(new_world: Any) -> None:
    """The offer, the key, the word that it is promised, and a call in the store that says in which call it was promised."""
    world = await staffed(new_world, entry("bot", nobody()), ladder=("callback",))
    number, call_id = await caller(world, dtmf="wwwwwww1")
    call = await world.ended(call_id, within_s=20)
    assert (call["outcome"], call["reason"]) == ("failed", "agent-unavailable")
    assert heard(world, number, "callback-offer")
    assert heard(world, number, "callback-promised")
    assert longest_nothing_s(world, number) <= PROMISE_S
    promised = [one for one in await world.calls() if one["to"] == number]
    assert [one["status"] for one in promised] == ["scheduled"]


async def test_silence_is_a_yes_where_the_config_says_so(new_world: Any) -> None:
    """Nobody presses anything, and is called back all the same."""
    rung = RungConfig(callback=CallbackRung(by_default_after_s=1.0))
    world = await staffed(new_world, entry("bot", nobody()), ladder=(rung,))
    number, call_id = await caller(world)
    await world.ended(call_id, within_s=20)
    assert heard(world, number, "callback-by-default")
    assert [one["status"] for one in await world.calls() if one["to"] == number] == ["scheduled"]


async def test_a_message_is_taken(new_world: Any, tmp_path: Path) -> None:
    """The agent `voicemail` gets the call like any other agent, and the caller hears its greeting."""
    world = await staffed(new_world, entry("bot", nobody()), ladder=("voicemail",), voicemails=str(tmp_path))
    number, call_id = await caller(world)
    await hears(world, number, "voicemail-greeting")
    assert longest_nothing_s(world, number) <= PROMISE_S
    (lost,) = await losses(world, call_id)
    assert (lost["rung"], lost["to"]) == ("voicemail", "voicemail")
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    await world.ended(call_id)


# --- health, and several processes -------------------------------------------------------------------------------------


async def test_an_agent_that_is_known_to_be_lost_gets_no_new_calls_until_a_probe_is_good(new_world: Any, hire: Hire) -> None:
    """Its breaker opens after two failures, calls skip it at once, and the first call after its time closes it again."""
    second = await hire(hertz=600)
    first = await hire(port=nobody(), at_once=False)
    policy = BreakerPolicy(consecutive=2, open_s=2.0)
    ladder = (RungConfig(agent="second"),)
    world = await staffed(new_world, entry("first", first.port), entry("second", second.port), ladder=ladder, breaker=policy)
    reasons = []
    for _ in range(3):
        _, call_id = await caller(world)
        await world.until(call_id, "in_progress")
        reasons.append([lost["reason"] for lost in await eventually_lost(world, call_id)])
        await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
        await world.ended(call_id)
    assert reasons == [["start-failed"], ["start-failed"], ["breaker-open"]]
    assert (await readiness(world))["agents"]["first"] == "open"
    assert 'agent_breaker_state{agent="first"} 1.0' in await world.metrics()
    await first.start()
    await world.eventually(lambda: probed(world, first), 20)
    assert (await readiness(world))["agents"]["first"] == "closed"


async def readiness(world: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await world.client.get(f"{world.url}/readyz")).json()
    return found


async def probed(world: Any, first: Any) -> bool:
    """One more call; whether the first agent got it and was heard."""
    number, call_id = await caller(world)
    await world.hears(number, 1.5)
    await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")
    await world.ended(call_id)
    return "start" in [told["event"] for told in first.told] and await losses(world, call_id) == []


async def eventually_lost(world: Any, call_id: str) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]] | None:
        return await losses(world, call_id) or None

    found: list[dict[str, Any]] = await world.eventually(look)
    return found
