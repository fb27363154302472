"""Media sockets from gateway to gateway: one that lands on the wrong process is carried to the one that has the session.

The path is internal, `/internal/relay/{carrier}/{call}/{leg}` and `/internal/holds/{call}`; a request is authentic if its
header holds an HMAC with the secret that all gateways on one store share. Balancers should not let carriers reach it.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.seats import Seats
from gateway.runtime.store.contract import Lease
from gateway.web.media import MediaSockets
from gateway.web.media_admission import STATUS, Admitted, Refused
from gateway.web.media_port import Message, Send
from gateway.web.media_socket import Receive
from gateway.web.peers import Connect, Link, PeerGone, PeerRefused

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
SECRET = Callable[[], Awaitable[str]]

PREFIX = "/internal/"
HEADER = "x-holdline-relay"
FRESH_S = 60.0
"""How old, or how far ahead of our clock, a relayed request may be."""
CARRIED_LIMIT = 500
"""Sockets that one process carries to others at the same time; it is a way round a mistake, not a load balancer."""
GOING_AWAY = 1012

_PATH = re.compile(
    r"/internal/(?:relay/(?P<carrier>[\w-]{1,64})/(?P<call>\w{1,64})/(?P<leg>\w{1,64})|holds/(?P<held>\w{1,64}))", re.ASCII
)
_VALUE = re.compile(r"(?P<at>\d{1,12}):(?P<signed>[01]):(?P<mac>[0-9a-f]{64})", re.ASCII)


def takes(scope: Scope) -> bool:
    """Whether a connection comes from another gateway, or pretends to."""
    return scope["type"] == "websocket" and str(scope["path"]).startswith(PREFIX)


def seal(secret: str, path: str, at: int, *, signed: bool) -> str:
    """The header's value; `signed`: the carrier's own signature was on the upgrade."""
    stamp = f"{at}:{int(signed)}"
    return f"{stamp}:{hmac.new(secret.encode(), f'{stamp}:{path}'.encode(), hashlib.sha256).hexdigest()}"


def unsealed(secret: str, path: str, value: str, now: float) -> bool:
    """What the other gateway says of the carrier's signature; raise Refused."""
    found = _VALUE.fullmatch(value)
    if found is None or abs(now - int(found["at"])) > FRESH_S:
        raise Refused("bad-relay")
    signed = found["signed"] == "1"
    if not hmac.compare_digest(seal(secret, path, int(found["at"]), signed=signed), value):
        raise Refused("bad-relay")
    return signed


class Relay:
    """Carries sockets to the process that has their session; also `seats.Peers`."""

    def __init__(self, connect: Connect, secret: SECRET, clock: Callable[[], float]) -> None:
        self._connect, self._secret, self._clock = connect, secret, clock
        self.carried = 0
        """Sockets that go through this process now."""

    async def holds(self, lease: Lease) -> bool:
        """Whether the lease's owner answers, and has the session. One that cannot say it, since the store is away for it alone,
        lives, and so do its conversations.
        """
        try:
            link = await self._link(lease, f"/internal/holds/{lease.call_id}", signed=False)
        except PeerGone:
            return False
        except PeerRefused as refused:
            return str(refused) == "store-unavailable"
        await link.close(1000)
        return True

    async def carry(self, lease: Lease, admitted: Admitted, receive: Receive, send: Send) -> bool:
        """From its upgrade to its end; False if nobody is there to carry it to. Raise Refused, as the owner does."""
        name, leg_id = admitted.carrier.name, admitted.leg.id
        if self.carried >= CARRIED_LIMIT:
            raise Refused("relay-full", name, admitted.call_id, leg_id)
        try:
            link = await self._link(lease, f"/internal/relay/{name}/{admitted.call_id}/{leg_id}", signed=admitted.signed)
        except PeerGone:
            return False
        except PeerRefused as refused:
            if str(refused) not in STATUS or str(refused) in {"not-here", "bad-relay"}:
                return False
            raise Refused(str(refused), name, admitted.call_id, leg_id) from None
        log.info("media-socket-relayed", call_id=admitted.call_id, leg_id=leg_id, to=lease.owner)
        self.carried += 1
        try:
            await send({"type": "websocket.accept"})
            await _pump(link, receive, send)
        finally:
            self.carried -= 1
        return True

    async def _link(self, lease: Lease, path: str, *, signed: bool) -> Link:
        if not lease.address:
            raise PeerGone(lease.owner)
        value = seal(await self._secret(), path, int(self._clock()), signed=signed)
        return await self._connect(f"{lease.address}{path}", {HEADER: value})


class RelayDoor:
    """ASGI: what other gateways bring us."""

    def __init__(self, sockets: MediaSockets, seats: Seats, secret: SECRET, clock: Callable[[], float]) -> None:
        self._sockets, self._seats, self._secret, self._clock = sockets, seats, secret, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        await receive()  # websocket.connect, always the first
        try:
            admitted = await self._admitted(str(scope["path"]), _header(scope))
            if admitted is None:
                await send({"type": "websocket.accept"})
                await send({"type": "websocket.close", "code": 1000})
                return
            await self._sockets.serve(admitted, receive, send)
        except Refused as refused:
            await self._sockets.refuse(scope, receive, send, refused)

    async def _admitted(self, path: str, value: str) -> Admitted | None:
        """None: it only asks whether the session is here, and it is."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise Refused("malformed-path")
        try:
            signed = unsealed(await self._secret(), path, value, self._clock())
            if not await self._seats.here(found["held"] or found["call"]):
                raise Refused("not-here")
        except StoreUnavailable:
            raise Refused("store-unavailable") from None
        if found["held"]:
            return None
        return await self._sockets.admission.relayed(found["carrier"], found["call"], found["leg"], signed=signed)


def _header(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == HEADER.encode()), "")


async def _pump(link: Link, receive: Receive, send: Send) -> None:
    """Both ways, until one side ends; then the other is ended too."""
    loop = asyncio.get_running_loop()
    up, down = loop.create_task(_up(link, receive)), loop.create_task(_down(link, send))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        over = down.done()
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
        if over:
            await _quietly(send({"type": "websocket.close", "code": _passed_on(link.close_code)}))
        else:
            await link.close(1000)


async def _up(link: Link, receive: Receive) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        await link.send(text if text is not None else message.get("bytes") or b"")


async def _down(link: Link, send: Send) -> None:
    while (data := await link.receive()) is not None:
        message: Message = {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}
        await send(message)


async def _quietly(sending: Awaitable[None]) -> None:
    try:
        await sending
    except OSError:
        return  # the carrier is gone as well


def _passed_on(code: int) -> int:
    """Codes that may stand on the wire; a broken link is told as a restart."""
    return code if code in {1000, 1001, 1008, 1009, 1011, 1012, 1013} else GOING_AWAY
