"""The agent that says what it hears, frame by frame: for measuring a line, and for trying one."""

from collections.abc import Mapping
from typing import Any

from agent.contract import CallInfo, Line
from gateway.domain.media import MULAW_8K, AudioFormat


class EchoSession:
    """Holds nothing but the line."""

    def __init__(self, form: AudioFormat = MULAW_8K) -> None:
        self.format = form
        self._line: Line | None = None

    async def start(self, line: Line) -> None:
        self._line = line

    def on_answer(self) -> None:
        """Waits to be spoken to."""

    def on_audio(self, frame: bytes) -> None:
        assert self._line is not None
        self._line.play(frame)

    def on_digit(self, digit: str) -> None:
        """A key makes no sound that could be given back."""

    def on_mark(self, name: str) -> None:
        """Sets none."""

    def on_line_lost(self) -> None:
        """An echo from before the gap would only confuse."""
        assert self._line is not None
        self._line.clear()

    def on_line_back(self) -> None:
        """Goes on."""

    def context(self) -> dict[str, Any]:
        return {}

    def resume(self, context: Mapping[str, Any]) -> None:
        """Nothing was kept."""

    async def close(self) -> None:
        self._line = None


class Echo:
    """`agent.contract.Agent`."""

    def session(self, call: CallInfo) -> EchoSession:
        return EchoSession()
