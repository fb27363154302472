"""The voicemail's greeting: one of our own sentences, or a file of the user's, as mu-law at 8 kHz."""

import re
import wave
from pathlib import Path

from agent.speech import known, sentence
from gateway.domain.media import MULAW_8K, AudioFormat, Encoding
from gateway.domain.transcode import conversion

LONGEST_S = 60
_A_SENTENCE = re.compile(r"[a-z0-9-]+", re.ASCII)
ALLOWED = f"the path of a .wav (16-bit PCM) or .ulaw (8 kHz) file of at most {LONGEST_S} s, or a sentence of agent/speech"


class NoGreeting(ValueError):
    """What is wrong with it."""


def greeting_sound(name: str) -> bytes:
    """Raise NoGreeting."""
    if _A_SENTENCE.fullmatch(name) and known(name):
        return sentence(name)
    try:
        sound = _of_file(Path(name))
    except OSError as error:
        raise NoGreeting(f"{error.strerror or error}") from error
    if not 0 < len(sound) <= LONGEST_S * MULAW_8K.rate:
        raise NoGreeting(f"{len(sound) / MULAW_8K.rate:.0f} s of sound")
    return sound


def _of_file(path: Path) -> bytes:
    if path.suffix.lower() == ".ulaw":
        return path.read_bytes()
    if path.suffix.lower() == ".wav":
        return _of_wav(path)
    raise NoGreeting("neither a sentence nor a .wav or .ulaw file")


def _of_wav(path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate, count = file.getparams()[:4]
            if width != 2 or not 4000 <= rate <= 192_000:
                raise NoGreeting(f"{8 * width}-bit samples at {rate} Hz")
            samples = file.readframes(min(count, (LONGEST_S + 1) * rate))
    except (wave.Error, EOFError) as error:
        raise NoGreeting(f"no PCM WAV file ({error})") from error
    frame = 2 * channels
    mono = b"".join(samples[at : at + 2] for at in range(0, len(samples) - frame + 1, frame)) if channels > 1 else samples
    return conversion(AudioFormat(Encoding.LINEAR16, rate), MULAW_8K)(mono)
