"""Tells the other gateways on the store that this one is alive, and finds those that are not any more."""

from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Process, Store
from gateway.runtime.supervision import heed_cancellation

log = structlog.get_logger(__name__)

EVERY_S = 1.5
LIVES_S = 5.0
"""Three beats may be lost before the others take over what a process held."""

Inherit = Callable[[Process], Awaitable[bool]]
"""What a dead process had is seen to; False if it is not dead after all, and must not be buried."""


class Heartbeat:
    """`run` until cancelled, then `retire`. `address` is ours, for the others."""

    def __init__(self, store: Store, clock: Clock, process_id: str, address: str, inherit: Inherit) -> None:
        self._store, self._clock, self._inherit = store, clock, inherit
        self._id, self._address = process_id, address
        self._dead: deque[str] = deque(maxlen=1000)
        self._others: tuple[Process, ...] = ()
        self.draining = False

    def me(self) -> Process:
        """We, as the others are told."""
        return Process(id=self._id, address=self._address, draining=self.draining)

    def found_dead(self, process_id: str) -> bool:
        """Only of those we may be sure without asking: one of which we never heard may have just begun."""
        return process_id in self._dead

    def alive(self) -> frozenset[str]:
        """All of whom the last beat told, and we ourselves."""
        return frozenset({self._id, *(other.id for other in self._others)})

    def relieved(self) -> bool:
        """We are being stopped, and somebody else is there to do the work."""
        return self.draining and any(not other.draining for other in self._others)

    async def run(self) -> None:
        """Beat for ever; a store that does not answer is waited for."""
        while True:
            try:
                await self.beat_once()
            except StoreUnavailable as error:
                log.warning("heartbeat-store-unavailable", error=str(error))
            heed_cancellation()
            await self._clock.sleep(EVERY_S)

    async def beat_once(self) -> None:
        """Say that we are alive, and see to the dead."""
        pulse = await self._store.beat(self.me(), self._clock.now(), LIVES_S)
        self._others = pulse.others
        for dead in pulse.dead:
            if await self._inherit(dead):
                self._dead.append(dead.id)
                await self._store.retire(dead.id, self._clock.now())
                log.warning("process-dead", process=dead.id)

    async def retire(self) -> None:
        """We are no more: what we hold is the others' at once."""
        try:
            await self._store.retire(self._id, self._clock.now())
        except StoreUnavailable as error:
            log.warning("not-retired", error=str(error))
