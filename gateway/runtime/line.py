"""The agent's telephone line: queues what it says, paces it onto whatever stream the call has now, keeps its marks.

At most `LEAD_FRAMES` (60 ms) lie at the carrier and unheard, so that a barge-in is heard at once whatever the carrier
does with `clear`. Sound goes out the moment it is queued as long as that bound allows it, else with the ticker.

Without a stream (before the answer, and while a lost leg is replaced) the queue is kept and waits: what was said and not
sent is heard when the line is back. An agent that wants to start afresh calls `clear` in `on_line_lost`.
"""

import math
from collections.abc import Callable

from gateway.domain import dtmf
from gateway.domain.media import FRAMES_PER_SECOND, AudioFormat
from gateway.runtime.marks import Marks
from gateway.runtime.playout import Mark, Playout
from gateway.runtime.stream import Stream

LEAD_FRAMES = 3
QUEUE_LIMIT_S = 600.0
"""Ten minutes, as much as any carrier keeps: agents send whole stories at once. At 8,000 bytes a second that is 4.8 MB."""
RELAY_LIMIT_S = 0.2
MARK_LIMIT = 1000
"""Marks that may wait; one more comes back at once."""
FAREWELL_TICKS = 150
"""How long we wait for the carrier to confirm the last sound (3 s) before the call is ended without."""


class PacedLine:
    """`agent.contract.Line`. `on_mark` and `on_end` are called from within these methods: a mark may come back while
    the agent is still inside `clear`, so that it can never be mistaken for a later one of the same name.
    """

    def __init__(
        self,
        form: AudioFormat,
        on_mark: Callable[[str], None],
        on_end: Callable[[], None],
        on_dropped: Callable[[int], None],
        on_fail: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._queue = Playout(form, QUEUE_LIMIT_S)
        self._marks = Marks()
        self._queued_marks = 0
        self._frame_bytes = form.frame_bytes
        self._relay_bytes = form.frame_bytes * round(RELAY_LIMIT_S * FRAMES_PER_SECOND)
        self._on_mark, self._on_end, self._on_dropped, self._on_fail = on_mark, on_end, on_dropped, on_fail
        self._format = form
        self._stream: Stream | None = None
        self._ahead = 0
        self.said = 0
        """Bytes that the agent ever wanted to be heard."""
        self._leaving = self._ended = False
        self._farewell_ticks = 0

    # --- the agent's side ---

    def play(self, audio: bytes) -> None:
        if self._leaving:
            return
        self.said += len(audio)
        dropped = self._queue.add(audio)
        if dropped:
            self._on_dropped(math.ceil(dropped / self._frame_bytes))
        self._pump()

    def relay(self, frame: bytes) -> None:
        """As `play`, of sound that somebody speaks now: thrown away while more than `RELAY_LIMIT_S` of it waits, so that a
        conversation between two people never lags behind.
        """
        if self._queue.waiting_bytes > self._relay_bytes:
            self._on_dropped(1)
        else:
            self.play(frame)

    def mark(self, name: str) -> None:
        if self._leaving:
            return
        if self._queued_marks + len(self._marks) >= MARK_LIMIT:
            self._on_mark(name)
            return
        self._queue_mark(Mark(name))

    def clear(self) -> None:
        thrown = self._marks.take() + self._queue.clear()
        self._queued_marks = self._ahead = 0
        if self._stream is not None:
            self._stream.clear()
        self._give_back(thrown)

    def hang_up(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        if self._stream is None:
            self._end()
        else:
            self._queue_mark(Mark(farewell=True))

    def send_digits(self, digits: str) -> None:
        self.play(dtmf.keys(digits, self._format))

    def fail(self, reason: str) -> None:
        if not self._ended:
            self._ended = self._leaving = True
            self._on_fail(reason)

    # --- the bridge's side ---

    def attach(self, stream: Stream) -> None:
        """The call has a stream (again)."""
        self._stream, self._ahead = stream, 0
        self._pump()

    def succeed(self, other: "PacedLine") -> None:
        """Speak from here on where the other line did: what the carrier still has of it is ahead of us, and its marks' names are
        not used again. The other one is silent.
        """
        stream, ahead, self._marks.number = other.resign()
        if stream is not None:
            self._stream, self._ahead = stream, ahead
            self._pump()

    def resign(self) -> tuple[Stream | None, int, int]:
        """Be silent for ever: (the stream, frames that its carrier still has, the number of the last mark)."""
        left = self._stream, self._ahead, self._marks.number
        self.silence()
        return left

    @property
    def audible(self) -> bool:
        """Something is still to be heard."""
        return self._queue.waiting_bytes > 0

    def detach(self) -> None:
        """The stream is gone; call `give_up_sent` when the agent has been told."""
        self._stream, self._ahead = None, 0

    def give_up_sent(self) -> None:
        """Marks that the lost carrier had will not be played any more; and nobody waits to say goodbye."""
        self._give_back(self._marks.take())
        if self._leaving:
            self._end()

    def played(self, wire_name: str) -> None:
        """The carrier echoed a mark."""
        self._give_back(self._marks.played(wire_name))

    def tick(self) -> None:
        """20 ms have passed."""
        starving = not self._ahead
        self._ahead = max(0, self._ahead - 1)
        self._pump(starving=starving)
        if self._farewell_ticks:
            self._farewell_ticks -= 1
            if not self._farewell_ticks:
                self._end()

    def silence(self) -> None:
        """The call is over: nothing said from here on goes anywhere."""
        self._stream, self._leaving, self._ended = None, True, True
        self._queue.clear()
        self._marks.take()

    # --- between them ---

    def _queue_mark(self, mark: Mark) -> None:
        self._queue.mark(mark)
        self._queued_marks += 1
        self._pump()

    def _pump(self, *, starving: bool = False) -> None:
        """Send what may be sent now. `starving`: the carrier has had nothing to play, so a last piece need not wait."""
        if self._stream is None:
            return
        self._send_marks(self._stream)
        while self._ahead < LEAD_FRAMES:
            frame = self._queue.frame(pad=starving)
            if frame is None:
                return
            self._stream.speak(frame)
            self._ahead += 1
            self._send_marks(self._stream)

    def _send_marks(self, stream: Stream) -> None:
        for mark in self._queue.due_marks():
            self._queued_marks -= 1
            stream.mark(self._marks.sent(mark))
            if mark.farewell:
                self._farewell_ticks = FAREWELL_TICKS

    def _give_back(self, marks: list[Mark]) -> None:
        for mark in marks:
            if mark.farewell:
                self._end()
            else:
                self._on_mark(mark.name)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_end()
