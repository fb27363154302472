"""Query parameters, strictly: a misspelt filter must not silently show everything. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from litestar import Request

from gateway.domain.errors import Problem
from gateway.strict import describe, unknown_key
from gateway.web.problems import FieldError, Refusal, field_errors, refusal
from gateway.web.shapes import EventPage, EventView

_PLACE = re.compile(r"[0-9a-f]{16}:\w{1,64}", re.ASCII)
"""What the store calls the position of a call: its time, and its id."""
_AS_IT_WAS = "`next` of the page before, as it was"


def refuse_unknown_parameters(request: Request[Any, Any, Any], known: Iterable[str]) -> None:
    """422 for a query parameter that nobody reads: an unknown one, or the second of a name."""
    names = tuple(known)
    given = request.query_params
    wrong = [unknown_key("", name, names) for name in dict.fromkeys(given) if name not in names]
    twice = [name for name in names if len(given.getall(name, [])) > 1]
    wrong += [Problem(name, f"{len(given.getall(name))} values", "allowed: one") for name in twice]
    if wrong:
        raise refusal("invalid-request", "Look at `errors`.", field_errors(wrong))


def event_page(events: Sequence[EventView], limit: int, cursor: str | None) -> EventPage:
    """The events after the cursor, which is the `seq` of the last one seen; oldest first."""
    after = read_seq("cursor", cursor) if cursor else 0
    later = [event for event in events if event.seq > after]
    more = len(later) > limit
    return EventPage(items=tuple(later[:limit]), next=str(later[limit - 1].seq) if more else None)


def read_seq(field: str, text: str) -> int:
    """A place in the feed as a client gives it back; 422 if it never came from us."""
    return _read_number(field, text, "the `seq` of an event")


def read_dead_place(cursor: str | None) -> str | None:
    """A place in a list of dead letters as a client gives it back; 422 if it never came from us."""
    return None if cursor is None else str(_read_number("cursor", cursor, _AS_IT_WAS))


def read_place(cursor: str | None) -> str | None:
    """A place in a list of calls as a client gives it back; 422 if it never came from us, or the page would look empty."""
    if cursor is not None and not _PLACE.fullmatch(cursor):
        raise _never_ours("cursor", cursor, _AS_IT_WAS)
    return cursor


def _read_number(field: str, text: str, allowed: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _never_ours(field, text, allowed)
    return int(text)


def _never_ours(field: str, text: str, allowed: str) -> Refusal:
    return refusal("invalid-request", "Look at `errors`.", [FieldError(field=field, found=describe(text), allowed=allowed)])
