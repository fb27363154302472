"""Agents of a world: one that talks and hangs up, and the ways in which agents fail.

How the agent `acting` behaves is in the call's metadata; each of the others has its manner, and callers find it by their number.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from agent.contract import CallInfo, Line
from gateway.domain.media import MULAW_8K, AudioFormat
from gateway.simulation.sound import Tones


class Manner(StrEnum):
    """How an agent behaves."""

    TALKS = "talks"
    """Speaks at once, answers what it hears, hangs up after `talk_s` if it is given."""
    MUTE = "mute"
    """Never says a word."""
    SLOW = "slow"
    """Takes 2 s to get ready."""
    STUCK = "stuck"
    """Never gets ready."""
    ABSENT = "absent"
    """Cannot take the call."""
    BREAKS = "breaks"
    """Raises when the person answers."""
    DIES = "dies"
    """Talks, and is lost after `talk_s`: its process, its socket, its model."""


CAST: dict[str, tuple[Manner, float]] = {
    "acting": (Manner.TALKS, 0.0),
    "brief": (Manner.TALKS, 3.0),
    **{manner.value: (manner, 2.0 if manner is Manner.DIES else 0.0) for manner in Manner if manner is not Manner.TALKS},
}
"""Agent's name in the config -> how it behaves, and after how long it hangs up (0: never), if no metadata says otherwise."""
SPEAKS_EVERY = 4
"""Frames that it hears between two that it says: at 200 ms each, no pause of a second."""


class Coupled:
    """Which session has been told of which answer: (process, call id, session id) of every `on_answer`."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, str]] = []
        self.tones = Tones()


class Acting:
    """One conversation."""

    format: AudioFormat = MULAW_8K

    def __init__(self, call: CallInfo, process: str, coupled: Coupled, now: Callable[[], float]) -> None:
        self._call, self._process, self._coupled, self._now = call, process, coupled, now
        manner, talk_s = CAST[call.agent]
        self._manner = Manner(call.metadata.get("manner", manner))
        self._talk_s = float(call.metadata.get("talk_s", talk_s))
        self._line: Line | None = None
        self._answered_at = 0.0
        self._frames = 0

    async def start(self, line: Line) -> None:
        self._line = line
        if self._manner is Manner.ABSENT:
            raise RuntimeError("this agent takes no calls")
        if self._manner in {Manner.SLOW, Manner.STUCK}:
            await asyncio.sleep(2.0 if self._manner is Manner.SLOW else 3600.0)

    def on_answer(self) -> None:
        self._coupled.answers.append((self._process, self._call.call_id, self._call.session_id))
        self._answered_at = self._now()
        if self._manner is Manner.BREAKS:
            raise RuntimeError("this agent breaks")
        self._say()

    def on_audio(self, frame: bytes) -> None:
        self._frames += 1
        self._coupled.tones.agent_hears(self._call.call_id, frame)
        if self._frames % SPEAKS_EVERY == 0:
            self._say()
        if self._talk_s and self._now() - self._answered_at >= self._talk_s and self._line is not None:
            self._line.fail("dead") if self._manner is Manner.DIES else self._line.hang_up()

    def on_digit(self, digit: str) -> None:
        """No key means anything to it."""

    def on_mark(self, name: str) -> None:
        """Sets none."""

    def on_line_lost(self) -> None:
        """Waits."""

    def on_line_back(self) -> None:
        self._say()

    def context(self) -> dict[str, Any]:
        return {"frames": self._frames}

    def resume(self, context: Mapping[str, Any]) -> None:
        self._frames = int(context.get("frames", 0))

    async def close(self) -> None:
        self._line = None

    def _say(self) -> None:
        if self._line is not None and self._manner is not Manner.MUTE:
            self._line.play(self._coupled.tones.agent(self._call.call_id))


class Actors:
    """`agent.contract.Agent` of one process."""

    def __init__(self, process: str, coupled: Coupled, now: Callable[[], float]) -> None:
        self._process, self._coupled, self._now = process, coupled, now

    def session(self, call: CallInfo) -> Acting:
        """A new conversation."""
        return Acting(call, self._process, self._coupled, self._now)
