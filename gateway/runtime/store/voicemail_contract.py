"""What the store promises of voicemails, and of the collecting of those that were left at a carrier.

The sound is a file beside the store (`gateway.runtime.voicemail_files`), written before its record is; here are the records.
"""

import hashlib
from typing import Protocol

from msgspec import Struct

from gateway.runtime.store.notice_contract import Notice

FORGOTTEN_AFTER_S = 90 * 86_400.0
"""How long a deleted message is known, so that it is not collected again: longer than we ever look back at a carrier."""


RECORDING = "recording"
KEPT = "kept"
"""A voicemail's status. While it is recorded, `seconds` and `silent` mean nothing yet."""


class Voicemail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that somebody left. Numbers are E.164, empty where withheld; times unix seconds."""

    id: str
    """`vm_...`; see `voicemail_id`."""
    carrier: str
    recording_id: str = ""
    """The carrier's own id of the recording; empty for one that we recorded ourselves."""
    call_id: str = ""
    """Our call, where there was one."""
    caller: str = ""
    to: str = ""
    """The number called."""
    left_at: float
    """When the message began."""
    collected_at: float
    """When it was stored here."""
    seconds: float
    silent: bool = False
    """Nothing that could be speech is in it."""
    reason: str
    """Why there was nobody, kebab-case: `gateway-down` for a message left at a carrier."""
    status: str = KEPT
    ended_by: str = ""
    """What ended our own recording: a word of `gateway.domain.voicemail.RecordingEnd`. Empty for a carrier's."""
    part: int = 1
    """Which process' part of our own recording is its last: one more for each that went on after another had died."""


class VoicemailPage(Struct, frozen=True, kw_only=True):
    """One page of voicemails, newest first; `next` is the cursor of the following page."""

    items: tuple[Voicemail, ...]
    next: str | None


class VoicemailStore(Protocol):
    """A part of `gateway.runtime.store.contract.Store`. Every method is one atomic step."""

    async def put_voicemail(self, voicemail: Voicemail, now: float, *, notices: tuple[Notice, ...] = ()) -> bool:
        """Keep it; False if a message of this id is known, or was and has been deleted. `notices` tell of it."""
        ...

    async def voicemail(self, voicemail_id: str) -> Voicemail | None: ...

    async def knows_voicemail(self, voicemail_id: str, now: float) -> bool:
        """Whether `put_voicemail` would refuse it."""
        ...

    async def list_voicemails(self, limit: int, cursor: str | None) -> VoicemailPage: ...

    async def oldest_voicemails(self, left_before: float, limit: int) -> tuple[Voicemail, ...]:
        """Left before, oldest first."""
        ...

    async def drop_voicemail(self, voicemail_id: str, now: float, *, owner: str = "", notices: tuple[Notice, ...] = ()) -> bool:
        """Forget the record, but not the id, for `FORGOTTEN_AFTER_S`; False if there is none. One that is being recorded is
        dropped only in the name of the process that does (`owner`), and one that is not only without such a name.
        """
        ...

    async def take_collection(self, carrier: str, now: float, for_s: float) -> float | None:
        """Only this caller collects at the carrier, for so long or until `end_collection`; the answer is since when (0: nobody
        ever has). None: somebody else is at it.
        """
        ...

    async def end_collection(self, carrier: str, since: float) -> None:
        """Others may; they look no further back than `since`, which never goes back."""
        ...


def voicemail_id(carrier: str, recording_id: str) -> str:
    """The same for the same recording, whoever collects it and how often: no message is stored twice."""
    digest = hashlib.sha256(f"{carrier}\0{recording_id}".encode()).hexdigest()
    return f"vm_{digest[:24]}"
