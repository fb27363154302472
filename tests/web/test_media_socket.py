"""The media sockets on a real server, with a carrier, a core and a store made of paper."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping, MutableMapping
from typing import Any

import pytest
import structlog.testing
import uvicorn
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from agent.contract import CallInfo
from agent.echo import Echo, EchoSession
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.errors import BadSignature, Malformed, StoreUnavailable
from gateway.domain.events import LegEvent, StreamClosed, StreamFailed, StreamOpened
from gateway.domain.media import MULAW_8K, Audio, Digit, MarkPlayed, StreamEvent, StreamStarted
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call, Leg, MediaCounters
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.bridge import Bridge
from gateway.runtime.casting import Casting, Gone
from gateway.runtime.ticker import Ticker
from gateway.web.media import MediaSockets, takes
from gateway.web.media_port import WAITING_LIMIT, SocketPort
from gateway.web.media_socket import MALFORMED_LIMIT, MESSAGE_LIMIT

TOKEN = "tok-S3cret_" + "x" * 21
WAIT_S = 5.0


class PaperCodec:
    """`start`, `media`, `key`, `mark` as JSON; sound in hex."""

    sends = MULAW_8K

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        try:
            told = json.loads(frame)
            return self._events(told)
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed("garbage", str(error)) from error

    def audio(self, payload: bytes) -> str | bytes:
        return json.dumps({"media": payload.hex()})

    def mark(self, name: str) -> str | bytes:
        return json.dumps({"mark": name})

    def clear(self) -> str | bytes:
        return json.dumps({"clear": True})

    def _events(self, told: dict[str, str]) -> tuple[StreamEvent, ...]:
        words = {
            "connected": lambda _value: (),
            "start": lambda value: (StreamStarted("S1", value, MULAW_8K),),
            "media": lambda value: (Audio(bytes.fromhex(value)),),
            "key": lambda value: (Digit(value),),
            "mark": lambda value: (MarkPlayed(value),),
            "bug": lambda _value: 1 // 0,
        }
        ((word, value),) = told.items()
        return words[word](value)


class PaperWebhooks:
    """`x-signed` is the signature: `yes` is right, `no` is wrong, and without it nothing is signed."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        self.asked.append((url, headers))
        if headers.get("x-signed") == "no":
            raise BadSignature("wrong")
        return "x-signed" in headers


class PaperCarrier:
    def __init__(self, name: str) -> None:
        self.name = name
        self.webhooks = PaperWebhooks()

    def media(self) -> PaperCodec:
        return PaperCodec()


class CountingEcho(Echo):
    """An echo that remembers its sessions."""

    def __init__(self) -> None:
        self.sessions: dict[str, EchoSession] = {}

    def session(self, call: CallInfo) -> EchoSession:
        self.sessions[call.call_id] = super().session(call)
        return self.sessions[call.call_id]


class House:
    """Sockets, bridge and core on one loopback port. `now` moves only by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: dict[str, Call] = {}
        self.carriers = {name: PaperCarrier(name) for name in ("one", "two")}
        self.reports: list[tuple[str, LegEvent]] = []
        self.reported = asyncio.Condition()
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.ends: list[tuple[str, str]] = []
        self.store_is_up = True
        self.condemn_on_open = False
        self.loads = 0
        self.closing, self.may_close = asyncio.Event(), asyncio.Event()
        self.may_close.set()
        self.agent = CountingEcho()
        self.port = 0
        self.bridge = Bridge(
            casting=Casting({"echo": self.agent}, self._count, health=AgentHealth((), BreakerPolicy(), lambda: self.now)),
            ticker=Ticker.of_running_loop(),
            report=self._report,
            end_call=self._end_call,
            on_gone=self._on_gone,
            store_media=self._store_media,
            clock=lambda: self.now,
        )
        self.sockets = MediaSockets(
            carriers=self.carriers,  # type: ignore[arg-type]
            load=self._load,
            bridge=self.bridge,
            public_url="https://gw.example.com",
            clock=lambda: self.now,
            count=self._count,
            start_within_s=0.5,
        )

    def add(self, call_id: str = "call_1", **leg_changes: Any) -> Leg:
        leg = Leg(
            id=f"leg_{call_id}",
            call_id=call_id,
            carrier="one",
            caller_id="+15550190001",
            media_token=TOKEN,
            round=1,
            created_at=1.0,
            phase=LegPhase.RINGING,
            carrier_call_id="CA1",
        )
        leg = replace(leg, **leg_changes)
        self.calls[call_id] = Call(
            id=call_id,
            to="+15550100001",
            session_id="ses_1",
            created_at=1.0,
            expires_at=9999.0,
            agent="echo",
            legs=(leg,),
        )
        return leg

    def change(self, call_id: str = "call_1", **leg_changes: Any) -> None:
        call = self.calls[call_id]
        self.calls[call_id] = replace(call, legs=(replace(call.legs[0], **leg_changes),))

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def open(self, call_id: str = "call_1", *, path: str = "", **headers: str) -> connect:
        path = path or f"/carriers/one/media/{call_id}/leg_{call_id}/{TOKEN}"
        return connect(self.url(path), compression=None, proxy=None, additional_headers=headers, close_timeout=WAIT_S)

    async def until(self, *kinds: type[LegEvent]) -> list[LegEvent]:
        """The reports so far, once they are of these kinds."""
        async with self.reported, asyncio.timeout(WAIT_S):
            await self.reported.wait_for(lambda: [type(event) for _, event in self.reports] == list(kinds))
        return [event for _, event in self.reports]

    def results(self) -> list[str]:
        return [labels["result"] for name, labels in self.counted if name == "media_sockets_total"]

    async def app(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        assert takes(scope)
        await self.sockets(scope, receive, send)

    async def _load(self, call_id: str) -> Call | None:
        if not self.store_is_up:
            raise StoreUnavailable("gone")
        async with self.reported:
            self.loads += 1
            self.reported.notify_all()
        return self.calls.get(call_id)

    async def _report(self, call_id: str, leg_id: str, event: LegEvent) -> Call:
        leg = self.calls[call_id].legs[0]
        if isinstance(event, StreamOpened):
            phase = LegPhase.CONDEMNED if self.condemn_on_open else LegPhase.ANSWERED
            known = leg.carrier_call_id or event.carrier_call_id
            self.change(call_id, streams=leg.streams + 1, stream_open=True, phase=phase, carrier_call_id=known)
        else:
            self.closing.set()
            await self.may_close.wait()
            self.change(call_id, stream_open=False)
        async with self.reported:
            self.reports.append((leg_id, event))
            self.reported.notify_all()
        return self.calls[call_id]

    async def _on_gone(self, gone: Gone) -> None:
        self.ends.append((gone.call.id, gone.reason))

    async def _end_call(self, call_id: str, by: str) -> None:
        self.ends.append((call_id, by))

    async def _store_media(self, call_id: str, leg_id: str, counters: MediaCounters) -> None:
        """Kept by another test."""

    def _count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted.append((name, labels))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    listener = socket.create_server(("127.0.0.1", 0))
    house.port = listener.getsockname()[1]
    config = uvicorn.Config(
        house.app, interface="asgi3", ws="websockets-sansio", lifespan="off", log_config=None, ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield house
    finally:
        await house.bridge.aclose()
        server.config.timeout_graceful_shutdown = 2
        await server.shutdown(sockets=[listener])


async def says(line: ClientConnection, **word: str) -> None:
    await line.send(json.dumps(word))


async def hears(line: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await asyncio.wait_for(line.recv(), WAIT_S))
    return told


async def closed(line: ClientConnection) -> tuple[int, str]:
    """The code and reason with which the gateway closed."""
    await asyncio.wait_for(line.wait_closed(), WAIT_S)
    return line.close_code or 0, line.close_reason or ""


async def talks(line: ClientConnection, tag: str = "11", call_id: str = "CA1") -> None:
    """Start, one frame, and its echo."""
    await says(line, start=call_id)
    await says(line, media=tag * 160)
    assert await hears(line) == {"media": tag * 160}


# --- the way in ----------------------------------------------------------------------------------------------------


async def test_a_leg_s_own_socket_carries_sound_both_ways(house: House) -> None:
    """Opened, coupled, heard, answered, and closed with the carrier's hang-up."""
    house.add()
    async with house.open() as line:
        await says(line, connected="")
        await talks(line)
    events = await house.until(StreamOpened, StreamClosed)
    assert events[0].carrier_call_id == "CA1"
    assert house.results() == ["accepted"]


@pytest.mark.parametrize(
    ("path", "changes", "headers", "status", "reason"),
    [
        ("/carriers/one/media/call_1/leg_call_1", {}, {}, 404, "malformed-path"),
        ("/carriers/one/media/call_1/leg_call_1/a/b", {}, {}, 404, "malformed-path"),
        ("/carriers/one/media/call_1/leg_call_1/%2e%2e%2f%00", {}, {}, 404, "malformed-path"),
        ("/carriers//media///", {}, {}, 404, "malformed-path"),
        (f"/carriers/{'x' * 5000}", {}, {}, 404, "malformed-path"),
        (f"/carriers/three/media/call_1/leg_call_1/{TOKEN}", {}, {}, 404, "unknown-carrier"),
        (f"/carriers/one/media/call_9/leg_call_1/{TOKEN}", {}, {}, 404, "unknown-call"),
        (f"/carriers/one/media/call_1/leg_call_9/{TOKEN}", {}, {}, 404, "unknown-leg"),
        (f"/carriers/two/media/call_1/leg_call_1/{TOKEN}", {}, {}, 404, "unknown-leg"),
        (f"/carriers/one/media/call_1/leg_call_1/{TOKEN}x", {}, {}, 403, "bad-token"),
        (f"/carriers/one/media/call_1/leg_call_1/{TOKEN[:-1]}", {}, {}, 403, "bad-token"),
        ("", {"media_token": ""}, {}, 403, "bad-token"),
        ("", {"phase": LegPhase.ENDED}, {}, 403, "leg-over"),
        ("", {"phase": LegPhase.CONDEMNED}, {}, 403, "leg-over"),
        ("", {"hangup_wanted": True}, {}, 403, "leg-over"),
        ("", {}, {"X-Signed": "no"}, 403, "bad-signature"),
        ("", {"streams": 4}, {}, 409, "bound-too-often"),
    ],
)
async def test_what_is_not_a_leg_s_own_is_refused_before_the_upgrade(
    house: House,
    caplog: pytest.LogCaptureFixture,
    path: str,
    changes: dict[str, Any],
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    """An HTTP answer, a count, a line in the log without the token, and not a trace in the call."""
    caplog.set_level(logging.INFO, "uvicorn.error")
    house.add(**changes)
    with structlog.testing.capture_logs() as logs, pytest.raises(InvalidStatus) as refused:
        async with house.open(path=path, **headers):
            pass
    assert refused.value.response.status_code == status
    assert refused.value.response.body == reason.encode()
    assert house.results() == [reason]
    assert (house.reports, house.agent.sessions) == ([], {})
    assert [line["reason"] for line in logs if line["event"] == "media-socket-refused"] == [reason]
    assert TOKEN[:8] not in str(logs)
    assert "WebSocket /carriers/" in caplog.text
    assert "ERROR" not in caplog.text
    assert TOKEN[:8] not in caplog.text


async def test_the_signature_is_checked_over_the_configured_url(house: House) -> None:
    """Neither Host nor a query that somebody appended decides what the carrier signed."""
    house.add()
    path = f"/carriers/one/media/call_1/leg_call_1/{TOKEN}"
    async with house.open(path=f"{path}?more=1", **{"X-Signed": "yes", "X-Forwarded-Host": "evil.example.com"}) as line:
        await talks(line)
    ((url, headers),) = house.carriers["one"].webhooks.asked
    assert url == f"wss://gw.example.com{path}"
    assert headers["x-signed"] == "yes"


async def test_without_the_store_the_carrier_is_told_to_come_again(house: House) -> None:
    """503, since nothing is wrong with its socket."""
    house.add()
    house.store_is_up = False
    with pytest.raises(InvalidStatus) as refused:
        async with house.open():
            pass
    assert refused.value.response.status_code == 503


async def test_a_server_that_cannot_answer_in_http_closes() -> None:
    """The refusal does not depend on an extension of the server's."""
    house = House()
    sent: list[Any] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/carriers/one/media/x", "headers": [], "extensions": {}}
    await house.sockets(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "malformed-path"}]


async def test_the_token_is_not_in_the_server_s_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Uvicorn writes the path of every accepted socket; ours has lost its token by then."""
    caplog.set_level(logging.INFO, "uvicorn.error")
    house.add()
    async with house.open() as line:
        await talks(line)
    assert "/carriers/one/media/call_1/leg_call_1/%2A%2A%2A" in caplog.text
    assert TOKEN[:8] not in caplog.text


# --- the start -----------------------------------------------------------------------------------------------------


async def test_sound_before_the_start_is_not_heard(house: House) -> None:
    """The first words must be the start."""
    house.add()
    async with house.open() as line:
        await says(line, media="77" * 160)
        await talks(line, "11")


async def test_a_start_of_another_call_is_turned_away(house: House) -> None:
    """The token alone does not let one carrier's call speak for another one."""
    house.add()
    async with house.open() as line:
        await says(line, start="CA-other")
        assert await closed(line) == (1008, "foreign-start")
    assert (house.reports, house.agent.sessions, house.results()) == ([], {}, ["foreign-start"])


async def test_a_socket_that_never_starts_is_closed(house: House) -> None:
    """Within the bound, whatever else it says; the call does not hear of it."""
    house.add()
    async with house.open() as line:
        await says(line, connected="")
        assert await closed(line) == (1008, "no-start")
    assert (house.reports, house.results()) == ([], ["no-start"])


async def test_a_start_that_names_no_call_is_enough_the_first_time(house: House) -> None:
    """Where the carrier sends no ids, the token is all there is."""
    house.add(carrier_call_id="")
    async with house.open() as line:
        await talks(line, call_id="")
    await house.until(StreamOpened, StreamClosed)


async def test_a_leg_condemned_by_its_own_opening_is_never_heard(house: House) -> None:
    """What the core answers to the report decides: no agent, and the socket is closed."""
    house.add()
    house.condemn_on_open = True
    async with house.open() as line:
        await says(line, start="CA1")
        await says(line, media="11" * 160)
        assert await closed(line) == (1008, "leg-not-wanted")
    await house.until(StreamOpened, StreamClosed)
    assert house.agent.sessions == {}


async def test_a_leg_that_ends_between_upgrade_and_start_is_turned_away(house: House) -> None:
    """The leg is looked at again when the start comes."""
    house.add()
    async with house.open() as line:
        house.change(hangup_wanted=True)
        await says(line, start="CA1")
        assert await closed(line) == (1008, "leg-over")
    assert house.reports == []


# --- one socket a leg ------------------------------------------------------------------------------------------------


async def test_a_second_socket_is_refused_while_the_first_carries_sound(house: House) -> None:
    """409, and the first goes on as if nothing had happened."""
    house.add()
    async with house.open() as line:
        await talks(line)
        with pytest.raises(InvalidStatus) as refused:
            async with house.open():
                pass
        assert refused.value.response.status_code == 409
        await says(line, media="22" * 160)
        assert await hears(line) == {"media": "22" * 160}
    assert house.results() == ["accepted", "already-bound"]


async def test_a_second_socket_replaces_a_dead_one(house: House) -> None:
    """After a second without sound, if it names the leg's call; one stream after the other, one close."""
    house.add()
    async with house.open() as dead:
        await talks(dead)
        house.now += 1.0
        async with house.open() as line:
            await says(line, start="CA1")
            assert await closed(dead) == (1000, "superseded")
            await says(line, media="22" * 160)
            assert await hears(line) == {"media": "22" * 160}
    await house.until(StreamOpened, StreamOpened, StreamClosed)


async def test_a_new_socket_waits_until_the_call_has_heard_of_the_old_one_s_end(house: House) -> None:
    """Or the call would take the old one's end for the new one's."""
    house.add()
    house.may_close.clear()
    async with house.open() as old:
        await talks(old)
        old.transport.abort()
        await asyncio.wait_for(house.closing.wait(), WAIT_S)
    house.now += 1.0
    async with house.open() as line:
        await says(line, start="CA1")
        async with house.reported, asyncio.timeout(WAIT_S):
            await house.reported.wait_for(lambda: house.loads == 4)
        for _ in range(20):  # time enough for a report that does not wait
            await asyncio.sleep(0)
        house.may_close.set()
        await house.until(StreamOpened, StreamClosed, StreamOpened)


async def test_a_second_socket_that_does_not_name_the_call_changes_nothing(house: House) -> None:
    """It is turned away, and the first, dead or not, keeps its place."""
    house.add()
    async with house.open() as line:
        await talks(line)
        house.now += 1.0
        async with house.open() as second:
            await says(second, start="")
            assert await closed(second) == (1008, "foreign-start")
        await says(line, media="22" * 160)
        assert await hears(line) == {"media": "22" * 160}
    await house.until(StreamOpened, StreamClosed)


async def test_where_there_are_no_ids_a_signature_binds_again(house: House) -> None:
    """The carrier itself has opened the second socket."""
    house.add(carrier_call_id="")
    async with house.open() as dead:
        await talks(dead, call_id="")
        house.now += 1.0
        async with house.open(**{"X-Signed": "yes"}) as line:
            await talks(line, "22", call_id="")


async def test_a_first_socket_that_comes_to_life_keeps_its_place(house: House) -> None:
    """Dead at the upgrade and alive at the start: the newcomer goes."""
    house.add()
    async with house.open() as line:
        await talks(line)
        house.now += 1.0
        async with house.open() as second:
            await says(line, media="22" * 160)
            assert await hears(line) == {"media": "22" * 160}
            await says(second, start="CA1")
            assert await closed(second) == (1008, "already-bound")


async def test_a_closed_socket_may_be_followed_by_three_more(house: House) -> None:
    """Carriers retry and reconnect; a fifth is refused."""
    house.add()
    for _ in range(4):
        async with house.open() as line:
            await talks(line)
        opened = sum(isinstance(event, StreamOpened) for _, event in house.reports)
        await house.until(*[StreamOpened, StreamClosed] * opened)
    with pytest.raises(InvalidStatus) as refused:
        async with house.open():
            pass
    assert refused.value.response.body == b"bound-too-often"


# --- while it lasts ----------------------------------------------------------------------------------------------------


async def test_a_broken_connection_is_a_closed_stream(house: House) -> None:
    """No close frame, no stop: reported all the same."""
    house.add()
    async with house.open() as line:
        await talks(line)
        line.transport.abort()
        await house.until(StreamOpened, StreamClosed)


async def test_some_garbage_is_borne(house: House) -> None:
    """Counted, up to the limit in a row, a codec's own bug included; good messages begin the count anew."""
    house.add()
    async with house.open() as line:
        await talks(line)
        with structlog.testing.capture_logs():
            for _ in range(2):
                for number in range(MALFORMED_LIMIT):
                    await line.send("{garbage" if number else '{"bug": ""}')
                await says(line, media="22" * 160)
                assert await hears(line) == {"media": "22" * 160}
    assert [name for name, _ in house.counted].count("media_frames_malformed_total") == 2 * MALFORMED_LIMIT


async def test_endless_garbage_ends_the_stream(house: House) -> None:
    """As a failure that the call hears of."""
    house.add()
    async with house.open() as line:
        await talks(line)
        for _ in range(MALFORMED_LIMIT + 1):
            await line.send(b"\xff\x00")
        assert await closed(line) == (1008, "malformed-frames")
    events = await house.until(StreamOpened, StreamFailed)
    assert events[1] == StreamFailed(reason="malformed-frames")


async def test_endless_garbage_instead_of_a_start_leaves_no_trace(house: House) -> None:
    """The call does not hear of it."""
    house.add()
    async with house.open() as line:
        for _ in range(MALFORMED_LIMIT + 1):
            await line.send("{garbage")
        assert await closed(line) == (1008, "malformed-frames")
    assert (house.reports, house.results()) == ([], ["malformed-frames"])


async def test_a_message_of_any_size_is_not_taken(house: House) -> None:
    """The limit holds even where the server would take more."""
    house.add()
    async with house.open() as line:
        await talks(line)
        await line.send("x" * (MESSAGE_LIMIT + 1))
        assert await closed(line) == (1009, "message-too-large")
    await house.until(StreamOpened, StreamFailed)


async def test_the_end_of_the_call_closes_its_socket(house: House) -> None:
    """With the code of a normal end."""
    house.add()
    async with house.open() as line:
        await talks(line)
        await house.bridge.close("call_1")
        assert await closed(line) == (1000, "call-over")
    await house.until(StreamOpened, StreamClosed)


async def test_no_call_hears_another_one(house: House) -> None:
    """Two calls at once, frames tagged: each hears its own echo and nothing else."""
    house.add("call_1")
    house.add("call_2")

    async def converse(call_id: str, tag: str) -> list[dict[str, Any]]:
        async with house.open(call_id) as line:
            await says(line, start="CA1")
            for _ in range(20):
                await says(line, media=tag * 160)
            return [await hears(line) for _ in range(20)]

    one, two = await asyncio.gather(converse("call_1", "11"), converse("call_2", "22"))
    assert one == [{"media": "11" * 160}] * 20
    assert two == [{"media": "22" * 160}] * 20


# --- the writing half --------------------------------------------------------------------------------------------------


async def test_a_carrier_that_does_not_read_is_given_up() -> None:
    """What waits is bounded; the writer ends although its last message is never taken."""
    taken = asyncio.Event()

    async def never(_message: MutableMapping[str, Any]) -> None:
        taken.set()
        await asyncio.Event().wait()

    port = SocketPort(never, PaperCodec())
    writer = port.start()
    port.send("first")
    await asyncio.wait_for(taken.wait(), WAIT_S)
    for _ in range(WAITING_LIMIT + 1):
        port.send("more")
    assert port.failure == "not-draining"
    await asyncio.wait({writer}, timeout=WAIT_S)
    assert writer.done()


async def test_what_was_queued_before_a_close_is_sent_before_it() -> None:
    """And nothing after it; a second close is no close."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    port = SocketPort(send, PaperCodec())
    writer = port.start()
    port.send("text")
    port.send(b"bytes")
    port.close(1000, "done")
    port.send("late")
    port.close(1011, "again")
    await asyncio.wait_for(writer, WAIT_S)
    assert sent == [
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": b"bytes"},
        {"type": "websocket.close", "code": 1000, "reason": "done"},
    ]


async def test_a_carrier_that_is_gone_ends_the_writer_quietly() -> None:
    """The reading half is told of it too."""

    async def gone(_message: MutableMapping[str, Any]) -> None:
        raise ConnectionResetError

    port = SocketPort(gone, PaperCodec())
    writer = port.start()
    port.send("text")
    await asyncio.wait_for(writer, WAIT_S)
    assert port.failure == ""
