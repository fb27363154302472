"""Whom a person heard: every call of a run has a tone of its own, and what a phone heard must hold no other. Pure.

Phones of the echo agent say their tone and must hear it back; the agent from outside hums it. Whoever hears another pitch was
joined to somebody else's call.
"""

import array
import io
import sys
import wave
from collections.abc import Iterator
from itertools import groupby

LOWEST_HZ, STEP_HZ, PITCHES = 300, 50, 40
"""Forty calls in a row are told apart."""
RATE = 8000
WINDOW = RATE // 5
_LOUD = 2000
_NEAR_HZ = 8
_STEADY_WINDOWS = 3
"""So many windows in a row on one pitch are a hum; speech, clicks and gaps are not."""


def pitch(number: str) -> int:
    """The tone of the call with this phone."""
    digits = number[-3:]
    return LOWEST_HZ + STEP_HZ * (int(digits) % PITCHES if digits.isdigit() else 0)


def hummed(wav: bytes) -> frozenset[int]:
    """The pitches of the table that a phone heard steadily."""
    return frozenset(
        hertz for hertz, windows in groupby(_pitches(_samples(wav))) if hertz and len(list(windows)) >= _STEADY_WINDOWS
    )


def _samples(wav: bytes) -> "array.array[int]":
    with wave.open(io.BytesIO(wav)) as source:
        samples = array.array("h", source.readframes(source.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _pitches(samples: "array.array[int]") -> Iterator[int]:
    for start in range(0, len(samples) - WINDOW + 1, WINDOW):
        yield _pitch_of(samples[start : start + WINDOW])


def _pitch_of(window: "array.array[int]") -> int:
    """Counts how often the sound rises through zero; 0 if that is no pitch of ours, or nothing is heard."""
    if max(window) < _LOUD:
        return 0
    rises = [index for index in range(1, len(window)) if window[index - 1] < 0 <= window[index]]
    if len(rises) < 2:
        return 0
    hertz = RATE * (len(rises) - 1) / (rises[-1] - rises[0])
    nearest = LOWEST_HZ + STEP_HZ * round((hertz - LOWEST_HZ) / STEP_HZ)
    known = LOWEST_HZ <= nearest < LOWEST_HZ + STEP_HZ * PITCHES
    return nearest if known and abs(hertz - nearest) <= _NEAR_HZ else 0
