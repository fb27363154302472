"""Sound as the telephone network carries it, without a codec library: G.711 mu-law tables, loudness, WAV. Pure.

`audioop` left the standard library in 3.13 and warns before; two tables do the same work for a lab.
"""

import array
import io
import math
import sys
import wave

FRAME = 160
"""Bytes of 20 ms of mu-law at 8 kHz."""
FRAME_S = 0.02
RATE = 8000
SILENCE = b"\xff" * FRAME

AUDIBLE = 400
"""A sample beyond this, of 32,124, is more than line noise."""
AUDIBLE_SHARE = 0.1
"""Part of a frame's samples that must be audible for the frame to be sound."""

MAX_WAV_SECONDS = 600


class NotWav(ValueError):
    """The bytes are no PCM WAV file that a phone could say."""


def _expand(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)
    return 0x84 - magnitude if inverted & 0x80 else magnitude - 0x84


def _compress(sample: int) -> int:
    magnitude = min(abs(sample), 32635) + 0x84
    segment = magnitude.bit_length() - 8
    code = (segment << 4) | ((magnitude >> (segment + 3)) & 0x0F)
    return ~(code | (0x80 if sample < 0 else 0)) & 0xFF


EXPANDED = tuple(_expand(code) for code in range(256))
_QUIET_CODES = bytes(code for code, sample in enumerate(EXPANDED) if abs(sample) <= AUDIBLE)
_COMPRESSED = bytes(_compress(index if index < 0x8000 else index - 0x10000) for index in range(0x10000))


def to_linear(mulaw: bytes) -> bytes:
    """mu-law to 16-bit little-endian PCM of the same rate: two bytes a sample."""
    return _little(array.array("h", map(EXPANDED.__getitem__, mulaw))).tobytes()


def to_mulaw(linear: bytes) -> bytes:
    """16-bit little-endian PCM to mu-law; an odd last byte is dropped."""
    samples = _little(array.array("H", linear[: len(linear) & ~1]))
    return bytes(map(_COMPRESSED.__getitem__, samples))


def is_loud(mulaw: bytes) -> bool:
    """Whether a frame holds sound that a person would notice. Called for each frame of each call: no Python per sample."""
    return len(mulaw.translate(None, _QUIET_CODES)) >= max(1.0, AUDIBLE_SHARE * len(mulaw))


def tone(hertz: int, seconds: float, amplitude: int = 8000) -> bytes:
    """A sine, mu-law; whole periods make it loop without a click."""
    step = 2 * math.pi * hertz / RATE
    return bytes(_COMPRESSED[int(amplitude * math.sin(step * index)) & 0xFFFF] for index in range(int(seconds * RATE)))


def frames(mulaw: bytes) -> list[bytes]:
    """Cut into 20 ms; the last one is filled up with silence."""
    cut = [mulaw[start : start + FRAME] for start in range(0, len(mulaw), FRAME)]
    return [frame + SILENCE[len(frame) :] for frame in cut]


def to_wav(*tracks: bytes) -> bytes:
    """A WAV file, 16-bit PCM at 8 kHz, one channel a mu-law track; shorter tracks are filled up with silence."""
    length = max(map(len, tracks), default=0)
    samples = array.array("h", bytes(2 * length * len(tracks)))
    for channel, track in enumerate(tracks):
        samples[channel :: len(tracks)] = array.array("h", map(EXPANDED.__getitem__, track.ljust(length, b"\xff")))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(max(1, len(tracks)))
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(_little(samples).tobytes())
    return file.getvalue()


def from_wav(data: bytes) -> bytes:
    """A 16-bit PCM WAV of any rate and channel count, as mu-law at 8 kHz. Raise NotWav for anything else."""
    try:
        with wave.open(io.BytesIO(data)) as source:
            channels, width, rate, count = source.getparams()[:4]
            if width != 2 or count > rate * MAX_WAV_SECONDS:
                raise NotWav(f"need 16-bit PCM of at most {MAX_WAV_SECONDS} s, not {8 * width}-bit of {count / rate:.0f} s")
            samples = _little(array.array("h", source.readframes(count)))
    except (wave.Error, EOFError, ZeroDivisionError) as error:
        raise NotWav(f"not a PCM WAV file: {error}") from error
    return _at_8_khz(samples[::channels], rate)


def _at_8_khz(samples: "array.array[int]", rate: int) -> bytes:
    # The nearest sample is good enough for a test voice; nothing here is judged by ear.
    count = len(samples) * RATE // rate
    return bytes(_COMPRESSED[samples[index * rate // RATE] & 0xFFFF] for index in range(count))


def _little(samples: "array.array[int]") -> "array.array[int]":
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
