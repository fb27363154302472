"""The voicemail agent, driven through a line and a recording of paper: what it says, what it records, when it ends."""

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import agent.speech
from agent.contract import CallInfo
from agent.speech import sentence
from agent.voicemail import BEEP, WAIT_FRAMES, Mood, Terms, VoicemailAgent, VoicemailSession
from gateway.domain.media import MULAW_SILENCE
from gateway.domain.pcm import lin2ulaw, rms, ulaw2lin
from gateway.domain.voicemail import RecordingEnd, Told

CALL = CallInfo(
    call_id="call_1",
    session_id="ses_1",
    direction="inbound",
    from_number="+15550100001",
    to_number="+15550190001",
    agent="voicemail",
)
LOUD = lin2ulaw(struct.pack("<160h", *(int(9000 * math.sin(at / 3)) for at in range(160))), 2)
GREETING = b"\x10" * 1600
NAMES = {path.read_bytes(): path.stem for path in Path(agent.speech.__file__).parent.glob("*.ulaw")}
NAMES |= {BEEP: "beep", GREETING: "greeting"}


class PaperRecording:
    """Writes down what it is given; the test tells its news."""

    def __init__(self, *, room: bool = True) -> None:
        self.has_room, self.begun, self.settles = room, 0, 0
        self.frames: list[bytes] = []
        self.ends: list[RecordingEnd] = []
        self.tell: Callable[[Told], None]

    async def room(self) -> bool:
        return self.has_room

    def begin(self, told: Callable[[Told], None]) -> None:
        self.begun, self.tell = self.begun + 1, told

    def append(self, frame: bytes) -> None:
        self.frames.append(frame)

    def end(self, by: RecordingEnd) -> None:
        self.ends.append(by)

    async def settled(self) -> None:
        self.settles += 1


class PaperLine:
    """Writes down what the agent says; `heard()` plays the person's part of a mark."""

    def __init__(self, session: VoicemailSession) -> None:
        self.session = session
        self.said: list[str] = []
        self.waiting: list[str] = []
        self.clears = 0
        self.hung_up = False

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
        marks, self.waiting = self.waiting, []
        for mark in marks:
            self.session.on_mark(mark)

    def send_digits(self, digits: str) -> None:
        raise AssertionError(digits)

    def fail(self, reason: str) -> None:
        raise AssertionError(reason)

    def take(self) -> list[str]:
        said, self.said = self.said, []
        return said


class Desk:
    """One session with its line and its recording."""

    def __init__(self, *, room: bool = True, max_message_s: float = 60.0, silence_s: float = 5.0) -> None:
        self.recording = PaperRecording(room=room)
        terms = Terms(greeting=GREETING, max_message_s=max_message_s, silence_s=silence_s)
        self.session = VoicemailAgent(terms, lambda _call: self.recording).session(CALL)
        self.line = PaperLine(self.session)

    async def start(self, context: dict[str, object] | None = None) -> "Desk":
        if context is not None:
            self.session.resume(context)
        await self.session.start(self.line)
        return self

    async def recording_now(self) -> "Desk":
        """The greeting was heard, the record is there, the tone is said."""
        await self.start()
        self.session.on_answer()
        self.line.heard()
        self.recording.tell(Told.READY)
        assert self.line.take() == ["greeting", "beep"]
        return self

    def hears(self, frame: bytes, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            self.session.on_audio(frame)

    @property
    def farewell(self) -> list[str]:
        """What it left with; it must have hung up."""
        assert self.line.hung_up
        assert self.session.mood is Mood.LEAVING
        return self.line.take()


async def test_the_tone_follows_the_record() -> None:
    """Greeting, then a record, and only when that is there the tone; nothing before it is recorded."""
    desk = await Desk().start()
    desk.session.on_answer()
    desk.hears(LOUD, 0.1)
    assert (desk.line.take(), desk.recording.begun) == (["greeting"], 0)
    desk.line.heard()
    desk.hears(LOUD, 0.1)
    assert (desk.line.take(), desk.recording.begun, desk.recording.frames) == ([], 1, [])
    desk.recording.tell(Told.READY)
    assert desk.line.take() == ["beep"]
    desk.hears(LOUD, 0.1)
    assert desk.recording.frames == [LOUD] * 5


async def test_the_pound_key_ends_the_message_and_only_a_kept_one_is_confirmed() -> None:
    """Nothing is said between the key and the word that it is kept."""
    desk = await Desk().recording_now()
    desk.hears(LOUD, 2.0)
    desk.session.on_digit("1")
    assert desk.recording.ends == []
    desk.session.on_digit("#")
    desk.hears(LOUD, 0.2)
    assert (desk.recording.ends, len(desk.recording.frames)) == ([RecordingEnd.KEY], 100)
    assert (desk.line.take(), desk.line.hung_up) == ([], False)
    desk.recording.tell(Told.KEPT)
    assert desk.farewell == ["voicemail-taken"]


async def test_five_seconds_of_silence_after_speech_end_it() -> None:
    """Pauses below that do not, even if the next word comes with their last moment."""
    desk = await Desk().recording_now()
    desk.hears(LOUD, 1.0)
    desk.hears(MULAW_SILENCE, 4.96)
    desk.hears(LOUD, 1.0)
    desk.hears(MULAW_SILENCE, 4.98)
    assert desk.recording.ends == []
    desk.hears(MULAW_SILENCE, 0.02)
    assert desk.recording.ends == [RecordingEnd.SILENCE]


async def test_a_quiet_voice_is_no_silence() -> None:
    """Nobody is hung up on, or told that nothing was heard, for speaking softly."""
    soft = lin2ulaw(struct.pack("<160h", *(int(500 * math.sin(at / 3)) for at in range(160))), 2)
    desk = await Desk().recording_now()
    desk.hears(soft, 12.0)
    assert desk.recording.ends == []
    desk.session.on_digit("#")
    desk.recording.tell(Told.KEPT)
    assert desk.farewell == ["voicemail-taken"]


async def test_who_says_nothing_is_told_so() -> None:
    """The first word may take ten seconds; a silent recording is not called a message."""
    desk = await Desk().recording_now()
    desk.hears(MULAW_SILENCE, 9.98)
    assert desk.recording.ends == []
    desk.hears(MULAW_SILENCE, 0.02)
    assert desk.recording.ends == [RecordingEnd.SILENCE]
    desk.recording.tell(Told.KEPT)
    assert desk.farewell == ["voicemail-nothing-heard"]


@pytest.mark.parametrize(("limit", "warned_at"), [(60.0, 50.0), (8.0, 6.0)])
async def test_the_limit_is_told_before_it_comes(limit: float, warned_at: float) -> None:
    """Ten seconds before, or a quarter of a short limit; the recording goes on until it is reached."""
    desk = await Desk(max_message_s=limit).recording_now()
    desk.hears(LOUD, warned_at - 0.02)
    assert desk.line.take() == []
    desk.hears(LOUD, 0.02)
    assert desk.line.take() == ["voicemail-nearly-over"]
    desk.hears(LOUD, limit - warned_at)
    assert (desk.recording.ends, len(desk.recording.frames)) == ([RecordingEnd.LENGTH], limit * 50)


async def test_without_room_it_says_so_and_asks_for_nothing() -> None:
    """No greeting that invites a message which nobody could keep."""
    desk = await Desk(room=False).start()
    desk.session.on_answer()
    assert desk.farewell == ["voicemail-full"]
    assert desk.recording.begun == 0


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ([Told.CUT, Told.KEPT], "voicemail-cut"),
        ([Told.CUT, Told.NOTHING], "voicemail-unavailable"),
        ([Told.NOTHING], "voicemail-nothing-heard"),
        ([Told.KEPT], "voicemail-taken"),
    ],
)
async def test_what_became_of_it_is_what_is_said(told: list[Told], word: str) -> None:
    """A recording that was cut short is called so, and nothing is confirmed that is not kept."""
    desk = await Desk().recording_now()
    desk.hears(LOUD, 1.0)
    for one in told:
        desk.recording.tell(one)
    assert desk.farewell == [word]


async def test_a_record_that_cannot_be_made_is_told() -> None:
    """Instead of the tone."""
    desk = await Desk().start()
    desk.session.on_answer()
    desk.line.heard()
    desk.recording.tell(Told.REFUSED)
    assert desk.farewell == ["greeting", "voicemail-unavailable"]


async def test_nobody_waits_in_silence() -> None:
    """For the greeting's mark, for the record and for the confirmation the person waits 1.5 s, then hears something."""
    lost_mark = await Desk().start()
    lost_mark.session.on_answer()
    lost_mark.hears(MULAW_SILENCE, (len(GREETING) // 160 + WAIT_FRAMES) / 50)
    assert lost_mark.recording.begun == 1
    slow = await Desk().start()
    slow.session.on_answer()
    slow.line.heard()
    slow.hears(MULAW_SILENCE, 1.5)
    assert (slow.farewell, slow.recording.ends) == (["greeting", "voicemail-unavailable"], [RecordingEnd.HUNG_UP])
    unsure = await Desk().recording_now()
    unsure.hears(LOUD, 1.0)
    unsure.session.on_digit("#")
    unsure.hears(MULAW_SILENCE, 1.5)
    assert unsure.farewell == ["voicemail-unsure"]
    unsure.recording.tell(Told.KEPT)
    assert unsure.line.take() == []


async def test_a_key_skips_the_greeting() -> None:
    """Who knows it need not hear it."""
    desk = await Desk().start()
    desk.session.on_answer()
    desk.session.on_digit("#")
    assert (desk.line.clears, desk.recording.begun) == (1, 1)


async def test_a_lost_line_goes_on_with_the_same_message() -> None:
    """The person hears what happened and the tone; what was said before is not lost."""
    desk = await Desk().recording_now()
    desk.hears(LOUD, 1.0)
    desk.session.on_line_lost()
    desk.session.on_line_back()
    assert desk.line.take() == ["cut-off", "beep"]
    desk.hears(LOUD, 1.0)
    assert (len(desk.recording.frames), desk.recording.begun, desk.recording.ends) == (100, 1, [])


async def test_another_process_asks_for_the_rest() -> None:
    """It does not greet again; what it records is a message of its own. Who was being thanked is thanked again."""
    before = await Desk().recording_now()
    context = json.loads(json.dumps(before.session.context()))
    desk = await Desk().start(context)
    desk.session.on_line_back()
    assert desk.line.take() == ["cut-off"]
    desk.line.heard()
    desk.recording.tell(Told.READY)
    assert desk.line.take() == ["beep"]
    before.hears(LOUD, 1.0)
    before.session.on_digit("#")
    before.recording.tell(Told.KEPT)
    thanking = await Desk().start(before.session.context())
    thanking.session.on_line_back()
    assert thanking.farewell == ["voicemail-taken"]


async def test_a_hang_up_ends_the_message_and_is_waited_for() -> None:
    """The end of the call is the usual end of a message: it is on the disk before the session is gone."""
    desk = await Desk().recording_now()
    desk.hears(LOUD, 1.0)
    await desk.session.close()
    assert (desk.recording.ends, desk.recording.settles) == ([RecordingEnd.HUNG_UP], 1)
    desk.recording.tell(Told.KEPT)
    assert desk.line.take() == []


def test_every_sentence_is_there_and_the_tone_is_a_tone() -> None:
    """The words are committed beside their maker; the beep is loud, and begins and ends softly."""
    script = (Path(agent.speech.__file__).parent / "make.sh").read_text()
    for name in ("greeting", "taken", "nothing-heard", "unavailable", "full", "cut", "unsure", "nearly-over"):
        assert f"speak voicemail-{name} " in script
        assert len(sentence(f"voicemail-{name}")) > 4000
    linear = ulaw2lin(BEEP, 2)
    assert len(BEEP) == 3200
    assert rms(linear, 2) > 4000
    assert rms(linear[:10], 2) < 500
