"""The media sockets, plain ASGI: `/carriers/{name}/media/{call_id}/{leg_id}/{token}`, in front of the web framework.

Everything that can be checked is checked before the upgrade is accepted (`media_admission`), and a refusal is an HTTP
answer. After it, the first words must be a start that is the leg's own; only then does the call hear of the stream, and
only if the call still wants it does the agent. From there on: codec, bridge, codec, until one side ends.

The server should speak no permessage-deflate and take no message above `media_socket.MESSAGE_LIMIT`.
"""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Protocol

import structlog

from carriers.contract import Carrier
from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.media import StreamStarted
from gateway.runtime.bridge import Bridge
from gateway.runtime.casting import Count
from gateway.runtime.leases import LeaseLost
from gateway.runtime.stream import Stream
from gateway.runtime.telemetry.masking import mask_media_path
from gateway.runtime.wanted import Unwanted
from gateway.web.media_admission import STATUS, Admission, Admitted, Knock, Load, Refused, may_be_heard, start_belongs
from gateway.web.media_bindings import Bindings
from gateway.web.media_port import Send, SocketPort
from gateway.web.media_socket import POLICY_VIOLATION, MediaSocket, Receive

log = structlog.get_logger()

Scope = MutableMapping[str, Any]

TRY_AGAIN_LATER = 1013
GOING_ON_WITHOUT_YOU = 1000
_ENDING_S = 5.0
_GONE_S = 1.0


def takes(scope: Scope) -> bool:
    """Whether a connection belongs here: every WebSocket below `/carriers/`, well-formed or not."""
    return scope["type"] == "websocket" and str(scope["path"]).startswith("/carriers/")


class Place(Protocol):
    """Where the sessions of calls are."""

    async def elsewhere(self, admitted: Admitted, receive: Receive, send: Send) -> bool:
        """True if the connection was carried to another process, to its end; False: its session is here. Raise Refused."""
        ...


class MediaSockets:
    """`load` reads a call from the store; `clock` is unix time in seconds, the bridge's too."""

    def __init__(
        self,
        *,
        carriers: Mapping[str, Carrier],
        load: Load,
        bridge: Bridge,
        public_url: str,
        clock: Callable[[], float],
        count: Count,
        start_within_s: float = 5.0,
        place: Place | None = None,
    ) -> None:
        self.admission = Admission(carriers, load, public_url, clock)
        self._bindings = Bindings()
        self._bridge, self._clock, self._count = bridge, clock, count
        self._start_within_s, self._place = start_within_s, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One WebSocket connection, from its upgrade request to its end."""
        await receive()  # websocket.connect, always the first
        knock = _knock(scope)
        try:
            admitted = await self.admission.admit(knock)
            if self._place is None or not await self._place.elsewhere(admitted, receive, send):
                await self.serve(admitted, receive, send)
        except Refused as refused:
            await self.refuse(scope, receive, send, refused)

    async def serve(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        """An admitted connection whose session is here; raise Refused before anything was sent."""
        socket, again = self._bound(admitted, receive, send)
        try:
            await self._serve(socket, again=again, send=send)
        finally:
            self._bindings.remove(socket)
            socket.finished.set()

    # --- before the upgrade ---

    def _bound(self, admitted: Admitted, receive: Receive, send: Send) -> tuple[MediaSocket, bool]:
        name, leg = admitted.carrier.name, admitted.leg
        reason = self._bindings.refusal(leg, self._clock())
        if reason:
            raise Refused(reason, name, admitted.call_id, leg.id)
        again = self._bindings.had_one(leg)
        port = SocketPort(send, admitted.carrier.media())
        socket = MediaSocket(
            admitted, receive, port, self._clock, lambda: self._count("media_frames_malformed_total", carrier=name)
        )
        self._bindings.add(socket)
        return socket, again

    async def refuse(self, scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
        """Answer the upgrade with the refusal."""
        await self._refuse(scope, send, refused)
        await _until_gone(receive)

    async def _refuse(self, scope: Scope, send: Send, refused: Refused) -> None:
        self._count("media_sockets_total", carrier=refused.carrier or "unknown", result=refused.reason)
        log.warning(
            "media-socket-refused",
            carrier=refused.carrier,
            call_id=refused.call_id,
            leg_id=refused.leg_id,
            reason=refused.reason,
        )
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refused.reason})
            return
        status = STATUS[refused.reason]
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": refused.reason.encode()})

    # --- after it ---

    async def _serve(self, socket: MediaSocket, *, again: bool, send: Send) -> None:
        await send({"type": "websocket.accept"})
        writer = socket.port.start()
        reader = asyncio.get_running_loop().create_task(self._read(socket, again=again))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            # One half has ended, so the other is to: a close that is sent makes the server end our reading.
            socket.port.close(GOING_ON_WITHOUT_YOU, "")
            await asyncio.wait({reader, writer}, timeout=_ENDING_S)
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            await self._ended(socket)

    async def _read(self, socket: MediaSocket, *, again: bool) -> None:
        started = await self._start(socket)
        if started is None or not await self._take_over(socket, started, again=again):
            return
        stream = socket.stream = await self._open(socket)
        if stream is None:
            return
        self._count("media_sockets_total", carrier=socket.admitted.carrier.name, result="accepted")
        if socket.superseded:
            self._bridge.supersede(stream)
        while (events := await socket.next()) is not None:
            for event in events:
                self._bridge.hear(stream, event, socket.carried(event))

    async def _start(self, socket: MediaSocket) -> StreamStarted | None:
        """The carrier's start; None, and the socket closed, if it does not come. Sound before it is not heard."""
        try:
            async with asyncio.timeout(self._start_within_s):
                while (events := await socket.next()) is not None:
                    for event in events:
                        if isinstance(event, StreamStarted):
                            return event
        except TimeoutError:
            pass
        self._turn_away(socket, socket.port.failure or "no-start")
        return None

    async def _take_over(self, socket: MediaSocket, started: StreamStarted, *, again: bool) -> bool:
        """The start is the leg's own, and no other socket of the leg is alive: the others give way."""
        admitted = socket.admitted
        try:
            leg = await self.admission.leg(admitted.call_id, admitted.leg.id, admitted.carrier.name)
            may_be_heard(leg)
        except Refused as refused:
            return self._turn_away(socket, refused.reason)
        if not start_belongs(leg, started, again=again, signed=admitted.signed):
            return self._turn_away(socket, "foreign-start")
        others = self._bindings.give_way(socket, self._clock())
        if others is None:
            return self._turn_away(socket, "already-bound")
        socket.port.started = started
        socket.carried_at = self._clock()
        for other in others:
            await self._replace(other)
        return True

    async def _replace(self, other: MediaSocket) -> None:
        """Wait until its end is settled, so that the call hears of one stream after the other."""
        other.superseded = True
        if other.stream is not None:
            self._bridge.supersede(other.stream)
        other.port.close(GOING_ON_WITHOUT_YOU, "superseded")
        await other.finished.wait()

    async def _open(self, socket: MediaSocket) -> Stream | None:
        call_id, leg_id = socket.admitted.call_id, socket.admitted.leg.id
        try:
            return await self._bridge.open_stream(call_id, leg_id, socket.port)
        except Unwanted as unwanted:
            self._turn_away(socket, str(unwanted))
        except LeaseLost:
            self._turn_away(socket, "moved", TRY_AGAIN_LATER)
        except StoreUnavailable:
            self._turn_away(socket, "store-unavailable", TRY_AGAIN_LATER)
        except HoldlineError:
            log.exception("stream-not-taken", call_id=call_id, leg_id=leg_id)
            self._turn_away(socket, "not-taken")
        return None

    def _turn_away(self, socket: MediaSocket, reason: str, code: int = POLICY_VIOLATION) -> bool:
        admitted = socket.admitted
        log.warning("media-socket-turned-away", call_id=admitted.call_id, leg_id=admitted.leg.id, reason=reason)
        self._count("media_sockets_total", carrier=admitted.carrier.name, result=reason)
        socket.port.close(code, reason)
        return False

    async def _ended(self, socket: MediaSocket) -> None:
        if socket.stream is not None:
            socket.stream.failure = socket.stream.failure or socket.port.failure
            await self._bridge.end_stream(socket.stream)


async def _until_gone(receive: Receive) -> None:
    """Uvicorn logs an error for every refusal whose handler returns before the connection is gone; so it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_GONE_S):
            await receive()  # "disconnect", at once: nobody may be written to any more
            await receive()  # and again, when the connection is closed


def _knock(scope: Scope) -> Knock:
    """Reads the request, then takes the token out of the scope: the server writes the scope's path to its log."""
    path = bytes(scope.get("raw_path") or str(scope["path"]).encode()).decode("latin-1")
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        headers[key] = f"{headers[key]}, {value.decode('latin-1')}" if key in headers else value.decode("latin-1")
    scope["path"] = mask_media_path(str(scope["path"]))
    scope["raw_path"] = scope["path"].encode()
    scope["query_string"] = b""
    return Knock(path=path, headers=headers)
