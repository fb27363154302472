"""Conversions between the audio formats of agents and carriers."""

import math
import struct
import subprocess
import sys
from itertools import pairwise

import pytest

from gateway.domain.media import LINEAR_8K, LINEAR_16K, MULAW_8K, MULAW_SILENCE, AudioFormat
from gateway.domain.pcm import lin2ulaw, rms, ulaw2lin
from gateway.domain.transcode import conversion, silence

FORMATS = [MULAW_8K, LINEAR_8K, LINEAR_16K]


def tone(rate: int, frequency: int, frames: int, amplitude: int = 8000) -> bytes:
    count = rate // 50 * frames
    return struct.pack(f"<{count}h", *(int(amplitude * math.sin(2 * math.pi * frequency * at / rate)) for at in range(count)))


def framewise(source: AudioFormat, target: AudioFormat, sound: bytes) -> list[bytes]:
    convert = conversion(source, target)
    return [convert(sound[at : at + source.frame_bytes]) for at in range(0, len(sound), source.frame_bytes)]


@pytest.mark.parametrize("form", FORMATS)
def test_equal_formats_pass_the_same_object(form: AudioFormat) -> None:
    """What needs no change is not even copied."""
    frame = bytes(range(160)) * (form.frame_bytes // 160)
    assert conversion(form, form)(frame) is frame


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_every_frame_of_every_pair_is_20_ms(source: AudioFormat, target: AudioFormat) -> None:
    """The first frame too, although a resampler knows less before it than before the others."""
    made = framewise(source, target, silence(source) * 10)
    assert [len(frame) for frame in made] == [target.frame_bytes] * 10
    assert b"".join(made) == silence(target) * 10


def test_mulaw_survives_the_way_to_linear_and_back() -> None:
    """Every one of the 256 values, but that negative zero becomes zero."""
    values = bytes(range(256))
    there, back = conversion(MULAW_8K, LINEAR_8K), conversion(LINEAR_8K, MULAW_8K)
    assert back(there(values)) == values.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize(("source", "target"), [(LINEAR_8K, LINEAR_16K), (LINEAR_16K, LINEAR_8K), (LINEAR_16K, MULAW_8K)])
def test_a_voice_keeps_its_pitch_and_its_strength(source: AudioFormat, target: AudioFormat) -> None:
    """A 500 Hz tone comes out as a 500 Hz tone: same count of zero crossings, nearly the same energy, no seams."""
    made = b"".join(framewise(source, target, tone(source.rate, 500, 50)))
    linear = ulaw2lin(made, 2) if target == MULAW_8K else made
    samples = struct.unpack(f"<{len(linear) // 2}h", linear)
    crossings = sum(1 for one, two in pairwise(samples) if one < 0 <= two)
    assert crossings == pytest.approx(500, abs=2)
    assert rms(linear, 2) == pytest.approx(8000 / math.sqrt(2), rel=0.03)


def test_what_an_8_khz_line_cannot_carry_is_weakened_before_it_folds_back() -> None:
    """A 6 kHz tone would come out as a 2 kHz one; it comes out at little more than half its strength."""
    made = b"".join(framewise(LINEAR_16K, LINEAR_8K, tone(16000, 6000, 50)))
    assert rms(made, 2) < 0.6 * 8000 / math.sqrt(2)


def test_two_streams_share_no_memory() -> None:
    """A conversion belongs to one direction of one stream: another one starts from silence."""
    one, two = conversion(LINEAR_8K, LINEAR_16K), conversion(LINEAR_8K, LINEAR_16K)
    loud = struct.pack("<160h", *([20000] * 160))
    one(loud)
    assert one(loud) != two(loud)


def test_mulaw_silence_is_the_domain_word() -> None:
    """0xFF, since 0x00 is the loudest sample."""
    assert silence(MULAW_8K) == MULAW_SILENCE == lin2ulaw(silence(LINEAR_8K), 2)


def test_importing_it_warns_of_nothing() -> None:
    """3.11 and 3.12 announce the end of audioop to everybody who imports it, but not to those who import us."""
    code = "import gateway.domain.transcode"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    assert done.returncode == 0
