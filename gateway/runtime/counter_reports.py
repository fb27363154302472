"""Gives a stream's counters to the store: the newest wins, one write at a time, in order."""

from collections.abc import Awaitable, Callable

from gateway.domain.records import MediaCounters
from gateway.runtime.errands import Errands

StoreMedia = Callable[[str, str, MediaCounters], Awaitable[object]]
"""(call id, leg id, counters)."""


class CounterReports:
    """For one stream. A slow store is given fewer reports, never a queue of them."""

    def __init__(self, call_id: str, leg_id: str, store_media: StoreMedia, errands: Errands) -> None:
        self._call_id, self._leg_id = call_id, leg_id
        self._store_media, self._errands = store_media, errands
        self._newest: MediaCounters | None = None
        self._writing = False

    def offer(self, counters: MediaCounters) -> None:
        """Have it written, after the write that is on its way."""
        self._newest = counters
        if not self._writing:
            self._writing = True
            self._errands.run("store-media", self._write())

    async def _write(self) -> None:
        try:
            while self._newest is not None:
                counters, self._newest = self._newest, None
                await self._store_media(self._call_id, self._leg_id, counters)
        finally:
            self._writing = False
