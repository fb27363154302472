"""The wire below the SDK that uses `httpx` (Telnyx): shots, fresh connections, no retries."""

from typing import Any

import httpx

from carriers import shot
from carriers.shot import HttpAnswer
from gateway.domain.errors import CarrierError

CONNECT_TIMEOUT_S = 3.0
IDLE_LIMIT_S = 3.0
READ_TIMEOUT_S = 10.0


class Wire(httpx.HTTPTransport):
    """Hand it to `httpx.Client(transport=...)`, and that to the SDK. One client a thread."""

    def __init__(self) -> None:
        super().__init__(
            retries=0,
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=1, keepalive_expiry=IDLE_LIMIT_S),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        ticket = shot.current()
        if ticket is None:
            return super().handle_request(request)
        left = max(0.05, ticket.remaining)
        request.extensions["timeout"] = {"connect": min(CONNECT_TIMEOUT_S, left), "read": left, "write": left, "pool": left}
        request.extensions["trace"] = _fire_before_headers
        response = super().handle_request(request)
        body = response.read()
        headers = {name.lower(): value for name, value in response.headers.items()}
        ticket.answer = HttpAnswer(status=response.status_code, headers=headers, body=body)
        return response


def download(link: str, most_bytes: int) -> bytes:
    """GET a file that wants no key. CarrierError for a larger one, and for any answer but a 200."""
    limits = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    try:
        with httpx.Client(transport=Wire(), timeout=limits) as client, client.stream("GET", link) as response:
            if response.status_code != 200:
                raise CarrierError("recording-refused", str(response.status_code))
            return _bounded(response, most_bytes)
    except httpx.HTTPError as error:
        raise CarrierError("unreachable", type(error).__name__) from error


def _bounded(response: httpx.Response, most_bytes: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > most_bytes:
            raise CarrierError("too-large", f"a file of more than {most_bytes} bytes")
    return bytes(body)


def _fire_before_headers(event: str, _info: dict[str, Any]) -> None:
    # httpcore calls this between "the connection stands" and "the first byte is written" (its documented trace extension).
    if event.endswith("send_request_headers.started"):
        ticket = shot.current()
        if ticket is not None:
            ticket.fire()
