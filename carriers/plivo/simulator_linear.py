"""The lab's Plivo: sound of its streams to and from the 8 kHz mu-law of the telephone network. Pure."""

import array

from carriers.lab.sound import RATE, to_linear, to_mulaw


def to_wire(mulaw: bytes, encoding: str, rate: int, byte_order: str) -> bytes:
    """As the stream's contentType wants it; a higher rate repeats samples."""
    if encoding == "audio/x-mulaw":
        return mulaw
    samples = array.array("h", to_linear(mulaw))
    repeated = array.array("h", (sample for sample in samples for _ in range(rate // RATE)))
    return _ordered(repeated, byte_order).tobytes()


def from_wire(sound: bytes, encoding: str, rate: int, byte_order: str) -> bytes:
    """What a playAudio carried; of a higher rate every n-th sample."""
    if encoding == "audio/x-mulaw":
        return sound
    samples = _ordered(array.array("h", sound[: len(sound) & ~1]), byte_order)
    return to_mulaw(samples[:: rate // RATE].tobytes())


def _ordered(samples: "array.array[int]", byte_order: str) -> "array.array[int]":
    """The lab's tables work in little-endian, whatever the machine."""
    if byte_order == "big":
        samples.byteswap()
    return samples
