"""What can be told of a message without listening: how long it is, and whether anything is in it. Pure."""

import io
import wave

from msgspec import Struct

from gateway.domain.media import MULAW_8K
from gateway.domain.pcm import rms, ulaw2lin

WINDOW_S = 0.1
SPEECH_RMS = 300
"""Of 16-bit samples: about -41 dBFS. Quiet speech on a telephone is above it, the noise of a line mostly below."""
SPEECH_S = 0.3
"""Less than so much sound is a click, or the receiver."""


class Heard(Struct, frozen=True, kw_only=True):
    """`seconds` is 0 and `silent` False where the file cannot be understood: nobody may lose a message for that."""

    seconds: float = 0.0
    silent: bool = False


def listen(wav: bytes) -> Heard:
    """Length, and whether there is less than `SPEECH_S` of sound in it."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            rate, width = file.getframerate(), file.getsampwidth()
            samples, frame = file.readframes(file.getnframes()), width * file.getnchannels()
    except (wave.Error, EOFError):
        return Heard()  # mu-law, or no WAV at all
    if not rate or width not in {1, 2, 4}:
        return Heard()
    return Heard(seconds=len(samples) / frame / rate, silent=_sounding_s(samples, width, int(WINDOW_S * rate) * frame) < SPEECH_S)


def length_s(heard: Heard, told_s: float) -> float:
    """The carrier's word counts where the file cannot be understood; one that holds nothing can be."""
    return heard.seconds if heard.seconds or heard.silent else told_s


def wav_of(mulaw: bytes) -> bytes:
    """Raw mu-law at 8 kHz as a WAV file that everything plays: 16-bit linear, mono."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(MULAW_8K.rate)
        out.writeframes(ulaw2lin(mulaw, 2))
    return file.getvalue()


def is_wav(sound: bytes) -> bool:
    """Whether it says of itself that it is."""
    return sound[:4] == b"RIFF" and sound[8:12] == b"WAVE"


def _sounding_s(samples: bytes, width: int, window: int) -> float:
    # 8-bit samples of a WAV file are unsigned, and would all look loud: they count as sound.
    loud = SPEECH_RMS if width == 2 else SPEECH_RMS << 16 if width == 4 else 0
    windows = (samples[at : at + window] for at in range(0, len(samples), max(window, 1)))
    return sum(WINDOW_S for one in windows if rms(one[: len(one) - len(one) % width], width) >= loud)
