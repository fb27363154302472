"""What is heard while somebody waits: sentences, then a sound over and over. Pure.

Each piece is followed by a mark, and the next one is queued a piece ahead, so that there is no gap. The frames of the
person's sound, 50 a second, stand in for a mark that never comes back: nobody is left in silence by a lost word.
"""

from collections import deque

from agent.contract import Line
from agent.speech import sentence
from gateway.domain.media import FRAMES_PER_SECOND, MULAW_FRAME

SOUND = "hold-sound"
"""What is heard unless another sound is asked for."""
_AHEAD = 2
_GRACE_FRAMES = 2 * FRAMES_PER_SECOND


class Patience:
    """`begin` on a line, `mark` and `frame` as they come; `waited_s` is how much of the sound has been heard."""

    def __init__(self) -> None:
        self.waited_s = 0.0
        self._line: Line | None = None
        self._sound = SOUND
        self._queued: deque[tuple[str, str]] = deque()
        """(mark, sentence) of what was queued and not heard yet."""
        self._left_frames = self._number = 0

    def begin(self, line: Line, *sentences: str, sound: str = SOUND) -> None:
        """Throw away what is queued, and say these; then the sound, until `stop`."""
        self._sound = sound
        self._queued.clear()  # first: marks come back from within the clear
        line.clear()
        self._line = line
        for name in sentences:
            self._queue(name)
        self._fill()

    def stop(self) -> None:
        """Be silent; harmless when repeated."""
        line, self._line = self._line, None
        self._queued.clear()
        if line is not None:
            line.clear()

    def mark(self, mark: str) -> str:
        """A mark came back: the sentence that was heard; empty if it is none of ours any more."""
        if self._line is None or mark not in {queued for queued, _ in self._queued}:
            return ""
        heard = ""
        while heard != mark:  # an earlier one that is still there was lost
            heard, name = self._queued.popleft()
            self.waited_s += len(sentence(name)) / (FRAMES_PER_SECOND * MULAW_FRAME) if name == self._sound else 0.0
        self._fill()
        return name

    def frame(self) -> str:
        """20 ms have passed at the person's end; as `mark` if one is overdue."""
        self._left_frames -= 1
        return self.mark(self._queued[0][0]) if self._queued and self._left_frames <= 0 else ""

    def _fill(self) -> None:
        while len(self._queued) < _AHEAD:
            self._queue(self._sound)
        self._left_frames = len(sentence(self._queued[0][1])) // MULAW_FRAME + _GRACE_FRAMES

    def _queue(self, name: str) -> None:
        assert self._line is not None
        self._number += 1
        self._queued.append((f"wait-{self._number}", name))
        self._line.play(sentence(name))
        self._line.mark(f"wait-{self._number}")
