"""Telnyx through its real SDK against the lab's Telnyx: what is sent, how often, and what is understood of the answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection, serve

from carriers.contract import Attempt, Carrier, CarrierSettings, Handle, Health, HookRequest, LegAtCarrier, Sighting
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.telnyx import KIND, Credentials
from carriers.telnyx.webhooks import tag_of
from gateway.domain.errors import CarrierError, Misconfigured
from gateway.domain.events import LegAnswered, LegEnded, LegProgressed
from gateway.domain.media import Audio, MarkPlayed, StreamEvent, StreamStarted
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Signal

TO = "+15550100001"
OPEN: Callable[[], bool] = lambda: True  # noqa: E731


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_lab() -> AsyncIterator[Lab]:
    """A lab with Telnyx alone, for all tests of this module."""
    async with Lab(kinds=("telnyx",)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_carrier(one_lab: Lab) -> AsyncIterator[Carrier]:
    """The carrier, opened on the lab."""
    async with opened(one_lab) as carrier:
        yield carrier


@pytest_asyncio.fixture(loop_scope="module")
async def lab(one_lab: Lab) -> Lab:
    """The lab as it was in the beginning: no calls, no faults, an empty ledger."""
    one_lab.reset()
    return one_lab


@pytest_asyncio.fixture(loop_scope="module")
async def telnyx(lab: Lab, one_carrier: Carrier) -> Carrier:
    """The carrier on a fresh lab."""
    return one_carrier


def settings(lab: Lab, **changes: str) -> CarrierSettings:
    given = lab.credentials("telnyx") | changes
    fields = {name: given[name] for name in Credentials.__struct_fields__}
    return CarrierSettings(name="telnyx", credentials=Credentials(**fields), base_url=given["base_url"])


@asynccontextmanager
async def opened(lab: Lab, **changes: str) -> AsyncIterator[Carrier]:
    carrier: Carrier = KIND.open(settings(lab, **changes), time.time)
    try:
        yield carrier
    finally:
        await carrier.aclose()


def attempt(lab: Lab, leg: str = "leg_1", to: str = TO, **more: Any) -> Attempt:
    plain = {
        "public_url": "http://127.0.0.1:9",
        "carrier": "telnyx",
        "media_token": "tok",
        "caller_id": lab.credentials("telnyx")["numbers"][0],
    }
    return Attempt(call_id="call_1", leg_id=leg, to=to, **(plain | more))


def handle(leg: str = "leg_1", to: str = TO, call: str = "") -> Handle:
    return Handle(call_id="call_1", leg_id=leg, to=to, caller_id="+15550190001", carrier_call_id=call, sent_at=time.time())


def soon(seconds: float = 10.0) -> float:
    return time.time() + seconds


def dials(lab: Lab) -> int:
    return len(lab.ledger.entries("dial"))


# --- placing -----------------------------------------------------------------------------------------------------


async def test_a_dial_is_accepted_and_the_phone_rings(lab: Lab, telnyx: Carrier) -> None:
    """One POST; its answer carries the id by which Telnyx knows the leg."""
    placed = await telnyx.place(attempt(lab), soon(), OPEN)
    assert (placed.knowledge, placed.verdict) == (Knowledge.ACCEPTED, None)
    (ring,) = await lab.until("ring", number=TO)
    assert (ring.carrier_call_id, dials(lab)) == (placed.carrier_call_id, 1)


async def test_what_the_dial_carries(lab: Lab) -> None:
    """Tag, hook, stream and limits are in the one request, so that the answer needs no command."""
    bodies: list[dict[str, Any]] = []
    async with recorder(bodies) as base_url, opened(lab, base_url=f"{base_url}/v2") as carrier:
        wanted = attempt(lab, ring_timeout_s=3, max_duration_s=20_000)
        placed = await carrier.place(wanted, soon(), OPEN)
    assert placed.knowledge is Knowledge.REFUSED
    assert bodies == [
        {
            "connection_id": lab.credentials("telnyx")["connection_id"],
            "from": wanted.caller_id,
            "to": TO,
            "client_state": tag_of("leg_1"),
            "command_id": "leg_1",
            "webhook_url": "http://127.0.0.1:9/carriers/telnyx/hooks/call_1/leg_1/events",
            "webhook_url_method": "POST",
            "timeout_secs": 5,
            "retry_on_timeout": False,
            "time_limit_secs": 14_400,
            "stream_url": "ws://127.0.0.1:9/carriers/telnyx/media/call_1/leg_1/tok",
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_sampling_rate": 8000,
            "stream_bidirectional_target_legs": "self",
        }
    ]


@asynccontextmanager
async def recorder(bodies: list[dict[str, Any]], reply: RestReply | None = None) -> AsyncIterator[str]:
    """A server that keeps every body and answers all alike."""

    def answer(request: RestRequest) -> Answer:
        bodies.append(msgspec.json.decode(request.body))
        return Answer(reply=reply or RestReply(status=400))

    listener = HttpListener("127.0.0.1")
    listener.start(answer)
    try:
        yield listener.base_url
    finally:
        await listener.aclose()


AMBIGUOUS = {
    "answers 500 after placing": {"kind": "http_error", "status": 500, "after_placing": True},
    "closes after taking the request": {"kind": "drop_after_accept"},
    "answers too late": {"kind": "slow", "s": 5.0},
}


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_one_dial_is_one_post_however_it_fails(lab: Lab, telnyx: Carrier, fault: dict[str, Any]) -> None:
    """The SDK alone would send three; what is not known to have failed is Unknown, and can be found by its tag."""
    lab.set_faults("telnyx", [fault])
    placed = await telnyx.place(attempt(lab), soon(2.5), OPEN)
    assert placed.knowledge is Knowledge.UNKNOWN
    assert placed.verdict is not None
    await lab.until("ring", number=TO)
    assert dials(lab) == len(lab.ledger.entries("ring")) == 1
    lab.clear_faults("telnyx")
    sighting = await telnyx.find(handle())
    assert sighting.state in {LegAtCarrier.ACCEPTED, LegAtCarrier.ANSWERED}
    assert sighting.carrier_call_id == lab.ledger.entries("ring")[0].carrier_call_id


@pytest.mark.parametrize(
    ("fault", "knowledge", "reason", "signal"),
    [
        ({"kind": "rate_limited"}, Knowledge.REFUSED, "rate-limited", Signal.RELEASE),
        ({"kind": "auth_error"}, Knowledge.REFUSED, "wrong-credentials", Signal.MISCONFIGURED),
        ({"kind": "suspended"}, Knowledge.REFUSED, "account-suspended", Signal.MISCONFIGURED),
        ({"kind": "http_error", "status": 429, "code": "90103"}, Knowledge.REFUSED, "pace-limit", Signal.RELEASE),
        ({"kind": "http_error", "status": 409}, Knowledge.REFUSED, "platform-error", Signal.FAILURE),
        ({"kind": "http_error", "status": 503}, Knowledge.UNKNOWN, "platform-error", Signal.FAILURE),
    ],
)
async def test_a_refusal_is_sent_once_and_judged_by_its_code(
    lab: Lab, telnyx: Carrier, fault: dict[str, Any], knowledge: Knowledge, reason: str, signal: Signal
) -> None:
    """408, 409, 429 and 5xx are what the SDK would repeat by itself."""
    lab.set_faults("telnyx", [fault])
    placed = await telnyx.place(attempt(lab), soon(), OPEN)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, placed.verdict.signal) == (knowledge, reason, signal)
    assert dials(lab) == 1


async def test_a_number_in_no_e164_is_refused_as_invalid(lab: Lab, telnyx: Carrier) -> None:
    """Telnyx names the field; the call ends, for no carrier can dial that."""
    placed = await telnyx.place(attempt(lab, to="+0"), soon(), OPEN)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.outcome, placed.verdict.code) == (
        Knowledge.REFUSED,
        Outcome.INVALID_NUMBER,
        "10016",
    )


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b'{"data":null}', b'{"data":{"call_control_id":""}}', b"[]"])
async def test_a_success_that_cannot_be_read_is_unknown(lab: Lab, body: bytes) -> None:
    """A 200 without the leg's id may be a proxy's page or a placed call: look it up."""
    kind = "text/html" if body.startswith(b"<") else "application/json"
    bodies: list[dict[str, Any]] = []
    reply = RestReply(status=200, body=body, content_type=kind)
    async with recorder(bodies, reply) as base_url, opened(lab, base_url=f"{base_url}/v2") as carrier:
        placed = await carrier.place(attempt(lab), soon(), OPEN)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, len(bodies)) == (Knowledge.UNKNOWN, "unreadable-answer", 1)


async def test_nobody_listens(lab: Lab, telnyx: Carrier) -> None:
    """A refused connection is NotSent: another carrier may dial at once."""
    lab.set_faults("telnyx", [{"kind": "down"}])
    placed = await telnyx.place(attempt(lab), soon(), OPEN)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, dials(lab)) == (Knowledge.NOT_SENT, "unreachable", 0)


async def test_too_late_to_begin(lab: Lab, telnyx: Carrier) -> None:
    """A dial whose deadline has passed never leaves."""
    placed = await telnyx.place(attempt(lab), time.time() - 0.1, OPEN)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, dials(lab)) == (Knowledge.NOT_SENT, "deadline-passed", 0)


async def test_the_gate_has_the_last_word(lab: Lab, telnyx: Carrier) -> None:
    """A dial that is no longer ours never leaves, and says nothing against the carrier, whatever the SDK makes of it."""
    placed = await telnyx.place(attempt(lab), soon(), lambda: False)
    assert placed.verdict is not None
    found = (placed.knowledge, placed.verdict.reason, placed.verdict.signal, dials(lab))
    assert found == (Knowledge.NOT_SENT, "gate-closed", Signal.RELEASE, 0)


async def test_two_dials_at_once(lab: Lab, telnyx: Carrier) -> None:
    """Each has its own thread and client; both are placed, once each."""
    other = "+15550100002"
    both = await asyncio.gather(
        telnyx.place(attempt(lab), soon(), OPEN), telnyx.place(attempt(lab, leg="leg_2", to=other), soon(), OPEN)
    )
    assert [placed.knowledge for placed in both] == [Knowledge.ACCEPTED] * 2
    await lab.until("ring", count=2)
    assert {entry.number for entry in lab.ledger.entries("dial")} == {TO, other}
    assert dials(lab) == 2


async def test_the_environment_changes_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads its URL, key and OAuth client from the environment; the configuration stands above it."""
    for name in ("API_KEY", "BASE_URL", "CLIENT_ID", "CLIENT_SECRET", "PUBLIC_KEY"):
        monkeypatch.setenv(f"TELNYX_{name}", "http://127.0.0.1:9/v2")
    async with opened(lab) as carrier:
        assert (await carrier.place(attempt(lab), soon(), OPEN)).knowledge is Knowledge.ACCEPTED


# --- looking up --------------------------------------------------------------------------------------------------


async def found(look: Callable[[], Awaitable[Sighting]], state: LegAtCarrier) -> Sighting:
    """Ask until the carrier says so; each question waits for its answer."""
    async with asyncio.timeout(5):
        while (sighting := await look()).state is not state:
            pass
    return sighting


@pytest.mark.parametrize("by", ["id", "tag"])
async def test_a_leg_is_found_through_its_whole_life(lab: Lab, telnyx: Carrier, by: str) -> None:
    """By its id or by our tag: accepted, answered, and how it ended, all without one webhook."""
    lab.phones.put(TO, behavior="no_answer")
    placed = await telnyx.place(attempt(lab), soon(), OPEN)
    await lab.until("ring")
    asked = handle(call=placed.carrier_call_id if by == "id" else "")
    first = await telnyx.find(asked)
    assert (first.state, first.carrier_call_id) == (LegAtCarrier.ACCEPTED, placed.carrier_call_id)
    assert lab.phones.answer(TO)
    assert (await found(lambda: telnyx.find(asked), LegAtCarrier.ANSWERED)).carrier_call_id == placed.carrier_call_id
    lab.phones.hang_up(TO)
    ended = await found(lambda: telnyx.find(asked), LegAtCarrier.ENDED)
    assert ended.verdict is not None
    assert (ended.carrier_call_id, ended.verdict.outcome) == (placed.carrier_call_id, Outcome.COMPLETED)


@pytest.mark.parametrize("shape", ["event", "absent"])
async def test_the_log_of_events_may_have_another_shape_or_none(shape: str) -> None:
    """Its shape is unpublished: in another nesting it is understood, and without it an end frees no other carrier."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": {"call_events": shape}}) as lab, opened(lab) as telnyx:
        lab.phones.put(TO, behavior="busy")
        placed = await telnyx.place(attempt(lab), soon(), OPEN)
        await lab.until("hangup")
        sighting = await found(lambda: telnyx.find(handle(call=placed.carrier_call_id)), LegAtCarrier.ENDED)
        assert sighting.verdict is not None
        assert sighting.verdict.reason == ("user-busy" if shape == "event" else "ended-unseen")
        by_tag = await telnyx.find(handle())
        assert by_tag.state is (LegAtCarrier.ENDED if shape == "event" else LegAtCarrier.MISSING)


async def test_an_ended_leg_that_telnyx_forgot_is_still_in_its_log() -> None:
    """A status that is gone does not make a leg unknown whose end stands in the log."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": {"status_kept_s": -1.0}}) as lab, opened(lab) as telnyx:
        lab.phones.put(TO, behavior="busy")
        placed = await telnyx.place(attempt(lab), soon(), OPEN)
        await lab.until("hangup")
        sighting = await found(lambda: telnyx.find(handle(call=placed.carrier_call_id)), LegAtCarrier.ENDED)
        assert sighting.verdict is not None
        assert sighting.verdict.outcome is Outcome.BUSY


async def test_a_leg_that_was_never_placed_is_missing(lab: Lab, telnyx: Carrier) -> None:
    """Other legs to the same number are not mistaken for it."""
    await telnyx.place(attempt(lab), soon(), OPEN)
    assert (await telnyx.find(handle(leg="leg_2"))).state is LegAtCarrier.MISSING
    assert (await telnyx.find(handle(call="v3:unknown"))).state is LegAtCarrier.MISSING


async def test_a_leg_is_found_on_the_second_page_and_an_endless_list_ends(lab: Lab) -> None:
    """Pages are asked for until one brings nothing new, whatever the carrier says of their number."""
    calls = [
        {
            "call_control_id": f"v3:{n}",
            "call_leg_id": "l",
            "call_session_id": "s",
            "client_state": tag_of(f"leg_{n}"),
            "call_duration": 1,
        }
        for n in range(300)
    ]
    pages: list[str] = []

    def answer(request: RestRequest) -> Answer:
        if "active_calls" not in request.path:
            return Answer(reply=RestReply(status=404))
        pages.append(request.query)
        second = "number%5D=2" in request.query
        body = {"data": calls[250:] if second else calls[:250]}
        return Answer(reply=RestReply(status=200, body=json.dumps(body).encode()))

    listener = HttpListener("127.0.0.1")
    listener.start(answer)
    try:
        async with opened(lab, base_url=f"{listener.base_url}/v2") as carrier:
            assert (await carrier.find(handle(leg="leg_299"))).carrier_call_id == "v3:299"
            calls[250:] = calls[:250]  # from now on the page's number changes nothing
            assert (await carrier.find(handle(leg="leg_999"))).state is LegAtCarrier.MISSING
    finally:
        await listener.aclose()
    assert len(pages) == 4


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "http_error", "status": 503}, "platform-error"),
        ({"kind": "auth_error"}, "wrong-credentials"),
        ({"kind": "down"}, "unreachable"),
    ],
)
async def test_a_question_without_an_answer_is_an_error(lab: Lab, telnyx: Carrier, fault: dict[str, Any], reason: str) -> None:
    """A look-up that failed never says that the leg is missing."""
    lab.set_faults("telnyx", [fault])
    with pytest.raises(CarrierError) as caught:
        await telnyx.find(handle())
    assert caught.value.reason == reason


# --- hanging up --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
async def test_hanging_up_ends_the_leg_and_may_be_repeated(lab: Lab, telnyx: Carrier, known: bool) -> None:
    """By its id, or searched by its tag; a leg that is gone is a success."""
    lab.phones.put(TO, behavior="no_answer")
    placed = await telnyx.place(attempt(lab), soon(), OPEN)
    await lab.until("ring")
    asked = handle(call=placed.carrier_call_id if known else "")
    for _ in range(2):
        await telnyx.hang_up(asked)
    (hangup,) = await lab.until("hangup")
    assert (hangup.more["by"], hangup.more["cause"]) == ("carrier", "canceled")


async def test_hanging_up_nothing_is_a_success_and_touches_no_other_leg(lab: Lab, telnyx: Carrier) -> None:
    """A leg that Telnyx does not know is not there; the leg beside it rings on."""
    await telnyx.place(attempt(lab), soon(), OPEN)
    await telnyx.hang_up(handle(leg="leg_2"))
    await telnyx.hang_up(handle(call="v3:unknown"))
    assert lab.ledger.entries("hangup") == []


async def test_a_carrier_that_does_not_obey_is_an_error(lab: Lab, telnyx: Carrier) -> None:
    """The caller of hang_up must know that the leg may live on."""
    placed = await telnyx.place(attempt(lab), soon(), OPEN)
    lab.set_faults("telnyx", [{"kind": "http_error", "status": 500}])
    with pytest.raises(CarrierError, match="platform-error"):
        await telnyx.hang_up(handle(call=placed.carrier_call_id))


# --- health ------------------------------------------------------------------------------------------------------


async def test_a_healthy_carrier(lab: Lab, telnyx: Carrier) -> None:
    """A probe of a well carrier has no verdict; a check lists what it found, the account's numbers too."""
    assert (await telnyx.probe()).verdict is None
    findings = {finding.what: finding for finding in await telnyx.check()}
    assert all(finding.ok for finding in findings.values())
    assert set(findings) == {"credentials", "connection", "numbers"}
    assert "400.00 USD" in findings["credentials"].detail
    assert findings["numbers"].detail == ", ".join(lab.credentials("telnyx")["numbers"])


@pytest.mark.parametrize(
    ("fault", "reason", "signal"),
    [
        ({"kind": "auth_error"}, "wrong-credentials", Signal.MISCONFIGURED),
        ({"kind": "http_error", "status": 503}, "platform-error", Signal.FAILURE),
        ({"kind": "down"}, "unreachable", Signal.FAILURE),
    ],
)
async def test_an_ill_carrier(lab: Lab, telnyx: Carrier, fault: dict[str, Any], reason: str, signal: Signal) -> None:
    """Neither a probe nor a check raises; each finding names a cure."""
    lab.set_faults("telnyx", [fault])
    health: Health = await telnyx.probe()
    assert health.verdict is not None
    assert (health.verdict.reason, health.verdict.signal) == (reason, signal)
    findings = await telnyx.check()
    assert [(finding.ok, bool(finding.cure)) for finding in findings] == [(False, True)] * 3


@pytest.mark.parametrize(
    ("knob", "bad"),
    [({"available_credit": "0.00"}, "credentials"), ({"webhook_api_version": "1"}, "connection")],
)
async def test_a_check_finds_what_a_probe_does_not(knob: dict[str, str], bad: str) -> None:
    """An account without credit, and an application that still sends version 1 webhooks."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": knob}) as lab, opened(lab) as carrier:
        assert (await carrier.probe()).verdict is None
        assert [finding.what for finding in await carrier.check() if not finding.ok] == [bad]


async def test_a_wrong_connection_is_found(lab: Lab) -> None:
    """The connection's id is asked for by itself."""
    async with opened(lab, connection_id="1") as carrier:
        (finding,) = [finding for finding in await carrier.check() if not finding.ok]
    assert (finding.what, "connection_id" in finding.cure) == ("connection", True)


@pytest.mark.parametrize(("field", "value"), [("api_key", ""), ("public_key", "no key"), ("public_key", "")])
async def test_credentials_that_cannot_work_are_refused_at_once(lab: Lab, field: str, value: str) -> None:
    """The SDK would send unauthenticated requests without a word."""
    with pytest.raises(Misconfigured, match=field):
        KIND.open(settings(lab, **{field: value}), time.time)


# --- a whole call ------------------------------------------------------------------------------------------------


class Gateway:
    """Webhooks and media socket of one leg, through the adapter, as the gateway would."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.events: list[Any] = []
        self.stream: list[StreamEvent] = []
        self.keys: set[str] = set()
        self._news = asyncio.Event()

    def hook(self, request: RestRequest) -> Answer:
        path = request.path.removeprefix("/carriers/telnyx/hooks/").split("/")
        heard = HookRequest(
            method=request.method,
            url=request.path,
            path=path[2],
            headers=request.headers,
            body=request.body,
            call_id=path[0],
            leg_id=path[1],
        )
        key = self.carrier.webhooks.verify(heard, time.time()).key
        if key not in self.keys:
            self.keys.add(key)
            self.events += self.carrier.webhooks.parse(heard, time.time()).events
        self._news.set()
        return Answer(reply=RestReply(status=200))

    async def media(self, socket: ServerConnection) -> None:
        codec = self.carrier.media()
        await socket.send(codec.audio(b"\x01" * 160))
        await socket.send(codec.mark("said"))
        async for frame in socket:
            self.stream += codec.decode(frame)
            self._news.set()

    async def until(self, told: Callable[[list[Any], list[StreamEvent]], bool]) -> None:
        async with asyncio.timeout(5):
            while not told(self.events, self.stream):
                self._news.clear()
                await self._news.wait()


class SplitAttempt(Attempt, frozen=True, kw_only=True):
    """An attempt whose media socket has a port of its own; the gateway has one port for both."""

    socket_url: str = ""

    @property
    def media_url(self) -> str:
        return self.socket_url


async def test_a_whole_call_through_webhooks_and_media(lab: Lab, telnyx: Carrier) -> None:
    """Every webhook passes our own key check and is understood once; sound and marks go both ways; the end is judged."""
    lab.phones.put(TO, behavior="answer", answer_after_s=0.2, says="tone")
    lab.set_faults("telnyx", [{"kind": "webhooks_twice"}])
    gateway, listener = Gateway(telnyx), HttpListener("127.0.0.1")
    listener.start(gateway.hook)
    async with serve(gateway.media, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        plain = msgspec.structs.asdict(attempt(lab, public_url=listener.base_url))
        placed = await telnyx.place(SplitAttempt(**plain, socket_url=f"ws://127.0.0.1:{port}/media"), soon(), OPEN)
        await gateway.until(lambda _, stream: MarkPlayed("said") in stream and any(isinstance(it, Audio) for it in stream))
        lab.phones.hang_up(TO)
        await gateway.until(lambda events, _: any(isinstance(event, LegEnded) for event in events))
    await listener.aclose()
    assert isinstance(gateway.stream[0], StreamStarted)
    assert gateway.stream[0].carrier_call_id == placed.carrier_call_id
    assert [type(event) for event in gateway.events] == [LegProgressed, LegAnswered, LegEnded]
    assert {event.carrier_call_id for event in gateway.events} == {placed.carrier_call_id}
    assert gateway.events[-1].verdict.outcome is Outcome.COMPLETED
    assert len(lab.ledger.entries("bridge")) == 1
    assert lab.ledger.entries("rejected_frame") == lab.ledger.entries("refused") == []
