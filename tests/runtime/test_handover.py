"""Who brings callers and colleagues together: on paper calls and real sessions, with times cut short."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec.structs import replace

from agent.contract import CallInfo, Line
from agent.handover import Handover, Party
from agent.speech import sentence
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import CallEvent, HandedOver
from gateway.domain.handover import colleague_call
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call, Descent, Loss
from gateway.runtime import handover
from gateway.runtime.calls import News
from gateway.runtime.casting import Gone
from gateway.runtime.clock import SystemClock
from gateway.runtime.colleagues import Colleagues, NotDialled
from gateway.runtime.handover import Handovers
from gateway.runtime.ladder import Ladder

TO = "+15550100100"
CALLER = Call(
    id="call_1",
    direction=Direction.INBOUND,
    to="+15550190001",
    from_number="+15550101234",
    session_id="ses_1",
    created_at=0.0,
    expires_at=60.0,
    agent="bot",
    status=CallStatus.IN_PROGRESS,
    answered_at=0.0,
    ladder=Descent(lost=(Loss(at=0.0, agent="bot", reason="socket-1006", began=True),), rung=0, talking="human"),
)
LINKED = colleague_call(CALLER, TO, ring_s=20.0, route="out", now=0.0)


class Ear(Line):
    """Everything that is said is heard at once."""

    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.hung_up = False
        self.on_mark: Callable[[str], None] = lambda _name: None
        self._marks: list[str] = []

    def play(self, audio: bytes) -> None:
        self.played.append(audio)

    def heard(self, name: str) -> bool:
        """Whether this sentence, or sound, was said."""
        return sentence(name) in self.played

    def relay(self, frame: bytes) -> None:
        pass

    def mark(self, name: str) -> None:
        if len(self._marks) < 3:  # the sound that follows is not heard to its end
            self._marks.append(name)
            asyncio.get_running_loop().call_soon(self.on_mark, name)

    def clear(self) -> None:
        self._marks.clear()

    def hang_up(self) -> None:
        self.hung_up = True


class Paper:
    """The ladder, and the colleagues' calls, with what was asked of them."""

    def __init__(self, rung: Rung) -> None:
        self.rung: Rung | None = rung
        self.calls: dict[str, Call] = {"call_1": CALLER}
        self.done: list[Any] = []
        self.refuses, self.store_is_away = "", 0
        self.after_look: asyncio.Event | None = None
        """Set after the next look at the caller's call, which takes a moment to be back."""
        self.placing: asyncio.Event | None = None
        """Set when the colleague's call is being placed, which then takes until `placed`."""
        self.placed, self.may_end = asyncio.Event(), asyncio.Event()
        """Without `may_end` no call's end is stored yet."""
        self.may_end.set()

    async def rung_of(self, call_id: str) -> tuple[Call, Rung | None] | None:
        call = await self.call(call_id)
        return None if call is None or call.ended else (call, self.rung)

    async def call(self, call_id: str) -> Call | None:
        found = self.calls.get(call_id)
        if self.after_look is not None and call_id == "call_1":
            self.after_look.set()
            self.after_look = None
            await asyncio.sleep(0.01)
        return found

    async def descend(self, gone: Gone) -> None:
        self.done.append(("descend", gone.reason, gone.began, gone.context))

    def wanted(self, caller: Call, rung: Rung) -> Call:
        return colleague_call(caller, rung.to, ring_s=rung.ring_s, route="out", now=0.0)

    async def place(self, wanted: Call) -> Call:
        if self.refuses:
            raise NotDialled(self.refuses)
        if self.placing is not None:
            self.placing.set()
            await self.placed.wait()
        if self.store_is_away:
            self.store_is_away -= 1
            raise StoreUnavailable("gone")
        self.done.append("place")
        return self.calls.setdefault(wanted.id, wanted)

    async def end(self, call_id: str, by: str) -> None:
        await self.may_end.wait()
        self.done.append(("end", call_id, by))

    async def tell(self, call_id: str, event: CallEvent) -> bool:
        if self.store_is_away:
            self.store_is_away -= 1
            return False
        assert isinstance(event, HandedOver)
        self.done.append(("tell", call_id, event.to))
        return True


class House:
    """One process: the switchboard, and the two sessions as they come."""

    def __init__(self, **rung: Any) -> None:
        self.paper = Paper(Rung(kind=RungKind.HUMAN, to=TO, **rung))
        paper = cast(Any, self.paper)
        self.board = Handovers(cast(Ladder, paper), cast(Colleagues, paper), SystemClock())
        self.ears: dict[str, Ear] = {}

    async def session(self, call_id: str, agent: str, *, on_line: bool = True) -> Party:
        info = CallInfo(call_id=call_id, session_id="s", direction="inbound", from_number="", to_number="", agent=agent)
        party = Handover(lambda: self.board).session(info)
        ear = self.ears[agent] = Ear()
        ear.on_mark = party.on_mark
        party.resume({"kept": {"agent": "bot", "context": {}}})
        await party.start(ear)
        if on_line:
            party.on_answer()
        return party

    async def caller(self) -> Party:
        return await self.session("call_1", "human")

    async def colleague(self) -> Party:
        return await self.session(LINKED.id, "colleague")

    async def both(self) -> tuple[Party, Party]:
        """The caller waits, the colleague hears the whisper."""
        caller = await self.caller()
        await self.until(lambda: LINKED.id in self.paper.calls)
        return caller, await self.colleague()

    async def change(self, call_id: str, **changes: Any) -> None:
        """As somebody writes it, in this process."""
        before = self.paper.calls[call_id]
        self.paper.calls[call_id] = after = replace(before, **changes)
        await self.board.heed(News(before=before, after=after, entries=(), words=()))

    async def end(self, call_id: str, outcome: Outcome) -> None:
        await self.change(call_id, status=CallStatus.ENDED, outcome=outcome)

    async def until(self, look: Callable[[], Any], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while True:
                if look():
                    return
                await asyncio.sleep(0.005)

    async def did(self, *wanted: Any) -> None:
        await self.until(lambda: all(one in self.paper.done for one in wanted))

    async def left(self, reason: str) -> tuple[Any, ...]:
        """What the ladder was told."""
        await self.until(lambda: any(one[:2] == ("descend", reason) for one in self.paper.done if isinstance(one, tuple)))
        return cast(tuple[Any, ...], self.paper.done[-1])


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open houses; what runs in them ends with the test."""
    for name, seconds in {"LOOK_EVERY_S": 0.02, "KEY_WAIT_S": 0.2, "ALONE_S": 0.2, "LONGEST_DIALLING_S": 0.1}.items():
        monkeypatch.setattr(handover, name, seconds)
    opened: list[House] = []

    def build(**rung: Any) -> House:
        opened.append(House(**rung))
        return opened[-1]

    yield build
    for one in opened:
        await one.board.aclose()


async def test_with_the_key_both_talk_and_it_is_written(house: Any) -> None:
    """At once, before anything is written; another key means nothing."""
    home = house()
    caller, colleague = await home.both()
    colleague.on_digit("2")
    assert caller.other is None
    colleague.on_digit("1")
    assert caller.other is colleague
    await home.did(("tell", "call_1", LINKED.id))


async def test_a_store_that_is_away_is_told_later_and_nobody_waits_for_it(house: Any) -> None:
    """Both talk; the word is written when it can be."""
    home = house()
    caller, colleague = await home.both()
    home.paper.store_is_away = 3
    colleague.on_digit("1")
    assert caller.other is colleague
    await home.did(("tell", "call_1", LINKED.id))


@pytest.mark.parametrize("whisper", ["announce", "none"])
async def test_without_a_key_they_meet_after_the_word(house: Any, whisper: str) -> None:
    """The announcement is heard to its end first, if there is one."""
    home = house(whisper=handover.Whisper(whisper))
    caller, colleague = await home.both()
    await home.until(lambda: caller.other is colleague)


async def test_who_presses_nothing_has_nobody(house: Any) -> None:
    """Their call is ended, the caller hears a word, and the next rung gets what the lost agent knew."""
    home = house()
    await home.both()
    found = await home.left("colleague-took-no-call")
    assert ("end", LINKED.id, "gateway") in home.paper.done
    assert found[2:] == (False, {"kept": {"agent": "bot", "context": {}}})


async def test_who_does_not_answer_in_time_is_rung_no_more(house: Any) -> None:
    """Also where the carrier says nothing of it."""
    home = house(ring_s=0.1)
    await home.caller()
    await home.left("colleague-no-answer")
    assert ("end", LINKED.id, "gateway") in home.paper.done


@pytest.mark.parametrize(
    ("outcome", "why"), [(Outcome.BUSY, "colleague-busy"), (Outcome.EXHAUSTED, "colleague-exhausted")], ids=["busy", "exhausted"]
)
async def test_a_call_that_reaches_nobody_is_the_next_rung(house: Any, outcome: Outcome, why: str) -> None:
    """With the outcome's own word."""
    home = house()
    await home.caller()
    await home.until(lambda: LINKED.id in home.paper.calls)
    await home.end(LINKED.id, outcome)
    await home.left(why)


@pytest.mark.parametrize(
    ("breaks", "why"),
    [("no route", "no-route"), ("store", "store-unavailable"), ("config", "no-such-rung")],
    ids=["route", "store", "config"],
)
async def test_what_cannot_be_called_is_the_next_rung(house: Any, breaks: str, why: str) -> None:
    """No route any more, no store, or a config that has changed since."""
    home = house()
    home.paper.refuses = "no-route" if breaks == "no route" else ""
    home.paper.store_is_away = 1 if breaks == "store" else 0
    home.paper.rung = None if breaks == "config" else home.paper.rung
    await home.caller()
    await home.left(why)


async def test_the_callers_end_ends_the_colleagues_call_ringing_or_not(house: Any) -> None:
    """At once, by the news of it; nothing follows."""
    for rings in (True, False):
        home = house()
        caller, colleague = (await home.caller(), None) if rings else await home.both()
        await home.until(lambda home=home: LINKED.id in home.paper.calls)
        if colleague is not None:
            colleague.on_digit("1")
        await home.end("call_1", Outcome.COMPLETED)
        await caller.close()
        await home.did(("end", LINKED.id, "caller"))
        assert not [one for one in home.paper.done if one[0] == "descend"]


async def test_a_caller_who_ends_while_things_are_looked_at_has_not_moved_elsewhere(house: Any) -> None:
    """What was read a moment before still says that they talk, and their session is closed by now."""
    home = house()
    caller, colleague = await home.both()
    colleague.on_digit("1")
    await home.did(("tell", "call_1", LINKED.id))
    home.paper.calls["call_1"] = replace(home.paper.calls["call_1"], handed_to=LINKED.id)
    home.paper.after_look = looked = asyncio.Event()
    await looked.wait()
    await caller.close()
    await home.end("call_1", Outcome.COMPLETED)
    await home.did(("end", LINKED.id, "caller"))
    assert not home.ears["colleague"].hung_up


async def test_a_colleague_who_hangs_up_ends_the_callers_call_and_a_broken_line_does_not(house: Any) -> None:
    """The caller of the broken one goes on down the ladder, as somebody who had been talked with."""
    for outcome in (Outcome.COMPLETED, Outcome.DROPPED):
        home = house()
        _caller, colleague = await home.both()
        colleague.on_digit("1")
        await colleague.close()
        await home.end(LINKED.id, outcome)
        if outcome is Outcome.COMPLETED:
            await home.did(("end", "call_1", "colleague"))
        else:
            assert (await home.left("colleague-lost"))[2] is True


async def test_after_a_crash_they_meet_again_without_a_whisper(house: Any) -> None:
    """Another process takes both sessions over, in either order, and the call says that the colleague had the caller."""
    for colleague_first in (True, False):
        home = house()
        home.paper.calls |= {"call_1": replace(CALLER, handed_to=LINKED.id), LINKED.id: LINKED}
        if colleague_first:
            colleague = await home.colleague()
            caller = await home.caller()
        else:
            caller = await home.caller()
            colleague = await home.colleague()
        await home.until(lambda caller=caller, colleague=colleague: caller.other is colleague)
        await home.board.aclose()


async def test_a_colleague_without_a_caller_is_not_left_on_an_empty_line(house: Any) -> None:
    """The caller is gone, or does not come here: a word, and the end; one who does come is met."""
    home = house()
    home.paper.calls[LINKED.id] = LINKED
    await home.end("call_1", Outcome.COMPLETED)
    await home.colleague()
    await home.until(lambda: home.ears["colleague"].hung_up)
    home = house()
    home.paper.calls[LINKED.id] = LINKED
    await home.colleague()
    assert not home.ears["colleague"].hung_up
    await home.until(lambda: home.ears["colleague"].hung_up)


async def test_a_caller_who_moved_to_another_process_leaves_the_colleague_waiting_for_a_while(house: Any) -> None:
    """Nothing is ended here by mistake: the caller's call goes on elsewhere."""
    home = house()
    caller, colleague = await home.both()
    colleague.on_digit("1")
    await home.did(("tell", "call_1", LINKED.id))
    await caller.close()
    assert ("end", LINKED.id, "caller") not in home.paper.done
    await home.until(lambda: home.ears["colleague"].hung_up)


@pytest.mark.parametrize("anew_first", [False, True])
async def test_a_caller_whose_session_begins_anew_here_has_the_colleague_back(house: Any, anew_first: bool) -> None:
    """As when the session was left and taken again by the same process, before or after the old one was closed."""
    home = house()
    caller, colleague = await home.both()
    colleague.on_digit("1")
    await home.did(("tell", "call_1", LINKED.id))
    home.paper.calls["call_1"] = replace(home.paper.calls["call_1"], handed_to=LINKED.id)
    steps: list[Callable[[], Any]] = [home.caller, caller.close] if anew_first else [caller.close, home.caller]
    again = next(found for found in [await step() for step in steps] if found is not None)
    await home.until(lambda: again.other is colleague)
    assert not home.ears["colleague"].hung_up


async def test_the_key_in_the_moment_of_the_deadline_is_too_late(house: Any) -> None:
    """It has been decided that the caller goes on: nobody hears them for a moment more, and nothing is written of it."""
    home = house()
    home.paper.may_end.clear()
    caller, colleague = await home.both()
    home.ears["human"].on_mark = lambda _name: None  # the word to the caller takes its time
    await home.until(lambda: home.ears["human"].heard("colleague-unreached"))
    colleague.on_digit("1")
    assert caller.other is None
    home.paper.may_end.set()
    await caller.close()
    await home.did(("end", LINKED.id, "gateway"))
    assert not [one for one in home.paper.done if one[0] == "tell"]


async def test_the_caller_hangs_up_while_the_colleague_answers(house: Any) -> None:
    """Their call has ended and their session is about to: the colleague's call ends with it, and no rung follows."""
    home = house(whisper=handover.Whisper.NONE)
    caller = await home.caller()
    await home.until(lambda: LINKED.id in home.paper.calls)
    home.paper.calls["call_1"] = replace(CALLER, status=CallStatus.ENDED, outcome=Outcome.COMPLETED)
    await home.colleague()
    await caller.close()
    await home.did(("end", LINKED.id, "caller"))
    assert not [one for one in home.paper.done if one[0] in {"descend", "tell"}]


async def test_who_comes_back_while_things_are_found_out_hears_no_whisper(house: Any) -> None:
    """After a crash: the colleague is there before their call is known to be here, and has the caller at once."""
    home = house()
    home.paper.calls |= {"call_1": replace(CALLER, handed_to=LINKED.id), LINKED.id: LINKED}
    home.paper.placing = asyncio.Event()
    caller = await home.caller()
    await home.paper.placing.wait()
    colleague = await home.colleague()
    assert caller.other is colleague
    home.paper.placed.set()
    await home.did("place")
    assert not home.ears["colleague"].heard("whisper-press-1")


async def test_people_who_talk_outlast_a_store_that_goes_while_they_are_brought_together(house: Any) -> None:
    """After a crash: they talk, the colleague's call is asked for until the store is back, and no rung follows."""
    home = house()
    home.paper.calls |= {"call_1": replace(CALLER, handed_to=LINKED.id), LINKED.id: LINKED}
    home.paper.store_is_away = 3
    colleague = await home.colleague()
    caller = await home.caller()
    await home.did("place")
    assert caller.other is colleague
    assert not [one for one in home.paper.done if one[0] == "descend"]


async def test_a_colleague_who_cannot_be_given_the_caller_again_is_told_and_freed(house: Any) -> None:
    """After a crash: their call sits in a third gateway, or cannot be reached by any route any more; the caller goes on."""
    home = house()
    home.paper.calls |= {"call_1": replace(CALLER, handed_to=LINKED.id), LINKED.id: LINKED}
    home.paper.refuses = "seated-elsewhere"
    await home.colleague()
    await home.caller()
    assert (await home.left("seated-elsewhere"))[2] is True
    assert home.ears["colleague"].hung_up
    assert home.ears["colleague"].heard("caller-gone")
    assert home.ears["human"].heard("colleague-lost")


async def test_a_call_that_was_perhaps_placed_rings_no_more_when_the_caller_goes_on(house: Any) -> None:
    """The store went away in the middle: whether it had the call is not known, so its end is asked for."""
    home = house()
    home.paper.store_is_away = 1
    await home.caller()
    await home.left("store-unavailable")
    await home.did(("end", LINKED.id, "gateway"))
