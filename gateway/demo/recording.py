"""What a call's stereo recording proves: who spoke, for how long, and whether the agent answered the person. Pure.

The lab records at the phone, from the answer on: left is what the person said, right what the person's ear got.
"""

import io
import wave

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
    """The bytes are no 16-bit stereo WAV."""


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


def _loud_frames(wav: bytes) -> tuple[list[bool], list[bool]]:
    try:
        with wave.open(io.BytesIO(wav)) as source:
            channels, width, rate, count = source.getparams()[:4]
            samples = source.readframes(count)
    except (wave.Error, EOFError) as error:
        raise NotStereo(str(error)) from error
    if channels != 2 or width != 2:
        raise NotStereo(f"{channels} channels of {8 * width} bits")
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
