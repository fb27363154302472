"""Which part of public_url is wrong, told from what a request to it meets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carriers.contract import Finding
from gateway.commands.check_public_url import Answer, judged, look_at_public_url
from gateway.config.structs import AgentConfig, CarrierConfig, Config, Route, Server

WORD = "a-word"
URL = "http://gw.example.com"


@asynccontextmanager
async def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answers every request with this; yields the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


def http(status: str, body: bytes, *headers: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers))
    return head.encode() + b"\r\n\r\n" + body


def config(url: str, port: int, host: str = "127.0.0.1") -> Config:
    """A gateway that is to listen on the port, reached by the URL."""
    return Config(
        carriers=(
            CarrierConfig(name="lab", kind="lab", credentials={}, numbers=("+15550190001",), base_url="http://127.0.0.1:9"),
        ),
        routes=(Route(name="default", agent="echo"),),
        agents=(AgentConfig(name="echo", kind="echo"),),
        server=Server(host=host, port=port, public_url=url),
    )


async def only_finding(url: str, port: int) -> Finding:
    (finding,) = await look_at_public_url(config(url, port))
    return finding


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_url_that_arrives_here(free_port: int) -> None:
    """While no gateway runs, the whole way is proven by a word of our own; afterwards the port is free again."""
    finding = await only_finding(f"http://127.0.0.1:{free_port}", free_port)
    assert finding.ok
    assert "a request arrives here" in finding.detail
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", free_port):
        pass


async def test_a_gateway_that_runs_already() -> None:
    """A gateway on its port answers for itself, and the finding says that this is what was seen."""
    async with answering(http("200 OK", b'{"status": "ok"}')) as port:
        finding = await only_finding(f"http://127.0.0.1:{port}", port)
    assert finding.ok
    assert "a gateway answers" in finding.detail


async def test_another_holdline(free_port: int) -> None:
    """A URL that leads to somebody else's gateway is wrong, although that one is well."""
    async with answering(http("200 OK", b'{"status": "ok"}')) as port:
        finding = await only_finding(f"http://127.0.0.1:{port}", free_port)
    assert not finding.ok
    assert "another Holdline" in finding.detail
    assert f"127.0.0.1:{free_port}" in finding.cure


async def test_https_where_http_is_spoken(free_port: int) -> None:
    """A wrong scheme is called that when the port speaks plain http."""
    finding = await only_finding(f"https://127.0.0.1:{free_port}", free_port)
    assert not finding.ok
    assert "speaks http, not https" in finding.detail
    assert "http://" in finding.cure


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
async def test_http_where_https_is_spoken(free_port: int, tls: ssl.SSLContext) -> None:
    """And the other way round: no words come back, so scheme, host and port are all named."""
    async with answering(b"", tls) as port:
        finding = await only_finding(f"http://127.0.0.1:{port}", free_port)
    assert not finding.ok
    assert "scheme" in finding.cure


async def test_a_certificate_that_nobody_trusts(free_port: int, tls: ssl.SSLContext) -> None:
    """Carriers refuse such a certificate, so we do."""
    async with answering(http("200 OK", b"{}"), tls) as port:
        finding = await only_finding(f"https://127.0.0.1:{port}", free_port)
    assert not finding.ok
    assert "certificate" in finding.detail


async def test_nobody_there(free_port: int, taken_port: int) -> None:
    """A port on which nobody listens is a wrong host or port, or a tunnel that is not up."""
    finding = await only_finding(f"http://127.0.0.1:{free_port}", taken_port)
    assert not finding.ok
    assert "nothing listens there" in finding.detail


async def test_a_host_without_a_name(free_port: int) -> None:
    """A host name that does not exist is named as that."""
    finding = await only_finding("http://nowhere.invalid", free_port)
    assert not finding.ok
    assert "host name does not exist" in finding.detail


async def test_a_host_that_is_not_ours(free_port: int) -> None:
    """If nothing can listen on server.host, that key is what is wrong."""
    (finding,) = await look_at_public_url(config(f"http://127.0.0.1:{free_port}", free_port, host="192.0.2.1"))
    assert not finding.ok
    assert "server.host" in finding.cure


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(status=200, is_health=True, word=WORD), ""),
        (Answer(status=200, is_health=True, word="another"), "another Holdline"),
        (Answer(status=301, location="https://gw.example.com/healthz"), "wrong scheme"),
        (Answer(status=404, detail="<html>"), "something else (HTTP 404 <html>) answers"),
        (Answer(status=200, detail=""), "something else (HTTP 200) answers"),
        (Answer(status=502), "the tunnel or balancer answers, but cannot reach the gateway (HTTP 502)"),
        (Answer(status=530), "the tunnel or balancer answers, but cannot reach the gateway (HTTP 530)"),
        (Answer(broken="timeout"), "no answer in time"),
        (Answer(broken="tls"), "speaks https, not http"),
    ],
)
def test_each_answer_has_its_meaning(answer: Answer, said: str) -> None:
    """Only our own word is well; everything else says what is wrong, and what to do."""
    finding = judged(Server(public_url=URL), answer, WORD)
    assert said in finding.detail
    assert finding.ok == (said == "")
    assert finding.ok or finding.cure


@pytest.mark.parametrize(
    "body", [b"400 The plain HTTP request was sent to HTTPS port", b"Client sent an HTTP request to an HTTPS server."]
)
async def test_servers_that_say_what_they_speak(free_port: int, body: bytes) -> None:
    """Web servers that recognise plain http on their https port are believed."""
    async with answering(http("400 Bad Request", body)) as port:
        finding = await only_finding(f"http://127.0.0.1:{port}", free_port)
    assert "speaks https, not http" in finding.detail


async def test_garbage_to_our_listener_changes_nothing(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While we listen, what is not a request is dropped, another path is 404, and the check goes on."""
    seen: list[bytes] = []

    async def ask_after_garbage(url: str) -> Answer:
        seen.append(await _exchange(free_port, b"GET / HTTP/1.1\r\n\r\n"))
        seen.append(await _exchange(free_port, b"\x16\x03\x01"))
        seen.append(await _exchange(free_port, b"x" * 70_000))
        return await real_ask(url)

    from gateway.commands import check_public_url

    real_ask: Callable[[str], Awaitable[Answer]] = check_public_url.ask
    monkeypatch.setattr(check_public_url, "ask", ask_after_garbage)
    finding = await only_finding(f"http://127.0.0.1:{free_port}", free_port)
    assert finding.ok
    assert seen[0].startswith(b"HTTP/1.1 404")
    assert b"HTTP/1.1 200" not in seen[1] + seen[2]


async def _exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()
