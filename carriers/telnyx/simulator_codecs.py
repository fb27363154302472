"""What the simulated Telnyx' streams carry: mu-law, A-law and linear samples, out of and into the lab's mu-law. Pure."""

import array
from collections.abc import Callable

from msgspec import Struct

from carriers.lab.sound import EXPANDED, RATE, to_linear, to_mulaw

Turn = Callable[[bytes], bytes]


class Encoding(Struct, frozen=True, kw_only=True):
    """How sound looks in a stream. `encode` takes the lab's mu-law at 8 kHz, `decode` gives it."""

    name: str
    rate: int
    bytes_per_second: int
    encode: Turn
    decode: Turn


def _same(sound: bytes) -> bytes:
    return sound


def _to_alaw(sample: int) -> int:
    """ITU-T G.711 of a 16-bit sample: sign, three bits of segment, four of step; every second bit inverted."""
    magnitude = (sample if sample >= 0 else -sample - 1) >> 3
    sign = 0x80 if sample >= 0 else 0
    segment = max(0, magnitude.bit_length() - 5)
    step = (magnitude >> max(1, segment)) & 0x0F
    return (sign | (segment << 4) | step) ^ 0x55


def _from_alaw(code: int) -> int:
    code ^= 0x55
    segment, step = (code & 0x70) >> 4, code & 0x0F
    magnitude = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


_ALAW = bytes(map(_to_alaw, EXPANDED))
"""mu-law to A-law, through the sample that the code means."""
_MULAW = to_mulaw(array.array("h", map(_from_alaw, range(256))).tobytes())


def _linear(rate: int, byte_order: str) -> Encoding:
    def encode(mulaw: bytes) -> bytes:
        return _ordered(_resampled(to_linear(mulaw), RATE, rate), byte_order)

    def decode(sound: bytes) -> bytes:
        return to_mulaw(_resampled(_ordered(sound[: len(sound) & ~1], byte_order), rate, RATE))

    return Encoding(name="L16", rate=rate, bytes_per_second=2 * rate, encode=encode, decode=decode)


def _ordered(little: bytes, byte_order: str) -> bytes:
    if byte_order == "little":
        return little
    samples = array.array("h", little)
    samples.byteswap()
    return samples.tobytes()


def _resampled(linear: bytes, rate: int, wanted: int) -> bytes:
    """The nearest sample is good enough: nothing here is judged by ear."""
    if rate == wanted:
        return linear
    samples = array.array("h", linear)
    count = len(samples) * wanted // rate
    return array.array("h", (samples[index * rate // wanted] for index in range(count))).tobytes()


def encoding(name: str, rate: int, byte_order: str) -> Encoding:
    """PCMU, PCMA, or L16 at any rate; the byte order of L16 is not published."""
    if name == "L16":
        return _linear(rate, byte_order)
    if name == "PCMA":
        return Encoding(name=name, rate=RATE, bytes_per_second=RATE, encode=_alaw_of, decode=_mulaw_of)
    return Encoding(name="PCMU", rate=RATE, bytes_per_second=RATE, encode=_same, decode=_same)


def _alaw_of(mulaw: bytes) -> bytes:
    return mulaw.translate(_ALAW)


def _mulaw_of(alaw: bytes) -> bytes:
    return alaw.translate(_MULAW)
