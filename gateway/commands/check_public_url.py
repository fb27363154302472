"""Whether a request to `server.public_url` arrives at this gateway, and if not, which part of the URL is wrong.

That real carriers need https and a host that the world can reach is said already when config.yaml is read.

If nothing listens on the configured host and port yet, we listen there for a moment and answer with a word that nobody
else knows: then an answer proves the whole way. If something does listen, it should be the gateway, and says so.
"""

import asyncio
import contextlib
import errno
import ipaddress
import json
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from carriers.contract import Finding
from gateway.commands.failure import port_failure
from gateway.config.structs import Config, Server
from gateway.serving import bind

WHAT = "public_url"
_TIMEOUT_S = 10.0
_REQUEST_S = 5.0
_ANSWER_SHOWN = 60
_TUNNEL_STATUS = frozenset({502, 503, 504, 521, 522, 523, 530})


class Answer(Struct, frozen=True, kw_only=True):
    """What came back. `status` 0: no HTTP answer at all, and `broken` says why."""

    status: int = 0
    broken: str = ""
    """A key of BROKEN."""
    detail: str = ""
    location: str = ""
    is_health: bool = False
    """Whether the body is what /healthz answers."""
    word: str = ""
    """The word of a check that listens itself."""


BROKEN = {
    "name": ("its host name does not exist", "correct the host, or start the tunnel that makes the name"),
    "refused": ("nothing listens there", "correct host and port, or start your tunnel or balancer"),
    "timeout": ("no answer in time", "open the way through the firewall, or correct host and port"),
    "plain": ("that port speaks http, not https", "write http:// in server.public_url, or the port that speaks https"),
    "tls": ("that port speaks https, not http", "write https:// in server.public_url"),
    "certificate": ("its certificate is not valid", "carriers refuse it: get a certificate that fits the host name"),
    "connection": ("the connection broke", "look at the tunnel or balancer; the scheme, host or port may be wrong"),
}
"""How a request ended without an answer -> what that means, the cure."""


async def look_at_public_url(config: Config) -> tuple[Finding, ...]:
    """Never raises: what fails is a finding."""
    server, word = config.server, secrets.token_hex(8)
    try:
        async with _listening(server, word) as ours:
            answer = await ask(f"{server.public_url}/healthz")
    except OSError as error:
        failure = port_failure(error, server.host, server.port)
        return (Finding(what="server.host, server.port", ok=False, detail=failure.said, cure=failure.cure),)
    return (judged(server, answer, word if ours else ""),)


async def ask(url: str) -> Answer:
    """GET it as a carrier would, following no redirect."""
    host = urlsplit(url).hostname or ""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=not _is_private(host)) as client:
            return _answer(await client.get(url))
    except httpx.TimeoutException:
        return Answer(broken="timeout")
    except httpx.TransportError as error:
        return Answer(broken=_broken(error), detail=str(error))


def judged(server: Server, answer: Answer, word: str) -> Finding:
    """What the answer means. `word` is what our own listener says, empty if something else listened there already."""
    url, ours = server.public_url, f"{server.host}:{server.port}"
    if answer.broken:
        meaning, cure = BROKEN[answer.broken]
        return Finding(what=WHAT, ok=False, detail=f"{url}: {meaning}", cure=cure)
    if answer.location.startswith("https://") and url.startswith("http://"):
        return Finding(what=WHAT, ok=False, detail=f"{url}: wrong scheme, it redirects to https", cure="write https://")
    if answer.status in _TUNNEL_STATUS:
        detail = f"{url}: the tunnel or balancer answers, but cannot reach the gateway (HTTP {answer.status})"
        return Finding(what=WHAT, ok=False, detail=detail, cure=f"point it at {ours}, where server.host and server.port say")
    if not answer.is_health or answer.word != word:
        return _another(url, answer, ours)
    way = "a request arrives here" if word else f"a gateway answers, and something listens on {ours}"
    return Finding(what=WHAT, ok=True, detail=f"{url}: {way}")


def _another(url: str, answer: Answer, ours: str) -> Finding:
    who = "another Holdline" if answer.is_health else f"something else (HTTP {answer.status} {answer.detail})".replace(" )", ")")
    cure = f"correct host and port, or point the tunnel at {ours}, where server.host and server.port say"
    return Finding(what=WHAT, ok=False, detail=f"{url}: {who} answers, not this gateway", cure=cure)


# --- the request ----------------------------------------------------------------------------------------------------


def _answer(response: httpx.Response) -> Answer:
    if "plain HTTP request was sent to HTTPS port" in response.text or "HTTP request to an HTTPS server" in response.text:
        return Answer(broken="tls")
    try:
        body = response.json()
    except ValueError:
        body = None
    health = body if response.status_code == httpx.codes.OK and isinstance(body, dict) else {}
    return Answer(
        status=response.status_code,
        detail=" ".join(response.text.split())[:_ANSWER_SHOWN],
        location=response.headers.get("location", ""),
        is_health=health.get("status") == "ok",
        word=str(health.get("check", "")),
    )


def _broken(error: BaseException) -> str:
    """The key of BROKEN, looked for among the causes."""
    causes = list(_causes(error))
    text = " ".join(str(cause) for cause in causes)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "certificate"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "plain" if any(word in text for word in ("WRONG_VERSION", "RECORD_LAYER", "UNEXPECTED_EOF")) else "connection"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "name"
    if isinstance(error, httpx.ConnectError) and not any(isinstance(cause, ConnectionResetError) for cause in causes):
        return "refused"
    return "tls" if isinstance(error, httpx.RemoteProtocolError) and "illegal status line" in text else "connection"


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".localhost", ".internal")) or "." not in host


# --- the listener ---------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _listening(server: Server, word: str) -> AsyncIterator[bool]:
    """Listen where the gateway will; yields False if somebody does already. OSError if nobody can."""
    try:
        listener = bind(server.host, server.port)
        served = await asyncio.start_server(_Greeter(word).answer, sock=listener)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        yield False
        return
    async with served:
        yield True


class _Greeter:
    """Answers /healthz as the gateway does, with our word added."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            writer.write(self._reply(await asyncio.wait_for(_head(reader), _REQUEST_S)))
            await writer.drain()
        writer.close()

    def _reply(self, head: bytes) -> bytes:
        found = head.startswith(b"GET /healthz ")
        body = json.dumps({"status": "ok", "check": self._word}).encode() if found else b"{}"
        status = b"200 OK" if found else b"404 Not Found" if head else b"400 Bad Request"
        answer = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        return answer % (status, len(body), body)


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The request's head; empty for what begins otherwise, such as TLS, whose client then sees plain http at once."""
    first = await reader.readexactly(1)
    return first + await reader.readuntil(b"\r\n\r\n") if first.isalpha() else b""
