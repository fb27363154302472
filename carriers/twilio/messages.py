"""Which of an account's recordings are messages of our callers. Pure.

A fallback document records by `<Record>`, whose recordings have the source `RecordVerb`; of Holdline's own documents only that
of `Markup.message` has that verb. Source: the Recording and Call resources of Twilio's API reference.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from carriers.messages_left import MessageLeft
from gateway.domain.errors import CarrierError

LONGEST_S = 3600.0
"""A recording that began earlier may have been listed later: `<Record>` lasts at most an hour unless told otherwise."""
LARGEST_BYTES = 50_000_000
DOWNLOAD_S = 30.0
_SID = re.compile(r"RE[0-9a-f]{32}")
_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")


class Recorded(Struct, frozen=True, kw_only=True):
    """A recording, as far as it matters; `began` is unix seconds."""

    sid: str
    call_sid: str
    status: str
    source: str
    began: float
    seconds: float


class Called(Struct, frozen=True, kw_only=True):
    """The call of a recording; empty for one that is not known any more."""

    to: str = ""
    caller: str = ""
    inbound: bool = False


def is_message(recording: Recorded) -> bool:
    """Made by `<Record>`, and its file can be had; `absent` has none, because nothing was recorded."""
    return recording.source == "RecordVerb" and recording.status == "completed"


def left(recordings: Sequence[Recorded], calls: Mapping[str, Called], numbers: tuple[str, ...]) -> Iterator[MessageLeft]:
    """The messages for these numbers, in the same order."""
    for one in recordings:
        call = calls[one.call_sid]
        if call.inbound and call.to in numbers:
            caller = call.caller if _NUMBER.fullmatch(call.caller) else ""
            yield _message(one, to=call.to, caller=caller)


def of_call(recordings: Sequence[Recorded]) -> MessageLeft | None:
    """The longest of what a call of ours left; without a second where Twilio says that nothing was recorded."""
    verbs = [one for one in recordings if one.source == "RecordVerb"]
    made = [one for one in verbs if is_message(one)] or [one for one in verbs if one.status == "absent"]
    return max((_message(one) for one in made), key=lambda one: one.seconds, default=None)


def _message(one: Recorded, to: str = "", caller: str = "") -> MessageLeft:
    return MessageLeft(
        recording_id=one.sid,
        to=to,
        caller=caller,
        left_at=one.began,
        seconds=0.0 if one.status == "absent" else one.seconds,
        carrier_call_id=one.call_sid,
    )


def checked(sid: str) -> str:
    """It becomes a part of a path."""
    if not _SID.fullmatch(sid):
        raise CarrierError("malformed-recording-id", "no recording's SID")
    return sid
