"""Telnyx reads no documents: it ignores the body of every webhook answer, and what a leg does comes with its dial.

The stream is connected by `stream_url` in the dial, the end is a command of `api`; so each document is an empty 200.
"""

from carriers.contract import Attempt, Document

_NOTHING = Document()


class TelnyxMarkup:
    """An empty 200, whatever is asked."""

    def connect(self, attempt: Attempt) -> Document:
        return _NOTHING

    def hang_up(self) -> Document:
        return _NOTHING

    def reject(self, cause: str) -> Document:
        return _NOTHING

    def voicemail(self) -> Document | None:
        """Call Control obeys commands alone; a TeXML application could, but a number has one connection."""
        return None

    def message(self, attempt: Attempt) -> Document:
        """Said by `begin_message`."""
        return _NOTHING

    def farewell(self) -> Document:
        return _NOTHING

    def acknowledge(self) -> Document:
        return _NOTHING
