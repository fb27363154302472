"""HTTP requests and WebSockets to a gateway's ASGI application, without a wire: two queues in place of a connection."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

Message = MutableMapping[str, Any]

BROKEN = 1006


class Answer(Struct, frozen=True, kw_only=True):
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class HttpExchange:
    """One request to an ASGI application; `done` gets the answer, or an exception if the connection breaks."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.scope = _scope("http", url, headers) | {"method": method}
        self.done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._body: bytes | None = body
        self._status, self._headers, self._answer = 0, {}, bytearray()  # type: ignore[var-annotated]

    async def receive(self) -> Message:
        """The request; after it only silence, since the client waits for the answer."""
        if self._body is None:
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            return
        self._answer += message.get("body", b"")
        if not message.get("more_body") and not self.done.done():
            self.done.set_result(Answer(status=self._status, headers=self._headers, body=bytes(self._answer)))

    def break_off(self, error: BaseException) -> None:
        """The other side is gone."""
        if not self.done.done():
            self.done.set_exception(error)


class SocketReports(Protocol):
    """Who opened a socket hears what becomes of it."""

    def opened(self) -> None: ...

    def refused(self, status: int) -> None: ...

    def frame(self, data: str | bytes) -> None: ...

    def closed(self, code: int) -> None: ...


class WebSocket:
    """One WebSocket to an ASGI application. What it sends arrives at `reports` in order, after `later`."""

    def __init__(
        self, url: str, headers: Mapping[str, str], reports: SocketReports, later: Callable[[Callable[[], None]], None]
    ) -> None:
        self.scope = _scope("websocket", url, headers) | {"extensions": {"websocket.http.response": {}}, "subprotocols": []}
        self._reports, self._later = reports, later
        self._inbox: deque[Message] = deque([{"type": "websocket.connect"}])
        self._more = asyncio.Event()
        self._more.set()
        self._over = self._accepted = False

    # --- the application's side ----------------------------------------------------------------------------------

    async def receive(self) -> Message:
        while not self._inbox:
            self._more.clear()
            await self._more.wait()
        return self._inbox.popleft()

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                self._accepted = True
                self._tell(self._reports.opened)
            case "websocket.send":
                data = message.get("text") if message.get("text") is not None else message.get("bytes")
                self._tell(lambda: self._reports.frame(data or b""))
            case "websocket.close" if self._accepted:
                self._end(lambda: self._reports.closed(message.get("code", 1000)))
            case "websocket.close":
                self._end(lambda: self._reports.refused(403))
            case "websocket.http.response.start":
                self._end(lambda: self._reports.refused(message["status"]))

    # --- the other side ------------------------------------------------------------------------------------------

    def say(self, data: str | bytes) -> None:
        """A message to the application."""
        self._put({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    def close(self, code: int) -> None:
        """The other side closes, or (1006) is gone."""
        self._over = True
        self._put({"type": "websocket.disconnect", "code": code})

    def break_off(self) -> None:
        """The application is gone: its process died."""
        if not self._over:
            gone = (lambda: self._reports.closed(BROKEN)) if self._accepted else (lambda: self._reports.refused(0))
            self._end(gone)

    def _put(self, message: Message) -> None:
        self._inbox.append(message)
        self._more.set()

    def _tell(self, report: Callable[[], None]) -> None:
        if self._over:
            raise OSError("the connection is closed")
        self._later(report)

    def _end(self, report: Callable[[], None]) -> None:
        if not self._over:
            self._over = True
            self._later(report)
            self._put({"type": "websocket.disconnect", "code": 1000})


def _scope(kind: str, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    parts = urlsplit(url)
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": parts.scheme,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", (parts.hostname or "").encode()), *pairs],
        "client": ("192.0.2.1", 1),
        "server": (parts.hostname, 80),
        "state": {},
    }
