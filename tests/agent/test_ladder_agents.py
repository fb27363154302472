"""The agents of the ladder: somebody who waits always hears something, and is told nothing that is not so."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from agent.callback_offer import WAIT_S, CallbackOffer, CallbackOfferSession
from agent.contract import CallInfo, Line, LostAgent
from agent.goodbye import Goodbye
from agent.hold import Hold, HoldSession
from agent.patience import SOUND
from agent.speech import sentence
from gateway.domain.media import FRAMES_PER_SECOND, MULAW_FRAME

CALL = CallInfo(
    call_id="call_1", session_id="ses_1", direction="inbound", from_number="+15550100001", to_number="+15550190001", agent="bot"
)
QUIET = b"\xff" * MULAW_FRAME
NAMES = {
    sentence(name): name
    for name in (
        SOUND,
        "one-moment",
        "hold",
        "callback-offer",
        "callback-promised",
        "callback-by-default",
        "callback-refused",
        "sorry-goodbye",
    )
}


class Ear(Line):
    """A line that plays at once what it is given when asked to; clearing gives marks back from within, as the real one does."""

    def __init__(self) -> None:
        self.queue: list[tuple[str, str]] = []
        self.heard: list[str] = []
        self.hung_up = False
        self.on_mark: Callable[[str], None] = lambda _name: None

    def play(self, audio: bytes) -> None:
        self.queue.append(("play", NAMES[audio]))

    def mark(self, name: str) -> None:
        self.queue.append(("mark", name))

    def clear(self) -> None:
        thrown, self.queue = self.queue, []
        for what, name in thrown:
            if what == "mark":
                self.on_mark(name)

    def hang_up(self) -> None:
        self.hung_up = True

    def hear(self, pieces: int = 1, *, marks: bool = True) -> list[str]:
        """The next sounds are heard, and their marks come back, unless they are lost."""
        for _ in range(pieces):
            what, name = self.queue.pop(0)
            assert what == "play"
            self.heard.append(name)
            while self.queue and self.queue[0][0] == "mark":
                _, mark = self.queue.pop(0)
                if marks:
                    self.on_mark(mark)
        return self.heard


class Watching:
    """`agent.hold.Watch`."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def began(self, call: CallInfo, kept: Mapping[str, Any]) -> None:
        self.told.append(("began", call.call_id, dict(kept)))

    def heard(self, call: CallInfo) -> None:
        self.told.append("heard")

    def over(self, call: CallInfo) -> None:
        self.told.append("over")


async def waiting(ear: Ear, watch: Watching, kept: Mapping[str, Any] | None = None) -> HoldSession:
    session = Hold("hold", lambda: watch).session(CALL)
    ear.on_mark = session.on_mark
    if kept is not None:
        session.resume(kept)
    await session.start(ear)
    return session


async def test_who_waits_hears_a_sentence_and_then_a_sound_without_end() -> None:
    """Something is always queued behind what is being heard."""
    ear, watch = Ear(), Watching()
    session = await waiting(ear, watch)
    session.on_answer()
    assert ear.hear(50) == ["hold", *[SOUND] * 49]
    assert ear.queue
    assert watch.told == [("began", "call_1", {}), "heard"]


async def test_marks_that_are_lost_leave_nobody_in_silence() -> None:
    """The person's own frames count the time; a little late, but before anybody hangs up."""
    ear = Ear()
    session = await waiting(ear, Watching())
    session.on_answer()
    for _ in range(6):
        if ear.queue:
            ear.hear(marks=False)
        for _ in range((len(sentence("hold")) // MULAW_FRAME) + 2 * FRAMES_PER_SECOND + 1):
            session.on_audio(QUIET)
    assert len(ear.heard) == 6


async def test_a_line_that_comes_back_is_not_told_twice() -> None:
    """The sentence is said again only to who has not heard it."""
    ear = Ear()
    session = await waiting(ear, Watching())
    session.on_answer()
    session.on_line_lost()
    session.on_line_back()
    assert ear.hear(2) == ["hold", SOUND]
    session.on_line_lost()
    session.on_line_back()
    assert ear.hear(1)[2:] == [SOUND]


async def test_what_was_kept_is_given_on() -> None:
    """The lost agent's context goes through the hold, into another process if need be."""
    watch = Watching()
    session = await waiting(Ear(), watch, {"agent": "bot", "context": {"turns": 3}})
    assert session.context() == {"agent": "bot", "context": {"turns": 3}}
    assert watch.told == []
    session.on_answer()
    session.on_line_lost()
    session.on_line_back()
    await session.close()
    assert watch.told == [("began", "call_1", session.context()), "over"]


class Desk:
    """Whom is asked for callbacks."""

    def __init__(self) -> None:
        self.told: list[Callable[[bool], None]] = []

    def ask(self, call: CallInfo, told: Callable[[bool], None]) -> None:
        self.told.append(told)


async def offering(ear: Ear, desk: Desk, kept: Mapping[str, Any] | None = None) -> CallbackOfferSession:
    session = CallbackOffer(desk.ask).session(CALL)
    ear.on_mark = session.on_mark
    session.resume(kept or {})
    await session.start(ear)
    session.on_answer()
    return session


@pytest.mark.parametrize(("promised", "words"), [(True, "callback-promised"), (False, "callback-refused")])
async def test_who_presses_one_is_told_what_became_of_it(promised: bool, words: str) -> None:
    """Nothing is said before it is so, and the call ends with it."""
    ear, desk = Ear(), Desk()
    session = await offering(ear, desk)
    session.on_digit("1")
    assert ear.hear(3) == [SOUND, SOUND, SOUND]
    assert not ear.hung_up
    desk.told[0](promised)
    assert ear.hear(1)[-1] == words
    assert ear.hung_up
    session.on_digit("1")
    assert len(desk.told) == 1


async def test_another_key_repeats_the_offer() -> None:
    """Whoever missed it hears it again."""
    ear, desk = Ear(), Desk()
    session = await offering(ear, desk)
    ear.hear(1)
    session.on_digit("5")
    assert ear.hear(1) == ["callback-offer", "callback-offer"]
    assert desk.told == []


@pytest.mark.parametrize(
    ("kept", "asked", "words"), [({}, 0, "sorry-goodbye"), ({"by_default_after_s": 3.0}, 1, "callback-by-default")]
)
async def test_silence_means_what_the_config_says(kept: dict[str, Any], asked: int, words: str) -> None:
    """A goodbye, or a callback all the same."""
    ear, desk = Ear(), Desk()
    await offering(ear, desk, kept)
    while not ear.hung_up and len(ear.heard) < 20:
        ear.hear(1)
        for told in desk.told:
            told(True)
    assert len(desk.told) == asked
    assert ear.hear(1)[-1] == words
    assert sum(name == SOUND for name in ear.heard) * 1.6 < WAIT_S + 2


async def test_an_offer_goes_on_in_another_process() -> None:
    """What was asked for is asked for again, since the answer was lost with the process."""
    ear, desk = Ear(), Desk()
    first = await offering(ear, desk)
    first.on_digit("1")
    second_ear, second_desk = Ear(), Desk()
    second = CallbackOffer(second_desk.ask).session(replace(CALL, resumed=1))
    second_ear.on_mark = second.on_mark
    second.resume(first.context())
    await second.start(second_ear)
    second.on_line_back()
    second_desk.told[0](True)
    assert second_ear.hear(1) == ["callback-promised"]


async def test_an_offer_keeps_what_the_lost_agent_knew() -> None:
    """Whoever calls back is told it, also when the offer went on in another process; and nothing of the offer's own."""
    lost = LostAgent(agent="bot", reason="socket-1011", began=True, context={"order": 7})
    first = CallbackOffer(Desk().ask).session(replace(CALL, lost=(lost,)))
    second = CallbackOffer(Desk().ask).session(replace(CALL, resumed=1))
    second.resume(first.context())
    assert [session.context()["lost_context"] for session in (first, second)] == [{"order": 7}, {"order": 7}]


async def test_the_goodbye_is_said_and_ends_the_call() -> None:
    """Again, if the line was lost before it was over."""
    ear = Ear()
    session = Goodbye().session(CALL)
    session.resume({})
    await session.start(ear)
    session.on_answer()
    session.on_line_lost()
    session.on_line_back()
    assert ear.hear(2) == ["sorry-goodbye", "sorry-goodbye"]
    assert ear.hung_up
