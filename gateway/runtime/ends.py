"""Finds calls that ended without this process hearing of it: in another one, or in a write whose word was lost.

Otherwise they would stay in memory, with their agents, and a drain would wait for them to its last second.
"""

from collections.abc import Awaitable
from typing import Protocol

import structlog

from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.clock import Clock
from gateway.runtime.live import LiveCalls
from gateway.runtime.store.contract import Store
from gateway.runtime.supervision import heed_cancellation

log = structlog.get_logger(__name__)


class Bridged(Protocol):
    """The bridge, as far as it is needed here."""

    @property
    def call_ids(self) -> frozenset[str]:
        """Calls that have a session in this process."""
        ...

    def close(self, call_id: str) -> Awaitable[None]:
        """The call has ended."""
        ...


class Ends:
    """`run` looks now and then, until cancelled."""

    def __init__(self, store: Store, clock: Clock, live: LiveCalls, bridge: Bridged) -> None:
        self._store, self._clock, self._live, self._bridge = store, clock, live, bridge

    async def run(self, every_s: float = 15.0) -> None:
        """Look for ever; a store that does not answer is asked again later."""
        while True:
            try:
                await self.look_once()
            except StoreUnavailable as error:
                log.warning("ends-store-unavailable", error=str(error))
            heed_cancellation()
            await self._clock.sleep(every_s)

    async def look_once(self) -> None:
        """Compare all that is held here with what is stored."""
        for call_id in sorted({*self._live.call_ids, *self._bridge.call_ids}):
            stored = await self._store.load(call_id)
            self._live.compare(call_id, stored)
            if _is_over(stored) and call_id in self._bridge.call_ids:
                log.info("end-found", call_id=call_id)
                await self._bridge.close(call_id)


def _is_over(stored: Call | None) -> bool:
    return stored is None or stored.ended
