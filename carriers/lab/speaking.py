"""The lab's voice for text that a carrier reads out: no words, but speech of the right length. Pure.

A test that cares about words looks at the document that was fetched; a test that cares about sound hears that somebody
spoke, and for how long.
"""

from carriers.lab.says import builtin
from carriers.lab.sound import RATE

CHARACTERS_PER_SECOND = 15.0
"""A text-to-speech voice at its usual pace; guessed for all carriers alike."""
_FROM_S = 3.0
"""Where the committed recording speaks without a pause."""


def spoken(text: str) -> bytes:
    """mu-law at 8 kHz, as long as reading the text takes; empty for a text without letters or digits."""
    if not any(map(str.isalnum, text)):
        return b""
    size = int(max(0.2, len(text) / CHARACTERS_PER_SECOND) * RATE)
    voice = builtin("person")[int(_FROM_S * RATE) :]
    return (voice * (size // len(voice) + 1))[:size]
