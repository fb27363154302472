"""What a person on a lab phone says, 20 ms at a time. Pure; each call gets a voice of its own."""

from collections import deque
from collections.abc import Callable
from itertools import chain, cycle, repeat
from typing import Protocol

from carriers.lab import sound
from carriers.lab.sound import FRAME, SILENCE

ECHO_DELAY_FRAMES = 10
"""0.2 s: an echo that comes back at once would hide a bridge that answers itself."""
LINE_BUFFER = 60 * sound.RATE
"""A line client may send up to a minute ahead, so that a script can push a whole file."""


class Voice(Protocol):
    """Asked for a frame in every tick of an answered call."""

    def next_frame(self) -> bytes:
        """20 ms of mu-law."""
        ...

    def heard(self, frame: bytes) -> None:
        """What reached the person's ear in this tick."""
        ...


class Recorded:
    """Says a sound once or over and over; silence, tone, speech and WAV are all this."""

    def __init__(self, mulaw: bytes, *, loop: bool) -> None:
        cut = sound.frames(mulaw) or [SILENCE]
        self._frames = cycle(cut) if loop else chain(cut, repeat(SILENCE))

    def next_frame(self) -> bytes:
        return next(self._frames)

    def heard(self, frame: bytes) -> None:
        """A recording does not listen."""


class Echo:
    """Says what it heard, 0.2 s later."""

    def __init__(self) -> None:
        self._delayed = deque([SILENCE] * ECHO_DELAY_FRAMES)

    def next_frame(self) -> bytes:
        return self._delayed.popleft() if self._delayed else SILENCE

    def heard(self, frame: bytes) -> None:
        self._delayed.append(frame)
        if len(self._delayed) > 2 * ECHO_DELAY_FRAMES:
            self._delayed.popleft()


class Line:
    """Says what a client of `/lab/phones/{number}/line` sends, and passes on what is heard."""

    def __init__(self, listener: Callable[[bytes], None]) -> None:
        self._listener = listener
        self._waiting = bytearray()

    def speak(self, mulaw: bytes) -> None:
        """Queue sound of any length; what exceeds a minute pushes out the oldest."""
        self._waiting += mulaw
        del self._waiting[: max(0, len(self._waiting) - LINE_BUFFER)]

    def next_frame(self) -> bytes:
        frame = bytes(self._waiting[:FRAME])
        del self._waiting[:FRAME]
        return frame + SILENCE[len(frame) :]

    def heard(self, frame: bytes) -> None:
        self._listener(frame)
