"""The live feeds: what they say, where they resume, when they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from gateway.domain.errors import StoreUnavailable
from gateway.domain.outcome import CallStatus, Outcome
from gateway.web.feed import HEARTBEAT_S, follow_call, follow_gateway


def data(message: bytes) -> dict[str, Any]:
    (line,) = [line for line in message.splitlines() if line.startswith(b"data: ")]
    decoded: dict[str, Any] = msgspec.json.decode(line.removeprefix(b"data: "))
    return decoded


async def events(feed: AsyncIterator[bytes], wanted: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(5):
        async for message in feed:
            if message.startswith(b"id: "):
                found.append(message)
            if len(found) == wanted:
                break
    return found


async def test_the_feed_resumes_behind_what_was_seen(gateway: Any) -> None:
    """Each event carries its place; coming back with it, a client misses nothing and sees nothing twice."""
    for number in range(3):
        await gateway.post({"to": f"+1555010000{number}"})
    first, second, third = await events(follow_gateway(gateway.services, 0), 3)
    assert first.startswith(b"id: 1\ndata: {")
    assert data(first)["kind"] == "call-accepted"
    again = await events(follow_gateway(gateway.services, 1), 2)
    assert again == [second, third]


async def test_a_quiet_feed_beats(gateway: Any) -> None:
    """A comment every 15 s of silence keeps proxies from closing the stream."""
    feed = follow_gateway(gateway.services, 0)
    started = gateway.clock.at
    assert await anext(feed) == b": holdline\n\n"
    assert await anext(feed) == b": \n\n"
    assert HEARTBEAT_S <= gateway.clock.at - started <= HEARTBEAT_S + 1


async def test_a_feed_ends_when_the_process_drains(gateway: Any) -> None:
    """Open streams must not hold up a shutdown."""
    feed = follow_gateway(gateway.services, 0)
    await anext(feed)
    gateway.desk.draining = True
    assert [message async for message in feed] == []


async def test_a_feed_outlives_an_absent_store(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away the feed pauses; afterwards it goes on where it was."""
    await gateway.post()
    whole = gateway.store.feed
    away = iter([True, False])

    async def failing(after: int, limit: int) -> Any:
        if next(away, False):
            raise StoreUnavailable("away")
        return await whole(after, limit)

    monkeypatch.setattr(gateway.store, "feed", failing)
    (message,) = await events(follow_gateway(gateway.services, 0), 1)
    assert data(message)["kind"] == "call-accepted"


async def test_a_calls_feed_ends_with_the_call(gateway: Any) -> None:
    """All of the call's own events, none of another's, and then the end of the stream."""
    await gateway.post()
    await gateway.post({"to": "+15550100002"})
    call = gateway.desk.accepted[0]
    await gateway.desk.write(msgspec.structs.replace(call, status=CallStatus.ENDED, outcome=Outcome.BUSY), "call-ended")
    messages = [message async for message in follow_call(gateway.services, call.id, 0) if message.startswith(b"id: ")]
    assert [data(message)["kind"] for message in messages] == ["call-accepted", "call-ended"]
    assert {data(message)["call_id"] for message in messages} == {call.id}


class Server(uvicorn.Server):
    """Tells when it listens, and leaves the signals to the tests' own process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def capture_signals(self) -> Any:
        return nullcontext()


@pytest.fixture
async def served(gateway: Any) -> AsyncIterator[str]:
    """The application behind a real server on loopback."""
    server = Server(uvicorn.Config(gateway.app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        await server.listening.wait()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    gateway.desk.draining = True
    server.should_exit = True
    async with asyncio.timeout(10):
        await task


async def first_event(lines: AsyncIterator[str]) -> dict[str, str]:
    """The first whole event; comments (heartbeats come whenever the machine is slow) are passed over."""
    event: dict[str, str] = {}
    async for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value
        elif not line and event:
            return event
    raise AssertionError("the stream ended")


async def test_server_sent_events_over_http(gateway: Any, served: str) -> None:
    """A client that asks for text/event-stream gets what happens while it listens, and may come back with Last-Event-ID."""
    await gateway.post()
    headers = {"Authorization": "Bearer reader-key-0123456789", "Accept": "text/event-stream"}
    async with asyncio.timeout(10), httpx.AsyncClient(base_url=served, headers=headers) as client:
        async with client.stream("GET", "/v1/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.aiter_lines()
            assert await anext(lines) == ": holdline"
            later = (await gateway.post({"to": "+15550100002"})).json()["id"]
            seen = await first_event(lines)
            assert seen["id"] == "2"
            assert later in seen["data"]
        async with client.stream("GET", "/v1/events", headers={"Last-Event-ID": "0"}) as response:
            lines = response.aiter_lines()
            assert (await first_event(lines))["id"] == "1"
        assert (await client.get("/v1/events", headers={"Last-Event-ID": "yesterday"})).status_code == 422


async def test_a_calls_log_over_http_follows_to_its_end(gateway: Any, served: str) -> None:
    """With Accept: text/event-stream a call's log ends when the call has."""
    call_id = (await gateway.post()).json()["id"]
    headers = {"Authorization": "Bearer reader-key-0123456789", "Accept": "text/event-stream"}
    async with (
        asyncio.timeout(10),
        httpx.AsyncClient(base_url=served, headers=headers) as client,
        client.stream("GET", f"/v1/calls/{call_id}/events") as response,
    ):
        lines = response.aiter_lines()
        assert await anext(lines) == ": holdline"
        await gateway.services.calls.cancel(call_id)
        rest = [line async for line in lines]
    assert [line for line in rest if line.startswith("id: ")] == ["id: 1", "id: 2"]
