"""The 20 ms beat of all media streams, on absolute deadlines so that it does not drift."""

import asyncio
from collections.abc import Callable

PERIOD_S = 0.02
MAX_BEHIND_S = 0.2
"""A loop that was held up longer than this does not catch up: a real carrier would have lost those packets too."""


class Ticker:
    """Calls `beat` each 20 ms while it runs; `beat` may be called a few times in a row to catch up."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._handle: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def run(self, wanted: bool) -> None:
        """Start or stop; the first beat comes one period after the start."""
        if wanted and self._handle is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.time() + PERIOD_S
            self._handle = loop.call_at(self._deadline, self._fire)
        elif not wanted and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = max(self._deadline, loop.time() - MAX_BEHIND_S)
        while self._handle is not None and self._deadline <= loop.time():
            self._deadline += PERIOD_S
            self._beat()
        if self._handle is not None:
            self._handle = loop.call_at(self._deadline, self._fire)
