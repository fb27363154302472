"""One agent's conversation, and its couplings: it belongs to the call, and outlives the streams that it is heard through.

    prepared --couple--> coupled --uncouple--> parked --couple--> coupled ... --close--> closed

The agent hears `on_answer` at the first coupling, `on_line_back` at every later one, and `on_line_lost` in between.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from agent.contract import AgentSession
from gateway.domain.media import Audio, Digit, MarkPlayed, StreamEvent, StreamProblem, StreamStarted, StreamStopped
from gateway.runtime.line import PacedLine
from gateway.runtime.stream import Stream
from gateway.runtime.telemetry.masking import mask_number

log = structlog.get_logger()


class Session:
    """`end(by)` is called at most once: when the agent hangs up (`agent`), or when it raises (`agent-failed`).

    `dropped(frames)` is told of sound of the agent that found no room. `resumed`: the person has been on the line before, in
    another process.
    """

    def __init__(
        self, call_id: str, agent: AgentSession, *, end: Callable[[str], None], dropped: Callable[[int], None], resumed: bool
    ) -> None:
        self.call_id, self.agent = call_id, agent
        self.line = PacedLine(agent.format, self._on_mark, lambda: self._end("agent"), dropped, self._on_fail)
        self.stream: Stream | None = None
        self.ended_by = ""
        self._end_call = end
        self._answered = resumed
        self._closed = False

    async def start(self, context: Mapping[str, Any] | None) -> None:
        """Get the agent ready; if it fails, or we are cancelled, it is closed again."""
        try:
            if context is not None:
                self.agent.resume(context)
            await self.agent.start(self.line)
        except BaseException:
            await self.close()
            raise

    def couple(self, stream: Stream) -> None:
        """The person is on the line. What the agent says in answer to that comes after what it had queued before."""
        self.stream = stream
        self.line.attach(stream)
        back, self._answered = self._answered, True
        self._tell(self.agent.on_line_back if back else self.agent.on_answer)

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
                    self._tell(self.agent.on_audio, frame)
            case Digit():
                self._tell(self.agent.on_digit, event.digit)
            case MarkPlayed():
                self.line.played(event.name)
            case StreamProblem():
                self._complain(stream, event)
            case StreamStarted() | StreamStopped():
                pass  # a second start says nothing new; a stop is followed by the end of the socket

    async def close(self) -> None:
        """The call is over."""
        self._closed = True
        self.stream = None
        self.line.silence()
        try:
            await self.agent.close()
        except Exception:
            log.exception("agent-close-failed", call_id=self.call_id)

    def _complain(self, stream: Stream, event: StreamProblem) -> None:
        detail = mask_number(event.detail)[:100]
        log.warning("stream-problem", call_id=self.call_id, leg_id=stream.leg_id, code=event.code, detail=detail)

    def _on_fail(self, reason: str) -> None:
        log.warning("agent-lost", call_id=self.call_id, reason=reason[:100])
        self._end("agent-failed")

    def _on_mark(self, name: str) -> None:
        self._tell(self.agent.on_mark, name)

    def _tell(self, method: Callable[..., None], *arguments: str | bytes) -> None:
        """An agent that raises is not asked again, and its call ends: nobody is left alone with a dead agent."""
        if self._closed or self.ended_by == "agent-failed":
            return
        try:
            method(*arguments)
        except Exception:
            log.exception("agent-failed", call_id=self.call_id)
            self._end("agent-failed")

    def _end(self, by: str) -> None:
        if not self.ended_by:
            self._end_call(by)
        self.ended_by = by
