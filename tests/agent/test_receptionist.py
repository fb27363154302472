"""The receptionist, driven through a line of paper: what it says, when it falls silent, when it leaves."""

import json
import math
import struct
from pathlib import Path

import pytest

import agent.speech
from agent.contract import CallInfo
from agent.receptionist import MARK_GRACE_FRAMES, PATIENCE_FRAMES, TURNS, Mood, Receptionist, ReceptionistSession
from agent.speech import sentence
from gateway.domain.media import MULAW_FRAME, MULAW_SILENCE
from gateway.domain.pcm import lin2ulaw

CALL = CallInfo(
    call_id="call_1",
    session_id="ses_1",
    direction="outbound",
    from_number="+15550190001",
    to_number="+15550100001",
    agent="receptionist",
)
LOUD = lin2ulaw(struct.pack("<160h", *(int(9000 * math.sin(at / 3)) for at in range(160))), 2)
NAMES = {path.read_bytes(): path.stem for path in Path(agent.speech.__file__).parent.glob("*.ulaw")}


class PaperLine:
    """Writes down what the agent does; `heard()` plays the person's part of a mark."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.waiting: list[str] = []
        self.clears = 0
        self.hung_up = False
        self.session: ReceptionistSession

    def play(self, audio: bytes) -> None:
        self.said.append(NAMES[audio])

    def mark(self, name: str) -> None:
        self.waiting.append(name)

    def clear(self) -> None:
        self.clears += 1
        self.heard()

    def hang_up(self) -> None:
        self.hung_up = True

    def heard(self) -> None:
        """All that was said has been heard."""
        marks, self.waiting = self.waiting, []
        for mark in marks:
            self.session.on_mark(mark)

    def take(self) -> list[str]:
        said, self.said = self.said, []
        return said


async def started(context: dict[str, object] | None = None) -> tuple[ReceptionistSession, PaperLine]:
    session, line = Receptionist().session(CALL), PaperLine()
    line.session = session
    if context is not None:
        session.resume(context)
    await session.start(line)
    return session, line


async def listening() -> tuple[ReceptionistSession, PaperLine]:
    """A session whose greeting and menu have been heard."""
    session, line = await started()
    session.on_answer()
    line.heard()
    line.heard()
    line.take()
    assert session.mood is Mood.LISTENING
    return session, line


def hears(session: ReceptionistSession, frame: bytes, count: int) -> None:
    for _ in range(count):
        session.on_audio(frame)


def speaks(session: ReceptionistSession) -> None:
    """The person says something and stops."""
    hears(session, LOUD, 25)
    hears(session, MULAW_SILENCE, 40)


async def test_it_greets_at_once_and_then_says_what_can_be_done() -> None:
    """The greeting is said in the answer itself; the menu follows when it was heard."""
    session, line = await started()
    session.on_answer()
    assert line.take() == ["greeting"]
    line.heard()
    assert line.take() == ["menu"]


async def test_a_hello_into_the_greeting_does_not_cut_it_off() -> None:
    """Whoever speaks into the greeting is listened to instead of being read the menu."""
    session, line = await started()
    session.on_answer()
    hears(session, LOUD, 30)
    assert line.clears == 0
    line.heard()
    assert line.take() == ["greeting"]
    hears(session, MULAW_SILENCE, 40)
    assert line.take() == ["understood-1"]


@pytest.mark.parametrize(
    ("key", "answer"), [("1", "key-1"), ("2", "key-2"), ("0", "key-0"), ("7", "key-other"), ("#", "key-other")]
)
async def test_every_key_has_an_answer(key: str, answer: str) -> None:
    """Known keys get their sentence, all others are told which there are."""
    session, line = await listening()
    session.on_digit(key)
    assert line.take() == [answer]


async def test_key_nine_says_goodbye_and_hangs_up() -> None:
    """The person can end the call with a key."""
    session, line = await listening()
    session.on_digit("9")
    assert line.take() == ["goodbye"]
    assert line.hung_up


async def test_a_key_cuts_the_greeting_short() -> None:
    """Who knows what they want need not wait."""
    session, line = await started()
    session.on_answer()
    session.on_digit("1")
    assert line.clears == 1
    assert line.take() == ["greeting", "key-1"]


async def test_it_answers_only_when_the_person_has_stopped_speaking() -> None:
    """An answer comes about 700 ms after the last word, and the answers take turns."""
    session, line = await listening()
    hears(session, LOUD, 100)
    hears(session, MULAW_SILENCE, 34)
    assert line.take() == []
    hears(session, MULAW_SILENCE, 1)
    assert line.take() == ["understood-1"]
    line.heard()
    speaks(session)
    assert line.take() == ["understood-2"]


async def test_a_voice_silences_it() -> None:
    """Barge-in: what it was saying is thrown away as soon as the person speaks."""
    session, line = await listening()
    session.on_digit("2")
    hears(session, LOUD, 6)
    assert line.clears == 1
    assert line.waiting == []


async def test_a_voice_while_it_is_silent_clears_nothing() -> None:
    """There is nothing to throw away."""
    session, line = await listening()
    hears(session, LOUD, 30)
    assert line.clears == 0


async def test_after_a_few_turns_it_says_goodbye() -> None:
    """The last answer is followed by the goodbye, and the line ends the call when both were heard."""
    session, line = await listening()
    for _ in range(TURNS):
        assert not line.hung_up
        speaks(session)
        line.heard()
    assert line.take()[-2:] == ["understood-2", "goodbye"]
    assert line.hung_up
    assert session.mood is Mood.LEAVING


async def test_the_goodbye_is_not_interrupted() -> None:
    """Neither voice nor keys bring it back."""
    session, line = await listening()
    session.on_digit("9")
    line.take()
    speaks(session)
    session.on_digit("1")
    assert line.take() == []
    assert line.clears == 0


async def test_it_asks_into_a_long_silence_and_then_leaves() -> None:
    """Ten seconds of nothing bring a question, ten more the goodbye."""
    session, line = await listening()
    hears(session, MULAW_SILENCE, PATIENCE_FRAMES)
    assert line.take() == ["still-there"]
    line.heard()
    hears(session, MULAW_SILENCE, PATIENCE_FRAMES)
    assert line.take() == ["goodbye"]
    assert line.hung_up


async def test_its_own_talking_is_no_silence() -> None:
    """Patience begins when its sentence has been heard."""
    session, line = await listening()
    session.on_digit("1")
    hears(session, MULAW_SILENCE, 100)
    line.heard()
    line.take()
    hears(session, MULAW_SILENCE, PATIENCE_FRAMES - 1)
    assert line.take() == []


async def test_a_lost_mark_does_not_leave_it_deaf() -> None:
    """If the carrier never confirms the greeting, it goes on some time after it must have been heard."""
    session, line = await started()
    session.on_answer()
    hears(session, MULAW_SILENCE, len(sentence("greeting")) // MULAW_FRAME + MARK_GRACE_FRAMES)
    assert line.take() == ["greeting", "menu"]


async def test_after_a_lost_line_it_says_so_and_goes_on() -> None:
    """The turns so far still count, and what was being said is dropped."""
    session, line = await listening()
    session.on_digit("1")
    session.on_line_lost()
    session.on_line_back()
    assert line.take() == ["key-1", "cut-off"]
    assert session.turns == 1
    line.heard()
    speaks(session)
    assert session.turns == 2


async def test_another_process_goes_on_where_it_was() -> None:
    """Turns and mood survive as plain JSON; the resumed session does not greet again."""
    session, _ = await listening()
    session.on_digit("1")
    session.on_digit("2")
    resumed, line = await started(json.loads(json.dumps(session.context())))
    resumed.on_line_back()
    assert resumed.context() == session.context()
    assert line.take() == ["cut-off"]


async def test_a_session_that_was_leaving_leaves_after_being_resumed() -> None:
    """It says goodbye to the person it was cut off from, and nothing else."""
    session, _ = await listening()
    session.on_digit("9")
    resumed, line = await started(session.context())
    resumed.on_line_back()
    assert line.take() == ["goodbye"]
    assert line.hung_up


def test_the_sentences_are_small_and_loud() -> None:
    """All speech together stays below 1 MB, and every sentence is sound, not silence."""
    sounds = [sentence(name) for name in NAMES.values()]
    assert sum(map(len, sounds)) < 1_000_000
    assert all(sound.count(b"\xff") < len(sound) / 2 for sound in sounds)
