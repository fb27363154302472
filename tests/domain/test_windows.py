"""Windows of local time: when they are open, when they open next, and the nights on which clocks are changed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.window import DAYS, Window, is_open, next_opening

WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


def at(text: str, zone: str = NEW_YORK, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def a_window(opens: str = "09:00", closes: str = "18:00", zone: str = NEW_YORK, days: tuple[str, ...] = DAYS) -> Window:
    return Window(timezone=zone, opens=opens, closes=closes, days=days)


def test_no_window_is_always_open() -> None:
    """Then nothing moves."""
    assert is_open(None, 5.0)
    assert next_opening(None, 5.0) == 5.0


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2026-11-23T08:59", "2026-11-23T09:00"),
        ("2026-11-23T09:00", "2026-11-23T09:00"),
        ("2026-11-23T17:59", "2026-11-23T17:59"),
        ("2026-11-23T18:00", "2026-11-24T09:00"),
        ("2026-11-27T18:00", "2026-11-30T09:00"),
        ("2026-11-28T12:00", "2026-11-30T09:00"),
    ],
)
def test_it_opens_at_its_beginning_on_its_days(now: str, opening: str) -> None:
    """Open now is now; else the next beginning, over the weekend where that is not in it."""
    assert next_opening(a_window(days=WORKDAYS), at(now)) == at(opening)


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night goes on into Saturday; Saturday has none of its own."""
    night = a_window("22:00", "06:00", days=("fri",))
    assert is_open(night, at("2026-11-28T05:59"))
    assert not is_open(night, at("2026-11-28T22:30"))
    assert next_opening(night, at("2026-11-28T06:00")) == at("2026-12-04T22:00")


def test_a_day_whose_clock_jumps_over_the_beginning_opens_at_the_jump() -> None:
    """On 8 March 2026 New York has no 02:30: the window from 02:30 on opens when the clock shows 03:00."""
    early = a_window("02:30", "05:00")
    assert next_opening(early, at("2026-03-08T01:00")) == at("2026-03-08T03:00")
    assert next_opening(early, at("2026-03-07T06:00")) == at("2026-03-08T03:00")


def test_a_window_that_lies_in_the_hour_that_is_left_out_does_not_open_that_day() -> None:
    """From 02:10 to 02:50: the next day is the next opening."""
    assert next_opening(a_window("02:10", "02:50"), at("2026-03-08T00:00")) == at("2026-03-09T02:10")


def test_an_hour_that_comes_twice_opens_twice() -> None:
    """On 1 November 2026, 01:30 comes in summer time and again in winter time; between them the clock shows 01:00."""
    window = a_window("01:30", "01:45")
    first, second = at("2026-11-01T01:30"), at("2026-11-01T01:30", fold=1)
    assert second == first + 3600
    assert next_opening(window, at("2026-11-01T00:00")) == first
    assert next_opening(window, first + 15 * 60) == second


def test_the_clock_put_back_can_close_a_window_and_open_it_again() -> None:
    """A window that ends at 02:30 in Berlin closes there, and is open again when the clock goes back to 02:00."""
    window = a_window("01:00", "02:30", BERLIN)
    closes = at("2026-10-25T02:30", BERLIN)
    assert not is_open(window, closes)
    assert next_opening(window, closes) == at("2026-10-25T02:00", BERLIN, fold=1)


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Africa/Casablanca"])
@pytest.mark.parametrize(("opens", "closes"), [("09:00", "18:00"), ("02:15", "02:45"), ("23:30", "00:30"), ("00:00", "24:00")])
def test_the_next_opening_is_the_first_open_minute(zone: str, opens: str, closes: str) -> None:
    """Held against looking at every minute, over the nights of a whole year on which something changes, and some others."""
    window = a_window(opens, closes, zone, ("sun", "mon", "wed"))
    for start in [*_nights_of_change(zone), at("2026-07-01T12:00", zone)]:
        for now in (start, start + 90 * 60, start + 5 * 3600):
            assert next_opening(window, now) == _by_looking(window, now)


def _nights_of_change(zone: str) -> list[float]:
    """Local midnights of 2026 after which the offset changes within the day."""
    midnights = [at("2026-01-01T00:00", zone) + day * 86_400 for day in range(365)]
    offset = [datetime.fromtimestamp(one, ZoneInfo(zone)).utcoffset() for one in midnights]
    return [midnights[index] for index in range(364) if offset[index] != offset[index + 1]]


def _by_looking(window: Window, now: float) -> float:
    step = now
    while not is_open(window, step):
        step = (step // 60 + 1) * 60
    return step
