"""The lab's sockets: a fake carrier behind real ports, a customer with a real HTTP client, webhook server and media server."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from carriers.contract import Kind
from carriers.lab import sound
from carriers.lab.contract import RestReply, RestRequest, Webhook
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.lab.webhook_sender import WebhookSender

TO = "+15550107001"


class Customer:
    """A webhook server that keeps what it got and answers what it is told to."""

    def __init__(self) -> None:
        self.hooks: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.documents: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.url = ""
        self._news = asyncio.Event()

    def answer(self, request: RestRequest) -> Answer:
        hook = msgspec.json.decode(request.body)
        self.hooks.append(hook)
        self.headers.append(dict(request.headers))
        self._news.set()
        body = self.documents.get(hook["event"], "").encode()
        return Answer(reply=RestReply(status=self.statuses.get(hook["event"], 200), body=body, content_type="text/plain"))

    async def got(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(found := [hook for hook in self.hooks if hook["event"] == event]) < count:
                self._news.clear()
                await self._news.wait()
        return found


@pytest.fixture
async def customer() -> AsyncIterator[Customer]:
    """The customer's webhook server, on the lab's own HTTP listener."""
    listener, person = HttpListener("127.0.0.1"), Customer()
    listener.start(person.answer)
    person.url = f"{listener.base_url}/hook"
    yield person
    await listener.aclose()


@pytest.fixture
async def api(lab: Lab) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the fake carrier's API that never waits long."""
    async with httpx.AsyncClient(base_url=lab.credentials("fake")["base_url"], timeout=1.0, trust_env=False) as client:
        yield client


async def dial(api: httpx.AsyncClient, hook: str = "", to: str = TO) -> httpx.Response:
    return await api.post("/calls", json={"to": to, "from": "+15550190001", "hook": hook})


async def test_request_is_answered_and_the_phone_rings(lab: Lab, api: httpx.AsyncClient) -> None:
    """A create-call request gets the simulator's answer, and the phone rings and answers after it."""
    response = await dial(api)
    assert response.status_code == 201
    call_id = response.json()["id"]
    answers = await lab.until("answer", number=TO)
    assert [entry.carrier_call_id for entry in answers] == [call_id]
    assert [entry.kind for entry in lab.ledger.entries()] == ["dial", "ring", "answer"]
    assert (await api.get(f"/calls/{call_id}")).json()["state"] == "answered"


async def test_webhooks_are_delivered_and_their_answers_obeyed(lab: Lab, api: httpx.AsyncClient, customer: Customer) -> None:
    """Each webhook reaches the customer signed, and the document in the answer ends the call."""
    lab.phones.put(TO, answer_after_s=0.05)
    customer.documents["answered"] = "hangup"
    await dial(api, customer.url)
    ended = await customer.got("ended")
    assert ended[0]["by"] == "carrier"
    assert [hook["event"] for hook in customer.hooks] == ["ringing", "answered", "ended"]
    assert all(headers["x-fake-signature"] == "signed" for headers in customer.headers)
    written = await lab.until("webhook", count=3)
    assert {entry.more["status"] for entry in written} == {200}
    assert {entry.more["url"] for entry in written} == {customer.url}


async def test_down_refuses_and_comes_back_on_the_same_port(lab: Lab, api: httpx.AsyncClient) -> None:
    """While a carrier is down its port refuses connections; cleared, the same port answers again."""
    assert (await dial(api)).status_code == 201
    lab.set_faults("fake", [{"kind": "down"}])
    with pytest.raises(httpx.TransportError):
        await api.get("/calls/x")  # the kept connection was reset
    with pytest.raises(httpx.ConnectError):
        await dial(api)
    assert len(lab.ledger.entries("dial")) == 1
    lab.clear_faults("fake")
    assert (await dial(api)).status_code == 201


async def test_blackhole_takes_the_request_and_never_answers(lab: Lab, api: httpx.AsyncClient) -> None:
    """A black hole accepts connection and request, places nothing and says nothing, but the ledger saw the dial."""
    lab.set_faults("fake", [{"kind": "blackhole"}])
    with pytest.raises(httpx.ReadTimeout):
        await api.post("/calls", json={"to": TO, "from": "+15550190001"}, timeout=0.2)
    assert [entry.more for entry in lab.ledger.entries("dial")] == [{"fault": "blackhole"}]
    assert lab.phones.get(TO).calls == []


async def test_slow_places_at_once_and_answers_late(lab: Lab, api: httpx.AsyncClient) -> None:
    """Under `slow` the client gives up, and the call has been placed all the same."""
    lab.set_faults("fake", [{"kind": "slow", "s": 5}])
    with pytest.raises(httpx.ReadTimeout):
        await api.post("/calls", json={"to": TO, "from": "+15550190001"}, timeout=0.2)
    assert len(await lab.until("ring", number=TO)) == 1


async def test_drop_after_accept_closes_without_an_answer(lab: Lab, api: httpx.AsyncClient) -> None:
    """The dial is placed and its connection closed without a response, while a look-up works normally."""
    lab.set_faults("fake", [{"kind": "drop_after_accept"}])
    with pytest.raises(httpx.RemoteProtocolError):
        await dial(api)
    placed = lab.ledger.entries("dial")
    assert len(placed) == 1
    assert (await api.get(f"/calls/{placed[0].carrier_call_id}")).status_code == 200
    assert len(await lab.until("ring", number=TO)) == 1


@asynccontextmanager
async def media_server(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/media"


async def test_media_flows_both_ways(lab: Lab, api: httpx.AsyncClient, customer: Customer) -> None:
    """What the person says reaches the customer's socket, what the customer sends is heard, and the ledger has the bridge."""
    lab.phones.put(TO, answer_after_s=0.05, says="tone")
    heard_enough = asyncio.Event()
    frames: list[bytes] = []

    async def talk(socket: ServerConnection) -> None:
        await socket.send(sound.tone(800, 0.4))
        async for message in socket:
            frames.append(bytes(message, "ascii") if isinstance(message, str) else message)
            if len(frames) == 25:
                heard_enough.set()
                await socket.send("hangup")

    async with media_server(talk) as url:
        customer.documents["answered"] = f"stream {url}"
        await dial(api, customer.url)
        async with asyncio.timeout(5):
            await heard_enough.wait()
        await customer.got("ended")
    assert sum(map(sound.is_loud, frames)) >= 24
    heard = lab.phones.get(TO).calls[0].heard
    assert heard.speech_seconds == pytest.approx(0.4, abs=0.05)
    assert len(lab.ledger.entries("bridge", number=TO)) == 1
    closed = await lab.until("stream_close")
    assert (closed[0].more["by"], closed[0].more["code"]) == ("carrier", 1000)


async def test_a_refused_upgrade_is_reported_with_its_status(lab: Lab, api: httpx.AsyncClient, customer: Customer) -> None:
    """A customer who answers the upgrade with a plain HTTP status is seen as refusing with that status."""
    lab.phones.put(TO, answer_after_s=0.05)
    listener = HttpListener("127.0.0.1")
    listener.start(lambda _request: Answer(reply=RestReply(status=403)))
    customer.documents["answered"] = f"stream ws://127.0.0.1:{listener.port}/media"
    await dial(api, customer.url)
    refused = await lab.until("stream_refused")
    assert refused[0].more["status"] == 403
    await listener.aclose()


async def test_down_resets_live_sockets(lab: Lab, api: httpx.AsyncClient, customer: Customer) -> None:
    """When a carrier goes down in mid-call the customer's socket breaks without a closing handshake."""
    lab.phones.put(TO, answer_after_s=0.05)
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def listen(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass
        seen.set_result(socket.close_code or 0)

    async with media_server(listen) as url:
        customer.documents["answered"] = f"stream {url}"
        await dial(api, customer.url)
        await lab.until("stream_open")
        lab.set_faults("fake", [{"kind": "down"}])
        assert await asyncio.wait_for(seen, 5) == 1006
    assert [entry.more["by"] for entry in lab.ledger.entries("stream_close")] == ["fault"]
    assert [entry.more["by"] for entry in lab.ledger.entries("hangup")] == ["network"]


async def test_a_customer_who_closes_is_reported_with_the_code(lab: Lab, api: httpx.AsyncClient, customer: Customer) -> None:
    """A media socket that the customer closes ends the stream with the customer's code."""
    lab.phones.put(TO, answer_after_s=0.05)
    async with media_server(lambda socket: socket.close(4000)) as url:
        customer.documents["answered"] = f"stream {url}"
        await dial(api, customer.url)
        closed = await lab.until("stream_close")
    assert (closed[0].more["by"], closed[0].more["code"]) == ("customer", 4000)


async def test_an_unreachable_media_server_is_a_refusal(lab: Lab, api: httpx.AsyncClient, customer: Customer) -> None:
    """A media URL where nothing listens, or that is none, is refused with status 0."""
    lab.phones.put(TO, answer_after_s=0.05)
    listener = HttpListener("127.0.0.1")  # its port is bound, and nobody listens
    for count, url in enumerate((f"ws://127.0.0.1:{listener.port}/x", "http://not-a-socket"), 1):
        customer.documents["answered"] = f"stream {url}"
        await dial(api, customer.url, f"+1555010700{count}")
        lab.phones.put(f"+1555010700{count}", answer_after_s=0)
        refused = await lab.until("stream_refused", count=count)
        assert refused[-1].more["status"] == 0
    await listener.aclose()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(Answer(otherwise="held"), "timeout"), (Answer(otherwise="closed"), "reset"), (None, "connect")],
)
async def test_how_a_webhook_failed_is_told_apart(lab: Lab, answer: Answer | None, failure: str) -> None:
    """No connection, no answer in time and a broken connection are three different replies."""
    listener, sender = HttpListener("127.0.0.1"), WebhookSender()
    if answer is not None:
        listener.start(lambda _request: answer)
    reply = await sender.send(Webhook(id="w", url=f"{listener.base_url}/hook", body=b"x", timeout_s=0.3))
    assert (reply.status, reply.failure) == (0, failure)
    await sender.aclose()
    await listener.aclose()


async def test_a_webhook_follows_no_redirect() -> None:
    """A customer who answers 302 has answered 302."""
    listener, sender = HttpListener("127.0.0.1"), WebhookSender()
    listener.start(lambda _request: Answer(reply=RestReply(status=302, headers={"location": "/elsewhere"})))
    reply = await sender.send(Webhook(id="w", url=f"{listener.base_url}/hook", method="GET"))
    assert reply.status == 302
    await sender.aclose()
    await listener.aclose()


async def test_a_connection_is_kept_and_garbage_refused() -> None:
    """Two requests go over one connection, HEAD has no body, and what is not HTTP gets 400 and is closed."""
    listener = HttpListener("127.0.0.1")
    listener.start(lambda request: Answer(reply=RestReply(status=200, body=request.path.encode(), content_type="text/plain")))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"HEAD /one HTTP/1.1\r\nhost: x\r\n\r\nGET /two?q=1 HTTP/1.1\r\nhost: x\r\n\r\n\x00garbage\r\n\r\n")
    async with asyncio.timeout(5):
        everything = await reader.read()
    assert re.findall(rb"HTTP/1.1 (\d+)", everything) == [b"200", b"200", b"400"]
    assert b"/two" in everything
    assert b"\r\n\r\n/one" not in everything
    writer.close()
    await listener.aclose()


async def test_a_body_that_is_too_long_is_refused() -> None:
    """More than a megabyte is answered with 413 and never reaches the simulator."""
    listener, served = HttpListener("127.0.0.1"), []
    listener.start(lambda request: served.append(request) or Answer(reply=RestReply(status=200)))
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.post(listener.base_url, content=b"x" * 1_100_000)
    assert (response.status_code, served) == (413, [])
    await listener.aclose()


async def test_while_closed_the_port_is_kept() -> None:
    """Nobody else gets the port of a listener that is down, so that it can come back on it."""
    listener = HttpListener("127.0.0.1")
    listener.start(lambda _request: Answer(reply=RestReply(status=204)))
    listener.close()
    with socket.socket() as intruder, pytest.raises(OSError, match="in use"):
        intruder.bind(("127.0.0.1", listener.port))
    listener.open()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(listener.base_url)).status_code == 204
    await listener.aclose()


async def test_a_crash_is_loud(fake_kind: Kind) -> None:
    """A simulator's bug answers 500, stands in the ledger, and leaving the lab raises it."""
    broken = await Lab(kinds=[fake_kind]).__aenter__()
    async with httpx.AsyncClient(base_url=broken.credentials("fake")["base_url"], trust_env=False) as client:
        assert (await client.get("/crash")).status_code == 500
    assert len(broken.ledger.entries("crash")) == 1
    with pytest.raises(RuntimeError, match="a bug in the simulator"):
        await broken.__aexit__(None, None, None)
