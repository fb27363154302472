"""The two sessions of a handover: what each person hears before they talk, while they do, and when one of them is away."""

from collections.abc import Callable

import pytest

from agent.contract import CallInfo, Line
from agent.handover import Handover, LiveLine, Party
from agent.patience import SOUND
from agent.speech import sentence
from gateway.domain.media import MULAW_FRAME

FRAME = b"\x12" * MULAW_FRAME
NAMES = {
    sentence(name): name for name in (SOUND, "connecting", "ringing", "colleague-unreached", "whisper-press-1", "caller-gone")
}


class Ear(Line):
    """A line that plays when asked to; clearing gives marks back from within, as the real one does."""

    def __init__(self) -> None:
        self.queue: list[tuple[str, str]] = []
        self.live: list[bytes] = []
        self.keys = ""
        self.hung_up = False
        self.on_mark: Callable[[str], None] = lambda _name: None

    def play(self, audio: bytes) -> None:
        self.queue.append(("play", NAMES[audio]))

    def relay(self, frame: bytes) -> None:
        self.live.append(frame)

    def mark(self, name: str) -> None:
        self.queue.append(("mark", name))

    def clear(self) -> None:
        thrown, self.queue = self.queue, []
        for what, name in thrown:
            if what == "mark":
                self.on_mark(name)

    def send_digits(self, digits: str) -> None:
        self.keys += digits

    def hang_up(self) -> None:
        self.hung_up = True

    def hear(self) -> str:
        """The next sound, and its mark comes back."""
        name = self.queue.pop(0)[1]
        while self.queue and self.queue[0][0] == "mark":
            self.on_mark(self.queue.pop(0)[1])
        return name


class Board:
    """`Switchboard` that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def joined(self, party: Party) -> None:
        self.told.append((party.call.agent, "joined"))

    def arrived(self, party: Party) -> None:
        self.told.append((party.call.agent, "arrived"))

    def pressed(self, party: Party, key: str) -> None:
        self.told.append((party.call.agent, f"pressed {key}"))

    def heard(self, party: Party) -> None:
        self.told.append((party.call.agent, "heard"))

    def left(self, party: Party) -> None:
        self.told.append((party.call.agent, "left"))


class Talk:
    """A caller and a colleague, each with an ear."""

    def __init__(self) -> None:
        self.board = Board()
        self.ears = Ear(), Ear()
        self.caller, self.colleague = (
            self._party(agent, ear) for agent, ear in zip(("human", "colleague"), self.ears, strict=True)
        )

    def _party(self, agent: str, ear: Ear) -> Party:
        call = CallInfo(
            call_id=f"call_{agent}", session_id="ses_1", direction="inbound", from_number="", to_number="", agent=agent
        )
        party = Handover(lambda: self.board).session(call)
        ear.on_mark = party.on_mark
        return party

    async def begin(self) -> "Talk":
        await self.caller.start(self.ears[0])
        await self.colleague.start(self.ears[1])
        self.caller.on_answer()
        self.colleague.on_answer()
        return self


@pytest.fixture
async def talk() -> Talk:
    """Both are on the line, and do not talk yet."""
    return await Talk().begin()


def test_the_ears_line_is_one_that_relays() -> None:
    """As the gateway's is, so that what these tests see is what happens."""
    assert isinstance(Ear(), LiveLine)


async def test_before_they_meet_nobody_hears_the_other(talk: Talk) -> None:
    """Neither sound nor keys; the keys go to the switchboard."""
    talk.caller.on_audio(FRAME)
    talk.colleague.on_audio(FRAME)
    talk.colleague.on_digit("1")
    assert (talk.ears[0].live, talk.ears[1].live, talk.ears[0].keys) == ([], [], "")
    assert talk.board.told[-1] == ("colleague", "pressed 1")


async def test_who_waits_hears_a_sentence_and_then_the_sound_and_the_board_knows(talk: Talk) -> None:
    """The mark of the sentence is told once, those of the sound are not."""
    talk.caller.wait("connecting", sound="ringing")
    assert [talk.ears[0].hear() for _ in range(3)] == ["connecting", "ringing", "ringing"]
    assert talk.board.told.count(("human", "heard")) == 1


async def test_from_the_meeting_on_each_hears_the_others_frames_untouched_and_keys(talk: Talk) -> None:
    """What was waiting to be heard is thrown away."""
    talk.caller.wait("connecting", sound="ringing")
    talk.caller.meet(talk.colleague)
    assert talk.ears[0].queue == []
    talk.caller.on_audio(FRAME)
    talk.colleague.on_audio(b"\x34" * MULAW_FRAME)
    talk.caller.on_digit("5")
    talk.colleague.on_digit("9")
    assert (talk.ears[1].live, talk.ears[0].live) == ([FRAME], [b"\x34" * MULAW_FRAME])
    assert (talk.ears[1].keys, talk.ears[0].keys) == ("5", "9")


async def test_who_is_left_alone_for_a_moment_hears_that_they_wait(talk: Talk) -> None:
    """Nothing is kept for somebody who is off the line; when they are back both talk again."""
    talk.caller.meet(talk.colleague)
    talk.caller.on_line_lost()
    assert talk.ears[1].hear() == SOUND
    talk.colleague.on_audio(FRAME)
    talk.colleague.on_digit("3")
    assert (talk.ears[0].live, talk.ears[0].keys) == ([], "")
    talk.caller.on_line_back()
    assert talk.ears[1].queue == []
    talk.colleague.on_audio(FRAME)
    assert talk.ears[0].live == [FRAME]


async def test_a_session_that_closes_leaves_the_other_one_waiting(talk: Talk) -> None:
    """And nothing more is said to a line that is not its own any more."""
    talk.caller.meet(talk.colleague)
    await talk.caller.close()
    assert talk.ears[1].hear() == SOUND
    talk.colleague.on_audio(FRAME)
    assert talk.ears[0].live == []
    assert talk.board.told[-1] == ("human", "left")


async def test_a_colleague_whose_caller_is_gone_is_told_and_hung_up(talk: Talk) -> None:
    """The sentence is queued before the end."""
    talk.caller.meet(talk.colleague)
    talk.colleague.leave("caller-gone")
    assert (talk.ears[1].queue, talk.ears[1].hung_up) == ([("play", "caller-gone")], True)
    assert talk.caller.other is None
    assert talk.ears[0].hear() == SOUND


async def test_what_was_kept_of_the_lost_agent_is_given_on(talk: Talk) -> None:
    """The next rung, in whatever process, gets it."""
    talk.caller.resume({"kept": {"agent": "bot", "context": {"step": 2}}})
    assert talk.caller.context() == {"kept": {"agent": "bot", "context": {"step": 2}}}
