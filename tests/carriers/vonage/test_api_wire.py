"""The adapter through the real SDK against a server that misbehaves: what leaves the machine, and what is made of it."""

import asyncio
import base64
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys

from carriers.contract import Attempt, CarrierSettings, Handle, LegAtCarrier
from carriers.vonage import KIND, Credentials
from gateway.domain.errors import CarrierError, Misconfigured
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Signal

APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
UUID = "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab"
CREATED = {"uuid": UUID, "status": "started", "direction": "outbound", "conversation_uuid": "CON-1"}
ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190031",
    ring_timeout_s=30,
    max_duration_s=600,
    public_url="https://gw.example.com",
    carrier="vonage",
    media_token="secret",
)
HANDLE = Handle(call_id="call_1", leg_id="leg_1", to="+15550100001", caller_id="+15550190031", carrier_call_id=UUID)


class Server:
    """Answers each request with the next of `answers`, the last for ever: (status, JSON body), or `drop`, or `hold`."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: list[Any] = []
        self.let_go = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def posts(self) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["method"] == "POST"]

    def close(self) -> None:
        self.let_go.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append({"method": self.command, "path": self.path, "headers": headers, "body": body})
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                self.give(answer)

            def give(self, answer: Any) -> None:
                if answer == "drop":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer == "hold":
                    server.let_go.wait(10)
                    self.close_connection = True
                    return
                status, content = answer
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/v1/calls")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PUT = serve  # noqa: N815

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    """A loopback server for one test."""
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="module")
def key() -> tuple[str, Any]:
    """An application's key pair: PEM and public key."""
    private = rsa_keys.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, form, serialization.NoEncryption()).decode(), private.public_key()


def credentials(pem: str) -> Credentials:
    return Credentials(
        application_id=APPLICATION, private_key=pem, api_key="abcd1234", api_secret="shh", signature_secret="s" * 40
    )


@pytest.fixture
async def make_carrier(key: tuple[str, Any]) -> Any:
    """Carriers that are closed at the end of the test."""
    opened: list[Any] = []

    def make(base_url: str | None, clock: Callable[[], float] = time.time) -> Any:
        settings = CarrierSettings(name="vonage", credentials=credentials(key[0]), base_url=base_url)
        opened.append(KIND.open(settings, clock))
        return opened[-1]

    yield make
    for carrier in opened:
        await carrier.aclose()


async def place(carrier: Any, within_s: float = 5.0, gate: Callable[[], bool] = lambda: True) -> Any:
    return await carrier.place(ATTEMPT, time.time() + within_s, gate)


# --- one dial is one POST ----------------------------------------------------------------------------------------


async def test_a_dial_is_one_signed_post(server: Server, make_carrier: Any, key: tuple[str, Any]) -> None:
    """The request has the leg's tag in its URLs, numbers without `+`, both timers, and the application's token."""
    server.answers = [(201, CREATED)]
    placed = await place(make_carrier(server.url))
    assert (placed.knowledge, placed.carrier_call_id) == (Knowledge.ACCEPTED, UUID)
    assert placed.carrier_data == {"conversation_uuid": "CON-1"}
    (request,) = server.requests
    hooks = "https://gw.example.com/carriers/vonage/hooks/call_1/leg_1"
    assert (request["method"], request["path"]) == ("POST", "/v1/calls")
    assert json.loads(request["body"]) == {
        "to": [{"type": "phone", "number": "15550100001"}],
        "from": {"type": "phone", "number": "15550190031"},
        "answer_url": [f"{hooks}/answer"],
        "answer_method": "POST",
        "event_url": [f"{hooks}/event"],
        "event_method": "POST",
        "ringing_timer": 30,
        "length_timer": 600,
    }
    claims = jwt.decode(request["headers"]["authorization"].removeprefix("Bearer "), key[1], algorithms=["RS256"])
    assert claims["application_id"] == APPLICATION


@pytest.mark.parametrize("answer", [(500, {}), (502, {}), (503, {}), (504, b"<html>"), "drop", "hold"], ids=str)
async def test_an_ambiguous_dial_is_never_sent_again(server: Server, make_carrier: Any, answer: Any) -> None:
    """Whatever happens after the first byte: one POST, and nobody but the carrier knows. (The bare SDK sends up to ten.)"""
    server.answers = [answer]
    placed = await place(make_carrier(server.url), within_s=0.6)
    assert placed.knowledge is Knowledge.UNKNOWN
    assert placed.verdict is not None
    assert placed.verdict.signal is Signal.FAILURE
    server.let_go.set()
    assert len(server.posts()) == 1


async def test_a_dropped_dial_stays_single_on_a_used_connection(server: Server, make_carrier: Any) -> None:
    """A connection that has been used before is no reason to repeat either."""
    server.answers = [(201, CREATED), "drop"]
    carrier = make_carrier(server.url)
    await place(carrier)
    placed = await place(carrier)
    assert placed.knowledge is Knowledge.UNKNOWN
    assert len(server.posts()) == 2


@pytest.mark.parametrize("answer", [(201, b"not json"), (201, {}), (200, [1]), (201, {"uuid": 5})], ids=str)
async def test_an_unreadable_acceptance_is_unknown(server: Server, make_carrier: Any, answer: Any) -> None:
    """A 2xx that names no call may have placed one."""
    server.answers = [answer]
    placed = await place(make_carrier(server.url))
    assert (placed.knowledge, placed.verdict.reason) == (Knowledge.UNKNOWN, "unreadable-answer")


async def test_an_acceptance_in_other_words_is_an_acceptance(server: Server, make_carrier: Any) -> None:
    """The uuid is all that is needed; the SDK's strict model of the answer is not asked."""
    server.answers = [(201, {"uuid": UUID, "something": "new"})]
    placed = await place(make_carrier(server.url))
    assert (placed.knowledge, placed.carrier_call_id) == (Knowledge.ACCEPTED, UUID)


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_is_not_followed_with_a_second_dial(server: Server, make_carrier: Any, status: int) -> None:
    """A dial goes where it was sent or nowhere."""
    server.answers = [(status, {})]
    placed = await place(make_carrier(server.url))
    assert placed.knowledge is Knowledge.UNKNOWN
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "word", "reason", "attribution"),
    [
        (400, "invalid-params", "bad-request", Attribution.US),
        (401, "unauthorized", "unauthorized", Attribution.US),
        (402, "low-balance", "no-credit", Attribution.US),
        (403, "low-balance", "no-credit", Attribution.US),
        (429, "rate-limit", "rate-limited", Attribution.US),
    ],
)
async def test_a_refusal_is_judged(
    server: Server, make_carrier: Any, status: int, word: str, reason: str, attribution: Attribution
) -> None:
    """A 4xx frees the call at once; its own words say why."""
    server.answers = [(status, {"type": f"https://developer.vonage.com/api-errors#{word}", "title": "T"})]
    placed = await place(make_carrier(server.url))
    assert placed.knowledge is Knowledge.REFUSED
    assert (placed.verdict.reason, placed.verdict.attribution) == (reason, attribution)
    assert len(server.posts()) == 1


async def test_nobody_listening_is_not_sent(make_carrier: Any) -> None:
    """A refused connection frees the call at once, and says something of the network."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    placed = await place(make_carrier(url))
    assert (placed.knowledge, placed.verdict.reason) == (Knowledge.NOT_SENT, "unreachable")
    assert placed.verdict.signal is Signal.FAILURE


async def test_a_deadline_that_has_passed_sends_nothing(server: Server, make_carrier: Any) -> None:
    """Too late is NotSent, and says nothing of the carrier."""
    server.answers = [(201, CREATED)]
    placed = await place(make_carrier(server.url), within_s=-1.0)
    assert (placed.knowledge, placed.verdict.signal) == (Knowledge.NOT_SENT, Signal.RELEASE)
    assert server.requests == []


async def test_a_closed_gate_sends_nothing(server: Server, make_carrier: Any) -> None:
    """A worker that lost its right to dial, loses it before the first byte."""
    server.answers = [(201, CREATED)]
    placed = await place(make_carrier(server.url), gate=lambda: False)
    assert (placed.knowledge, placed.verdict.reason) == (Knowledge.NOT_SENT, "gate-closed")
    assert server.requests == []


async def test_dials_run_side_by_side(server: Server, make_carrier: Any) -> None:
    """Two dials are two POSTs, each with its own token: the SDK's client is not shared between threads."""
    server.answers = [(201, CREATED)]
    carrier = make_carrier(server.url)
    placed = await asyncio.gather(*(place(carrier) for _ in range(2)))
    assert [one.knowledge for one in placed] == [Knowledge.ACCEPTED] * 2
    assert len({request["headers"]["authorization"] for request in server.posts()}) == 2


async def test_a_proxy_of_the_environment_is_not_used(server: Server, make_carrier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would carry the request past the gate that counts it."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers = [(201, CREATED)]
    assert (await place(make_carrier(server.url))).knowledge is Knowledge.ACCEPTED


async def test_refusals_are_not_logged_by_the_sdk(server: Server, make_carrier: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK would write bodies with numbers, and bearer tokens, into our log."""
    server.answers = [(400, {"detail": "15550100001"})]
    with caplog.at_level(logging.DEBUG):
        await place(make_carrier(server.url))
    assert not [record for record in caplog.records if record.name.startswith("vonage")]


# --- looking up --------------------------------------------------------------------------------------------------


def record(**changes: Any) -> dict[str, Any]:
    base = {
        "uuid": UUID,
        "conversation_uuid": "CON-1",
        "to": {"type": "phone", "number": "15550100001"},
        "from": {"type": "phone", "number": "15550190031"},
        "status": "ringing",
        "direction": "outbound",
    }
    return {**base, **changes}


def listed(*calls: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"count": len(calls), "_embedded": {"calls": list(calls)}}


async def test_a_known_leg_is_asked_for_by_id(server: Server, make_carrier: Any) -> None:
    """One GET, one sighting."""
    server.answers = [(200, record(status="answered"))]
    sighting = await make_carrier(server.url).find(HANDLE)
    assert (sighting.state, sighting.carrier_call_id) == (LegAtCarrier.ANSWERED, UUID)
    assert server.requests[0]["path"] == f"/v1/calls/{UUID}"


async def test_an_id_that_nobody_knows_is_missing(server: Server, make_carrier: Any) -> None:
    """404 is an answer, anything else that is not 2xx is none."""
    server.answers = [(404, {}), (503, {})]
    carrier = make_carrier(server.url)
    assert (await carrier.find(HANDLE)).state is LegAtCarrier.MISSING
    with pytest.raises(CarrierError, match="service-unavailable"):
        await carrier.find(HANDLE)


async def test_a_leg_without_id_is_sought_by_numbers_and_time(server: Server, make_carrier: Any) -> None:
    """Only a call between the same numbers, placed by us, in the seconds around the POST."""
    others = [record(uuid="1", to={"type": "phone", "number": "15550100002"}), record(uuid="2", direction="inbound")]
    socket_leg = record(uuid="3", to={"type": "websocket", "uri": "wss://x"})
    server.answers = [listed(*others, socket_leg, record())]
    handle = Handle(call_id="c", leg_id="l", to="+15550100001", caller_id="+15550190031", sent_at=1_790_000_000.0)
    sighting = await make_carrier(server.url).find(handle)
    assert (sighting.state, sighting.carrier_call_id) == (LegAtCarrier.RINGING, UUID)
    query = server.requests[0]["path"]
    assert "date_start=2026-09-21T14%3A13%3A15Z" in query
    assert "date_end=2026-09-21T14%3A13%3A40Z" in query


async def test_a_full_page_is_followed_by_the_next(server: Server, make_carrier: Any) -> None:
    """A busy account's list has more than one page."""
    noise = [record(uuid=str(index), direction="inbound") for index in range(100)]
    server.answers = [listed(*noise), listed(record())]
    sighting = await make_carrier(server.url).find(
        Handle(call_id="c", leg_id="l", to="+15550100001", caller_id="+15550190031", sent_at=1.0)
    )
    assert sighting.carrier_call_id == UUID
    assert "record_index=100" in server.requests[1]["path"]


async def test_a_look_up_that_gets_no_answer_says_so(server: Server, make_carrier: Any) -> None:
    """A dropped connection or a page in another language is no sighting."""
    server.answers = ["drop", (200, b"<html>")]
    carrier = make_carrier(server.url)
    for reason in ("unreachable", "unreadable-answer"):
        with pytest.raises(CarrierError, match=reason):
            await carrier.find(HANDLE)


# --- hanging up --------------------------------------------------------------------------------------------------


async def test_a_hang_up_is_one_put(server: Server, make_carrier: Any) -> None:
    """204 is obedience."""
    server.answers = [(204, b"")]
    await make_carrier(server.url).hang_up(HANDLE)
    (request,) = server.requests
    assert (request["method"], request["path"]) == ("PUT", f"/v1/calls/{UUID}")
    assert json.loads(request["body"]) == {"action": "hangup"}


@pytest.mark.parametrize("looked", [(404, {}), (200, record(status="completed"))])
@pytest.mark.parametrize("status", [400, 404, 409])
async def test_a_leg_that_is_gone_is_a_success(server: Server, make_carrier: Any, status: int, looked: Any) -> None:
    """What a finished call answers is not documented, so a look decides."""
    server.answers = [(status, {}), looked]
    await make_carrier(server.url).hang_up(HANDLE)
    assert [request["method"] for request in server.requests] == ["PUT", "GET"]


async def test_a_leg_that_lives_on_is_a_failure(server: Server, make_carrier: Any) -> None:
    """A 404 for a live call (another region's) is not obedience."""
    server.answers = [(404, {}), (200, record(status="answered"))]
    with pytest.raises(CarrierError, match="not-obeyed"):
        await make_carrier(server.url).hang_up(HANDLE)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_an_unheard_hang_up_is_a_failure(server: Server, make_carrier: Any, status: int) -> None:
    """These answers say nothing of the call: it must be tried again."""
    server.answers = [(status, {})]
    with pytest.raises(CarrierError):
        await make_carrier(server.url).hang_up(HANDLE)
    assert len(server.requests) == 1


async def test_a_leg_without_id_is_sought_first(server: Server, make_carrier: Any) -> None:
    """What is found is hung up; what has ended is left alone; an empty id is never put into a URL."""
    bare = Handle(call_id="c", leg_id="l", to="+15550100001", caller_id="+15550190031", sent_at=time.time() - 60)
    server.answers = [listed(record()), (204, b""), listed(record(status="completed")), listed()]
    carrier = make_carrier(server.url)
    for _ in range(3):
        await carrier.hang_up(bare)
    paths = [(request["method"], request["path"].partition("?")[0]) for request in server.requests]
    assert paths == [("GET", "/v1/calls"), ("PUT", f"/v1/calls/{UUID}"), ("GET", "/v1/calls"), ("GET", "/v1/calls")]


async def test_a_leg_that_may_yet_appear_is_not_given_up(server: Server, make_carrier: Any) -> None:
    """Soon after the POST an empty list proves nothing."""
    server.answers = [listed()]
    bare = Handle(call_id="c", leg_id="l", to="+15550100001", caller_id="+15550190031", sent_at=time.time())
    with pytest.raises(CarrierError, match="not-listed-yet"):
        await make_carrier(server.url).hang_up(bare)


# --- health and check --------------------------------------------------------------------------------------------


async def test_a_probe_is_one_signed_get(server: Server, make_carrier: Any) -> None:
    """It asks the voice plane, with the application's token."""
    server.answers = [listed()]
    health = await make_carrier(server.url).probe()
    assert (health.verdict, server.requests[0]["path"]) == (None, "/v1/calls?page_size=1")
    assert server.requests[0]["headers"]["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("answer", "reason", "signal"),
    [
        ((401, {}), "unauthorized", Signal.MISCONFIGURED),
        ((503, {}), "service-unavailable", Signal.FAILURE),
        ("drop", "unreachable", Signal.FAILURE),
    ],
    ids=str,
)
async def test_a_probe_never_raises(server: Server, make_carrier: Any, answer: Any, reason: str, signal: Signal) -> None:
    """Every failure is a verdict."""
    server.answers = [answer]
    health = await make_carrier(server.url).probe()
    assert health.verdict is not None
    assert (health.verdict.reason, health.verdict.signal) == (reason, signal)


async def test_check_looks_at_application_balance_and_numbers(server: Server, make_carrier: Any) -> None:
    """Three findings; the account plane is asked with key and secret."""
    numbers = {"count": 1, "numbers": [{"msisdn": "15550190031", "country": "US"}]}
    server.answers = [listed(), (200, {"value": 12.5, "autoReload": True}), (200, numbers)]
    findings = await make_carrier(server.url).check()
    assert [(finding.what, finding.ok) for finding in findings] == [("application", True), ("balance", True), ("numbers", True)]
    assert [finding.detail for finding in findings[1:]] == ["12.50 EUR", "+15550190031"]
    basic = base64.b64encode(b"abcd1234:shh").decode()
    assert [request["headers"]["authorization"] for request in server.requests[1:]] == [f"Basic {basic}"] * 2


@pytest.mark.parametrize(
    "answers", [[(401, {})], [(200, {})], ["drop"], [listed(), (200, {"value": 0}), (200, {"count": 0})]], ids=str
)
async def test_check_names_a_cure_for_what_is_wrong(server: Server, make_carrier: Any, answers: list[Any]) -> None:
    """Whatever is wrong, check does not raise, and every failed finding says what to do."""
    server.answers = answers
    findings = await make_carrier(server.url).check()
    assert [finding.what for finding in findings] == ["application", "balance", "numbers"]
    assert not findings[1].ok
    assert not findings[2].ok
    assert all(finding.cure for finding in findings if not finding.ok)


# --- opening -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pem",
    ["", "garbage", "/no/such/file.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "pkcs1"],
)
def test_a_key_that_cannot_sign_is_known_at_once(pem: str, key: tuple[str, Any]) -> None:
    """Opening names the setting and the cure, instead of failing every dial later."""
    old = key[0].replace("BEGIN PRIVATE", "BEGIN RSA PRIVATE").replace("END PRIVATE", "END RSA PRIVATE")
    settings = CarrierSettings(name="backup", credentials=credentials(old if pem == "pkcs1" else pem))
    with pytest.raises(Misconfigured, match=r"carriers\.backup\.private_key"):
        KIND.open(settings, time.time)


@pytest.mark.parametrize("form", ["escaped", "file"])
async def test_a_key_may_come_from_an_environment_or_a_file(
    form: str, key: tuple[str, Any], tmp_path: Any, server: Server
) -> None:
    """Line ends as two characters, and a path without a dot, are understood."""
    path = tmp_path / "vonage-private-key"
    path.write_text(key[0])
    text = key[0].replace("\n", "\\n") if form == "escaped" else str(path)
    settings = CarrierSettings(name="vonage", credentials=credentials(text), base_url=server.url)
    server.answers = [listed()]
    carrier = KIND.open(settings, time.time)
    assert (await carrier.probe()).verdict is None
    await carrier.aclose()


@pytest.mark.parametrize(
    ("region_url", "base_url", "host"),
    [
        ("https://api-us-3.vonage.com", None, "api-us-3.vonage.com"),
        ("https://api-eu.nexmo.com", None, "api-eu.nexmo.com"),
        ("", None, "api.nexmo.com"),
        ("https://evil.example.com", None, "api.nexmo.com"),
        ("https://api-us-3.vonage.com.example.com", None, "api.nexmo.com"),
        ("https://api-us-3.vonage.com", "http://127.0.0.1:1", "api.nexmo.com"),
    ],
)
def test_a_live_call_is_controlled_in_its_region(make_carrier: Any, region_url: str, base_url: str | None, host: str) -> None:
    """Only the carrier's own hosts are believed, and none where the configuration names another place."""
    handle = Handle(call_id="c", leg_id="l", to="", caller_id="", carrier_data={"region_url": region_url})
    assert make_carrier(base_url)._host(handle) == host
