"""When a call may be dialled: a window of local time, and the moment at which it opens next. Pure.

The wall clock of the window's own time zone decides, on the nights on which clocks change as well: where an hour is left
out a window that begins in it opens when the clock has jumped over its beginning; where an hour comes twice, a window
that begins or ends in it does so twice.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.domain.admission import OpeningHours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_DAYS = 400
"""So far ahead an opening is looked for: farther than a call may be scheduled."""
_MINUTE = 60
_DAY = timedelta(days=1)


class Window(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A window that ends before it begins goes over midnight, and belongs to the day on which it begins."""

    timezone: str
    """IANA name."""
    opens: str
    """Local time, `09:00`."""
    closes: str
    """Local time, `18:00`; `24:00` is midnight."""
    days: tuple[str, ...] = DAYS


def is_open(window: Window | None, now: float) -> bool:
    """Whether a call may be dialled now; no window is always open."""
    return window is None or _hours(window).open(now)


def next_opening(window: Window | None, now: float) -> float | None:
    """The first moment from `now` on at which it is open; None if there is none within the horizon."""
    if window is None or is_open(window, now):
        return now
    hours = _hours(window)
    return next((at for at in _moments(hours, now) if at > now and hours.open(at)), None)


def _hours(window: Window) -> OpeningHours:
    return OpeningHours(
        zone=ZoneInfo(window.timezone),
        days=frozenset(map(DAYS.index, window.days)),
        opens=_minutes(window.opens),
        closes=_minutes(window.closes),
    )


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _moments(hours: OpeningHours, now: float) -> Iterator[float]:
    """In order, all at which it can open: where the wall clock comes to its beginning, and where the clock is put."""
    first = datetime.fromtimestamp(now, hours.zone).date()
    for day in (first + count * _DAY for count in range(HORIZON_DAYS)):
        begins = datetime.combine(day, time(hours.opens // 60, hours.opens % 60), hours.zone)
        put = _clock_put(day, hours.zone)
        yield from sorted({begins.timestamp(), begins.replace(fold=1).timestamp(), *(() if put is None else (put,))})


def _clock_put(day: date, zone: tzinfo) -> float | None:
    """When in this local day the zone's offset changes, to the minute; None on most days."""
    start, end = (int(datetime.combine(one, time(), zone).timestamp()) for one in (day, day + _DAY))
    before = _offset(start, zone)
    if _offset(end, zone) == before:
        return None
    while end - start > _MINUTE:
        middle = (start + end) // (2 * _MINUTE) * _MINUTE
        start, end = (middle, end) if _offset(middle, zone) == before else (start, middle)
    return float(end)


def _offset(at: float, zone: tzinfo) -> timedelta | None:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
