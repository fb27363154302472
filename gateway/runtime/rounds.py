"""Work that comes in rounds: as long as there is some, one after another; then a nap, until its time or a word that wakes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.runtime.supervision import heed_cancellation


class Rounds:
    """`awake` is set when there may be something to do, and cleared by the round that looks; `in_hand` is what rounds began."""

    def __init__(self, clock: Clock, nap_s: float) -> None:
        self._clock, self._nap_s = clock, nap_s
        self.awake = asyncio.Event()
        self.in_hand: set[asyncio.Task[None]] = set()

    async def run(self, once: Callable[[], Awaitable[int]], on_away: Callable[[StoreUnavailable], None]) -> None:
        """Work for ever; a store that does not answer is waited for. At the end, what is in hand is given up.

        `once` says how much it found to do.
        """
        try:
            while True:
                heed_cancellation()
                try:
                    found = await once()
                except StoreUnavailable as error:
                    on_away(error)
                    found = 0
                if not found:
                    await self._nap()
        finally:
            for task in self.in_hand:
                task.cancel()
            await asyncio.gather(*self.in_hand, return_exceptions=True)

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Have it in hand until it is done."""
        task = asyncio.create_task(work, name=name)
        self.in_hand.add(task)
        task.add_done_callback(self.in_hand.discard)
        return task

    async def idle(self) -> None:
        """Wait until nothing is in hand."""
        while self.in_hand:
            await asyncio.wait(self.in_hand)

    async def _nap(self) -> None:
        wait = asyncio.ensure_future(self.awake.wait())
        nap = asyncio.ensure_future(self._clock.sleep(self._nap_s))
        try:
            await asyncio.wait({wait, nap}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wait.cancel()
            nap.cancel()
