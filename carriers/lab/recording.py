"""What a person said and heard in one call, time-aligned from the answer, and how much of it was speech. Pure."""

from msgspec import Struct

from carriers.lab.sound import FRAME, FRAME_S, SILENCE, is_loud

LIMIT_FRAMES = int(600 / FRAME_S)
"""Ten minutes of each direction are kept; measures go on after that."""
TAPE_BYTES = 300_000_000
"""Of all recordings of a lab together, so that a load test does not fill the machine."""
SLACK_FRAMES = 12
"""More than a late ticker catches up (0.2 s); only a longer lag is a time in which no carrier asked or spoke."""


class Heard(Struct, frozen=True, kw_only=True):
    """The ear's account of a call, in seconds since the answer."""

    seconds: float = 0.0
    speech_seconds: float = 0.0
    longest_silence_s: float = 0.0


class Tape:
    """What all recordings share. A recording that finds it used up keeps what it has, and goes on measuring."""

    def __init__(self, limit: int = TAPE_BYTES) -> None:
        self._left = limit

    def take(self, count: int) -> bool:
        """Whether that many bytes may be kept."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """A recording was forgotten."""
        self._left += count


class Track:
    """One direction."""

    def __init__(self, tape: Tape) -> None:
        self.sound = bytearray()
        self.frames = 0
        self._tape, self._full = tape, False

    def add(self, frame: bytes) -> None:
        """Take the next 20 ms."""
        self.frames += 1
        self._keep(frame)

    def pad(self, until: int) -> None:
        """Fill up with silence to that many frames."""
        missing = until - self.frames
        if missing > 0:
            self._keep(SILENCE * min(missing, max(0, LIMIT_FRAMES - self.frames)))
            self.frames += missing

    def _keep(self, sound: bytes) -> None:
        # Once anything was left out nothing more is kept: a hole would shift what comes after it.
        room = len(self.sound) + len(sound) <= LIMIT_FRAMES * FRAME
        self._full = self._full or not room or not self._tape.take(len(sound))
        if not self._full:
            self.sound += sound


class Ear(Track):
    """The direction that is judged: how much was sound, and how long there was none."""

    def __init__(self, tape: Tape) -> None:
        super().__init__(tape)
        self.loud = self.quiet_run = self.longest_quiet = 0

    def add(self, frame: bytes) -> None:
        super().add(frame)
        if is_loud(frame):
            self.loud, self.quiet_run = self.loud + 1, 0
        else:
            self._quiet(1)

    def pad(self, until: int) -> None:
        self._quiet(max(0, until - self.frames))
        super().pad(until)

    def _quiet(self, count: int) -> None:
        self.quiet_run += count
        self.longest_quiet = max(self.longest_quiet, self.quiet_run)


class Recording:
    """Both directions of one call. Begins with the answer; times in which no stream was there are silence in both."""

    def __init__(self, answered_at: float, tape: Tape | None = None) -> None:
        self._answered_at = answered_at
        self._tape = tape or Tape()
        self.said, self.heard = Track(self._tape), Ear(self._tape)

    def say(self, now: float, frame: bytes) -> None:
        """The person's mouth: one frame."""
        self._align(now, SLACK_FRAMES)
        self.said.add(_whole(frame))

    def hear(self, now: float, frame: bytes) -> None:
        """The person's ear: one frame."""
        self._align(now, SLACK_FRAMES)
        self.heard.add(_whole(frame))

    def finish(self, now: float) -> None:
        """The call has ended: both tracks reach to its end."""
        self._align(now, 0)

    def forget(self) -> None:
        """Give the tape back; the recording is of no more use."""
        self._tape.give_back(len(self.said.sound) + len(self.heard.sound))

    def measure(self, now: float) -> Heard:
        """The ear's account up to now, without changing anything."""
        due = max(self._due(now), self.heard.frames)
        running = self.heard.quiet_run + due - self.heard.frames
        return Heard(
            seconds=round(due * FRAME_S, 2),
            speech_seconds=round(self.heard.loud * FRAME_S, 2),
            longest_silence_s=round(max(self.heard.longest_quiet, running) * FRAME_S, 2),
        )

    def _align(self, now: float, slack: int) -> None:
        due = self._due(now)
        if due - min(self.said.frames, self.heard.frames) > slack:
            self.said.pad(due)
            self.heard.pad(due)

    def _due(self, now: float) -> int:
        return int((now - self._answered_at) / FRAME_S + 1e-6)


def _whole(frame: bytes) -> bytes:
    return frame if len(frame) == FRAME else (frame + SILENCE)[:FRAME]
