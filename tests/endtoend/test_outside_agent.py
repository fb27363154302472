"""An agent from outside, behind a socket that speaks Media Streams: over every carrier, both directions, judged by the phone."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from agent.twilio_stream import Settings, account_of
from carriers.lab.says import builtin
from gateway.config.structs import AgentConfig

TOKEN = "outside-agent-token-0123"
SENTENCE = builtin("person")[:16000]
"""Two seconds."""
PIECE = 320
"""40 ms, as some agents send."""


class Bot:
    """Says its sentence in one burst of 40 ms pieces, with a mark at the end; keeps what it hears."""

    def __init__(self) -> None:
        self.url = ""
        self.talks: dict[str, Talk] = {}
        self._news = asyncio.Event()

    async def serve(self, socket: ServerConnection) -> None:
        talk = Talk(socket)
        async for message in socket:
            await talk.heed(json.loads(message))
            if talk.call_id:
                self.talks[talk.call_id] = talk
                self._news.set()

    async def talk(self, call_id: str) -> "Talk":
        async with asyncio.timeout(15):
            while call_id not in self.talks:
                self._news.clear()
                await self._news.wait()
        return self.talks[call_id]


class Talk:
    """One conversation."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.events: list[str] = []
        self.start: dict[str, Any] = {}
        self.call_id = ""
        self.heard = bytearray()
        self.digits = ""
        self.marked = asyncio.Event()

    async def heed(self, message: dict[str, Any]) -> None:
        event = message["event"]
        if event != "media":
            self.events.append(event)
        if event == "start":
            self.start = message["start"]
            self.call_id = self.start["customParameters"]["call_id"]
            await self._speak(message["streamSid"])
        elif event == "media":
            self.heard += base64.b64decode(message["media"]["payload"])
        elif event == "dtmf":
            self.digits += message["dtmf"]["digit"]
        elif event == "mark":
            self.marked.set()

    async def pressed(self) -> bool:
        return self.digits == "5"

    async def _speak(self, stream_sid: str) -> None:
        for start in range(0, len(SENTENCE), PIECE):
            payload = base64.b64encode(SENTENCE[start : start + PIECE]).decode()
            await self.socket.send(json.dumps({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}}))
        await self.socket.send(json.dumps({"event": "mark", "streamSid": stream_sid, "mark": {"name": "said"}}))


@asynccontextmanager
async def _served(bot: Bot) -> AsyncIterator[None]:
    async with serve(bot.serve, "127.0.0.1", 0, compression=None) as server:
        bot.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/bot"
        yield


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    """On loopback."""
    bot = Bot()
    async with _served(bot):
        yield bot


def settings(bot: Bot) -> Settings:
    return Settings(url=bot.url, auth_token=TOKEN, parameters={"shop": "bakery"})


@pytest.fixture
async def staffed(new_world: Any, bot: Bot) -> Any:
    """A world whose callers, and whose outbound calls, are the bot's."""
    outside = AgentConfig(name="outside", kind="twilio_stream", settings=settings(bot))
    world = await new_world(agents=(outside,))
    await world.provision()
    return world


async def begun(world: Any, carrier: str, direction: str, **phone: Any) -> tuple[str, str]:
    """(number, call id) of a call over this carrier that the bot has."""
    number = world.phone(**phone)
    if direction == "outbound":
        return number, await world.place(number, carriers=[carrier], agent="outside", metadata={"order": "4711"})
    world.lab.phones.dial(number, world.lab.credentials(carrier)["numbers"][0])

    async def look() -> str | None:
        return next((call["id"] for call in await world.calls() if call["from"] == number), None)

    return number, await world.eventually(look, 10, world.lab_story)


BOTH = pytest.mark.parametrize("direction", ["inbound", "outbound"])


@BOTH
async def test_the_agent_talks_over_every_carrier(staffed: Any, bot: Bot, direction: str) -> None:
    """Its burst is heard at the person's pace, its mark comes back after that, and it hears the person and their keys."""

    async def one(carrier: str) -> None:
        number, call_id = await begun(staffed, carrier, direction, says="speech", dtmf="wwwww5")
        talk = await bot.talk(call_id)
        told = talk.start["customParameters"]
        ours = staffed.lab.credentials(carrier)["numbers"][0]
        numbers = (ours, number) if direction == "outbound" else (number, ours)
        assert (told["from_number"], told["to_number"], told["direction"]) == (*numbers, direction)
        assert told["shop"] == "bakery"
        assert told.get("order") == ("4711" if direction == "outbound" else None)
        async with asyncio.timeout(15):
            await talk.marked.wait()
        # the sentence has pauses; what was heard must be most of its two seconds, and no more than was said
        assert 0.9 < staffed.heard_speech_s(number) < 2.1
        await staffed.eventually(talk.pressed, 10)
        assert sum(byte not in b"\xff\x7f" for byte in talk.heard) > 4000
        await talk.socket.close()
        assert (await staffed.ended(call_id))["outcome"] == "completed"
        assert staffed.told("hangup", number)[-1].more["by"] == "carrier"
        assert talk.events[:2] == ["connected", "start"]

    await asyncio.gather(*(one(carrier) for carrier in staffed.carriers))


@BOTH
async def test_a_dead_agent_ends_the_call_with_an_honest_word(staffed: Any, bot: Bot, direction: str) -> None:
    """A broken socket is no goodbye: the call has failed, and says by whose fault."""

    async def one(carrier: str) -> None:
        number, call_id = await begun(staffed, carrier, direction)
        talk = await bot.talk(call_id)
        await staffed.hears(number, 0.2)
        talk.socket.transport.abort()
        call = await staffed.ended(call_id)
        assert (call["outcome"], call["reason"]) == ("failed", "agent-failed")
        assert call["legs"][-1]["verdict"]["attribution"] == "us"

    await asyncio.gather(*(one(carrier) for carrier in staffed.carriers))


async def test_the_agents_own_rest_client_ends_the_call(staffed: Any, bot: Bot) -> None:
    """As Twilio's API would, on whatever carrier; and the call shows itself as completed afterwards."""
    account = account_of("outside", settings(bot))

    async def one(carrier: str) -> None:
        _, call_id = await begun(staffed, carrier, "outbound")
        talk = await bot.talk(call_id)
        sid = talk.start["callSid"]
        assert talk.start["accountSid"] == account
        url = f"{staffed.url}/twilio/2010-04-01/Accounts/{account}/Calls/{sid}.json"
        async with httpx.AsyncClient(auth=(account, TOKEN), trust_env=False) as client:
            assert (await client.get(url)).json()["status"] == "in-progress"
            assert (await client.post(url, data={"Status": "completed"})).status_code == 200
            assert (await staffed.ended(call_id))["outcome"] == "completed"
            assert (await client.get(url)).json()["status"] == "completed"

    await asyncio.gather(*(one(carrier) for carrier in staffed.carriers))


async def test_an_agent_that_is_not_there_is_no_dead_air(staffed: Any, bot: Bot) -> None:
    """Its refusal is known while the phone rings: the call ends before anybody listens to nothing."""
    bot.url = "ws://127.0.0.1:1/bot"
    await staffed.stop()
    gone = AgentConfig(name="outside", kind="twilio_stream", settings=settings(bot))
    staffed.staff((gone,))
    await staffed.start()
    number = staffed.phone(answer_after_s=2.0)
    call = await staffed.ended(await staffed.place(number, agent="outside", on_exhausted="fail"))
    assert (call["outcome"], call["reason"]) == ("failed", "agent-unavailable")
    assert staffed.told("answer", number) == []


async def test_a_failover_before_the_answer_is_no_news_to_the_agent(staffed: Any, bot: Bot) -> None:
    """One session, one start, on the carrier that worked."""
    staffed.fault("twilio", {"kind": "http_error", "status": 429})
    number = staffed.phone()
    call_id = await staffed.place(number, agent="outside")
    talk = await bot.talk(call_id)
    await staffed.hears(number, 0.5)
    assert talk.events.count("start") == 1
    assert staffed.rang(number) == ["telnyx"]
