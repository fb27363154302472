"""Which of an account's recordings are messages of our callers, and where their sound is. Pure.

No document of Holdline's own records, but the one that `Markup.message` makes: whatever else was recorded of a call to one of
our numbers is a fallback document's.
Source: the Recording resource of Plivo's API reference; times by `recording_start_ms`, since `add_time` is in the account's
own zone.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from carriers.messages_left import UNTOLD_S, MessageLeft
from gateway.domain.errors import CarrierError

LARGEST_BYTES = 50_000_000
DOWNLOAD_S = 30.0
MOST_PAGES = 250
_ANY_ZONE_S = 86_400.0
"""More than any zone is off."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a file is, and whether our credentials may go there."""

    url: str
    trusted: bool


def listed_after(since: float) -> datetime:
    """For the list's filter, whose zone we do not know: so much earlier that it holds in every zone."""
    return datetime.fromtimestamp(max(since - _ANY_ZONE_S, 0.0), UTC).replace(tzinfo=None, microsecond=0)


def over(page: Sequence[Mapping[str, Any]], since: float) -> bool:
    """The page is sorted from new to old, and ends before `since`: no later one holds anything."""
    times = [_began(one) for one in page]
    return bool(times) and times == sorted(times, reverse=True) and times[-1] < since


def left(recordings: Sequence[Mapping[str, Any]], numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
    """The messages for these numbers, oldest first."""
    return tuple(sorted(_left(recordings, numbers, since), key=lambda one: (one.left_at, one.recording_id)))


def _left(recordings: Sequence[Mapping[str, Any]], numbers: tuple[str, ...], since: float) -> Iterator[MessageLeft]:
    for one in recordings:
        to, began = _e164(one.get("to_number")), _began(one)
        if to not in numbers or began < since or one.get("recording_format") != "wav" or one.get("conference_name"):
            continue
        yield _message(one, to=to, caller=_e164(one.get("from_number")))


def of_call(recordings: Sequence[Mapping[str, Any]], call_id: str) -> MessageLeft | None:
    """The longest, of what was recorded in this call of ours."""
    made = (one for one in recordings if one.get("call_uuid") == call_id and one.get("recording_format") == "wav")
    return max((_message(one, to="", caller="") for one in made), key=lambda one: one.seconds, default=None)


def _message(one: Mapping[str, Any], *, to: str, caller: str) -> MessageLeft:
    seconds = _number(one.get("recording_duration_ms")) / 1000
    return MessageLeft(
        recording_id=str(one["recording_id"]),
        to=to,
        caller=caller,
        left_at=_began(one),
        seconds=seconds if seconds > 0 else UNTOLD_S,  # -1 is Plivo's word for a length that it does not know yet
        carrier_call_id=str(one.get("call_uuid") or ""),
        handle={"url": str(one.get("recording_url") or "")},
    )


def place(message: MessageLeft, origin: str, base_url: str | None) -> Place:
    """Plivo's own hosts get our credentials, which protected recordings ask for; another https host (older recordings are at
    Amazon's) gets none. Behind another `base_url` the file is looked for there.
    """
    url = message.handle.get("url", "")
    if base_url and url.startswith(base_url.rstrip("/") + "/"):
        return Place(url=origin + url.removeprefix(base_url.rstrip("/")), trusted=True)
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise CarrierError("malformed-recording-url", "no https address")
    return Place(url=url, trusted=parts.hostname.endswith(".plivo.com"))


def _began(one: Mapping[str, Any]) -> float:
    return _number(one.get("recording_start_ms")) / 1000


def _number(value: object) -> float:
    """Plivo writes numbers as text with five places."""
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _e164(value: object) -> str:
    """Plivo writes numbers without a plus; what is no number (`anonymous`) is withheld."""
    digits = str(value or "").lstrip("+")
    return f"+{digits}" if digits.isascii() and digits.isdigit() else ""
