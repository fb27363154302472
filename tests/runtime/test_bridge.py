"""The bridge, with an agent, a carrier's codec, a socket and a clock made of paper."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import structlog.testing
from msgspec.structs import replace

from agent.contract import CallInfo, Line
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.errors import AgentUnavailable
from gateway.domain.events import LegEvent, StreamClosed, StreamFailed, StreamOpened
from gateway.domain.media import (
    LINEAR_8K,
    MULAW_8K,
    Audio,
    AudioFormat,
    Digit,
    MarkPlayed,
    StreamEvent,
    StreamProblem,
    StreamStarted,
)
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.records import Call, Leg, MediaCounters
from gateway.domain.transcode import silence
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.attention import AttentionTerms
from gateway.runtime.bridge import Bridge
from gateway.runtime.casting import Casting, Gone
from gateway.runtime.line import FAREWELL_TICKS, LEAD_FRAMES, QUEUE_LIMIT_S
from gateway.runtime.stream import Stream
from gateway.runtime.ticker import Ticker
from gateway.runtime.wanted import Unwanted


class HandTime:
    """A clock and a loop's `call_later` that move only when told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def clock(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.now + delay, callback))

    def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        while self.timers and min(self.timers, key=lambda timer: timer[0])[0] <= end + 1e-9:
            due = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(due)
            self.now = max(self.now, due[0])
            due[1]()
        self.now = end


class PaperCodec:
    """Words of no carrier: what is sent stays an object that a test can compare."""

    def __init__(self, sends: AudioFormat = MULAW_8K) -> None:
        self.sends = sends

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        raise AssertionError("the bridge is given decoded events")

    def audio(self, payload: bytes) -> str | bytes:
        return payload

    def mark(self, name: str) -> str | bytes:
        return f"mark {name}"

    def clear(self) -> str | bytes:
        return "clear"


class PaperPort:
    def __init__(self, form: AudioFormat = MULAW_8K, carrier_call_id: str = "CA1") -> None:
        self.codec = PaperCodec(form)
        self.started = StreamStarted("S1", carrier_call_id, form)
        self.sent: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None

    def send(self, message: str | bytes) -> None:
        if self.closed is None:
            self.sent.append(message)

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    @property
    def frames(self) -> list[bytes]:
        return [message for message in self.sent if isinstance(message, bytes)]

    @property
    def words(self) -> list[str]:
        return [message for message in self.sent if isinstance(message, str)]


class PaperAgent:
    """Session and agent in one: writes down what it is told; `script` says what it does in answer."""

    def __init__(self, form: AudioFormat = MULAW_8K) -> None:
        self.format = form
        self.told: list[Any] = []
        self.audio: list[bytes] = []
        self.script: dict[str, Callable[[], None]] = {}
        self.failing_start: Exception | None = None
        self.began = asyncio.Event()
        self.starting: asyncio.Event | None = None
        self.line: Line
        self.info: CallInfo

    def session(self, call: CallInfo) -> "PaperAgent":
        self.info = call
        return self

    async def start(self, line: Line) -> None:
        self.told.append("start")
        self.line = line
        self.began.set()
        if self.starting is not None:
            await self.starting.wait()
        if self.failing_start is not None:
            raise self.failing_start

    def on_answer(self) -> None:
        self._hear("answer")

    def on_audio(self, frame: bytes) -> None:
        self.audio.append(frame)
        self.script.get("audio", lambda: None)()

    def on_digit(self, digit: str) -> None:
        self._hear(f"digit {digit}")

    def on_mark(self, name: str) -> None:
        self._hear(f"mark {name}")

    def on_line_lost(self) -> None:
        self._hear("lost")

    def on_line_back(self) -> None:
        self._hear("back")

    def context(self) -> dict[str, Any]:
        return {"told": list(self.told)}

    def resume(self, context: Mapping[str, Any]) -> None:
        self.told.append(("resume", dict(context)))

    async def close(self) -> None:
        self.told.append("close")

    def _hear(self, what: str) -> None:
        self.told.append(what)
        self.script.get(what, lambda: None)()


class House:
    """A bridge with all that stands around it."""

    def __init__(
        self,
        agents: dict[str, PaperAgent] | None = None,
        attention: dict[str, AttentionTerms] | None = None,
        **settings: float,
    ) -> None:
        self.time = HandTime()
        self.agents = agents if agents is not None else {"talker": PaperAgent()}
        self.reports: list[tuple[str, LegEvent]] = []
        self.ends: list[tuple[str, str]] = []
        self.media: list[tuple[str, str, MediaCounters]] = []
        self.counted: list[tuple[str, float, dict[str, str]]] = []
        self.calls: dict[str, Call] = {}
        self.ended = asyncio.Event()
        self.gone: list[Gone] = []
        self.health = AgentHealth(self.agents, BreakerPolicy(consecutive=2), self.time.clock)
        casting = Casting(
            self.agents, self._count, health=self.health, attention=attention, start_within_s=settings.pop("start_within_s", 5.0)
        )
        self.bridge = Bridge(
            casting=casting,
            ticker=Ticker(self.time.clock, self.time.call_later),
            report=self._report,
            end_call=self._end_call,
            on_gone=self._on_gone,
            store_media=self._store_media,
            clock=self.time.clock,
            **settings,
        )

    @property
    def agent(self) -> PaperAgent:
        return self.agents["talker"]

    def add(self, call: Call) -> Call:
        self.calls[call.id] = call
        return call

    async def talk(self, call: Call | None = None, port: PaperPort | None = None) -> tuple[Stream, PaperPort]:
        """A prepared call whose person is on the line."""
        call = self.add(call or a_call())
        port = port or PaperPort()
        await self.bridge.prepare(call)
        assert call.leg is not None
        return await self.bridge.open_stream(call.id, call.leg.id, port), port

    def hear(self, stream: Stream, *events: StreamEvent) -> None:
        for event in events:
            self.bridge.hear(stream, event, self.time.now)

    async def settle(self) -> None:
        """Errands that the bridge started have been run."""
        await asyncio.wait_for(self.bridge._errands.settled(), 5)

    async def _report(self, call_id: str, leg_id: str, event: LegEvent) -> Call:
        self.reports.append((leg_id, event))
        return self.calls[call_id]

    async def _end_call(self, call_id: str, by: str) -> None:
        self.ends.append((call_id, by))

    async def _on_gone(self, gone: Gone) -> None:
        self.gone.append(gone)

    def _count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted.append((name, amount, labels))

    async def _store_media(self, call_id: str, leg_id: str, counters: MediaCounters) -> None:
        self.media.append((call_id, leg_id, counters))


def a_leg(call_id: str, number: int = 1, **changes: Any) -> Leg:
    leg = Leg(
        id=f"leg_{call_id}_{number}",
        call_id=call_id,
        carrier="one",
        caller_id="+15550190001",
        media_token="t" * 32,
        round=1,
        created_at=1.0,
        phase=LegPhase.ANSWERED,
    )
    return replace(leg, **changes)


def a_call(call_id: str = "call_1", agent: str = "talker", **changes: Any) -> Call:
    call = Call(
        id=call_id,
        to="+15550100001",
        session_id="ses_1",
        created_at=1.0,
        expires_at=3600.0,
        agent=agent,
        status=CallStatus.IN_PROGRESS,
        legs=(a_leg(call_id),),
    )
    return replace(call, **changes)


def frames(count: int, first: int = 0) -> list[bytes]:
    return [bytes([(first + number) % 251]) * 160 for number in range(count)]


# --- the life of a session -----------------------------------------------------------------------------------------


async def test_an_agent_is_started_once_and_told_of_its_call() -> None:
    """Preparing twice, even at once, is preparing."""
    house = House()
    call = house.add(a_call())
    await asyncio.gather(house.bridge.prepare(call), house.bridge.prepare(call))
    await house.bridge.prepare(call)
    assert house.agent.told == ["start"]
    info = house.agent.info
    assert (info.call_id, info.session_id, info.from_number, info.to_number) == (
        "call_1",
        "ses_1",
        "+15550190001",
        "+15550100001",
    )


async def test_an_agent_that_cannot_start_is_unavailable_and_closed() -> None:
    """The dialer learns it while the phone rings; a later attempt starts afresh."""
    house = House()
    house.agent.failing_start = RuntimeError("no voice today")
    with structlog.testing.capture_logs(), pytest.raises(AgentUnavailable, match="start-failed"):
        await house.bridge.prepare(a_call())
    assert house.agent.told == ["start", "close"]
    house.agent.failing_start = None
    await house.bridge.prepare(a_call())
    assert house.agent.told == ["start", "close", "start"]


async def test_an_agent_that_hangs_is_unavailable() -> None:
    """Waiting for it is bounded."""
    house = House(start_within_s=0.01)
    house.agent.starting = asyncio.Event()
    with structlog.testing.capture_logs(), pytest.raises(AgentUnavailable, match="start-too-slow"):
        await house.bridge.prepare(a_call())


async def test_an_unknown_agent_is_unavailable() -> None:
    """It says so instead of answering with silence."""
    with structlog.testing.capture_logs(), pytest.raises(AgentUnavailable, match="not-configured"):
        await House().bridge.prepare(a_call(agent="nobody"))


async def test_a_call_that_ends_while_its_agent_starts_leaves_no_session() -> None:
    """The start is given up, and a late prepare of the same call too."""
    house = House()
    house.agent.starting = asyncio.Event()
    preparing = asyncio.create_task(house.bridge.prepare(a_call()))
    await asyncio.wait_for(house.agent.began.wait(), 5)
    await house.bridge.close("call_1")
    with pytest.raises(AgentUnavailable, match="call-over"):
        await preparing
    with pytest.raises(AgentUnavailable, match="call-over"):
        await house.bridge.prepare(a_call())
    assert house.agent.told == ["start", "close"]
    assert house.bridge.context("call_1") is None


async def test_a_session_from_another_process_goes_on() -> None:
    """It is given its context before it starts, and the person's next line is a line back, not an answer."""
    house = House()
    call = house.add(a_call(resumed=1))
    await house.bridge.prepare(call, context={"turns": 3})
    await house.bridge.open_stream(call.id, call.legs[0].id, PaperPort())
    assert house.agent.told == [("resume", {"turns": 3}), "start", "back"]
    assert house.agent.info.resumed == 1
    assert house.bridge.context(call.id) == {"told": house.agent.told}


async def test_a_call_that_ends_closes_session_socket_and_ticker() -> None:
    """Once; and nothing that the agent says afterwards goes anywhere."""
    house = House()
    stream, port = await house.talk()
    await house.bridge.close("call_1")
    await house.bridge.close("call_1")
    assert house.agent.told == ["start", "answer", "close"]
    assert port.closed == (1000, "call-over")
    house.agent.line.play(bytes(160))
    house.agent.line.hang_up()
    house.hear(stream, Audio(bytes(160)))
    house.time.pass_(0.1)
    assert (port.sent, house.agent.audio, house.ends, house.time.timers) == ([], [], [], [])


# --- sound ---------------------------------------------------------------------------------------------------------


async def test_mulaw_passes_untouched_both_ways() -> None:
    """The very bytes objects: nothing is decoded, copied or encoded where formats agree."""
    house = House()
    stream, port = await house.talk()
    heard, said = frames(2), frames(2, first=100)
    house.hear(stream, *(Audio(frame) for frame in heard))
    for frame in said:
        house.agent.line.play(frame)
    assert all(ours is theirs for ours, theirs in zip(house.agent.audio, heard, strict=True))
    assert all(ours is theirs for ours, theirs in zip(port.frames, said, strict=True))


async def test_a_carrier_of_linear_sound_is_converted_both_ways() -> None:
    """The agent hears and speaks mu-law; the carrier gets frames of its own size."""
    house = House()
    stream, port = await house.talk(port=PaperPort(LINEAR_8K))
    house.hear(stream, Audio(silence(LINEAR_8K)))
    house.agent.line.play(silence(MULAW_8K))
    assert house.agent.audio == [silence(MULAW_8K)]
    assert port.frames == [silence(LINEAR_8K)]


async def test_messages_of_any_length_become_frames_of_20_ms() -> None:
    """Some carriers send 10 ms, some 60: the agent never sees the difference."""
    house = House()
    stream, _ = await house.talk()
    sound = b"".join(frames(4))
    house.hear(stream, *(Audio(sound[at : at + 100]) for at in range(0, len(sound), 100)))
    assert house.agent.audio == frames(4)
    assert stream.counts.snapshot(house.time.now).frames_in == 4


async def test_sound_is_paced() -> None:
    """However much the agent says at once, at most 60 ms lie at the carrier, and 50 frames a second follow."""
    house = House()
    _, port = await house.talk()
    house.agent.line.play(b"".join(frames(200)))
    assert len(port.frames) == LEAD_FRAMES
    house.time.pass_(1.0)
    assert len(port.frames) == LEAD_FRAMES + 50
    house.time.pass_(4.0)
    assert port.frames == frames(200)


async def test_a_quiet_agent_sends_nothing() -> None:
    """No silence is made up, and after a pause the first frame leaves at once, not with the next tick."""
    house = House()
    _, port = await house.talk()
    house.time.pass_(5.0)
    assert port.sent == []
    house.agent.line.play(bytes(160))
    assert len(port.frames) == 1


async def test_a_last_piece_is_filled_up_only_when_the_carrier_runs_dry() -> None:
    """An agent that speaks in odd pieces gets no silence between them; its last one is not lost."""
    house = House()
    _, port = await house.talk()
    for _ in range(3):
        house.agent.line.play(b"\x01" * 240)
        house.time.pass_(0.02)
    assert b"".join(port.frames) == b"\x01" * 640
    house.time.pass_(0.2)
    assert b"".join(port.frames) == b"\x01" * 720 + b"\xff" * 80


async def test_what_the_buffer_cannot_hold_is_dropped_and_counted() -> None:
    """A minute fits; the rest is counted in frames."""
    house = House()
    await house.talk()
    house.agent.line.play(bytes(160 * 50 * int(QUEUE_LIMIT_S) + 1600))
    assert house.counted == [("media_audio_dropped_total", 10, {"direction": "out"})]


async def test_keys_reach_the_agent() -> None:
    """In order."""
    house = House()
    stream, _ = await house.talk()
    house.hear(stream, Digit("1"), Digit("#"))
    assert house.agent.told == ["start", "answer", "digit 1", "digit #"]


async def test_a_carriers_complaint_is_logged_without_numbers() -> None:
    """And the stream goes on."""
    house = House()
    stream, _ = await house.talk()
    with structlog.testing.capture_logs() as logs:
        house.hear(stream, StreamProblem("31951", "bad frame for +15550100001"))
    assert [(line["event"], line["code"], line["detail"]) for line in logs] == [
        ("stream-problem", "31951", "bad frame for +1555***0001")
    ]


# --- marks and barge-in ----------------------------------------------------------------------------------------------


async def test_a_mark_follows_its_sound_and_comes_back_when_it_is_played() -> None:
    """Not a frame earlier."""
    house = House()
    stream, port = await house.talk()
    house.agent.line.play(b"".join(frames(10)))
    house.agent.line.mark("said")
    assert port.words == []
    house.time.pass_(0.2)
    assert port.sent == [*frames(10), "mark m1"]
    assert "mark said" not in house.agent.told
    house.hear(stream, MarkPlayed("m1"))
    house.hear(stream, MarkPlayed("m1"))
    assert house.agent.told[-1] == "mark said"
    assert house.agent.told.count("mark said") == 1


async def test_a_later_echo_proves_the_earlier_marks() -> None:
    """A lost echo does not keep an agent waiting for ever."""
    house = House()
    stream, _ = await house.talk()
    for name in ("one", "two", "three"):
        house.agent.line.mark(name)
    house.hear(stream, MarkPlayed("m2"), MarkPlayed("m1"))
    assert house.agent.told[2:] == ["mark one", "mark two"]


async def test_clear_empties_queue_and_carrier_and_returns_every_mark_once() -> None:
    """Marks that the carrier has, and those that it never got; its own late echoes change nothing."""
    house = House()
    stream, port = await house.talk()
    house.agent.line.mark("sent")
    house.agent.line.play(b"".join(frames(50)))
    house.agent.line.mark("queued")
    house.agent.line.clear()
    assert house.agent.told[2:] == ["mark sent", "mark queued"]
    assert port.words == ["mark m1", "clear"]
    house.hear(stream, MarkPlayed("m1"))
    house.time.pass_(1.0)
    assert house.agent.told[2:] == ["mark sent", "mark queued"]
    assert len(port.frames) == LEAD_FRAMES


async def test_a_late_echo_is_not_taken_for_a_new_mark_of_the_same_name() -> None:
    """An agent may call all its marks the same."""
    house = House()
    stream, _ = await house.talk()
    house.agent.line.mark("said")
    house.agent.line.clear()
    house.agent.line.mark("said")
    house.hear(stream, MarkPlayed("m1"))
    assert house.agent.told.count("mark said") == 1
    house.hear(stream, MarkPlayed("m2"))
    assert house.agent.told.count("mark said") == 2


async def test_after_a_clear_the_agent_is_heard_at_once() -> None:
    """The 60 ms that were at the carrier are gone, so the next words need not wait for them."""
    house = House()
    _, port = await house.talk()
    house.agent.line.play(b"".join(frames(50)))
    house.agent.line.clear()
    house.agent.line.play(b"".join(frames(2, first=200)))
    assert port.frames[-2:] == frames(2, first=200)


# --- the end of a call by its agent --------------------------------------------------------------------------------------


async def test_hang_up_waits_until_the_person_has_heard_everything() -> None:
    """The call ends when the carrier confirms the last sound; what is said after `hang_up` is not."""
    house = House()
    stream, port = await house.talk()
    house.agent.line.play(b"".join(frames(50)))
    house.agent.line.hang_up()
    house.agent.line.play(b"never said")
    house.agent.line.mark("never set")
    house.time.pass_(1.0)
    await house.settle()
    assert (port.sent, house.ends) == ([*frames(50), "mark m1"], [])
    house.hear(stream, MarkPlayed("m1"))
    house.hear(stream, MarkPlayed("m1"))
    await house.settle()
    assert house.ends == [("call_1", "agent")]


async def test_hang_up_does_not_wait_for_a_carrier_that_confirms_nothing() -> None:
    """Three seconds after the last sound the call ends anyway."""
    house = House()
    await house.talk()
    house.agent.line.hang_up()
    house.time.pass_(FAREWELL_TICKS / 50 - 0.1)
    await house.settle()
    assert house.ends == []
    house.time.pass_(0.2)
    await house.settle()
    assert house.ends == [("call_1", "agent")]


async def test_hang_up_without_a_line_ends_the_call_at_once() -> None:
    """Nobody is called back to hear the rest of a goodbye."""
    house = House()
    stream, _ = await house.talk()
    house.agent.line.play(b"".join(frames(50)))
    house.agent.line.hang_up()
    house.bridge.uncouple(stream)
    await house.settle()
    assert house.ends == [("call_1", "agent")]


async def test_hang_up_before_the_answer_or_while_parked_ends_the_call_at_once() -> None:
    """There is nobody who would have to hear the rest first, and no second end when the line is lost or back."""
    early, parked = House(), House()
    await early.bridge.prepare(early.add(a_call()))
    early.agent.line.hang_up()
    stream, _ = await parked.talk()
    parked.agent.script["lost"] = lambda: parked.agent.line.hang_up()
    parked.bridge.uncouple(stream)
    for house in (early, parked):
        await house.settle()
        assert house.ends == [("call_1", "agent")]


async def test_the_end_of_a_stream_that_the_agent_ended_says_so() -> None:
    """The core needs no other reason for it."""
    house = House()
    stream, _ = await house.talk()
    house.agent.line.hang_up()
    house.hear(stream, MarkPlayed("m1"))
    await house.bridge.end_stream(stream)
    assert house.reports[-1] == ("leg_call_1_1", StreamClosed(by_agent=True))


async def test_an_agent_that_raises_is_not_asked_again_and_is_told_as_gone() -> None:
    """One line in the log, not fifty a second, and once to who finds another one, with what it last knew."""
    house = House()
    stream, _ = await house.talk()

    def fail() -> None:
        raise RuntimeError("a bug")

    house.agent.script["audio"] = fail
    with structlog.testing.capture_logs() as logs:
        house.hear(stream, *(Audio(frame) for frame in frames(50)))
        await house.settle()
    assert len(house.agent.audio) == 1
    assert [(gone.agent, gone.reason, gone.began) for gone in house.gone] == [("talker", "raised", True)]
    assert house.gone[0].context == {"told": ["start", "answer"]}
    assert [line["event"] for line in logs].count("agent-failed") == 1


# --- legs come and go --------------------------------------------------------------------------------------------------


async def test_a_session_outlives_its_leg() -> None:
    """Lost, then back through another carrier: one answer, and what was said and not sent is heard on the new line."""
    house = House()
    stream, first = await house.talk()
    house.agent.line.play(b"".join(frames(50)))
    house.bridge.uncouple(stream)
    house.bridge.uncouple(stream)
    house.time.pass_(1.0)
    old, new = a_leg("call_1", 1, phase=LegPhase.ENDED), a_leg("call_1", 2, carrier="two")
    house.add(a_call(legs=(old, new)))
    second = PaperPort(carrier_call_id="CB2")
    await house.bridge.open_stream("call_1", new.id, second)
    house.time.pass_(2.0)
    assert house.agent.told == ["start", "answer", "lost", "back"]
    assert first.frames + second.frames == frames(50)


async def test_marks_at_a_lost_carrier_come_back_once_after_the_loss() -> None:
    """The agent knows why they come; those that were not sent wait for the next line."""
    house = House()
    stream, _ = await house.talk()
    house.agent.line.mark("sent")
    house.agent.line.play(b"".join(frames(50)))
    house.agent.line.mark("waiting")
    house.bridge.uncouple(stream)
    assert house.agent.told == ["start", "answer", "lost", "mark sent"]
    again = await house.bridge.open_stream("call_1", "leg_call_1_1", PaperPort())
    house.time.pass_(1.0)
    house.hear(again, MarkPlayed("m1"), MarkPlayed("m2"))
    assert house.agent.told[4:] == ["back", "mark waiting"]


async def test_an_agent_may_start_afresh_after_a_loss() -> None:
    """`clear` in `on_line_lost` throws the queue away and returns each mark once."""
    house = House()
    stream, _ = await house.talk()
    house.agent.script["lost"] = lambda: house.agent.line.clear()
    house.agent.line.mark("sent")
    house.agent.line.play(b"".join(frames(50)))
    house.agent.line.mark("queued")
    house.bridge.uncouple(stream)
    assert house.agent.told[2:] == ["lost", "mark sent", "mark queued"]
    port = PaperPort()
    await house.bridge.open_stream("call_1", "leg_call_1_1", port)
    house.time.pass_(1.0)
    assert port.sent == []


async def test_what_is_said_before_the_answer_is_heard_after_it() -> None:
    """The queue does not need a line."""
    house = House()
    call = house.add(a_call())
    await house.bridge.prepare(call)
    house.agent.line.play(frames(1)[0])
    port = PaperPort()
    await house.bridge.open_stream(call.id, call.legs[0].id, port)
    assert port.sent == frames(1)


async def test_a_second_socket_of_the_leg_takes_the_place_of_the_first() -> None:
    """The first is closed, is not heard any more, and its end is not reported."""
    house = House()
    stream, first = await house.talk()
    second = PaperPort()
    again = await house.bridge.open_stream("call_1", "leg_call_1_1", second)
    house.hear(stream, Audio(frames(1)[0]))
    await house.bridge.end_stream(stream)
    assert first.closed == (1000, "superseded")
    assert house.agent.audio == []
    assert house.agent.told == ["start", "answer", "lost", "back"]
    house.hear(again, Audio(frames(1)[0]))
    assert house.agent.audio == frames(1)
    assert [type(event) for _, event in house.reports] == [StreamOpened, StreamOpened]


async def test_a_session_never_has_two_live_legs() -> None:
    """Another leg's stream is refused as long as the first leg lives, and the first talks on."""
    house = House()
    stream, port = await house.talk()
    house.add(a_call(legs=(a_leg("call_1", 1), a_leg("call_1", 2, carrier="two"))))
    with pytest.raises(Unwanted, match="another-leg-is-live"):
        await house.bridge.open_stream("call_1", "leg_call_1_2", PaperPort())
    house.hear(stream, Audio(frames(1)[0]))
    assert house.agent.audio == frames(1)
    assert port.closed is None
    assert house.reports[-1] == ("leg_call_1_2", StreamClosed())


@pytest.mark.parametrize(
    "leg",
    [
        a_leg("call_1", phase=LegPhase.CONDEMNED),
        a_leg("call_1", phase=LegPhase.ENDED),
        a_leg("call_1", hangup_wanted=True),
    ],
)
async def test_a_leg_that_is_not_wanted_never_reaches_the_agent(leg: Leg) -> None:
    """Whatever it does later; its opening and its end are reported all the same."""
    house = House()
    house.add(a_call(legs=(leg,)))
    with pytest.raises(Unwanted, match="leg-not-wanted"):
        await house.bridge.open_stream("call_1", leg.id, PaperPort())
    assert house.agent.told == []
    assert [type(event) for _, event in house.reports] == [StreamOpened, StreamClosed]


async def test_an_answered_call_without_an_agent_is_told_as_such() -> None:
    """Rather than left in silence: whoever finds another agent hears of it, once."""
    house = House(agents={})
    house.add(a_call())
    with structlog.testing.capture_logs(), pytest.raises(Unwanted, match="agent-unavailable"):
        await house.bridge.open_stream("call_1", "leg_call_1_1", PaperPort())
    await house.settle()
    assert [(gone.agent, gone.reason, gone.began) for gone in house.gone] == [("talker", "not-configured", False)]


async def test_two_calls_never_hear_each_other() -> None:
    """Tagged frames of two calls, both ways at once, over many ticks: not one crosses."""
    one, two = PaperAgent(), PaperAgent()
    house = House(agents={"one": one, "two": two})
    first, first_port = await house.talk(a_call("call_1", "one"))
    second, second_port = await house.talk(a_call("call_2", "two"))
    said = {one: b"\x11" * 160, two: b"\x22" * 160}
    for agent in (one, two):
        agent.script["audio"] = lambda agent=agent: agent.line.play(said[agent])
    for _ in range(100):
        house.hear(first, Audio(b"\x01" * 160))
        house.hear(second, Audio(b"\x02" * 160))
        house.time.pass_(0.02)
    house.time.pass_(0.1)
    assert set(one.audio) == {b"\x01" * 160}
    assert set(two.audio) == {b"\x02" * 160}
    assert first_port.frames == [b"\x11" * 160] * 100
    assert second_port.frames == [b"\x22" * 160] * 100


# --- counters and silence ----------------------------------------------------------------------------------------------


async def test_counters_are_reported_at_most_once_a_second_and_at_the_end() -> None:
    """Frames both ways, and the longest gap, a silence that still lasts included."""
    house = House()
    stream, _ = await house.talk()
    house.agent.line.play(b"".join(frames(5)))
    for _ in range(50):
        house.hear(stream, Audio(bytes(160)))
        house.time.pass_(0.02)
        await house.settle()
    assert len(house.media) == 1
    house.time.pass_(0.5)
    house.bridge.uncouple(stream)
    await house.settle()
    assert len(house.media) == 2
    call_id, leg_id, counters = house.media[-1]
    assert (call_id, leg_id) == ("call_1", "leg_call_1_1")
    assert (counters.frames_in, counters.frames_out) == (50, 5)
    assert counters.longest_gap_ms == pytest.approx(520, abs=5)


async def test_a_slow_store_gets_fewer_reports_and_the_last_one() -> None:
    """Reports never queue up, and never overtake one another."""
    house = House()
    gate = asyncio.Event()
    written: list[int] = []

    async def slowly(_call_id: str, _leg_id: str, counters: MediaCounters) -> None:
        await gate.wait()
        written.append(counters.frames_in)

    house.bridge._store_media = slowly
    stream, _ = await house.talk()
    for _ in range(5):
        house.hear(stream, *(Audio(bytes(160)) for _ in range(10)))
        house.time.pass_(1.0)
        await asyncio.sleep(0)
    gate.set()
    await house.settle()
    assert written == [10, 50]


async def test_a_silent_stream_is_a_failure() -> None:
    """Ten seconds without one frame: closed, and reported once, as broken and not as closed."""
    house = House()
    stream, port = await house.talk()
    house.time.pass_(9.5)
    assert port.closed is None
    house.time.pass_(2.0)
    assert port.closed == (1011, "silent")
    await house.bridge.end_stream(stream)
    assert house.reports[-1] == ("leg_call_1_1", StreamFailed(reason="silent"))
    assert [type(event) for _, event in house.reports] == [StreamOpened, StreamFailed]


async def test_the_process_ends_with_every_session_closed() -> None:
    """And with nothing left running."""
    house = House()
    await house.talk()
    await house.bridge.aclose()
    assert house.agent.told[-1] == "close"
    assert house.bridge._errands._tasks == set()
