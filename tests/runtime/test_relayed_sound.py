"""Sound that somebody speaks now, on a paced line: it goes out as it came, and never lags far behind."""

from typing import Any, cast

from gateway.domain.media import MULAW_8K, MULAW_FRAME
from gateway.runtime.line import LEAD_FRAMES, RELAY_LIMIT_S, PacedLine
from gateway.runtime.stream import Stream

MOST_WAITING = round(RELAY_LIMIT_S * 50) + 1


class Paper:
    """A stream that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def speak(self, frame: bytes) -> None:
        self.sent.append(frame)


def frame(number: int) -> bytes:
    return bytes([number % 256]) * MULAW_FRAME


def a_line() -> tuple[PacedLine, Paper, list[int]]:
    dropped: list[int] = []
    line = PacedLine(MULAW_8K, lambda _name: None, lambda: None, dropped.append)
    paper = Paper()
    line.attach(cast(Stream, cast(Any, paper)))
    return line, paper, dropped


def test_frames_that_come_in_time_go_out_as_they_came() -> None:
    """One a tick: none waits, none is lost."""
    line, paper, dropped = a_line()
    for number in range(100):
        line.relay(frame(number))
        line.tick()
    assert paper.sent == [frame(number) for number in range(100)]
    assert dropped == []


def test_a_burst_is_cut_to_what_may_lag_behind() -> None:
    """A second at once, after the network held it back: what finds no room is counted, and the rest is heard in order."""
    line, paper, dropped = a_line()
    for number in range(50):
        line.relay(frame(number))
    heard = LEAD_FRAMES + MOST_WAITING
    assert sum(dropped) == 50 - heard
    for _ in range(50):
        line.tick()
    assert paper.sent == [frame(number) for number in range(heard)]


def test_what_an_agent_plays_is_not_cut() -> None:
    """Whole stories wait as long as they need."""
    line, _paper, dropped = a_line()
    line.play(b"".join(frame(number) for number in range(50)))
    assert dropped == []
