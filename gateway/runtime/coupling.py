"""A session coupled to a stream, ticking: paced sound out, counters once a second, and an eye on silence."""

from collections.abc import Callable

from gateway.domain.media import FRAMES_PER_SECOND
from gateway.runtime.counter_reports import CounterReports
from gateway.runtime.session import Session
from gateway.runtime.stream import Stream
from gateway.runtime.ticker import Ticker

TRY_AGAIN = 1011
"""WebSocket: the server gives up on this connection."""


class Coupling:
    """Lives from `start` to `stop`. `silent_after_s` 0 lets a stream be silent for ever."""

    def __init__(
        self,
        session: Session,
        stream: Stream,
        reports: CounterReports,
        ticker: Ticker,
        clock: Callable[[], float],
        silent_after_s: float,
    ) -> None:
        self.session, self.stream = session, stream
        self._reports, self._ticker, self._clock = reports, ticker, clock
        self._silent_after_s = silent_after_s
        self._ticks = 0
        self._seat = ticker.add(self._tick)
        session.couple(stream)

    def hand_over(self, session: Session) -> None:
        """Another agent speaks from the next frame on; to the carrier nothing happens."""
        former, self.session = self.session, session
        self.stream.speak_as(session.agent.format)
        session.succeed(former)

    def stop(self) -> None:
        """No more ticks; the last counters are reported."""
        self._ticker.remove(self._seat)
        self._reports.offer(self.stream.counts.snapshot(self._clock()))

    def _tick(self) -> None:
        self.session.line.tick()
        self._ticks += 1
        if self._ticks % FRAMES_PER_SECOND == 0:
            self._second()

    def _second(self) -> None:
        now = self._clock()
        self._reports.offer(self.stream.counts.snapshot(now))
        self.session.second()
        if self._silent_after_s and self.stream.counts.silent_for(now) >= self._silent_after_s:
            self.stream.fail(TRY_AGAIN, "silent")
