"""One conversation with a speech-to-speech model over its Realtime WebSocket.

The model speaks faster than the person hears. So it is told what was heard: each piece of its sound is followed by a mark of
ours, and a barge-in clears the line and truncates the model's own memory of the sentence at the last mark that came back.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog

from agent.contract import CallInfo, Line
from agent.openai_realtime import events
from agent.openai_realtime.events import HANG_UP, SEND_DIGITS, Event
from agent.socket import AgentSocket
from gateway.domain.media import MULAW_8K

log = structlog.get_logger(__name__)

BYTES_PER_MS = 8


class RealtimeSession:
    """`agent.contract.AgentSession`. `connect(session)` gives a socket with what `open` takes; `first` is the session update."""

    format = MULAW_8K

    def __init__(
        self,
        call: CallInfo,
        connect: Callable[["RealtimeSession"], tuple[AgentSocket, str, Mapping[str, str], float]],
        *,
        first: str,
        speaks_first: bool,
    ) -> None:
        self._call, self._connect = call, connect
        self._first, self._speaks_first = first, speaks_first
        self._socket: AgentSocket | None = None
        self._line: Line | None = None
        self._item, self._content = "", 0
        """What the model is saying now."""
        self._said_ms = self._heard_ms = 0
        self._leaving = False

    # --- what the bridge tells ---

    async def start(self, line: Line) -> None:
        self._line = line
        socket, url, headers, timeout_s = self._connect(self)
        await socket.open(url, headers, timeout_s)
        self._socket = socket
        socket.send(self._first)

    def on_answer(self) -> None:
        if self._speaks_first:
            self._tell(events.speak_first())

    def on_audio(self, frame: bytes) -> None:
        if self._socket is not None:
            self._socket.send(events.append(frame), sound=True)

    def on_digit(self, digit: str) -> None:
        self._tell(events.note(f"The caller pressed the key {digit}."))

    def on_mark(self, name: str) -> None:
        item, _, until_ms = name.rpartition("/")
        if item == self._item:
            self._heard_ms = max(self._heard_ms, int(until_ms))

    def on_line_lost(self) -> None:
        self._interrupt()

    def on_line_back(self) -> None:
        self._tell(events.note("The line was lost for a moment and is back. Go on where you were."))
        if self._speaks_first:
            self._tell(events.speak_first())

    def context(self) -> dict[str, Any]:
        """The model's memory is the service's; a new socket begins anew."""
        return {}

    def resume(self, context: Mapping[str, Any]) -> None:
        """`on_line_back` tells the model that the line was lost."""

    async def close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    # --- what the model says ---

    def on_message(self, message: str | bytes) -> None:
        """One event of the server's; kinds that we do not read are passed over."""
        event = events.read(message)
        if event is None:
            log.warning("realtime-event-unreadable", call_id=self._call.call_id)
            return
        reader = self.READERS.get(event.type)
        if reader is not None:
            reader(self, event)

    def on_closed(self, code: int) -> None:
        """The service never closes a conversation that is well; after our own goodbye it does not matter."""
        if self._line is not None and not self._leaving:
            log.warning("realtime-socket-lost", call_id=self._call.call_id, code=code)
            self._line.fail(f"socket-{code}")

    def _speak(self, event: Event) -> None:
        assert self._line is not None
        if event.item_id != self._item:
            self._item, self._content, self._said_ms, self._heard_ms = event.item_id, event.content_index, 0, 0
        sound = event.sound
        self._said_ms += len(sound) // BYTES_PER_MS
        self._line.play(sound)
        self._line.mark(f"{self._item}/{self._said_ms}")

    def _barge_in(self, _event: Event) -> None:
        self._interrupt()

    def _interrupt(self) -> None:
        """Nothing that was not heard was said. Marks that come back because of the clear prove no hearing."""
        assert self._line is not None
        item, self._item = self._item, ""
        self._line.clear()
        if item and self._heard_ms < self._said_ms:
            self._tell(events.truncate(item, self._content, self._heard_ms))

    def _use_tool(self, event: Event) -> None:
        assert self._line is not None
        if event.name == HANG_UP:
            self._leaving = True
            self._line.hang_up()
        elif event.name == SEND_DIGITS:
            self._tell(events.tool_result(event.call_id, self._press(str(event.parameters.get("digits", "")))))
        else:
            self._tell(events.tool_result(event.call_id, f"there is no tool {event.name}"))

    def _press(self, digits: str) -> str:
        assert self._line is not None
        try:
            self._line.send_digits(digits)
        except ValueError as error:
            return str(error)
        return "pressed"

    def _complain(self, event: Event) -> None:
        """Most errors are about one event of ours and leave the conversation as it is."""
        error = event.error or {}
        log.warning("realtime-error", call_id=self._call.call_id, code=error.get("code"), message=str(error.get("message"))[:200])

    def _tell(self, message: str) -> None:
        if self._socket is not None:
            self._socket.send(message)

    READERS: ClassVar[dict[str, Callable[["RealtimeSession", Event], None]]] = {
        "response.output_audio.delta": _speak,
        "input_audio_buffer.speech_started": _barge_in,
        "response.function_call_arguments.done": _use_tool,
        "error": _complain,
    }
    """What of the service's events is read; the others say nothing that a telephone call needs."""
