"""The lab's mu-law against the standard library's (or its successor's), and WAV both ways."""

import io
import itertools
import math
import struct
import warnings
import wave
from types import ModuleType

import pytest

from carriers.lab import sound


@pytest.fixture(scope="module")
def audioop() -> ModuleType:
    """The codec that Python shipped; in 3.11 and 3.12 its import warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    return audioop


def test_every_code_expands_as_the_library_says(audioop: ModuleType) -> None:
    """All 256 codes mean the same samples as in audioop."""
    every = bytes(range(256))
    assert sound.to_linear(every) == audioop.ulaw2lin(every, 2)


def test_every_sample_compresses_to_the_nearest_code_or_its_twin(audioop: ModuleType) -> None:
    """All 65,536 samples get a code whose value is at least as near as the one audioop chooses, within one step."""
    samples = struct.pack("<65536h", *range(-32768, 32768))
    ours = struct.unpack("<65536h", sound.to_linear(sound.to_mulaw(samples)))
    theirs = struct.unpack("<65536h", audioop.ulaw2lin(audioop.lin2ulaw(samples, 2), 2))
    worse = [
        sample for sample, a, b in zip(range(-32768, 32768), ours, theirs, strict=True) if abs(a - sample) > abs(b - sample) + 8
    ]
    assert worse == []


def test_an_odd_last_byte_is_dropped() -> None:
    """PCM that ends in the middle of a sample loses only that half."""
    assert sound.to_mulaw(b"\x00\x00\x01") == sound.to_mulaw(b"\x00\x00")


def test_silence_and_noise_are_not_loud_but_a_tone_is() -> None:
    """Loudness tells a person's sound from an idle line."""
    hiss = sound.to_mulaw(struct.pack("<160h", *(30 if index % 2 else -30 for index in range(160))))
    assert not sound.is_loud(sound.SILENCE)
    assert not sound.is_loud(hiss)
    assert sound.is_loud(sound.tone(440, 0.02))


def test_a_tone_has_its_frequency() -> None:
    """A second of 500 Hz crosses zero 1,000 times."""
    samples = struct.unpack("<8000h", sound.to_linear(sound.tone(500, 1.0)))
    crossings = sum(1 for a, b in itertools.pairwise(samples) if (a < 0) != (b < 0))
    assert abs(crossings - 1000) <= 2


def test_frames_fill_the_last_one_with_silence() -> None:
    """200 bytes are two frames, the second with 120 bytes of silence."""
    first, second = sound.frames(b"\x10" * 200)
    assert (len(first), second) == (160, b"\x10" * 40 + b"\xff" * 120)


def test_wav_round_trip_keeps_the_sound() -> None:
    """What is written as WAV is read back as the same mu-law."""
    tone = sound.tone(440, 0.1)
    assert sound.from_wav(sound.to_wav(tone)) == tone


def test_stereo_wav_has_both_tracks_of_equal_length() -> None:
    """Two tracks become left and right; the shorter one is filled up."""
    with wave.open(io.BytesIO(sound.to_wav(b"\x10" * 4, b"\x20" * 2))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth(), file.getnframes()) == (2, 8000, 2, 4)
        samples = struct.unpack("<8h", file.readframes(4))
    assert samples[0::2] == (sound.EXPANDED[0x10],) * 4
    assert samples[1::2] == (sound.EXPANDED[0x20],) * 2 + (0, 0)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2)])
def test_wav_of_any_rate_and_channels_is_taken(rate: int, channels: int) -> None:
    """A tenth of a second stays a tenth of a second at 8 kHz, whatever rate it came in."""
    count = rate // 10
    values = [int(8000 * math.sin(2 * math.pi * 400 * index / rate)) for index in range(count) for _ in range(channels)]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(struct.pack(f"<{len(values)}h", *values))
    mulaw = sound.from_wav(file.getvalue())
    assert len(mulaw) == 800
    assert sound.is_loud(mulaw)


@pytest.mark.parametrize("garbage", [b"", b"RIFF", b"not a wav at all" * 10])
def test_what_is_no_wav_is_refused(garbage: bytes) -> None:
    """Garbage raises NotWav, never anything else."""
    with pytest.raises(sound.NotWav):
        sound.from_wav(garbage)


def test_eight_bit_wav_is_refused() -> None:
    """Only 16-bit PCM is taken, and the error says so."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(b"\x80" * 80)
    with pytest.raises(sound.NotWav, match="16-bit"):
        sound.from_wav(file.getvalue())
