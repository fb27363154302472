"""A carrier's API on a port of its own: HTTP/1.1 by h11, so that connections can be held, closed or reset at will.

The port is bound for the listener's whole life by a second socket that never listens: while the listener is closed the
port refuses, and nobody else can take it.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import h11

from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.orders import Answer

MAX_BODY = 1_000_000
BACKLOG = 512
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Serve = Callable[[RestRequest], Answer]


class HttpListener:
    """`open` and `close` act at once; what is refused after `close` never had a byte read."""

    def __init__(self, host: str) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._reservation = self._bound(host, 0)
        self._host, self.port = host, int(self._reservation.getsockname()[1])
        self._socket: socket.socket | None = None
        self._connections: set[ApiConnection] = set()
        self._accepting: set[asyncio.Task[object]] = set()
        self._serve: Serve | None = None

    @property
    def base_url(self) -> str:
        """Where SDKs find it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    def start(self, serve: Serve) -> None:
        """Answer requests with `serve` from now on."""
        self._serve = serve
        self.open()

    def open(self) -> None:
        """Listen on the same port as ever."""
        if self._socket is None:
            self._socket = self._bound(self._host, self.port)
            self._socket.listen(BACKLOG)
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Stop listening and reset every connection."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for connection in list(self._connections):
            connection.reset()

    async def aclose(self) -> None:
        """Close and give the port back."""
        self.close()
        for task in list(self._accepting):
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._reservation.close()

    def _bound(self, host: str, port: int) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((host, port))
        return bound

    def _accept(self) -> None:
        while self._socket is not None:
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            accepted.setblocking(False)
            task: asyncio.Task[object] = asyncio.ensure_future(self._connect(accepted))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _connect(self, accepted: socket.socket) -> object:
        loop = asyncio.get_running_loop()
        return await loop.connect_accepted_socket(self._connection, accepted)

    def _connection(self) -> "ApiConnection":
        if self._serve is None:
            raise RuntimeError("a listener is started before it is opened")
        return ApiConnection(self._serve, self._connections, lambda: self._socket is not None)


class ApiConnection(asyncio.Protocol):
    """One client connection, kept alive until somebody closes it. One request at a time, as HTTP/1.1 wants."""

    def __init__(self, serve: Serve, connections: "set[ApiConnection]", welcome: Callable[[], bool]) -> None:
        self._serve, self._connections, self._welcome = serve, connections, welcome
        self._http = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._delayed: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        if not self._welcome():  # the listener was closed between accepting and here
            self.reset()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        if self._delayed is not None:
            self._delayed.cancel()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        # A client that has closed its half wants no answer; a half-open connection is nothing that the lab needs.
        return False

    def reset(self) -> None:
        """Break the connection with RST."""
        if self._transport is not None:
            break_connection(self._transport)

    def _read(self) -> None:
        try:
            while self._transport is not None and (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                self._take(event)
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def _take(self, event: object) -> None:
        if isinstance(event, h11.Request):
            self._request = event
            self._body.clear()
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > MAX_BODY:
                self._refuse(413, f"the lab takes bodies of up to {MAX_BODY} bytes")
        elif isinstance(event, h11.EndOfMessage) and self._request is not None:
            self._answer(self._serve(_request_of(self._request, bytes(self._body))))
        elif isinstance(event, h11.ConnectionClosed):
            self._close()

    def _answer(self, answer: Answer) -> None:
        if answer.delay_s > 0:
            self._delayed = asyncio.get_running_loop().call_later(answer.delay_s, self._finish, answer)
        else:
            self._finish(answer)

    def _finish(self, answer: Answer) -> None:
        self._delayed = None
        if answer.reply is not None:
            self._send(answer.reply)
        elif answer.otherwise == "closed":
            self._close()

    def _send(self, reply: RestReply) -> None:
        headers = [("content-type", reply.content_type)] if reply.body else []
        headers += [*reply.headers.items(), ("content-length", str(len(reply.body)))]
        self._write(h11.Response(status_code=reply.status, headers=headers, reason=_reason(reply.status)))
        if reply.body and self._request is not None and self._request.method != b"HEAD":
            self._write(h11.Data(data=reply.body))
        self._write(h11.EndOfMessage())
        self._next()

    def _next(self) -> None:
        if self._http.our_state is h11.MUST_CLOSE:
            self._close()
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._read()

    def _refuse(self, status: int, why: str) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = why.encode()
            close = ("connection", "close")
            headers = [close, ("content-length", str(len(body)))]
            self._write(h11.Response(status_code=status, headers=headers, reason=_reason(status)))
            self._write(h11.Data(data=body))
        self._close()

    def _write(self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage) -> None:
        data = self._http.send(event)
        if data and self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def break_connection(transport: asyncio.BaseTransport) -> None:
    """Close a TCP connection so that the other side sees a reset, not an end."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    cast("asyncio.Transport", transport).abort()


_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


def _reason(status: int) -> bytes:
    return _PHRASES.get(status, b"")


def _request_of(request: h11.Request, body: bytes) -> RestRequest:
    path, _, query = request.target.decode("ascii", "replace").partition("?")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
    return RestRequest(method=request.method.decode("ascii"), path=path, query=query, headers=headers, body=body)
