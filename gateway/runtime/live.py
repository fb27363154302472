"""Calls that this process has written and that still hold, or may soon hold, a line."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.domain.outcome import CallStatus
from gateway.domain.records import Call
from gateway.runtime.calls import News

_AT_REST = frozenset({CallStatus.SCHEDULED, CallStatus.ENDED})


class LiveCalls:
    """An observer of commits. What it knows is as old as this process's last write of the call."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, call_id: str) -> Call | None:
        """The call as this process last wrote it, while it lives."""
        return self._calls.get(call_id)

    @property
    def call_ids(self) -> frozenset[str]:
        """All that are held to be live."""
        return frozenset(self._calls)

    async def heed(self, news: News) -> None:
        """Observer of commits."""
        if news.after.status in _AT_REST:
            self._calls.pop(news.after.id, None)
        else:
            self._calls[news.after.id] = news.after
        self._note()

    def compare(self, call_id: str, stored: Call | None) -> None:
        """With the call as it was just read: forget it if it is at rest, unless we have written it since."""
        known = self._calls.get(call_id)
        at_rest = stored is None or stored.status in _AT_REST
        if known is not None and at_rest and (stored is None or stored.version >= known.version):
            del self._calls[call_id]
        self._note()

    def _note(self) -> None:
        (self._quiet.clear if self._calls else self._quiet.set)()

    async def none_left(self) -> None:
        """Wait until nothing is live."""
        await self._quiet.wait()


class Room:
    """Whether this process may take one more call: at most `most` live ones (0: as many as come).

    A call counts from before it is written, so that calls that come together do not all find the last place free.
    """

    def __init__(self, live: LiveCalls, most: int) -> None:
        self._live, self._most = live, most
        self._coming: set[str] = set()

    def full(self, call_id: str = "") -> bool:
        """No place is left. The call of this id has one already if it is on its way."""
        if not self._most or call_id in self._coming:
            return False
        return len(self._live) + sum(self._live.get(coming) is None for coming in self._coming) >= self._most

    @contextmanager
    def coming(self, call_id: str) -> Iterator[None]:
        """While it is being written."""
        self._coming.add(call_id)
        try:
            yield
        finally:
            self._coming.discard(call_id)
