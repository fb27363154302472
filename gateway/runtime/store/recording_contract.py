"""What the store promises of messages that are being recorded by our own processes, on the calls' streams.

Such a message has its record (`status` is `recording`) before the person hears the tone, and stands in a table of open
recordings with the process that writes its sound. When the recording ends the record becomes `kept`. What a dead process
left open, another one ends from the sound on the disk.
"""

from collections.abc import Mapping
from typing import Protocol

from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.voicemail_contract import Voicemail


class RecordingStore(Protocol):
    """A part of `gateway.runtime.store.contract.Store`. Every method is one atomic step."""

    async def begin_recording(self, voicemail: Voicemail, owner: str, now: float) -> bool:
        """Keep the record, and note that this process writes its sound; False if the id is known, or was and was deleted."""
        ...

    async def reopen_recording(self, voicemail: Voicemail, owner: str, *, over: Voicemail) -> bool:
        """It goes on, in this process' hands, with this record; `left_at` must be as it was. False if the record is not as
        `over` any more: somebody else went on with it, ended it or deleted it.
        """
        ...

    async def end_recording(self, voicemail: Voicemail, owner: str, *, notices: tuple[Notice, ...] = ()) -> bool:
        """The recording is over, and this is its record from here on; `left_at` must be as it was. Said by its owner, or in a
        dead owner's name. False if it is not open in these hands any more; True if just this has been said before.
        """
        ...

    async def recordings(self) -> Mapping[str, str]:
        """The open ones: their owners by the voicemail's id."""
        ...

    async def storage_mark(self, offered: str) -> str:
        """The mark of the directory that holds the sound: the first that was ever offered. Empty only asks."""
        ...
