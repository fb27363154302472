"""A WebSocket to another gateway, over its internal address."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from gateway.web.media_socket import MESSAGE_LIMIT

ANSWER_S = 1.0
"""A gateway that does not answer within this is taken for dead: a person is on the line and hears nothing meanwhile."""
_LOST = 1006


class PeerGone(Exception):
    """Nobody answers there."""


class PeerRefused(Exception):
    """It answers, and refuses; says why in the words of `media_admission.STATUS`."""


class Link(Protocol):
    """An open connection."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when there will be no more."""
        ...

    async def send(self, data: str | bytes) -> None:
        """Waits while the other side does not read; says nothing if it is gone."""
        ...

    async def close(self, code: int) -> None:
        """End it."""
        ...

    @property
    def close_code(self) -> int:
        """With what it was closed; 1006 if it broke."""
        ...


Connect = Callable[[str, Mapping[str, str]], Awaitable[Link]]
"""(address and path, headers) -> a link. Raise PeerGone, PeerRefused."""


class WebSocketLink:
    """`Link` on the wire."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes | None:
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            return None

    async def send(self, data: str | bytes) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed:
            return  # whoever receives is told

    async def close(self, code: int) -> None:
        await self._connection.close(code)

    @property
    def close_code(self) -> int:
        return self._connection.close_code or _LOST


async def websocket_link(url: str, headers: Mapping[str, str]) -> Link:
    """`url` begins with http:// or https://, as internal addresses do."""
    try:
        connection = await connect(
            url.replace("http", "ws", 1),
            additional_headers=dict(headers),
            open_timeout=ANSWER_S,
            close_timeout=ANSWER_S,
            max_size=MESSAGE_LIMIT,
            compression=None,
            proxy=None,
        )
    except InvalidStatus as error:
        raise PeerRefused((error.response.body or b"").decode(errors="replace")[:100]) from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
        raise PeerGone(url) from error
    return WebSocketLink(connection)
