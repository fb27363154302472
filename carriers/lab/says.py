"""Turns a phone's `says` into sound: the word, or a WAV as base64 or as a path on the lab's machine.

The one place where the lab's phones touch the disk; what comes out is a `Speech` that the pure core plays.
"""

import base64
import binascii
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from carriers.lab import sound
from carriers.lab.fields import BadField
from carriers.lab.voices import Echo, Recorded, Voice

DEFAULT_TONE_HZ = 440
MAX_WAV_BYTES = 20_000_000
WORDS = "silence, tone, tone:HERTZ, speech, machine, echo, data:audio/wav;base64,..., or the path of a .wav file"


class Speech(Struct, frozen=True, kw_only=True):
    """A voice's recipe. `echo` needs no sound; a `loop` begins again when it ends."""

    word: str = "silence"
    """As the phone's report shows it: the word, or `wav`."""
    mulaw: bytes = b""
    loop: bool = False
    echo: bool = False

    def voice(self) -> Voice:
        """A fresh voice for one call."""
        return Echo() if self.echo else Recorded(self.mulaw, loop=self.loop)


@cache
def builtin(name: str) -> bytes:
    """A sound of the package (`sounds/make.sh` made it), mu-law."""
    return (files("carriers.lab.sounds") / f"{name}.ulaw").read_bytes()


_READY: dict[str, Callable[[], Speech]] = {
    "silence": lambda: Speech(word="silence"),
    "speech": lambda: Speech(word="speech", mulaw=builtin("person"), loop=True),
    "machine": lambda: Speech(word="machine", mulaw=builtin("machine")),
    "echo": lambda: Speech(word="echo", echo=True),
}


def read_says(text: str) -> Speech:
    """Raise BadField naming what is allowed."""
    if text in _READY:
        return _READY[text]()
    if text == "tone" or text.startswith("tone:"):
        return Speech(word=text, loop=True, mulaw=sound.tone(_hertz(text), 1.0))
    return Speech(word="wav", mulaw=_wav(text))


def _hertz(text: str) -> int:
    _, _, hertz = text.partition(":")
    if not hertz:
        return DEFAULT_TONE_HZ
    if not hertz.isdigit() or not 100 <= int(hertz) <= 3400:
        raise BadField("says", f"a tone needs 100 to 3400 Hz, not {hertz!r}")
    return int(hertz)


def _wav(text: str) -> bytes:
    try:
        return sound.from_wav(_bytes_of(text))
    except (sound.NotWav, binascii.Error, OSError) as error:
        raise BadField("says", f"{error}; allowed are: {WORDS}") from error


def _bytes_of(text: str) -> bytes:
    if text.startswith("data:"):
        return base64.b64decode(text.partition(",")[2], validate=True)
    path = Path(text)
    if path.suffix.lower() != ".wav" or not path.is_file() or path.stat().st_size > MAX_WAV_BYTES:
        raise BadField("says", f"not a word and not the path of a .wav file: {text[:80]!r}; allowed are: {WORDS}")
    return path.read_bytes()
