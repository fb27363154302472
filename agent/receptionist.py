"""The agent that Holdline brings along: greets, listens, answers keys and voice with recorded sentences, says goodbye.

It understands nothing of what is said; it is here so that every call of the demo, of the tests and of a first try holds
a conversation with turns, barge-in, silence and an end. Deterministic, and without a clock: the frames of the
person's sound, 50 a second, are its time.

Its life:

    GREETING --heard--> LISTENING --turns used up, key 9, long silence--> LEAVING --goodbye heard--> hung up by the line

The greeting is not interrupted (people say "hello?" into it); everything else gives way to a voice, but the goodbye.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from agent.contract import CallInfo, Line
from agent.speech import sentence
from agent.voice_activity import Voice, VoiceActivity
from gateway.domain.media import FRAMES_PER_SECOND, MULAW_8K, MULAW_FRAME

TURNS = 5
"""Answers to keys or voice before it takes its leave."""
PATIENCE_FRAMES = 10 * FRAMES_PER_SECOND
"""Silence on both sides before it asks, and then before it leaves."""
MARK_GRACE_FRAMES = 3 * FRAMES_PER_SECOND
"""How much longer than its sentence a mark may take to come back."""
KEYS: Mapping[str, str] = {"1": "key-1", "2": "key-2", "0": "key-0"}
OTHER_KEY = "key-other"
LEAVING_KEY = "9"
ANSWERS = ("understood-1", "understood-2", "understood-3")
_GOODBYE = "goodbye"


class Mood(StrEnum):
    """Where the conversation is."""

    GREETING = "greeting"
    LISTENING = "listening"
    LEAVING = "leaving"


class ReceptionistSession:
    """One conversation. `context` keeps the mood, the turns, and whether it has asked into a silence."""

    format = MULAW_8K

    def __init__(self) -> None:
        self.mood = Mood.GREETING
        self.turns = 0
        self._asked = False
        self._quiet_frames = 0
        self._voice = VoiceActivity()
        self._awaited = ""
        """The mark whose sentence is being said; empty while it is silent."""
        self._talk_frames = 0
        self._said = 0
        self._line: Line | None = None

    # --- what the bridge tells ---

    async def start(self, line: Line) -> None:
        sentence("greeting")  # from disk now, not when the person has answered
        self._line = line

    def on_answer(self) -> None:
        self._say("greeting")

    def on_audio(self, frame: bytes) -> None:
        change = self._voice.hear(frame)
        self._count_talk()
        if self.mood is not Mood.LISTENING:
            return
        if change is Voice.STARTED:
            self._fall_silent()
        elif change is Voice.STOPPED:
            self._take_turn(ANSWERS[self.turns % len(ANSWERS)])
        elif not self._voice.speaking and not self._awaited:
            self._wait()

    def on_digit(self, digit: str) -> None:
        if self.mood is Mood.LEAVING:
            return
        self._fall_silent()
        self.mood = Mood.LISTENING
        if digit == LEAVING_KEY:
            self._leave()
        else:
            self._take_turn(KEYS.get(digit, OTHER_KEY))

    def on_mark(self, name: str) -> None:
        if name == self._awaited:
            self._heard()

    def on_line_lost(self) -> None:
        self._awaited = ""
        self._phone.clear()
        self._voice.forget()

    def on_line_back(self) -> None:
        if self.mood is Mood.LEAVING:
            self._leave()
        else:
            self.mood = Mood.LISTENING
            self._say("cut-off")

    def context(self) -> dict[str, Any]:
        return {"mood": self.mood.value, "turns": self.turns, "asked": self._asked}

    def resume(self, context: Mapping[str, Any]) -> None:
        self.mood = Mood(context.get("mood", Mood.LISTENING))
        self.turns = int(context.get("turns", 0))
        self._asked = bool(context.get("asked", False))

    async def close(self) -> None:
        self._line = None

    # --- what it does ---

    @property
    def _phone(self) -> Line:
        assert self._line is not None, "the bridge starts a session before it tells it anything"
        return self._line

    def _heard(self) -> None:
        """Who spoke into the greeting and still does is listened to; to everybody else it says what can be done."""
        self._awaited = ""
        if self.mood is not Mood.GREETING:
            return
        self.mood = Mood.LISTENING
        if not self._voice.speaking:
            self._say("menu")

    def _count_talk(self) -> None:
        """A mark that never comes back must not leave the agent deaf."""
        self._talk_frames -= 1
        if self._awaited and self._talk_frames <= 0:
            self._heard()

    def _take_turn(self, answer: str) -> None:
        self.turns += 1
        self._asked = False
        self._say(answer)
        if self.turns >= TURNS:
            self._leave()

    def _wait(self) -> None:
        self._quiet_frames += 1
        if self._quiet_frames < PATIENCE_FRAMES:
            return
        if self._asked:
            self._leave()
        else:
            self._asked = True
            self._say("still-there")

    def _leave(self) -> None:
        self.mood = Mood.LEAVING
        self._say(_GOODBYE)
        self._phone.hang_up()

    def _say(self, name: str) -> None:
        self._said += 1
        self._quiet_frames = 0
        self._awaited = f"{name}-{self._said}"
        self._talk_frames = len(sentence(name)) // MULAW_FRAME + MARK_GRACE_FRAMES
        self._phone.play(sentence(name))
        self._phone.mark(self._awaited)

    def _fall_silent(self) -> None:
        self._quiet_frames = 0
        if self._awaited:
            self._awaited = ""
            self._phone.clear()


class Receptionist:
    """`agent.contract.Agent`."""

    def session(self, call: CallInfo) -> ReceptionistSession:
        return ReceptionistSession()
