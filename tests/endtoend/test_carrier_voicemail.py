"""The agent is not there, and each call's own carrier takes the message: judged by the phones and by our list."""

import asyncio
import socket
from pathlib import Path
from typing import Any

from agent.twilio_stream import Settings
from carriers.lab.sound import RATE, from_wav
from gateway.config.structs import AgentConfig
from gateway.runtime.voicemail_sound import listen

TENTH = RATE // 10
HANGS_UP_AFTER_S = 10.0
"""The greeting and the tone are over, and something has been said."""


def away() -> AgentConfig:
    """An agent on a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(url=f"ws://127.0.0.1:{probe.getsockname()[1]}/bot", auth_token="carrier-voicemail-0123")
    return AgentConfig(name="bot", kind="twilio_stream", settings=settings)


async def call_of(world: Any, caller: str) -> str:
    async def look() -> str | None:
        return next((call["id"] for call in await world.calls() if call["from"] == caller), None)

    found: str = await world.eventually(look, 10, world.lab_story)
    return found


async def leave(world: Any, carrier: str) -> tuple[str, dict[str, Any]]:
    """(caller, their call once it is over) of somebody who calls, speaks all the time and hangs up."""
    caller = world.phone(says="speech")
    world.lab.phones.dial(caller, world.lab.credentials(carrier)["numbers"][0], hangup_after_s=HANGS_UP_AFTER_S)
    return caller, await world.ended(await call_of(world, caller), within_s=40)


async def test_each_carrier_takes_the_message_of_who_has_no_agent(new_world: Any, tmp_path: Path) -> None:
    """What each caller says after the tone stands in our list once, with their call, whose outcome is `voicemail`."""
    world = await new_world(agents=(away(),), ladder=("carrier_voicemail",), voicemails=str(tmp_path / "voicemails"))
    await world.provision()
    left = dict(zip(world.carriers, await asyncio.gather(*(leave(world, carrier) for carrier in world.carriers)), strict=True))
    items = (await world.client.get(f"{world.url}/v1/voicemails")).json()["items"]
    assert {one["from"] for one in items} == {caller for caller, _ in left.values()}, world.lab_story()
    for carrier, (caller, call) in left.items():
        (message,) = [one for one in items if one["from"] == caller]
        assert (call["outcome"], call["voicemail"]) == ("voicemail", message["id"]), carrier
        assert (message["carrier"], message["call_id"], message["reason"]) == (carrier, call["id"], "start-failed")
        (lost,) = [event["data"] for event in await world.events(call["id"]) if event["kind"] == "agent-lost"]
        assert (lost["agent"], lost["rung"]) == ("bot", "carrier_voicemail")
        sound = await world.client.get(f"{world.url}/v1/voicemails/{message['id']}/audio")
        heard = listen(sound.content)
        assert not heard.silent, carrier
        assert heard.seconds == message["seconds"] > 1.0, carrier
        taken, said = from_wav(sound.content), bytes(world.lab.phones.call(caller).recording.said.sound)
        middle = len(taken) // 2
        assert taken[middle : middle + TENTH] in said, carrier
