"""A beginning for an agent of your own: copy this file, change `Parrot`, name it in config.yaml (see agent/python_agent.py).

It says what it hears in one go, when the person has stopped talking; key 9 ends the call. Try it without a phone:

    holdline demo                                  # or in a test: agent.testing.converse(Parrot)
"""

from collections.abc import Mapping
from typing import Any

from agent.contract import CallInfo, Line
from agent.voice_activity import Voice, VoiceActivity
from gateway.domain.media import MULAW_8K


class Parrot:
    """One conversation. Everything here runs in the event loop: never block, never sleep."""

    format = MULAW_8K
    """What `on_audio` gets and `play` takes: 20 ms are 160 bytes of mu-law at 8 kHz. LINEAR_8K and LINEAR_16K work too."""

    def __init__(self, call: CallInfo, longest_s: float = 10.0) -> None:
        self._call = call
        self._longest = int(longest_s * 50)
        self._voice = VoiceActivity()
        self._heard: list[bytes] = []
        self._said = 0
        self._line: Line | None = None

    async def start(self, line: Line) -> None:
        """The phone rings: connect to what you need. Whatever you raise here says that you cannot take the call."""
        self._line = line

    def on_answer(self) -> None:
        """The person is there: speak first if you like."""

    def on_audio(self, frame: bytes) -> None:
        """50 times a second."""
        change = self._voice.hear(frame)
        if self._voice.speaking and len(self._heard) < self._longest:
            self._heard.append(frame)
        if change is Voice.STARTED:
            self._at().clear()  # barge-in: be quiet when they talk
        elif change is Voice.STOPPED:
            self._repeat()

    def on_digit(self, digit: str) -> None:
        """A key was pressed."""
        if digit == "9":
            self._at().hang_up()

    def on_mark(self, name: str) -> None:
        """Everything played before this mark has been heard."""

    def on_line_lost(self) -> None:
        """The carrier is gone and another is being sought."""
        self._heard.clear()

    def on_line_back(self) -> None:
        """The same person, perhaps over another carrier."""

    def context(self) -> dict[str, Any]:
        """What another process needs if this one dies: plain JSON, small."""
        return {"said": self._said}

    def resume(self, context: Mapping[str, Any]) -> None:
        """Called before `start` if another process had this conversation."""
        self._said = int(context.get("said", 0))

    async def close(self) -> None:
        """The call is over: end your tasks, close your connections."""
        self._line = None

    def _repeat(self) -> None:
        self._said += 1
        self._at().play(b"".join(self._heard))
        self._at().mark(f"said-{self._said}")
        self._heard.clear()

    def _at(self) -> Line:
        assert self._line is not None
        return self._line
