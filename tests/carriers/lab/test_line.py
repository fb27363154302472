"""Being a phone over the line's WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from carriers.lab import sound
from carriers.lab.contract import RestReply
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer

TO = "+15550107001"


@pytest.fixture
async def line(lab: Lab) -> AsyncIterator[ClientConnection]:
    """A client at the phone's line."""
    async with connect(f"{lab.url.replace('http', 'ws')}/lab/phones/{TO}/line", proxy=None) as socket:
        yield socket


async def dial(lab: Lab, hook: str = "") -> str:
    async with httpx.AsyncClient(base_url=lab.credentials("fake")["base_url"], trust_env=False) as client:
        response = await client.post("/calls", json={"to": TO, "from": "+15550190001", "hook": hook})
        return str(response.json()["id"])


async def told(socket: ClientConnection) -> dict[str, Any]:
    """The next JSON message."""
    async with asyncio.timeout(5):
        while True:
            message = await socket.recv()
            if isinstance(message, str):
                said: dict[str, Any] = json.loads(message)
                return said


async def test_ring_answer_and_hang_up(lab: Lab, line: ClientConnection) -> None:
    """The client sees the ring with its caller, answers when it likes, and hangs up."""
    call_id = await dial(lab)
    ring = await told(line)
    assert ring == {"event": "ring", "carrier": "fake", "carrier_call_id": call_id, "from": "+15550190001"}
    await line.send('{"event":"answer"}')
    assert (await told(line))["event"] == "answered"
    await line.send('{"event":"hang_up"}')
    ended = await told(line)
    assert (ended["event"], ended["cause"], ended["by"]) == ("ended", "normal", "phone")
    assert [entry.more["by"] for entry in lab.ledger.entries("hangup")] == ["phone"]


async def test_a_ring_can_be_declined(lab: Lab, line: ClientConnection) -> None:
    """Hanging up a ringing call declines it."""
    await dial(lab)
    await told(line)
    await line.send('{"event":"hang_up"}')
    assert (await told(line))["cause"] == "declined"


async def test_sound_goes_both_ways_as_linear_pcm(lab: Lab, line: ClientConnection) -> None:
    """What the agent sends is heard at the line as 16-bit PCM, and what the line says reaches the agent as mu-law."""
    from_person: asyncio.Queue[bytes] = asyncio.Queue()

    async def agent(socket: ServerConnection) -> None:
        await socket.send(sound.tone(800, 2.0))
        async for message in socket:
            if isinstance(message, bytes) and sound.is_loud(message):
                from_person.put_nowait(message)

    hooks = HttpListener("127.0.0.1")
    async with serve(agent, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        hooks.start(lambda _request: Answer(reply=RestReply(status=200, body=f"stream {url}".encode())))
        await dial(lab, hooks.base_url)
        await told(line)
        await line.send('{"event":"answer"}')
        await lab.until("stream_open")
        await line.send(sound.to_linear(sound.tone(500, 0.1)))
        async with asyncio.timeout(5):
            assert len(await from_person.get()) == 160
            heard = await line.recv()
            while isinstance(heard, str) or not sound.is_loud(sound.to_mulaw(heard)):
                heard = await line.recv()
        assert len(heard) == 320
        await line.close()
        await lab.until("hangup")
    await hooks.aclose()


async def test_keys_reach_the_carrier(lab: Lab, line: ClientConnection) -> None:
    """A key pressed at the line is a digit event at the simulator."""
    hooked: asyncio.Queue[bytes] = asyncio.Queue()
    hooks = HttpListener("127.0.0.1")

    def take(request: Any) -> Answer:
        hooked.put_nowait(request.body)
        return Answer(reply=RestReply(status=200))

    hooks.start(take)
    await dial(lab, hooks.base_url)
    await told(line)
    await line.send('{"event":"answer"}')
    await told(line)
    await line.send('{"event":"digit","digit":"5"}')
    async with asyncio.timeout(5):
        while json.loads(await hooked.get()).get("digit") != "5":
            pass
    await hooks.aclose()


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("{", "body"),
        ("[]", "body"),
        ('{"event":"dance"}', "event"),
        ('{"event":"digit"}', "digit"),
        ('{"digit":"5"}', "event"),
        ('{"event":"answer","digit":"5"}', "digit"),
        ('{"event":["call"]}', "event"),
        ('{"event":"call"}', "to"),
        ('{"event":"call","to":"alice"}', "to"),
        ('{"event":"call","to":"+15550170099"}', "to"),
        ('{"event":"call","to":"+15550190001","colour":1}', "colour"),
        ('{"event":"digit","digit":"x"}', "digit"),
        ('{"event":"answer"}', "event"),
        ('{"colour":1}', "event"),
        ('{"event":"answer","colour":1}', "colour"),
    ],
)
async def test_what_is_not_understood_is_answered(line: ClientConnection, message: str, field: str) -> None:
    """A wrong message, or one that makes no sense now, gets an error that names field and cure, and the line stays."""
    await line.send(message)
    error = await told(line)
    assert (error["event"], error["field"]) == ("error", field)
    assert error["cure"]


async def test_a_taken_line_is_refused(lab: Lab, line: ClientConnection) -> None:
    """One client a phone: the second one is closed with the reason, the first stays."""
    async with connect(f"{lab.url.replace('http', 'ws')}/lab/phones/{TO}/line", proxy=None) as second:
        with pytest.raises(ConnectionClosed) as closed:
            await second.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, "already" in closed.value.rcvd.reason) == (4409, True)
    await dial(lab)
    assert (await told(line))["event"] == "ring"


async def test_leaving_the_line_declines(lab: Lab) -> None:
    """A client that goes away while it rings leaves no call behind, and the next one can take the line."""
    url = f"{lab.url.replace('http', 'ws')}/lab/phones/{TO}/line"
    async with connect(url, proxy=None) as socket:
        await dial(lab)
        await told(socket)
    ended = await lab.until("hangup")
    assert ended[0].more["cause"] == "declined"
    async with connect(url, proxy=None) as socket:
        await dial(lab)
        assert (await told(socket))["event"] == "ring"


async def test_the_line_calls_our_number(lab: Lab, line: ClientConnection) -> None:
    """A client calls, sees that it rings there, is answered, and hangs up; every notice names our number."""
    hooks = HttpListener("127.0.0.1")
    hooks.start(lambda _request: Answer(reply=RestReply(status=200, body=b"answer")))
    async with httpx.AsyncClient(base_url=lab.credentials("fake")["base_url"], trust_env=False) as client:
        await client.put("/number", json={"hook": hooks.base_url})
    await line.send('{"event":"call","to":"15550190001","caller_name":"Ada"}')
    calling, answered = await told(line), await told(line)
    await line.send('{"event":"hang_up"}')
    ended = await told(line)
    assert calling == {
        "event": "calling",
        "carrier": "fake",
        "carrier_call_id": calling["carrier_call_id"],
        "from": TO,
        "to": "+15550190001",
    }
    assert [told["event"] for told in (calling, answered, ended)] == ["calling", "answered", "ended"]
    assert (ended["by"], ended["to"]) == ("phone", "+15550190001")
    assert [entry.more["direction"] for entry in lab.ledger.entries("hangup")] == ["inbound"]
    await hooks.aclose()


async def test_keys_and_texts_are_told(lab: Lab, line: ClientConnection) -> None:
    """What the other side types and writes arrives at the line with its content."""
    call_id = await dial(lab)
    await told(line)
    await line.send('{"event":"answer"}')
    await told(line)
    async with httpx.AsyncClient(base_url=lab.credentials("fake")["base_url"], trust_env=False) as client:
        await client.post(f"/calls/{call_id}/keys", json={"digits": "12"})
        await client.post("/texts", json={"to": TO, "from": "+15550190001", "body": "hello"})
    keys, text = await told(line), await told(line)
    assert (keys["event"], keys["digits"]) == ("keys", "12")
    assert (text["event"], text["body"], text["from"]) == ("text", "hello", "+15550190001")


async def test_a_line_that_is_no_number_is_closed_with_the_reason(lab: Lab) -> None:
    """A word in the place of the number is refused, and no phone of that name comes to be."""
    async with connect(f"{lab.url.replace('http', 'ws')}/lab/phones/alice/line", proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, "3 to 15 digits" in closed.value.rcvd.reason) == (4422, True)
    assert lab.exchange.network.phones == {}
