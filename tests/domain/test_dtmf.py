"""Keys as sound."""

import array
import math

import pytest

from gateway.domain import dtmf
from gateway.domain.media import LINEAR_8K, MULAW_8K
from gateway.domain.pcm import ulaw2lin


def power(samples: "array.array[int]", hertz: float) -> float:
    """Goertzel: how much of one frequency there is."""
    step = 2 * math.pi * hertz / 8000
    real = sum(sample * math.cos(step * at) for at, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * at) for at, sample in enumerate(samples))
    return math.hypot(real, imaginary) / len(samples)


def loudest(samples: "array.array[int]", of: tuple[int, ...]) -> int:
    return max(of, key=lambda hertz: power(samples, hertz))


@pytest.mark.parametrize("key", "0123456789*#ABCD")
def test_a_key_is_its_two_tones(key: str) -> None:
    """The row's and the column's, in mu-law."""
    tone = array.array("h", ulaw2lin(dtmf.keys(key, MULAW_8K)[:800], 2))
    row, column = loudest(tone, dtmf.ROWS), loudest(tone, dtmf.COLUMNS)
    assert dtmf.KEYS[dtmf.ROWS.index(row)][dtmf.COLUMNS.index(column)] == key
    assert power(tone, row) > 10 * max(power(tone, other) for other in dtmf.ROWS if other != row)


def test_keys_are_apart_and_w_waits() -> None:
    """100 ms of sound, 100 of silence; half a second for w."""
    assert len(dtmf.keys("1w2", LINEAR_8K)) == 2 * (1600 + 4000 + 1600)
    assert dtmf.keys("w", LINEAR_8K) == bytes(8000)


def test_what_is_no_key_is_named() -> None:
    """Before any sound is made."""
    with pytest.raises(ValueError, match="no key: x z"):
        dtmf.keys("1xz", MULAW_8K)
