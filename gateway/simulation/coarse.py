"""The gateway's own agents (hold, message, offer, goodbye) in a world whose beats of sound are ten times as far apart.

A beat stands for ten frames: of what such an agent says every tenth frame goes out, and each frame that comes in reaches
it ten times, so that its sentences last as long as they do, and its seconds, which it counts in frames, are seconds.
"""

from typing import Any

from agent.contract import Agent, AgentSession, CallInfo, Line
from gateway.domain.media import MULAW_FRAME

FRAMES = 10


class Coarse:
    """`agent.contract.Agent`."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def session(self, call: CallInfo) -> AgentSession:
        """The agent's own, at ten times its pace."""
        return CoarseSession(self._agent.session(call))


class CoarseSession:
    """Passes everything on."""

    def __init__(self, session: AgentSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def start(self, line: Line) -> None:
        await self._session.start(CoarseLine(line))

    def on_audio(self, frame: bytes) -> None:
        for _ in range(FRAMES):
            self._session.on_audio(frame)


class CoarseLine:
    """Passes everything on, and of sound every tenth frame."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    def play(self, audio: bytes) -> None:
        """Mu-law, as all of our own agents speak it."""
        step = FRAMES * MULAW_FRAME
        self._line.play(b"".join(audio[begin : begin + MULAW_FRAME] for begin in range(0, len(audio), step)))
