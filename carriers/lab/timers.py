"""What is due when: one heap for the network, the simulators and the faults of a lab. Pure."""

import heapq
from collections.abc import Callable
from typing import Any

Sleeper = Callable[[float, Any], None]
"""Woken with (now, key)."""


class Timers:
    """Due things come out in order of time, and of being set where the time is the same."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Sleeper, Any]] = []
        self._count = 0

    def add(self, at: float, sleeper: Sleeper, key: Any) -> None:
        """Wake `sleeper` with `key` at unix time `at`. Nothing is ever taken back: sleepers ignore stale keys."""
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, sleeper, key))

    @property
    def next_at(self) -> float | None:
        """When the next one is due."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> tuple[Sleeper, Any] | None:
        """The next due one, or None."""
        if not self._heap or self._heap[0][0] > now:
            return None
        _, _, sleeper, key = heapq.heappop(self._heap)
        return sleeper, key

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
