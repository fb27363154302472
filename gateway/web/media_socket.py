"""The reading half of a media socket: what the carrier sends, decoded, until it ends or is not worth reading on."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.domain.errors import Malformed
from gateway.domain.media import Audio, StreamEvent
from gateway.runtime.stream import Stream
from gateway.web.media_admission import Admitted
from gateway.web.media_port import Message, SocketPort

log = structlog.get_logger()

MESSAGE_LIMIT = 64 * 1024
"""Bytes (characters of text) in one message."""
MALFORMED_LIMIT = 50
"""Malformed messages in a row that are borne."""
POLICY_VIOLATION = 1008
TOO_LARGE = 1009

Receive = Callable[[], Awaitable[Message]]


class MediaSocket:
    """One accepted socket of one leg. `on_malformed()` is called for every message that the codec cannot read."""

    def __init__(
        self, admitted: Admitted, receive: Receive, port: SocketPort, clock: Callable[[], float], on_malformed: Callable[[], None]
    ) -> None:
        self.admitted, self.port = admitted, port
        self.carried_at = clock()
        """When sound last came, or when it was accepted."""
        self.stream: Stream | None = None
        self.superseded = False
        self.finished = asyncio.Event()
        """Set when the socket is gone and its end has been reported."""
        self._receive, self._clock, self._on_malformed = receive, clock, on_malformed
        self._malformed = 0

    async def next(self) -> tuple[StreamEvent, ...] | None:
        """The events of the next message; None when there will be no more."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        data: str | bytes = text if text is not None else message.get("bytes") or b""
        if len(data) > MESSAGE_LIMIT:
            self.port.give_up(TOO_LARGE, "message-too-large")
            return None
        events = self._decoded(data)
        return events if self._malformed <= MALFORMED_LIMIT else None

    def carried(self, event: StreamEvent) -> float:
        """The time now; sound proves the socket alive."""
        now = self._clock()
        if type(event) is Audio:
            self.carried_at = now
        return now

    def _decoded(self, data: str | bytes) -> tuple[StreamEvent, ...]:
        try:
            events = self.port.codec.decode(data)
        except Malformed:
            self._bear()
            return ()
        except Exception:
            # A codec that trips over a message has a bug; the stream of a live call does not pay for it.
            log.exception("codec-failed", call_id=self.admitted.call_id, leg_id=self.admitted.leg.id)
            self._bear()
            return ()
        self._malformed = 0
        return events

    def _bear(self) -> None:
        self._malformed += 1
        self._on_malformed()
        if self._malformed > MALFORMED_LIMIT:
            self.port.give_up(POLICY_VIOLATION, "malformed-frames")
