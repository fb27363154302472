"""From one audio format to another, frame by frame. Pure, but for the resampler's memory of the last sample.

What needs no change is not touched: the same bytes object comes out. Resampling is audioop's linear interpolation; on
the way down a light low-pass stands before it, so that a voice's hiss above 4 kHz does not fold back at full strength.
Good enough for speech on a telephone; an agent that cares asks for 8 kHz and gets its sound untouched.
"""

from collections.abc import Callable
from typing import Any

from gateway.domain.media import AudioFormat, Encoding
from gateway.domain.pcm import lin2ulaw, ratecv, ulaw2lin

Conversion = Callable[[bytes], bytes]
"""Takes and gives whole samples; 20 ms in, 20 ms out."""

_WIDTH = 2
_LOW_PASS = (2, 1)
"""audioop's weights of the new and of the previous sample: about -3 dB at 3 kHz and -6 dB at 6 kHz, of 16."""
_UNFILTERED = (1, 0)


def conversion(source: AudioFormat, target: AudioFormat) -> Conversion:
    """A conversion of its own for one direction of one stream (a resampler remembers where it is)."""
    if source == target:
        return untouched
    steps = [step for step in (_expand(source), _resample(source, target), _compress(target)) if step is not None]
    return steps[0] if len(steps) == 1 else _chain(steps)


def untouched(sound: bytes) -> bytes:
    """The same object."""
    return sound


def silence(form: AudioFormat) -> bytes:
    """One frame of it."""
    return (b"\xff" if form.encoding is Encoding.MULAW else b"\0") * form.frame_bytes


def _expand(source: AudioFormat) -> Conversion | None:
    return (lambda sound: ulaw2lin(sound, _WIDTH)) if source.encoding is Encoding.MULAW else None


def _compress(target: AudioFormat) -> Conversion | None:
    return (lambda sound: lin2ulaw(sound, _WIDTH)) if target.encoding is Encoding.MULAW else None


def _resample(source: AudioFormat, target: AudioFormat) -> Conversion | None:
    return None if source.rate == target.rate else _Resampler(source.rate, target.rate)


def _chain(steps: list[Conversion]) -> Conversion:
    def convert(sound: bytes) -> bytes:
        for step in steps:
            sound = step(sound)
        return sound

    return convert


class _Resampler:
    """16-bit linear from one rate to another, continuous over calls."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        self._weights = _LOW_PASS if target < source else _UNFILTERED
        self._state: Any = None

    def __call__(self, sound: bytes) -> bytes:
        first = self._state is None
        out, self._state = ratecv(sound, _WIDTH, 1, self._source, self._target, self._state, *self._weights)
        return self._filled(sound, out) if first else out

    def _filled(self, sound: bytes, out: bytes) -> bytes:
        """Interpolation needs two samples before it can speak: the first frame comes out short, and is filled in front."""
        wanted = len(sound) // _WIDTH * self._target // self._source * _WIDTH
        return bytes(wanted - len(out)) + out
