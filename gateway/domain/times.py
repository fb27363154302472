"""RFC 3339, both ways. Pure."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def rfc3339(at: float) -> str:
    """Unix seconds as `2026-11-22T10:15:30.123Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told(at: float | None) -> str | None:
    """The same, of what may not have happened."""
    return None if at is None else rfc3339(at)


def from_rfc3339(text: str) -> float | None:
    """Unix seconds; None for what is not RFC 3339 with a zone."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        return None
