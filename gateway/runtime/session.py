"""One agent's conversation, and its couplings: it belongs to the call, and outlives the streams that it is heard through.

    prepared --couple--> coupled --uncouple--> parked --couple--> coupled ... --close--> closed
        |                   +--the agent is lost--> another session succeeds it under the same stream
        +--the agent is lost--> another session

The agent hears `on_answer` at the first coupling, `on_line_back` at every later one, and `on_line_lost` in between.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from agent.contract import AgentSession
from gateway.domain.media import Audio, Digit, MarkPlayed, StreamEvent, StreamProblem, StreamStarted, StreamStopped
from gateway.domain.records import Call
from gateway.runtime.agent_health import Trial
from gateway.runtime.attention import Attention
from gateway.runtime.line import PacedLine
from gateway.runtime.stream import Stream
from gateway.runtime.telemetry.masking import mask_number

log = structlog.get_logger()

HUNG_UP, LOST = "agent", "agent-failed"
"""How a session was ended by its agent."""
RAISED = "raised"


class Hooks(Protocol):
    """Who is told; each at most once for a session, and one of the two."""

    def ended(self, session: "Session") -> None:
        """The agent has hung up, and what it said has been heard."""
        ...

    def lost(self, session: "Session", reason: str) -> None:
        """The agent raised, failed, or does not answer; nothing that it queued is kept."""
        ...


class Session:
    """`name` is the agent's; `call` as it stood when the session was made. `dropped(frames)` is told of sound that found no room.

    `resumed`: the person has been on the line before, with this agent.
    """

    def __init__(
        self,
        call: Call,
        name: str,
        agent: AgentSession,
        *,
        hooks: Hooks,
        dropped: Callable[[int], None],
        trial: Trial,
        attention: Attention | None = None,
        resumed: bool,
    ) -> None:
        self.call, self.call_id, self.name, self.agent = call, call.id, name, agent
        self.line = PacedLine(agent.format, self._on_mark, self._hung_up, dropped, self._on_fail)
        self.stream: Stream | None = None
        self.ended_by = ""
        self._hooks, self._trial, self._attention = hooks, trial, attention
        self._resumed = self._answered = resumed
        self._closed = False

    @property
    def met(self) -> bool:
        """The person has been on the line, and it has said something to them: here, or before."""
        return self._resumed or (self._answered and self.line.said > 0)

    async def start(self, context: Mapping[str, Any] | None) -> None:
        """Get the agent ready; if it fails, or we are cancelled, it is closed again."""
        try:
            if context is not None:
                self.agent.resume(context)
            await self.agent.start(self.line)
        except BaseException:
            await self._close_agent()
            raise

    def couple(self, stream: Stream) -> None:
        """The person is on the line. What the agent says in answer to that comes after what it had queued before."""
        self.stream = stream
        self.line.attach(stream)
        self._greet()

    def succeed(self, former: "Session") -> None:
        """Take the former session's place, in the middle of its stream if it has one."""
        self.stream, former.stream = former.stream, None
        self.line.succeed(former.line)
        if self.stream is not None:
            self._greet()

    def uncouple(self) -> None:
        """The stream is gone: park. Marks that it had come back after the agent knows why."""
        self.stream = None
        self.line.detach()
        self._tell(self.agent.on_line_lost)
        self.line.give_up_sent()

    def hear(self, stream: Stream, event: StreamEvent, now: float) -> None:
        """Something came from the carrier. A stream that is not ours any more is not heard."""
        if stream is not self.stream:
            return
        match event:
            case Audio():
                for frame in stream.heard(event.payload, now):
                    self._hear(frame)
            case Digit():
                self._tell(self.agent.on_digit, event.digit)
            case MarkPlayed():
                self.line.played(event.name)
            case StreamProblem():
                self._complain(stream, event)
            case StreamStarted() | StreamStopped():
                pass  # a second start says nothing new; a stop is followed by the end of the socket

    def second(self) -> None:
        """A second of its stream has passed: is the agent there?"""
        if self.line.said:
            self._trial.good()
        if self._attention is not None and self.stream is not None:
            reason = self._attention.second(self.line.said, audible=self.line.audible)
            if reason:
                self.line.fail(reason)

    def context(self) -> dict[str, Any]:
        """What another one needs to go on; empty if the agent cannot even say that."""
        try:
            return self.agent.context()
        except Exception:
            log.exception("agent-context-failed", call_id=self.call_id)
            return {}

    async def close(self) -> None:
        """The call is over, or another agent has it."""
        self.line.silence()
        self.stream = None
        mute = self._attention is not None and self._attention.owes_first and not self.line.said
        if self._answered and not mute:
            self._trial.good()
        self._trial.over()  # who hangs up on silence does not prove that somebody was there
        await self._close_agent()

    async def _close_agent(self) -> None:
        self._closed = True
        try:
            await self.agent.close()
        except Exception:
            log.exception("agent-close-failed", call_id=self.call_id)

    def _greet(self) -> None:
        back, self._answered = self._answered, True
        if self._attention is not None:
            self._attention.began(first=not back)
        self._tell(self.agent.on_line_back if back else self.agent.on_answer)

    def _hear(self, frame: bytes) -> None:
        if self._attention is not None:
            self._attention.hear(frame)
        self._tell(self.agent.on_audio, frame)

    def _complain(self, stream: Stream, event: StreamProblem) -> None:
        detail = mask_number(event.detail)[:100]
        log.warning("stream-problem", call_id=self.call_id, leg_id=stream.leg_id, code=event.code, detail=detail)

    def _on_mark(self, name: str) -> None:
        self._tell(self.agent.on_mark, name)

    def _tell(self, method: Callable[..., None], *arguments: str | bytes) -> None:
        """An agent that raises is not asked again: nobody is left alone with a dead agent."""
        if self._closed or self.ended_by == LOST:
            return
        try:
            method(*arguments)
        except Exception:
            log.exception("agent-failed", call_id=self.call_id)
            self._lose(RAISED)

    def _on_fail(self, reason: str) -> None:
        log.warning("agent-lost", call_id=self.call_id, agent=self.name, reason=reason[:100])
        self._lose(reason[:100])

    def _hung_up(self) -> None:
        if not self.ended_by:
            self.ended_by = HUNG_UP
            self._hooks.ended(self)

    def _lose(self, reason: str) -> None:
        before, self.ended_by = self.ended_by, LOST
        self._trial.bad()
        if not before:
            self._hooks.lost(self, reason)
