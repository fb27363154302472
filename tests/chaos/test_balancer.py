"""The balancer: by call id, else in turn, never to a member that is not well, never twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from gateway.chaos.balancer import Balancer, one_request
from gateway.chaos.ports import HOST, Ports

PATIENCE_S = 5.0


class Gateway:
    """Answers every request with its own port; `ready` False: /readyz is 503."""

    def __init__(self, port: int) -> None:
        self.port, self.ready, self.breaks = port, True, False
        self.heads: list[bytes] = []

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"GET /readyz"):
            self.heads.append(head)
            if self.breaks:
                return writer.transport.abort()
        status = b"200 OK" if self.ready else b"503 Service Unavailable"
        body = str(self.port).encode()
        writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
        writer.close()
        return None


@pytest.fixture
async def gateways(ports: Ports) -> AsyncIterator[list[Gateway]]:
    made = [Gateway(ports.take()) for _ in range(3)]
    for gateway in made:
        await gateway.start()
    yield made
    for gateway in made:
        gateway.server.close()


@pytest.fixture
async def balancer(gateways: list[Gateway], ports: Ports) -> AsyncIterator[int]:
    """The port of one in front of them, which looks at nobody's health by itself."""
    opened = Balancer([gateway.port for gateway in gateways])
    server = await asyncio.start_server(opened.accepted, HOST, port := ports.take())
    yield port
    server.close()


async def ask(port: int, path: str) -> tuple[int, str]:
    """(status, body); (0, "") if the connection ends without an answer."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nConnection: keep-alive\r\n\r\n".encode())
    try:
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    except OSError:
        answer = b""
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body.decode()) if head else (0, "")


async def test_one_call_is_one_member(balancer: int) -> None:
    """Webhooks and media socket of a call meet; other calls are elsewhere."""
    for call in range(5):
        paths = (f"/carriers/x/hooks/call_{call}/leg_1/event", f"/carriers/x/media/call_{call}/leg_1/token")
        assert len({(await ask(balancer, path))[1] for path in paths}) == 1
    assert len({(await ask(balancer, f"/carriers/x/hooks/call_{call}/leg/event"))[1] for call in range(30)}) == 3


async def test_the_rest_goes_round(balancer: int) -> None:
    """What names no call is spread evenly."""
    told = Counter([(await ask(balancer, "/v1/calls"))[1] for _ in range(9)])
    assert sorted(told.values()) == [3, 3, 3]


async def test_the_next_one_takes_what_a_dead_one_refused(balancer: int, gateways: list[Gateway]) -> None:
    """A member that nobody listens for has taken nothing."""
    gateways[0].server.close()
    await gateways[0].server.wait_closed()
    told = {await ask(balancer, f"/carriers/x/hooks/call_{call}/leg/event") for call in range(12)}
    assert told == {(200, str(gateways[1].port)), (200, str(gateways[2].port))}


async def test_what_may_have_been_taken_is_not_sent_twice(balancer: int, gateways: list[Gateway]) -> None:
    """A member that dies over a request leaves the client without an answer, and no other member hears of it."""
    for gateway in gateways:
        gateway.breaks = True
    assert await ask(balancer, "/v1/calls") == (0, "")
    assert sum(len(gateway.heads) for gateway in gateways) == 1


async def test_nobody_is_there(balancer: int, gateways: list[Gateway]) -> None:
    """Without any member the balancer itself says 503."""
    for gateway in gateways:
        gateway.server.close()
        await gateway.server.wait_closed()
    assert (await ask(balancer, "/v1/calls"))[0] == 503


async def test_what_is_between_gateways_stays_there(balancer: int, gateways: list[Gateway]) -> None:
    """/internal/ is shut from outside."""
    assert (await ask(balancer, "/internal/holds/call_1"))[0] == 404
    assert [gateway.heads for gateway in gateways] == [[], [], []]


async def test_who_drains_comes_last(gateways: list[Gateway]) -> None:
    """A member whose /readyz says no is offered a request only after all others."""
    opened = Balancer([gateway.port for gateway in gateways])
    gateways[1].ready = False
    await opened.look_once()
    orders = [opened.order(b"GET /carriers/x/hooks/call_%d/leg/e HTTP/1.1" % call) for call in range(20)]
    assert {order[-1] for order in orders} == {gateways[1].port}


def test_each_request_has_a_connection_of_its_own() -> None:
    """Keep-alive is struck from what is passed on, so that the next request is balanced too; an upgrade passes as it is."""
    asked = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    assert one_request(asked) == b"GET / HTTP/1.1\r\nHost: x\r\nconnection: close\r\n\r\n"
    upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    assert one_request(upgrade) == upgrade
