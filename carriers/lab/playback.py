"""The carrier's playback buffer: what was sent to the person and has not been heard yet, with marks between. Pure."""

from collections import deque

FRAME = 160
SILENCE = b"\xff" * FRAME


class Playback:
    """Plays queued mu-law at 50 frames a second and says which marks were reached.

    `limit_s` is how much may wait; what exceeds it is dropped and counted, as carriers do.
    """

    def __init__(self, limit_s: float) -> None:
        self._queue: deque[bytes | str] = deque()
        self._rest = b""
        self._waiting_bytes = 0
        self._limit_bytes = int(limit_s * 8000)
        self.dropped_bytes = 0

    @property
    def waiting_s(self) -> float:
        """Seconds of sound not played yet."""
        return (self._waiting_bytes + len(self._rest)) / 8000

    def add(self, mulaw: bytes) -> bool:
        """Queue sound; False if the buffer is full and it was dropped."""
        if self._waiting_bytes + len(mulaw) > self._limit_bytes:
            self.dropped_bytes += len(mulaw)
            return False
        self._queue.append(mulaw)
        self._waiting_bytes += len(mulaw)
        return True

    def mark(self, name: str) -> bool:
        """Queue a mark; True if nothing waits before it, so that it is reached at once and was not queued."""
        if not self._queue and not self._rest:
            return True
        self._queue.append(name)
        return False

    def clear(self) -> list[str]:
        """Drop all sound; the marks that were waiting, in order."""
        marks = [item for item in self._queue if isinstance(item, str)]
        self._queue.clear()
        self._rest, self._waiting_bytes = b"", 0
        return marks

    def next_frame(self) -> tuple[bytes, list[str]]:
        """20 ms of sound (silence where there is none), and the marks whose sound has now been played."""
        frame, marks = self._rest, []
        while self._queue and (len(frame) < FRAME or (len(frame) == FRAME and isinstance(self._queue[0], str))):
            item = self._queue.popleft()
            if isinstance(item, str):
                marks.append(item)
            else:
                frame += item
                self._waiting_bytes -= len(item)
        self._rest = frame[FRAME:]
        frame = frame[:FRAME]
        return frame + SILENCE[len(frame) :], marks
