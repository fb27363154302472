"""Whether an agent that is connected is there at all: it owes a first word, and an answer to who has spoken to it.

Looked at once a second, and the person's sound ten times a second and only while the agent is silent: the hot path pays
nothing for it. What counts as a word is any sound that the agent plays, silence too.
"""

from collections.abc import Mapping

from msgspec import Struct

from gateway.domain.media import AudioFormat, Encoding
from gateway.domain.pcm import rms, ulaw2lin

MUTE, DEAF = "no-first-word", "no-answer-to-speech"
_EVERY = 5
"""Frames between two looks at the person's sound: 100 ms."""
_LOUD = 400
"""Root mean square of 16-bit samples; a telephone line's own noise lies well below it."""
_WORD = 3
"""So many loud looks are speech and no click."""


class AttentionTerms(Struct, frozen=True, kw_only=True):
    """In seconds; 0: it may be silent for ever."""

    first_word_s: float = 0.0
    reply_s: float = 0.0


class Attention:
    """One session's. `began` and `parted` follow the line; `second` is asked once a second while a person is on it."""

    def __init__(self, terms: AttentionTerms, form: AudioFormat) -> None:
        self._terms, self._mulaw = terms, form.encoding is Encoding.MULAW
        self._owes_first = False
        self._silent_s = self._quiet_s = 0
        self._frames = self._loud = self._loud_before = 0
        self._said = 0

    @property
    def owes_first(self) -> bool:
        """The first word has not come yet, as far as was looked."""
        return self._owes_first

    def began(self, *, first: bool) -> None:
        """A person is on the line; `first`: the agent was told to speak."""
        self._owes_first = first and self._terms.first_word_s > 0
        self._forget()

    def hear(self, frame: bytes) -> None:
        """20 ms from the person, in the agent's format."""
        self._frames += 1
        if self._terms.reply_s and self._frames % _EVERY == 0:
            linear = ulaw2lin(frame, 2) if self._mulaw else frame
            self._loud += rms(linear, 2) >= _LOUD

    def second(self, said: int, *, audible: bool) -> str:
        """Why the agent is lost; empty if it is not. `said`: bytes that it ever played; `audible`: some are still to be heard."""
        if said != self._said or audible:
            self._said, self._owes_first = said, self._owes_first and not said
            self._forget()
            return ""
        if self._owes_first:
            self._silent_s += 1
            return MUTE if self._silent_s >= self._terms.first_word_s else ""
        return self._unanswered()

    def _unanswered(self) -> str:
        """Speech, then quiet: the seconds in which the agent could have answered are counted from its end."""
        if self._loud != self._loud_before:
            self._loud_before, self._quiet_s = self._loud, 0
        elif self._loud >= _WORD:
            self._quiet_s += 1
        return DEAF if self._terms.reply_s and self._quiet_s >= self._terms.reply_s else ""

    def _forget(self) -> None:
        self._silent_s = self._quiet_s = self._loud = self._loud_before = 0


Terms = Mapping[str, AttentionTerms]
"""By agent."""
