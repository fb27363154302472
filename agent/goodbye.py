"""The agent at the foot of every ladder: says that the call has to end, and ends it."""

from collections.abc import Mapping
from typing import Any

from agent.contract import CallInfo, Line
from agent.speech import sentence
from gateway.domain.media import MULAW_8K

WORDS = "sorry-goodbye"


class GoodbyeSession:
    """One goodbye."""

    format = MULAW_8K

    def __init__(self) -> None:
        self._line: Line | None = None

    async def start(self, line: Line) -> None:
        self._line = line

    def on_answer(self) -> None:
        assert self._line is not None, "the bridge starts a session before it tells it anything"
        self._line.play(sentence(WORDS))
        self._line.hang_up()

    def on_audio(self, frame: bytes) -> None:
        """Nothing that is said changes anything."""

    def on_digit(self, digit: str) -> None:
        """Nor does a key."""

    def on_mark(self, name: str) -> None:
        """Sets none."""

    def on_line_lost(self) -> None:
        """The call ends."""

    def on_line_back(self) -> None:
        self.on_answer()

    def context(self) -> dict[str, Any]:
        return {}

    def resume(self, context: Mapping[str, Any]) -> None:
        """It has to be said again."""

    async def close(self) -> None:
        self._line = None


class Goodbye:
    """`agent.contract.Agent`."""

    def session(self, call: CallInfo) -> GoodbyeSession:
        return GoodbyeSession()
