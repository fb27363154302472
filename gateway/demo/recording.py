"""What a call's stereo recording proves: who spoke, for how long, and whether the agent answered the person. Pure.

The lab records at the phone, from the answer on: left is what the person said, right what the person's ear got.
"""

import io
import math
import wave
from collections.abc import Sequence

from msgspec import Struct

from gateway.domain.pcm import rms

FRAME_S = 0.02
LOUD = 300
"""Root mean square of 16-bit samples above which a frame is speech; the demo's line has no noise."""
PAUSE_S = 0.3
"""Quiet for longer than this is a new utterance; the agent's own pauses between words are shorter."""
PATIENCE_S = 3.0
"""Whatever the agent says later than this after the person is no answer to it."""


class NotStereo(ValueError):
    """The bytes are no 16-bit WAV, or not of two channels where two are needed."""


class Hearing(Struct, frozen=True, kw_only=True):
    """Seconds of speech in each channel, and how soon the agent answered the person's last word (None: it did not)."""

    seconds: float
    person_s: float
    agent_s: float
    answered_after_s: float | None


def listen(wav: bytes) -> Hearing:
    """Measure a recording; raise NotStereo for anything but 16-bit PCM in two channels."""
    left, right = _loud_frames(wav)
    return Hearing(
        seconds=round(len(left) * FRAME_S, 2),
        person_s=round(sum(left) * FRAME_S, 2),
        agent_s=round(sum(right) * FRAME_S, 2),
        answered_after_s=_answered_after(left, right),
    )


def first_sound(wav: bytes, after_s: float) -> float | None:
    """How long the person's ear got nothing from this second of the recording on; None: for the rest of it."""
    _, right = _loud_frames(wav)
    begin = max(0, int(after_s / FRAME_S))
    found = next((index for index in range(begin, len(right)) if right[index]), None)
    return None if found is None else round((found - begin) * FRAME_S, 2)


def speech_s(wav: bytes) -> float:
    """Seconds of sound in the right channel, or in the only one; raise NotStereo for what is no 16-bit PCM."""
    channels, rate, samples = _samples(wav)
    track = memoryview(samples).cast("h")[channels - 1 :: channels].tobytes()
    step = int(rate * FRAME_S) * 2
    loud = sum(rms(track[start : start + step], 2) > LOUD for start in range(0, len(track) - step + 1, step))
    return round(loud * FRAME_S, 2)


def tone_s(wav: bytes, hertz: float) -> float:
    """Seconds in which the person's ear got this tone and little else."""
    channels, rate, samples = _samples(wav)
    track = memoryview(samples).cast("h")[channels - 1 :: channels].tolist()
    step = int(rate * FRAME_S)
    frames = (track[start : start + step] for start in range(0, len(track) - step + 1, step))
    return round(sum(_is_tone(frame, 2 * math.pi * hertz / rate) for frame in frames) * FRAME_S, 2)


def _is_tone(frame: Sequence[int], turn: float) -> bool:
    """`turn`: radians a sample."""
    whole = sum(value * value for value in frame)
    real = sum(value * math.cos(turn * at) for at, value in enumerate(frame))
    imaginary = sum(value * math.sin(turn * at) for at, value in enumerate(frame))
    return whole > LOUD**2 * len(frame) and 2 * (real**2 + imaginary**2) / len(frame) > 0.7 * whole


def _samples(wav: bytes) -> tuple[int, int, bytes]:
    """Channels, samples a second, and the samples of 16 bits."""
    try:
        with wave.open(io.BytesIO(wav)) as source:
            channels, width, rate, count = source.getparams()[:4]
            samples = source.readframes(count)
    except (wave.Error, EOFError) as error:
        raise NotStereo(str(error)) from error
    if width != 2:
        raise NotStereo(f"{channels} channels of {8 * width} bits")
    return channels, rate, samples


def _loud_frames(wav: bytes) -> tuple[list[bool], list[bool]]:
    channels, rate, samples = _samples(wav)
    if channels != 2:
        raise NotStereo(f"{channels} channels of 16 bits")
    step = int(rate * FRAME_S) * 4
    pieces = [samples[start : start + step] for start in range(0, len(samples) - step + 1, step)]
    return [_loud(piece, 0) for piece in pieces], [_loud(piece, 2) for piece in pieces]


def _loud(stereo: bytes, offset: int) -> bool:
    track = memoryview(stereo).cast("h")[offset // 2 :: 2]
    return rms(track.tobytes(), 2) > LOUD


def _answered_after(person: list[bool], agent: list[bool]) -> float | None:
    """From the person's last word to an utterance of the agent that began after it.

    An agent that heard nothing goes on with its menu right behind its greeting: that began before, and does not count.
    """
    last_word = max((index for index, loud in enumerate(person) if loud), default=None)
    if last_word is None:
        return None
    begins = next((start for start in _utterances(agent) if start > last_word), None)
    waited = None if begins is None else round((begins - last_word - 1) * FRAME_S, 2)
    return waited if waited is not None and waited <= PATIENCE_S else None


def _utterances(track: list[bool]) -> list[int]:
    """The frames with which utterances begin."""
    starts, quiet = [], int(PAUSE_S / FRAME_S)
    for index, loud in enumerate(track):
        if loud and quiet >= PAUSE_S / FRAME_S:
            starts.append(index)
        quiet = 0 if loud else quiet + 1
    return starts
