"""One clock for the sound of all calls: a wheel of four slots of 5 ms, so that each stream is served every 20 ms.

One timer turns the wheel, whatever the number of calls; a sleep per call falls behind for ever. Deadlines are absolute,
so a late turn is made up for; after a long stall (the machine slept) the wheel starts afresh and does not burst. Delays
are rounded up to whole milliseconds, since shorter ones make uvloop spin. An empty wheel stands still.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import structlog

from gateway.domain.media import FRAME_MS

log = structlog.get_logger()

SLOTS = 4
SLOT_S = FRAME_MS / 1000 / SLOTS
_CATCH_UP_S = 0.1
"""How far the wheel may lie behind and still make up for it."""
_FUZZ_S = 1e-6

Tick = Callable[[], None]
CallLater = Callable[[float, Tick], Any]


class Seat:
    """One stream's place on the wheel."""

    __slots__ = ("slot", "tick")

    def __init__(self, slot: int, tick: Tick) -> None:
        self.slot, self.tick = slot, tick


class Ticker:
    """Calls every seat's `tick` once per 20 ms. `clock` is monotonic, in seconds; `call_later` is the loop's."""

    def __init__(self, clock: Callable[[], float], call_later: CallLater) -> None:
        self._clock, self._call_later = clock, call_later
        self._slots: tuple[dict[Seat, None], ...] = tuple({} for _ in range(SLOTS))
        self._turn_no = 0
        self._due = 0.0
        self._running = False

    @classmethod
    def of_running_loop(cls) -> "Ticker":
        """The one of this process."""
        loop = asyncio.get_running_loop()
        return cls(loop.time, loop.call_later)

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots)

    def add(self, tick: Tick) -> Seat:
        """Take the emptiest slot; the first tick comes within 20 ms."""
        number = min(range(SLOTS), key=lambda slot: len(self._slots[slot]))
        seat = Seat(number, tick)
        self._slots[number][seat] = None
        if not self._running:
            self._running = True
            self._due = self._clock() + SLOT_S
            self._sleep()
        return seat

    def remove(self, seat: Seat) -> None:
        """Leave; harmless when repeated, and in the middle of a turn."""
        self._slots[seat.slot].pop(seat, None)

    def turn(self) -> None:
        """Serve every slot that is due, then sleep until the next one is."""
        now = self._clock()
        if now - self._due > _CATCH_UP_S:
            self._due = now
        while self._due <= now + _FUZZ_S:
            self._serve(self._slots[self._turn_no % SLOTS])
            self._turn_no += 1
            self._due += SLOT_S
        self._running = any(self._slots)
        if self._running:
            self._sleep()

    def _serve(self, slot: dict[Seat, None]) -> None:
        for seat in tuple(slot):
            if seat not in slot:
                continue
            try:
                seat.tick()
            except Exception:
                log.exception("tick-failed")

    def _sleep(self) -> None:
        delay_ms = math.ceil((self._due - self._clock() - _FUZZ_S) * 1000)
        self._call_later(max(1, delay_ms) / 1000, self.turn)
