"""Media sockets from gateway to gateway: who may bring one, and that all goes through, both ways, to the end."""

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.runtime.store.contract import Lease
from gateway.web.media_admission import Admitted, Refused
from gateway.web.peers import PeerGone, PeerRefused
from gateway.web.relay import FRESH_S, HEADER, Relay, seal, unsealed

NOW = 1_763_800_000
PATH = "/internal/relay/alpha/call_1/leg_1"
LEASE = Lease(call_id="call_1", token=1, owner="gw_2", address="http://10.0.0.2:8080")
ADMITTED = cast(
    Admitted,
    SimpleNamespace(carrier=SimpleNamespace(name="alpha"), call_id="call_1", leg=SimpleNamespace(id="leg_1"), signed=True),
)


@pytest.mark.parametrize("signed", [True, False])
def test_a_seal_tells_what_was_sealed(signed: bool) -> None:
    """Whether the carrier's signature was on the upgrade is part of it."""
    assert unsealed("secret", PATH, seal("secret", PATH, NOW, signed=signed), NOW + 1.0) is signed


@pytest.mark.parametrize(
    ("value", "now"),
    [
        pytest.param("", NOW, id="none"),
        pytest.param("nonsense", NOW, id="nonsense"),
        pytest.param(seal("another", PATH, NOW, signed=True), NOW, id="another secret"),
        pytest.param(seal("secret", PATH + "0", NOW, signed=True), NOW, id="another path"),
        pytest.param(seal("secret", PATH, NOW, signed=False).replace(":0:", ":1:"), NOW, id="more than was sealed"),
        pytest.param(seal("secret", PATH, NOW, signed=True), NOW + FRESH_S + 1, id="stale"),
        pytest.param(seal("secret", PATH, NOW, signed=True), NOW - FRESH_S - 1, id="from the future"),
    ],
)
def test_a_wrong_seal_is_refused(value: str, now: float) -> None:
    """Nobody without the gateways' own secret brings a socket, and no old request brings one again."""
    with pytest.raises(Refused, match="bad-relay"):
        unsealed("secret", PATH, value, now)


class PaperLink:
    """The owner's end."""

    def __init__(self, *says: str | bytes) -> None:
        self.says, self.heard, self.close_code = deque(says), [], 1012  # type: ignore[var-annotated]
        self.closed: list[int] = []
        self.over = asyncio.Event()

    async def receive(self) -> str | bytes | None:
        if self.says:
            return self.says.popleft()
        await self.over.wait()
        return None

    async def send(self, data: str | bytes) -> None:
        self.heard.append(data)
        if data == "last":
            self.over.set()

    async def close(self, code: int) -> None:
        self.closed.append(code)


class Carrier:
    """The carrier's end, as ASGI shows it."""

    def __init__(self, *says: dict[str, Any]) -> None:
        self.says, self.sent = deque(says), []  # type: ignore[var-annotated]

    async def receive(self) -> Any:
        if self.says:
            return self.says.popleft()
        return await asyncio.Event().wait()

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def relay_to(answer: PaperLink | Exception, asked: list[Any] | None = None) -> Relay:
    """A relay whose every connection ends at `answer`."""

    async def connect(url: str, headers: Any) -> Any:
        if asked is not None:
            asked.append((url, unsealed("secret", url.removeprefix(LEASE.address), headers[HEADER], NOW)))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def secret() -> str:
        return "secret"

    return Relay(connect, secret, lambda: float(NOW))


async def test_what_one_side_says_the_other_hears() -> None:
    """Text and bytes, in order, both ways; the owner's close is passed on with its code."""
    asked: list[Any] = []
    link = PaperLink("a", b"b")
    said = [{"type": "websocket.receive", "text": "1"}, {"type": "websocket.receive", "bytes": b"2"}]
    carrier = Carrier(*said, {"type": "websocket.receive", "text": "last"})
    assert await relay_to(link, asked).carry(LEASE, ADMITTED, carrier.receive, carrier.send)
    assert asked == [(LEASE.address + PATH, True)]
    assert link.heard == ["1", b"2", "last"]
    told = [message.get("text") or message.get("bytes") or message["type"] for message in carrier.sent]
    assert told == ["websocket.accept", "a", b"b", "websocket.close"]
    assert carrier.sent[-1]["code"] == 1012


async def test_when_the_carrier_goes_the_owner_is_told() -> None:
    """Its end of the relay is closed."""
    link, carrier = PaperLink(), Carrier({"type": "websocket.disconnect", "code": 1000})
    assert await relay_to(link).carry(LEASE, ADMITTED, carrier.receive, carrier.send)
    assert link.closed == [1000]


@pytest.mark.parametrize("answer", [PeerGone("there"), PeerRefused("not-here"), PeerRefused("<html>")])
async def test_where_nobody_has_the_session_it_is_not_carried(answer: Exception) -> None:
    """No word was sent to the carrier: the gateway that has the socket may go on with it."""
    carrier = Carrier()
    assert not await relay_to(answer).carry(LEASE, ADMITTED, carrier.receive, carrier.send)
    assert carrier.sent == []
    assert not await relay_to(answer).holds(LEASE)


async def test_an_owner_without_the_store_is_not_dead() -> None:
    """Its conversations go on: only its own way to the store is broken."""
    assert await relay_to(PeerRefused("store-unavailable")).holds(LEASE)


async def test_the_owners_refusal_is_the_answer() -> None:
    """A leg that has a living socket gets no second one through another door."""
    carrier = Carrier()
    with pytest.raises(Refused, match="already-bound"):
        await relay_to(PeerRefused("already-bound")).carry(LEASE, ADMITTED, carrier.receive, carrier.send)
