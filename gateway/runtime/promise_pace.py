"""How fast promises may be kept: as fast as the carriers that could take them now place calls, over all gateways together.

A thousand promises that come due together (a carrier is back, a window opens) would else all want a carrier at once, wait for
its pace in vain, and come again together.
"""

from gateway.domain.breaker import BreakerState
from gateway.domain.routing import CarrierView
from gateway.runtime.clock import Clock
from gateway.runtime.fleet import Fleet
from gateway.runtime.store.contract import Store

AT_LEAST = 1.0
"""Calls a second while no carrier seems fit: one of them may be the one that finds out that a carrier is back."""
FRESH_S, STALE_S = 1.0, 15.0


class PromisePace:
    """Looks at the carriers once a second while promises come due, and seldom while none does."""

    def __init__(self, fleet: Fleet, store: Store, clock: Clock) -> None:
        self._fleet, self._store, self._clock = fleet, store, clock
        self._looked_at, self._per_second = float("-inf"), AT_LEAST

    async def per_second(self, *, busy: bool) -> float:
        """`busy`: promises came due just now."""
        now = self._clock.now()
        if abs(now - self._looked_at) >= (FRESH_S if busy else STALE_S):
            views = await self._fleet.views(self._store)
            self._per_second = max(AT_LEAST, sum(self._calls_per_second(view) for view in views))
            self._looked_at = now
        return self._per_second

    def _calls_per_second(self, view: CarrierView) -> float:
        fit = view.hand.in_service and view.breaker.state is not BreakerState.OPEN
        return self._fleet.members[view.name].calls_per_second if fit else 0.0
