"""Taking a call down its ladder, with agents, a socket, a store and a clock of paper: what is said, written and kept."""

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from msgspec.structs import replace

from agent.contract import CallInfo, Line
from agent.goodbye import Goodbye
from agent.hold import Hold
from agent.speech import sentence
from gateway.domain import call as calls
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.errors import AgentUnavailable, StoreUnavailable
from gateway.domain.events import AgentBack, AgentLost, CallEvent, LegEvent
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.media import LINEAR_8K, MULAW_8K, AudioFormat, MarkPlayed, StreamEvent, StreamStarted
from gateway.domain.outcome import CallStatus, Direction, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Leg, Loss
from gateway.runtime import ladder as ladders
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.attention import AttentionTerms
from gateway.runtime.bridge import Bridge
from gateway.runtime.casting import Casting, Kept, keep, resumption
from gateway.runtime.ladder import Ladder
from gateway.runtime.ladder_rungs import Asking, Holds, Promises
from gateway.runtime.leases import LeaseLost
from gateway.runtime.live import LiveCalls
from gateway.runtime.moments import Moments
from gateway.runtime.store.contract import Store
from gateway.runtime.stream import Stream
from gateway.runtime.ticker import Ticker

B = Rung(kind=RungKind.AGENT, agent="b")
HOLD = Rung(kind=RungKind.HOLD, for_s=5.0)


class Paper:
    """Codec and port of a carrier, whose sent frames are kept and whose marks come back when asked."""

    sends = MULAW_8K

    def __init__(self) -> None:
        self.codec = self
        self.started = StreamStarted("S1", "CA1", MULAW_8K)
        self.sent: list[str | bytes] = []

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        raise AssertionError("the bridge is given decoded events")

    def audio(self, payload: bytes) -> str | bytes:
        return payload

    def mark(self, name: str) -> str | bytes:
        return f"mark {name}"

    def clear(self) -> str | bytes:
        return "clear"

    def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    def close(self, code: int, reason: str) -> None:
        self.sent.append(f"close {reason}")

    def heard(self, name: str) -> bool:
        """Whether the middle of this sentence was sent."""
        sound = b"".join(message for message in self.sent if isinstance(message, bytes))
        middle = len(sentence(name)) // 2
        return sentence(name)[middle : middle + 400] in sound


class PaperAgent:
    """Agent and session in one; a new `told` with every session."""

    def __init__(self, form: AudioFormat = MULAW_8K) -> None:
        self.format = form
        self.told: list[Any] = []
        self.fails_to_start = False
        self.line: Line
        self.info: CallInfo

    def session(self, call: CallInfo) -> "PaperAgent":
        self.info, self.told = call, []
        return self

    async def start(self, line: Line) -> None:
        self.line = line
        if self.fails_to_start:
            raise ConnectionRefusedError("nobody listens")
        self.told.append("start")

    def on_answer(self) -> None:
        self.told.append("answer")

    def on_audio(self, frame: bytes) -> None:
        self.told.append(len(frame))

    def on_digit(self, digit: str) -> None:
        self.told.append(digit)

    def on_mark(self, name: str) -> None:
        self.told.append(f"mark {name}")

    def on_line_lost(self) -> None:
        self.told.append("lost")

    def on_line_back(self) -> None:
        self.told.append("back")

    def context(self) -> dict[str, Any]:
        return {"turns": 7}

    def resume(self, context: Mapping[str, Any]) -> None:
        self.told.append(("resume", dict(context)))

    async def close(self) -> None:
        self.told.append("close")


class House:
    """One call, its stream, and a ladder; time moves by hand, and asks for a sleep move it."""

    def __init__(self, *rungs: Rung, b: PaperAgent | None = None, **changes: Any) -> None:
        self.time, self.timers = 1000.0, list[tuple[float, Callable[[], None]]]()
        self.rungs = rungs
        self.bot, self.b, self.port = PaperAgent(), b or PaperAgent(), Paper()
        leg = Leg(
            id="leg_1",
            call_id="call_1",
            carrier="one",
            caller_id="+15550101234",
            media_token="t",
            round=1,
            created_at=1.0,
            phase=LegPhase.ANSWERED,
            answered_at=1000.0,
        )
        self.call_now = replace(
            Call(
                id="call_1",
                direction=Direction.INBOUND,
                to="+15550190001",
                from_number="+15550101234",
                session_id="ses_1",
                created_at=1000.0,
                expires_at=4600.0,
                agent="bot",
                status=CallStatus.IN_PROGRESS,
                answered_at=1000.0,
                legs=(leg,),
            ),
            **changes,
        )
        self.said: list[CallEvent] = []
        self.ends: list[str] = []
        self.store_error: Exception | None = None
        self.moments = Moments()
        agents = {"bot": self.bot, "b": self.b, "goodbye": Goodbye(), "moment": Hold("one-moment", lambda: self.moments)}
        agents["hold"] = Hold("hold", lambda: self.holds)
        self.health = AgentHealth(("bot", "b"), BreakerPolicy(), self.now)
        casting = Casting(agents, lambda *_args, **_labels: None, health=self.health)
        self.bridge = Bridge(
            casting=casting,
            ticker=Ticker(self.now, lambda delay, turn: self.timers.append((self.time + delay, turn))),
            report=self._report,
            end_call=lambda call_id, by: self.ladder.hang_up(call_id, by),
            on_gone=lambda gone: self.ladder.descend(gone),
            store_media=self._store_media,
            clock=self.now,
            moments=self.moments,
        )
        self.ladder = Ladder(
            bridge=self.bridge,
            casting=casting,
            health=self.health,
            speaking=self,
            store=cast(Store, self),
            live=LiveCalls(),
            clock=self,
            ladders=lambda _call: self.rungs,
        )
        self.holds = Holds(self.bridge, self.ladder, self)
        self.sleeping: asyncio.Event | None = None

    # --- clock, store and leases ---

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        if self.sleeping is not None:
            await self.sleeping.wait()
        self.time += seconds
        await asyncio.sleep(0)

    async def load(self, _call_id: str) -> Call | None:
        if isinstance(self.store_error, StoreUnavailable):
            raise self.store_error
        return self.call_now

    async def say(self, _call_id: str, event: CallEvent) -> Call:
        if self.store_error is not None:
            raise self.store_error
        self.said.append(event)
        self.call_now = calls.step(self.call_now, event, self.time, Policy()).call
        return self.call_now

    async def hang_up(self, _call_id: str, by: str) -> None:
        if self.store_error is not None:
            raise self.store_error
        self.ends.append(by)

    async def _report(self, _call_id: str, _leg_id: str, _event: LegEvent) -> Call:
        return self.call_now

    async def _store_media(self, *_given: Any) -> None:
        """Counters are not looked at here."""

    # --- the call ---

    async def talk(self) -> Stream:
        await self.bridge.prepare(self.call_now)
        return await self.bridge.open_stream("call_1", "leg_1", self.port)

    def pass_(self, stream: Stream | None, seconds: float) -> None:
        """The ticker turns, and every mark comes back at once."""
        end = self.time + seconds
        while self.timers and min(self.timers, key=lambda timer: timer[0])[0] <= end:
            due = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(due)
            self.time = max(self.time, due[0])
            due[1]()
            for message in [message for message in self.port.sent if isinstance(message, str) and message.startswith("mark ")]:
                self.port.sent.remove(message)
                if stream is not None:
                    self.bridge.hear(stream, MarkPlayed(message.removeprefix("mark ")), self.time)
        self.time = end

    async def until(self, stream: Stream | None, done: Callable[[], bool]) -> None:
        """Sound is heard, and errands run, until it is so."""
        for _ in range(400):
            for _ in range(5):
                await asyncio.sleep(0)
            if done():
                return
            self.pass_(stream, 0.1)
        raise AssertionError(f"never; said {self.said}")

    @property
    def lost(self) -> list[tuple[str, str, str]]:
        return [(event.agent, event.reason, event.rung) for event in self.said if isinstance(event, AgentLost)]

    async def aclose(self) -> None:
        await self.bridge.aclose()
        await self.holds.aclose()
        await self.ladder.aclose()


async def test_the_next_agent_speaks_after_a_moment_under_the_same_stream() -> None:
    """In its own format; the person's sound goes to it, the dead one is closed, and what that had queued is never heard."""
    house = House(B, b=PaperAgent(LINEAR_8K))
    stream = await house.talk()
    house.bot.line.play(b"\x55" * 160 * 100)
    house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: "answer" in house.b.told)
    assert house.port.heard("one-moment")
    assert sum(message == b"\x55" * 160 for message in house.port.sent) <= 3
    assert "close" in house.bot.told
    house.b.line.play(b"\x00\x10" * 160)
    house.pass_(stream, 0.1)
    assert isinstance(house.port.sent[-1], bytes)
    assert len(house.port.sent[-1]) == 160
    assert house.lost == [("bot", "socket-1006", "agent")]
    assert [(lost.agent, lost.reason, lost.context) for lost in house.b.info.lost] == [("bot", "socket-1006", {"turns": 7})]
    await house.aclose()


async def test_marks_of_the_dead_are_not_taken_for_the_next_ones() -> None:
    """The carrier's late echo of a mark that the lost agent had set says nothing to its successor."""
    house = House(B)
    stream = await house.talk()
    house.bot.line.mark("old")
    (old,) = [message for message in house.port.sent if isinstance(message, str)]
    house.port.sent.remove(old)
    house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: "answer" in house.b.told)
    house.b.line.mark("new")
    house.bridge.hear(stream, MarkPlayed(old.removeprefix("mark ")), house.time)
    assert "mark new" not in house.b.told
    house.pass_(stream, 0.1)
    assert "mark new" in house.b.told
    await house.aclose()


async def test_an_agent_that_cannot_take_over_is_passed_and_written_down() -> None:
    """The goodbye is said, and the call ends; both losses stand in its log, each with its reason."""
    house = House(B)
    house.b.fails_to_start = True
    stream = await house.talk()
    house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: bool(house.ends))
    assert house.lost == [("bot", "socket-1006", "agent"), ("b", "start-failed", "goodbye")]
    assert [event.detail for event in house.said if isinstance(event, AgentLost)] == ["", "nobody listens"]
    assert house.port.heard("sorry-goodbye")
    assert house.ends == ["agent"]
    await house.aclose()


async def test_while_the_store_is_away_the_person_is_helped_all_the_same() -> None:
    """Nobody sits in silence, no rung is taken twice, and all of it is written, once, when the store is back."""
    house = House(HOLD, B)
    stream = await house.talk()
    house.bot.fails_to_start, house.store_error = True, StoreUnavailable("away")
    house.ladder._live._calls["call_1"] = house.call_now
    with structlog.testing.capture_logs():
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: "answer" in house.b.told)
        assert house.said == []
        lost_at = house.call_now.answered_at
        house.store_error = None
        await house.until(stream, lambda: len(house.said) == 2)
    assert house.lost == [("bot", "socket-1006", "hold"), ("hold", "nobody-came-back", "agent")]
    assert (house.call_now.talks, house.call_now.ladder.holds, house.call_now.ladder.lost[0].at) == ("b", 1, lost_at)
    await house.aclose()


async def test_a_word_whose_answer_was_lost_is_one_word() -> None:
    """Said again, since nobody knows whether it was written: it is one loss all the same."""
    house = House(B)
    stream = await house.talk()
    say = house.say

    async def deaf(call_id: str, event: CallEvent) -> Call:
        house.say = say  # type: ignore[method-assign]
        await say(call_id, event)
        raise StoreUnavailable("no answer")

    house.say = deaf  # type: ignore[method-assign]
    with structlog.testing.capture_logs():
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: "answer" in house.b.told and len(house.said) == 2)
    assert [(loss.agent, loss.reason) for loss in house.call_now.ladder.lost] == [("bot", "socket-1006")]
    await house.aclose()


@pytest.mark.parametrize("broken", ["choice", "store"])
async def test_whatever_breaks_in_a_descent_the_person_hears_that_we_are_sorry(broken: str) -> None:
    """A defect is logged as one, and ends at the goodbye; nobody is left with a sound that means nothing."""
    house = House(B)
    stream = await house.talk()
    say, told = house.say, list[str]()

    async def breaks(call_id: str, event: CallEvent) -> Call:
        told.append("broke")
        house.say = say  # type: ignore[method-assign]
        raise RuntimeError("a defect")

    async def chooses(*_given: Any) -> Any:
        raise RuntimeError("a defect")

    if broken == "store":
        house.say = breaks  # type: ignore[method-assign]
    else:
        house.ladder._choice = chooses  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: bool(house.ends))
    assert house.port.heard("sorry-goodbye")
    assert (house.ends, house.lost) == (["agent"], [("bot", "ladder-broken", "goodbye")])
    assert [line["log_level"] for line in logs if line["event"] == "descent-failed"] == ["error"]
    await house.aclose()


async def test_if_even_the_goodbye_is_broken_the_call_ends() -> None:
    """Once the store takes the word: a call that nobody can be heard in is no call."""
    house = House(B)
    stream = await house.talk()
    hang_up, tries = house.hang_up, list[str]()

    async def away_at_first(call_id: str, by: str) -> None:
        tries.append(by)
        if len(tries) == 1:
            raise StoreUnavailable("away")
        await hang_up(call_id, by)

    async def breaks(*_given: Any, **_also: Any) -> Any:
        raise RuntimeError("a defect")

    house.hang_up = away_at_first  # type: ignore[method-assign]
    house.bridge.hand_over = breaks  # type: ignore[method-assign]
    with structlog.testing.capture_logs():
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: bool(house.ends))
    assert (tries, house.ends) == (["agent-failed"] * 2, ["agent-failed"])
    await house.aclose()


async def test_a_call_that_is_to_end_while_the_store_is_away_ends_when_it_is_back() -> None:
    """The goodbye has been heard; without another try its person would listen to nothing from there on."""
    house = House()
    stream = await house.talk()
    house.store_error = StoreUnavailable("away")
    with structlog.testing.capture_logs() as logs:
        house.bot.line.hang_up()
        await house.until(stream, lambda: "call-not-ended" in [line["event"] for line in logs])
        assert house.ends == []
        house.store_error = None
        await house.until(stream, lambda: bool(house.ends))
    assert house.ends == ["agent"]
    await house.aclose()


async def test_a_hold_that_breaks_holds_nobody_for_ever() -> None:
    """Who waits in it is told that we are sorry."""
    house = House(HOLD)
    stream = await house.talk()

    async def breaks(_call_id: str) -> Any:
        raise RuntimeError("a defect")

    house.ladder.rung_of = breaks  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as logs:
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: bool(house.ends))
    assert "hold-failed" in [line["event"] for line in logs]
    assert house.port.heard("sorry-goodbye")
    await house.aclose()


async def test_a_process_that_lost_its_lease_takes_nobody_down() -> None:
    """Another one speaks for the session: nothing is handed over here."""
    house = House(B)
    stream = await house.talk()
    house.store_error = LeaseLost("another's")
    house.bot.line.fail("socket-1006")
    for _ in range(30):
        house.pass_(stream, 0.1)
        await asyncio.sleep(0)
    assert house.b.told == []
    assert house.ends == []
    await house.aclose()


@pytest.mark.parametrize("when", ["start", "first-word"])
async def test_who_is_lost_before_the_first_word_greets_when_it_is_back(when: str) -> None:
    """The person has not heard it yet: it is told of an answer, not of a line that is back."""
    house = House(HOLD)
    house.sleeping = asyncio.Event()
    house.bot.fails_to_start = when == "start"
    if when == "start":
        with pytest.raises(AgentUnavailable, match="start-failed"):
            await house.bridge.prepare(house.call_now)
        stream = await house.bridge.open_stream("call_1", "leg_1", house.port)
    else:
        stream = await house.talk()
        house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: house.port.heard("hold"))
    house.bot.fails_to_start = False
    house.sleeping.set()
    await house.until(stream, lambda: any(isinstance(event, AgentBack) for event in house.said))
    assert [told for told in house.bot.told if told in ("start", "answer", "back")] == ["start", "answer"]
    await house.aclose()


@pytest.mark.parametrize(("agent", "met"), [("bot", True), ("shy", False), ("b", False)])
def test_in_another_process_too_only_who_has_spoken_goes_on(agent: str, met: bool) -> None:
    """Whose context somebody kept while the first process died; who was to take over there has not said a word."""
    kept = Kept(agent="bot", context={"turns": 7}) if agent != "shy" else Kept(agent="shy", met=False)
    wish = resumption(agent, keep(kept))
    assert (wish.met, wish.context) == (met, {"turns": 7} if met else None)


async def test_a_hold_calls_the_lost_agent_until_it_is_back() -> None:
    """It goes on with what it knew, the pauses grow, and its return is written down."""
    house = House(HOLD)
    stream = await house.talk()
    house.sleeping = asyncio.Event()
    house.bot.fails_to_start = True
    house.bot.line.play(b"\x55" * 160)
    house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: house.port.heard("hold"))
    house.sleeping.set()
    house.bot.fails_to_start = False
    await house.until(stream, lambda: any(isinstance(event, AgentBack) for event in house.said))
    assert house.bot.told[:3] == [("resume", {"turns": 7}), "start", "back"]
    assert house.call_now.talks == "bot"
    assert house.call_now.ladder.rung == -1
    await house.aclose()


async def test_a_hold_is_over_in_its_time() -> None:
    """Whoever does not come back by then is not waited for; the context goes on to the next rung."""
    house = House(HOLD, B)
    stream = await house.talk()
    house.bot.fails_to_start = True
    house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: "answer" in house.b.told)
    assert house.lost == [("bot", "socket-1006", "hold"), ("hold", "nobody-came-back", "agent")]
    assert [lost.context for lost in house.b.info.lost if lost.agent == "bot"] == [{"turns": 7}]
    await house.aclose()


async def test_an_agent_that_is_lost_while_another_is_being_sought_is_not_forgotten() -> None:
    """The one that took over raises at its first word: the next rung is taken, and none is skipped."""
    house = House(B)
    stream = await house.talk()

    def clumsy() -> None:
        raise RuntimeError("a bug")

    house.b.on_answer = clumsy  # type: ignore[method-assign]
    with structlog.testing.capture_logs():
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: bool(house.ends))
    assert house.lost == [("bot", "socket-1006", "agent"), ("b", "raised", "goodbye")]
    await house.aclose()


async def test_a_held_call_goes_on_in_another_process() -> None:
    """What the hold keeps is enough there: the same agent is called again, with what it knew."""
    house = House(HOLD)
    stream = await house.talk()
    house.sleeping = asyncio.Event()
    house.bot.line.fail("socket-1006")
    await house.until(stream, lambda: house.call_now.talks == "hold" and house.port.heard("hold"))
    context = house.bridge.context("call_1")
    other = House(HOLD)
    other.call_now = replace(house.call_now, resumed=1)
    await other.bridge.prepare(other.call_now, context)
    second = await other.bridge.open_stream("call_1", "leg_1", other.port)
    await other.until(second, lambda: any(isinstance(event, AgentBack) for event in other.said))
    assert other.bot.told[0] == ("resume", {"turns": 7})
    await house.aclose()
    await other.aclose()


@pytest.mark.parametrize(("rungs", "ends"), [((HOLD, B), []), ((HOLD,), ["agent-unavailable"])], ids=["another", "none"])
async def test_before_the_answer_of_our_own_call_there_is_another_agent_or_none(rungs: tuple[Rung, ...], ends: list[str]) -> None:
    """With one it is ready when they answer; without one the call is taken back, whatever else stands in the ladder."""
    house = House(*rungs, direction=Direction.OUTBOUND, status=CallStatus.RINGING, answered_at=None)
    leg = replace(house.call_now.legs[0], phase=LegPhase.RINGING, answered_at=None)
    house.call_now = replace(house.call_now, legs=(leg,))
    house.bot.fails_to_start = True
    with pytest.raises(AgentUnavailable, match="start-failed"):
        await house.bridge.prepare(house.call_now)
    await house.until(None, lambda: bool(house.ends) or "start" in house.b.told)
    assert house.ends == ends
    assert ("start" in house.b.told) is not bool(ends)
    await house.aclose()


async def test_nobody_is_called_for_nobody() -> None:
    """Our own call waits for its next carrier when its agent dies: the agent is started anew with the next leg."""
    waiting = {"direction": Direction.OUTBOUND, "status": CallStatus.SCHEDULED, "answered_at": None, "legs": ()}
    house = House(B)
    await house.bridge.prepare(house.call_now)
    house.call_now = replace(house.call_now, **waiting)
    house.bot.line.fail("socket-1006")
    await house.until(None, lambda: bool(house.said))
    assert house.lost == [("bot", "socket-1006", "")]
    assert house.ends == []
    assert house.bridge.call_ids == frozenset()
    await house.aclose()


async def test_a_call_that_ends_meanwhile_is_left_alone() -> None:
    """Whoever was about to take over is closed, and nothing is said any more."""
    house = House(B)
    stream = await house.talk()
    house.bot.line.fail("socket-1006")
    for _ in range(5):
        await asyncio.sleep(0)
    assert "start" in house.b.told
    await house.bridge.close("call_1")
    await house.until(stream, lambda: "close" in house.b.told)
    assert "answer" not in house.b.told
    await house.aclose()


async def test_an_agent_that_comes_back_and_is_lost_in_its_start_is_called_again() -> None:
    """The hold goes on trying: nobody listens to its sound for ever."""
    house = House(HOLD)
    stream = await house.talk()
    house.sleeping = asyncio.Event()
    tries, start = 0, house.bot.start

    async def clumsy(line: Line) -> None:
        nonlocal tries
        tries += 1
        await start(line)
        if tries == 1:
            line.fail("no-model")

    house.bot.start = clumsy  # type: ignore[method-assign]
    with structlog.testing.capture_logs():
        house.bot.line.fail("socket-1006")
        await house.until(stream, lambda: house.port.heard("hold"))
        house.sleeping.set()
        await house.until(stream, lambda: any(isinstance(event, AgentBack) for event in house.said))
    assert tries == 2
    await house.aclose()


async def test_a_disk_that_does_not_answer_costs_its_own_rung_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is room for a message is never known: the rungs around it are taken all the same."""
    monkeypatch.setattr(ladders, "_ASK_WITHIN_S", 0.01)
    house = House(Rung(kind=RungKind.VOICEMAIL), B)

    async def hangs(_call: Call) -> str:
        await asyncio.Event().wait()
        return ""

    say, written = house.say, asyncio.Event()

    async def noted(call_id: str, event: CallEvent) -> Call:
        written.set()
        return await say(call_id, event)

    house.say = noted  # type: ignore[method-assign]

    house.bridge._casting._agents = {**house.bridge._casting._agents, "voicemail": PaperAgent()}
    house.ladder._obstacles[RungKind.VOICEMAIL] = hangs
    stream = await house.talk()
    house.bot.line.fail("socket-1006")
    await asyncio.wait_for(written.wait(), 5)
    await house.until(stream, lambda: "answer" in house.b.told)
    assert [event.passed for event in house.said if isinstance(event, AgentLost)] == [("voicemail: no answer in time",)]
    await house.aclose()


async def test_who_answers_a_call_that_could_not_be_taken_back_gets_the_ladder() -> None:
    """No agent while it rings, and no store to say so: once it is back we look again, and nobody hears hold sound for ever."""
    house = House(HOLD, direction=Direction.OUTBOUND, status=CallStatus.RINGING, answered_at=None)
    answered = house.call_now.legs[0]
    house.call_now = replace(house.call_now, legs=(replace(answered, phase=LegPhase.RINGING, answered_at=None),))
    house.ladder._live._calls["call_1"] = house.call_now
    house.bot.fails_to_start, house.store_error = True, StoreUnavailable("away")
    house.sleeping = asyncio.Event()
    with structlog.testing.capture_logs(), pytest.raises(AgentUnavailable, match="start-failed"):
        await house.bridge.prepare(house.call_now)
    for _ in range(20):
        await asyncio.sleep(0)
    assert house.ends == []
    house.store_error = None
    house.call_now = replace(house.call_now, status=CallStatus.IN_PROGRESS, answered_at=1001.0, legs=(answered,))
    stream = await house.bridge.open_stream("call_1", "leg_1", house.port)
    house.sleeping.set()
    await house.until(stream, lambda: house.port.heard("sorry-goodbye"))
    assert next(event.rung for event in house.said if isinstance(event, AgentLost)) == "hold"
    await house.aclose()


async def test_the_agent_that_comes_while_patience_is_being_asked_for_stays() -> None:
    """Asking takes a moment of its own in a promised call; who is ready by then is not put out again."""
    house = House(B)
    come = asyncio.Event()

    async def slowly(_call: Call) -> Mapping[str, Any]:
        await come.wait()
        return {}

    house.bridge._casting._earlier = slowly
    asking = asyncio.create_task(house.bridge.stand_in(house.call_now))
    await asyncio.sleep(0)
    house.bridge._casting._earlier = _at_once
    await house.bridge.prepare(house.call_now)
    come.set()
    await asking
    assert house.bridge.context("call_1") == {"turns": 7}
    await house.aclose()


async def _at_once(_call: Call) -> Mapping[str, Any]:
    return {}


@pytest.mark.parametrize(("says", "state"), [(b"", "half_open"), (b"\x55" * 1600, "closed")], ids=["mute", "speaks"])
async def test_who_hangs_up_on_silence_does_not_prove_the_agent_well(says: bytes, state: str) -> None:
    """A probe that owes its first word when the person leaves has proved nothing; one that has said a word has."""
    house = House(B)
    house.bridge._casting._attention = {"bot": AttentionTerms(first_word_s=5.0)}
    for _ in range(BreakerPolicy().consecutive):
        trial = house.health.begin("bot")
        assert trial is not None
        trial.bad()
    house.time += BreakerPolicy().open_s + 1
    stream = await house.talk()
    house.bot.line.play(says)
    house.pass_(stream, 0.5)
    await house.bridge.close("call_1")
    assert house.health.states()["bot"] == state
    await house.aclose()


def outbound_without_a_leg(*rungs: Rung, doubted: tuple[str, ...] = ("bot",)) -> House:
    """A call of ours about to be dialled; `doubted` agents have failed, and it is time to find out whether they still do."""
    house = House(*rungs, direction=Direction.OUTBOUND, status=CallStatus.DIALING, answered_at=None, legs=())
    for name in doubted:
        for _ in range(BreakerPolicy().consecutive):
            trial = house.health.begin(name)
            assert trial is not None
            trial.bad()
    house.time += BreakerPolicy().open_s + 1
    return house


async def test_an_agent_is_proved_before_a_phone_rings_for_it() -> None:
    """It is started once, stays ready for the leg that follows, and a carrier that refuses does not put it in doubt again."""
    house = outbound_without_a_leg()
    assert await house.ladder.nobody(house.call_now) == ""
    assert house.health.states()["bot"] == "half_open"
    assert await house.ladder.nobody(house.call_now) == ""
    await house.bridge.prepare(house.call_now)
    assert (house.bot.told, house.said) == (["start"], [])
    await house.aclose()


async def test_an_agent_that_fails_its_proof_rings_no_phone() -> None:
    """The call waits as for an open breaker, and the next one is not even tried; nobody was lost, so nobody is told of a loss."""
    house = outbound_without_a_leg(HOLD)
    house.bot.fails_to_start = True
    with structlog.testing.capture_logs():
        assert await house.ladder.nobody(house.call_now) == "agent bot: start-failed"
    assert await house.ladder.nobody(house.call_now) == "agent bot: breaker-open"
    assert (house.health.states()["bot"], house.said, house.bridge.call_ids) == ("open", [], frozenset())
    await house.aclose()


async def test_after_a_failed_proof_another_agent_is_rung_for() -> None:
    """One that is well takes over when the phone rings, as ever."""
    house = outbound_without_a_leg(B)
    house.bot.fails_to_start = True
    with structlog.testing.capture_logs():
        assert await house.ladder.nobody(house.call_now) == ""
    assert (house.b.told, house.said) == ([], [])
    await house.aclose()


@pytest.mark.parametrize(("well", "why"), [(True, ""), (False, "agent b: start-failed")], ids=["well", "ill"])
async def test_another_agent_in_doubt_is_proved_as_well(well: bool, why: str) -> None:
    """The call is given to it first, so that it is what it will be asked to be; the caller id stays the one thought of."""
    house = outbound_without_a_leg(B, doubted=("bot", "b"))
    house.bot.fails_to_start, house.b.fails_to_start = True, not well
    with structlog.testing.capture_logs():
        assert await house.ladder.nobody(replace(house.call_now, from_number="+15550101777")) == why
    assert (house.lost, house.call_now.talks) == ([("bot", "start-failed", "agent")], "b")
    assert (house.b.info.agent, house.b.info.from_number) == ("b", "+15550101777")
    assert ("start" in house.b.told) is well
    await house.aclose()


async def test_a_call_that_ends_during_the_proof_keeps_no_agent() -> None:
    """Who was started for it is closed, and says neither well nor ill of its agent."""
    house = outbound_without_a_leg()
    begun, go_on, start = asyncio.Event(), asyncio.Event(), house.bot.start

    async def slowly(line: Line) -> None:
        begun.set()
        await go_on.wait()
        await start(line)

    house.bot.start = slowly  # type: ignore[method-assign]
    proving = asyncio.create_task(house.ladder.nobody(house.call_now))
    await asyncio.wait_for(begun.wait(), 5)
    await house.bridge.close("call_1")
    go_on.set()
    assert await proving == ""
    assert (house.bot.told, house.bridge.call_ids) == (["start", "close"], frozenset())
    assert house.health.ask("bot").probe
    await house.aclose()


async def test_a_call_that_was_taken_back_is_dialled_again_with_its_agent() -> None:
    """Not with whoever asked for a moment the last time: that one would ask for ever, and nobody would come."""
    house = House(HOLD, direction=Direction.OUTBOUND, status=CallStatus.RINGING, answered_at=None)
    leg = replace(house.call_now.legs[0], phase=LegPhase.RINGING, answered_at=None)
    house.call_now = replace(house.call_now, legs=(leg,))
    house.bot.fails_to_start = True
    with pytest.raises(AgentUnavailable, match="start-failed"):
        await house.bridge.prepare(house.call_now)
    await house.until(None, lambda: bool(house.ends))
    house.bot.fails_to_start = False
    await house.bridge.prepare(house.call_now)
    assert house.bot.told == ["start"]
    await house.aclose()


async def test_who_calls_back_is_told_which_agents_were_lost() -> None:
    """Agents alone: that somebody held in vain is nothing to them."""
    house = House(B)
    lost = (Loss(at=1.0, agent="bot", reason="socket-1006"), Loss(at=2.0, agent="hold", reason="nobody-came-back"))
    house.call_now = replace(house.call_now, ladder=Descent(lost=lost))
    notes, done = list[str](), asyncio.Event()

    async def noted(because: Call, *, note: str = "") -> Call:
        notes.append(note)
        return because

    asking = SimpleNamespace(ask=noted)
    await house.bridge.prepare(house.call_now)
    Promises(house.ladder, cast(Asking, asking), house).ask(house.bot.info, lambda _promised: done.set())
    await asyncio.wait_for(done.wait(), 5)
    assert notes == ["we had lost: bot (socket-1006)"]
    await house.aclose()
