"""Keys as sound (ITU-T Q.23 and Q.24): the way that every carrier carries without a command of its own. Pure."""

import math

from gateway.domain.media import AudioFormat, Encoding
from gateway.domain.pcm import lin2ulaw

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
TONE_S, PAUSE_S, WAIT_S = 0.1, 0.1, 0.5
"""Q.24 asks receivers for 40 ms of each; networks and machines are kinder to 100."""
AMPLITUDE = 8000
"""Of each of the two tones: together well below the clipping level, above -10 dBm0."""

_PAIRS = {key: (ROWS[row], COLUMNS[column]) for row, keys in enumerate(KEYS) for column, key in enumerate(keys)}


def keys(digits: str, form: AudioFormat) -> bytes:
    """The sound of these keys, one after the other; `w` is half a second of silence. ValueError for what is no key."""
    wrong = sorted(set(digits) - set(_PAIRS) - {"w"})
    if wrong:
        raise ValueError(f"no key: {' '.join(wrong)}; there are 0-9 * # A-D, and w to wait")
    samples: list[int] = []
    for digit in digits:
        samples += _silence(WAIT_S, form.rate) if digit == "w" else _tone(digit, form.rate) + _silence(PAUSE_S, form.rate)
    linear = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    return lin2ulaw(linear, 2) if form.encoding is Encoding.MULAW else linear


def _tone(digit: str, rate: int) -> list[int]:
    low, high = _PAIRS[digit]
    steps = [2 * math.pi * hertz / rate for hertz in (low, high)]
    return [round(AMPLITUDE * sum(math.sin(step * at) for step in steps)) for at in range(int(TONE_S * rate))]


def _silence(seconds: float, rate: int) -> list[int]:
    return [0] * int(seconds * rate)
