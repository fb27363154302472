"""The agent that takes a message: speaks a greeting, beeps, records, confirms, and hangs up.

It knows nothing of disks and stores: a `Recording` is given to it, takes every frame, and tells it what has become of
the message. What it promises the caller is true when it is said: "your message was taken" follows the word that it is
kept, and nothing else. Without a clock: the frames of the person's sound, 50 a second, are its time.

    GREETING --heard--> BEGINNING --there is a record--> RECORDING --key, silence, limit--> ENDING --kept--> LEAVING

It records from the tone on, so that nobody's first word is lost who speaks into it.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from agent.contract import CallInfo, Line
from agent.speech import sentence
from agent.tone import tone
from agent.voice_activity import HANGOVER_FRAMES, Voice, VoiceActivity
from gateway.domain.media import FRAMES_PER_SECOND, MULAW_8K, MULAW_FRAME
from gateway.domain.voicemail import RecordingEnd, Told

NAME = "voicemail"
"""Routes and ladders name it so, without an entry in `agents`."""
GREETING = "voicemail-greeting"
TAKEN, NOTHING_HEARD = "voicemail-taken", "voicemail-nothing-heard"
UNAVAILABLE, FULL = "voicemail-unavailable", "voicemail-full"
CUT, UNSURE, NEARLY_OVER = "voicemail-cut", "voicemail-unsure", "voicemail-nearly-over"
CUT_OFF = "cut-off"
"""The sentence after a line that was lost; the receptionist's."""
BEEP = tone(1000, 0.4)
STOP_KEY = "#"
FIRST_WORD_FRAMES = 10 * FRAMES_PER_SECOND
"""Silence after the tone in which people look for words; `silence_s`, if that is longer."""
QUIET_SPEECH = 300
"""Root mean square: what may be speech in a message that is kept (about -41 dBFS). Lower than where a conversation has turns,
since a quiet voice must not be taken for silence, and hung up on.
"""
WARN_FRAMES = 10 * FRAMES_PER_SECOND
"""How long before the limit it says so; a quarter of short limits."""
WAIT_FRAMES = 75
"""1.5 s: how long the person may wait for a mark, a record, a confirmation, before they hear something else."""


class Recording(Protocol):
    """One message. Only `room` and `settled` wait. Frames before READY, and after the end, are not recorded."""

    async def room(self) -> bool:
        """Whether there is space for a message."""
        ...

    def begin(self, told: Callable[[Told], None]) -> None:
        """Make its record. `told` is called from the event loop, never from within these methods."""
        ...

    def append(self, frame: bytes) -> None:
        """20 ms of mu-law from the person."""
        ...

    def end(self, by: RecordingEnd) -> None:
        """Nothing more comes; KEPT or NOTHING is told when that is true. Harmless when repeated."""
        ...

    async def settled(self) -> None:
        """Whatever was recorded is on the disk and in the store, or cannot be."""
        ...


class Terms(Struct, frozen=True, kw_only=True):
    """How messages are taken; times in seconds. `greeting` is mu-law at 8 kHz."""

    greeting: bytes
    max_message_s: float = 180.0
    silence_s: float = 5.0


class Mood(StrEnum):
    """Where the conversation is."""

    GREETING = "greeting"
    BEGINNING = "beginning"
    RECORDING = "recording"
    ENDING = "ending"
    LEAVING = "leaving"


class VoicemailSession:
    """One message. `context` keeps the mood and the last word: another process asks for the rest of it."""

    format = MULAW_8K

    def __init__(self, terms: Terms, recording: Recording) -> None:
        self.mood = Mood.GREETING
        self._terms, self._recording = terms, recording
        self._room = True
        self._word = ""
        """The sentence that it leaves with."""
        self._again = False
        """Another process has greeted already."""
        self._voice, self._spoke, self._cut = VoiceActivity(loud=QUIET_SPEECH), False, False
        self._recorded = self._quiet = self._waited = 0
        self._said, self._awaited, self._talk_frames = 0, "", 0
        self._line: Line | None = None

    # --- what the bridge tells ---

    async def start(self, line: Line) -> None:
        self._line = line
        self._room = await self._recording.room()

    def on_answer(self) -> None:
        self._open()

    def on_audio(self, frame: bytes) -> None:
        self._count_talk()
        if self.mood is Mood.RECORDING:
            self._record(frame)
        elif self.mood in {Mood.BEGINNING, Mood.ENDING}:
            self._wait()

    def on_digit(self, digit: str) -> None:
        if self.mood is Mood.GREETING and self._awaited:
            self._fall_silent()
            self._begin()
        elif self.mood is Mood.RECORDING and digit == STOP_KEY:
            self._end(RecordingEnd.KEY)

    def on_mark(self, name: str) -> None:
        if name == self._awaited:
            self._heard()

    def on_line_lost(self) -> None:
        self._fall_silent()
        self._voice.forget()

    def on_line_back(self) -> None:
        if self.mood is Mood.GREETING:
            self._open()
        elif self.mood is Mood.RECORDING:
            self._quiet = 0
            self._phone.play(sentence(CUT_OFF))
            self._phone.play(BEEP)
        elif self.mood is Mood.LEAVING:
            self._leave(self._word)

    def context(self) -> dict[str, Any]:
        return {"mood": self.mood.value, "word": self._word}

    def resume(self, context: Mapping[str, Any]) -> None:
        """What was said in the other process is kept there; whoever had begun is asked to go on."""
        mood = Mood(context.get("mood", Mood.GREETING))
        self.mood = Mood.LEAVING if mood is Mood.LEAVING else Mood.GREETING
        self._again = mood in {Mood.RECORDING, Mood.ENDING}
        self._word = str(context.get("word", ""))

    async def close(self) -> None:
        self._line = None
        self._recording.end(RecordingEnd.HUNG_UP)
        await self._recording.settled()

    # --- what the recording tells ---

    def _told(self, what: Told) -> None:
        if self._line is None or self.mood is Mood.LEAVING:
            return
        if what is Told.READY and self.mood is Mood.BEGINNING:
            self.mood = Mood.RECORDING
            self._phone.play(BEEP)
        elif what is Told.CUT:
            self._cut, self.mood, self._waited = True, Mood.ENDING, 0
            self._fall_silent()
        elif what in _FAREWELLS:
            self._fall_silent()
            self._leave(_FAREWELLS[what](self._spoke, self._cut))

    # --- what it does ---

    @property
    def _phone(self) -> Line:
        assert self._line is not None, "the bridge starts a session before it tells it anything"
        return self._line

    def _open(self) -> None:
        if not self._room:
            self._leave(FULL)
        else:
            self._say(sentence(CUT_OFF) if self._again else self._terms.greeting)

    def _heard(self) -> None:
        self._awaited = ""
        if self.mood is Mood.GREETING:
            self._begin()

    def _begin(self) -> None:
        self.mood, self._waited = Mood.BEGINNING, 0
        self._recording.begin(self._told)

    def _record(self, frame: bytes) -> None:
        self._recording.append(frame)
        self._recorded += 1
        self._listen(frame)
        left = round(self._terms.max_message_s * FRAMES_PER_SECOND) - self._recorded
        if left <= 0:
            self._end(RecordingEnd.LENGTH)
        elif self._quiet >= self._patience() and not self._voice.turning:
            self._end(RecordingEnd.SILENCE)
        elif left == min(WARN_FRAMES, round(self._terms.max_message_s * FRAMES_PER_SECOND / 4)):
            self._phone.play(sentence(NEARLY_OVER))

    def _listen(self, frame: bytes) -> None:
        change = self._voice.hear(frame)
        self._spoke = self._spoke or change is Voice.STARTED
        if self._voice.speaking:
            self._quiet = 0
        else:
            self._quiet += HANGOVER_FRAMES if change is Voice.STOPPED else 1

    def _patience(self) -> int:
        after_speech = round(self._terms.silence_s * FRAMES_PER_SECOND)
        return after_speech if self._spoke else max(after_speech, FIRST_WORD_FRAMES)

    def _end(self, by: RecordingEnd) -> None:
        self._fall_silent()
        self.mood, self._waited = Mood.ENDING, 0
        self._recording.end(by)

    def _wait(self) -> None:
        self._waited += 1
        if self._waited < WAIT_FRAMES:
            return
        began = self.mood is Mood.BEGINNING
        self._recording.end(RecordingEnd.HUNG_UP)
        self._leave(UNAVAILABLE if began else UNSURE)

    def _leave(self, word: str) -> None:
        self.mood, self._word = Mood.LEAVING, word
        self._say(sentence(word))
        self._phone.hang_up()

    def _say(self, sound: bytes) -> None:
        self._said += 1
        self._awaited = f"said-{self._said}"
        self._talk_frames = len(sound) // MULAW_FRAME + WAIT_FRAMES
        self._phone.play(sound)
        self._phone.mark(self._awaited)

    def _count_talk(self) -> None:
        """A mark that never comes back must not leave the caller without the tone."""
        self._talk_frames -= 1
        if self._awaited and self._talk_frames <= 0:
            self._heard()

    def _fall_silent(self) -> None:
        self._awaited = ""
        self._phone.clear()


_FAREWELLS: Mapping[Told, Callable[[bool, bool], str]] = {
    Told.REFUSED: lambda _spoke, _cut: UNAVAILABLE,
    Told.KEPT: lambda spoke, cut: CUT if cut else TAKEN if spoke else NOTHING_HEARD,
    Told.NOTHING: lambda _spoke, cut: UNAVAILABLE if cut else NOTHING_HEARD,
}
"""What it leaves with; given whether anybody spoke, and whether the recording was cut short by us."""


class VoicemailAgent:
    """`agent.contract.Agent`. `recording` makes the one message of a call."""

    def __init__(self, terms: Terms, recording: Callable[[CallInfo], Recording]) -> None:
        self._terms, self._recording = terms, recording

    def session(self, call: CallInfo) -> VoicemailSession:
        return VoicemailSession(self._terms, self._recording(call))
