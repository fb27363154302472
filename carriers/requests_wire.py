"""The wire below the SDKs that use `requests` (Twilio, Plivo, Vonage): base URL, shots, fresh connections, no retries."""

import time
from collections.abc import Mapping
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from carriers import shot
from carriers.shot import HttpAnswer
from gateway.domain.errors import CarrierError

CONNECT_TIMEOUT_S = 3.0
IDLE_LIMIT_S = 3.0
"""A kept connection older than this may have been closed by the other side; a dial on it could be lost in an ambiguous way."""
_CHUNK_BYTES = 65_536


class _Fresh:
    """Connects before the shot is spent, and never sends on a connection that has idled too long."""

    _last_used = 0.0

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None and time.monotonic() - self._last_used > IDLE_LIMIT_S:  # type: ignore[attr-defined]
            self.close()  # type: ignore[attr-defined]
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()  # type: ignore[attr-defined]
        ticket = shot.current()
        if ticket is not None:
            ticket.fire()
        self._last_used = time.monotonic()
        super().request(*args, **kwargs)  # type: ignore[misc]


class _HttpConnection(_Fresh, HTTPConnection): ...


class _HttpsConnection(_Fresh, HTTPSConnection): ...


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


def download(session: Session, url: str, auth: Any, most_bytes: int) -> HttpAnswer:
    """GET a file, whatever is answered. `auth` is (user, password), or what changes the request, and is given to no other host
    that this one points at. CarrierError for a larger file; what `requests` raises.
    """
    with session.get(url, auth=auth, stream=True) as response:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > most_bytes:
                raise CarrierError("too-large", f"a file of more than {most_bytes} bytes")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(status=response.status_code, headers=headers, body=bytes(body))


class Wire(HTTPAdapter):
    """Mount on an SDK's `requests.Session` for the carrier's own origin.

    `origin` is what the SDK addresses (`https://api.plivo.com`), `base_url` where requests really go (None: the origin).
    """

    def __init__(self, origin: str, base_url: str | None = None, timeout_s: float = 5.0) -> None:
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        self._origin, self._target = origin.rstrip("/"), (base_url or origin).rstrip("/")
        self._timeout_s = timeout_s

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        if request.url and request.url.startswith(self._origin):
            request.url = self._target + request.url[len(self._origin) :]
        ticket = shot.current()
        if ticket is not None and ticket.fired:
            raise shot.ShotSpent("this dial has been sent once; it is never sent again")
        read_s = self._timeout_s if ticket is None else max(0.05, ticket.remaining)
        # No proxy, not even the environment's: its connections are not ours, and a POST could leave with the shot unspent.
        response = super().send(request, stream, (min(CONNECT_TIMEOUT_S, read_s), read_s), verify, cert, None)
        if ticket is not None:
            headers = {name.lower(): value for name, value in response.headers.items()}
            ticket.answer = HttpAnswer(status=response.status_code, headers=headers, body=response.content)
            # requests would follow a redirect by itself, a 307 with the POST again, and to http:// past this adapter.
            response.headers.pop("location", None)
        return response
