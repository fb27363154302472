"""The agents that ask a person to wait while another one is being found. They decide nothing, and listen to nobody.

`moment` bridges the second until the next rung of the ladder is there; `hold` stands on a rung of its own, while the agent
that was lost is called again; `carrier_voicemail` says nothing until the carrier speaks. What they keep for whoever comes next,
they are given as their context, and give it on.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from agent.contract import CallInfo, Line
from agent.patience import Patience
from gateway.domain.media import MULAW_8K


class Watch(Protocol):
    """Who looks for somebody meanwhile. Called in the event loop; none of it may block."""

    def began(self, call: CallInfo, kept: Mapping[str, Any]) -> None:
        """Somebody waits from now on; `kept` is the session's context."""
        ...

    def heard(self, call: CallInfo) -> None:
        """The first sentence has been heard."""
        ...

    def over(self, call: CallInfo) -> None:
        """Nobody waits here any more."""
        ...


class HoldSession:
    """One person who waits."""

    format = MULAW_8K

    def __init__(self, opening: str, call: CallInfo, watch: Watch) -> None:
        self._opening, self._call, self._watch = opening, call, watch
        self._patience = Patience()
        self._kept: dict[str, Any] = {}
        self._begun, self._opened = False, not opening
        self._line: Line | None = None

    async def start(self, line: Line) -> None:
        self._line = line

    def on_answer(self) -> None:
        self._speak()

    def on_audio(self, frame: bytes) -> None:
        self._heard(self._patience.frame())

    def on_digit(self, digit: str) -> None:
        """There is nothing to choose."""

    def on_mark(self, name: str) -> None:
        self._heard(self._patience.mark(name))

    def on_line_lost(self) -> None:
        self._patience.stop()

    def on_line_back(self) -> None:
        self._speak()

    def context(self) -> dict[str, Any]:
        return dict(self._kept)

    def resume(self, context: Mapping[str, Any]) -> None:
        self._kept = dict(context)

    async def close(self) -> None:
        self._line = None
        self._watch.over(self._call)

    def _speak(self) -> None:
        assert self._line is not None, "the bridge starts a session before it tells it anything"
        if not self._begun:
            self._begun = True
            self._watch.began(self._call, self._kept)
        self._patience.begin(self._line, *(() if self._opened else (self._opening,)))

    def _heard(self, name: str) -> None:
        if name == self._opening and not self._opened:
            self._opened = True
            self._watch.heard(self._call)


class Hold:
    """`agent.contract.Agent`. `opening` is the sentence that it begins with; empty: none."""

    def __init__(self, opening: str, watch: Callable[[], Watch]) -> None:
        self._opening, self._watch = opening, watch

    def session(self, call: CallInfo) -> HoldSession:
        return HoldSession(self._opening, call, self._watch())
