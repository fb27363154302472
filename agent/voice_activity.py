"""Is the person speaking? By the energy of mu-law frames, with hysteresis in time. Pure; time is counted in frames.

A telephone line carries hum and clicks, and speech has pauses between words: so speech begins only after some loud frames
in a row, and has ended only after a long run of quiet ones.
"""

from enum import StrEnum

from gateway.domain.pcm import rms, ulaw2lin

LOUD = 400
"""Root mean square of 16-bit samples from which a frame is loud: about -38 dB below full scale."""
ONSET_FRAMES = 6
"""120 ms: longer than a click, shorter than a word."""
HANGOVER_FRAMES = 35
"""700 ms: longer than the pause between two sentences' words."""


class Voice(StrEnum):
    """What a frame changed."""

    STARTED = "started"
    STOPPED = "stopped"


class VoiceActivity:
    """Feed it every frame, in order."""

    def __init__(self, *, loud: int = LOUD, onset: int = ONSET_FRAMES, hangover: int = HANGOVER_FRAMES) -> None:
        self._loud, self._onset, self._hangover = loud, onset, hangover
        self._run = 0
        """Frames in a row that speak against the present state."""
        self.speaking = False

    @property
    def turning(self) -> bool:
        """The last frame spoke against the present state: it may be about to change."""
        return self._run > 0

    def hear(self, frame: bytes) -> Voice | None:
        """What the frame (mu-law, any length) changes, mostly nothing."""
        loud = rms(ulaw2lin(frame, 2), 2) >= self._loud
        if loud == self.speaking:
            self._run = 0
            return None
        self._run += 1
        if self._run < (self._hangover if self.speaking else self._onset):
            return None
        return self._turn()

    def forget(self) -> None:
        """The line was lost: whoever spoke does not any more."""
        self.speaking, self._run = False, 0

    def _turn(self) -> Voice:
        self.speaking, self._run = not self.speaking, 0
        return Voice.STARTED if self.speaking else Voice.STOPPED
