"""Notices made ready for writing, as `plan.py` does it for all else: what cannot be written raises before anything is."""

import math

from msgspec import Struct

from gateway.runtime.store.codec import encode
from gateway.runtime.store.notice_contract import Notice


class PlannedNotice(Struct, frozen=True, kw_only=True):
    """A notice in the words of a store; `kept` and `dead_kept` are how many its endpoint keeps."""

    endpoint: str
    id: str
    about: str
    at: float
    body: str
    kept: int
    dead_kept: int


def planned_notices(notices: tuple[Notice, ...], kept: int, dead_kept: int) -> tuple[PlannedNotice, ...]:
    """ValueError for a time that is no number: it would be refused in the middle of the write."""
    return tuple(_planned(notice, kept, dead_kept) for notice in notices)


def _planned(notice: Notice, kept: int, dead_kept: int) -> PlannedNotice:
    if not math.isfinite(notice.at):
        raise ValueError(f"the time of notice {notice.id} is not finite")
    return PlannedNotice(
        endpoint=notice.endpoint,
        id=notice.id,
        about=notice.about,
        at=notice.at,
        body=encode(notice),
        kept=kept,
        dead_kept=dead_kept,
    )
