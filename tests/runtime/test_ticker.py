"""The wheel that paces all calls, turned by hand."""

from collections.abc import Callable

import pytest
import structlog.testing

from gateway.runtime.ticker import SLOTS, Ticker


class HandTime:
    """A clock and a loop's `call_later` that move only when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.delays: list[float] = []

    def clock(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.delays.append(delay)
        self.timers.append((self.now + delay, callback))

    def pass_(self, seconds: float) -> None:
        """Let time pass, and every timer fire when it is due."""
        end = self.now + seconds
        while self.timers and min(self.timers)[0] <= end + 1e-9:
            due = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(due)
            self.now = max(self.now, due[0])
            due[1]()
        self.now = end


@pytest.fixture
def time() -> HandTime:
    return HandTime()


@pytest.fixture
def ticker(time: HandTime) -> Ticker:
    return Ticker(time.clock, time.call_later)


def test_every_stream_is_served_fifty_times_a_second(time: HandTime, ticker: Ticker) -> None:
    """Whatever its slot."""
    ticks = [0] * 10

    def tick_of(number: int) -> Callable[[], None]:
        def tick() -> None:
            ticks[number] += 1

        return tick

    for number in range(10):
        ticker.add(tick_of(number))
    time.pass_(1.0)
    assert ticks == [50] * 10


def test_streams_are_spread_over_the_slots(time: HandTime, ticker: Ticker) -> None:
    """No more than a quarter of the streams, and one, is served in the same 5 ms."""
    served: list[float] = []
    for _ in range(10):
        ticker.add(lambda: served.append(round(time.now, 3)))
    time.pass_(0.02)
    assert len(served) == 10
    assert max(served.count(at) for at in served) == -(-10 // SLOTS)


def test_one_timer_serves_all_and_none_is_left_when_all_are_gone(time: HandTime, ticker: Ticker) -> None:
    """An idle gateway does not wake up, and the wheel starts again when a stream comes."""
    seats = [ticker.add(lambda: None) for _ in range(100)]
    time.pass_(0.5)
    assert len(time.timers) == 1
    for seat in seats:
        ticker.remove(seat)
    time.pass_(0.1)
    assert time.timers == []
    ticks: list[float] = []
    ticker.add(lambda: ticks.append(time.now))
    time.pass_(0.1)
    assert len(ticks) == 5


def test_sleeps_are_whole_milliseconds(time: HandTime, ticker: Ticker) -> None:
    """Rounded up: shorter ones make the loop spin."""
    ticker.add(lambda: None)
    for step in (0.0007, 0.0123, 0.0031, 0.05):
        time.pass_(step)
    assert all(delay >= 0.001 and (delay * 1000).is_integer() for delay in time.delays)


def test_a_late_turn_is_made_up_for(time: HandTime, ticker: Ticker) -> None:
    """A loop that was busy for 60 ms owes three ticks, and gives them."""
    ticks: list[float] = []
    ticker.add(lambda: ticks.append(time.now))
    time.pass_(0.1)
    before = len(ticks)
    time.now += 0.06
    time.pass_(0.04)
    assert len(ticks) - before == 5


def test_a_long_stall_is_not(time: HandTime, ticker: Ticker) -> None:
    """A machine that slept for a minute does not send a minute of sound at once."""
    ticks: list[float] = []
    ticker.add(lambda: ticks.append(time.now))
    time.pass_(0.1)
    before = len(ticks)
    time.now += 60.0
    time.pass_(0.02)
    assert len(ticks) - before <= 2


def test_a_tick_may_remove_itself_and_others(time: HandTime, ticker: Ticker) -> None:
    """Who was removed in the middle of a turn is not served in it any more."""
    seats = {}
    served: list[str] = []

    def first() -> None:
        served.append("first")
        ticker.remove(seats["first"])
        ticker.remove(seats["last"])

    seats["first"] = ticker.add(first)
    for _ in range(SLOTS - 1):
        ticker.add(lambda: None)
    seats["last"] = ticker.add(lambda: served.append("last"))
    assert seats["first"].slot == seats["last"].slot
    time.pass_(0.1)
    assert served == ["first"]
    assert len(ticker) == SLOTS - 1


def test_a_tick_that_raises_harms_no_other(time: HandTime, ticker: Ticker) -> None:
    """The others of its slot are served, and so is it the next time."""
    ticks: list[str] = []

    def bad() -> None:
        ticks.append("bad")
        raise RuntimeError("a bug of one stream")

    ticker.add(bad)
    for _ in range(SLOTS):
        ticker.add(lambda: ticks.append("good"))
    with structlog.testing.capture_logs() as logs:
        time.pass_(0.04)
    assert ticks.count("bad") == 2
    assert ticks.count("good") == 2 * SLOTS
    assert {line["event"] for line in logs} == {"tick-failed"}
