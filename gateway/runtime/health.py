"""What we know of each carrier's health: every verdict is heard, and quiet carriers are asked.

Passive verdicts dominate. The active request (cheap, authenticated) answers only "may I try again?": when it succeeds
after having failed, an open breaker lets a probe through, and calls that wait for a carrier are tried at once.
"""

import asyncio
import random
from collections.abc import Callable

import structlog

from carriers.contract import Health
from gateway.domain import breaker as breakers
from gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState
from gateway.domain.call import BreakerWord
from gateway.domain.errors import StoreUnavailable
from gateway.runtime.callbacks import WAITING_FOR_A_CARRIER
from gateway.runtime.calls import News
from gateway.runtime.clock import Clock
from gateway.runtime.fleet import Fleet
from gateway.runtime.store.contract import Store
from gateway.runtime.supervision import heed_cancellation
from gateway.runtime.user_webhook_announcing import SILENT, Announcer

log = structlog.get_logger(__name__)

_TRIES = 32
_HASTEN = 1000

BreakerObserver = Callable[[str, Breaker, Breaker], None]


class HealthWatch:
    """`heed` hears verdicts, `run` asks carriers. `jitter` spreads the requests of many gateways."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        clock: Clock,
        policy: BreakerPolicy,
        jitter: random.Random,
        *,
        idle_every_s: float = 15.0,
        failing_every_s: float = 5.0,
        on_change: BreakerObserver | None = None,
        announcer: Announcer = SILENT,
    ) -> None:
        self._store, self._fleet, self._clock, self._policy = store, fleet, clock, policy
        self._jitter, self._idle_every_s, self._failing_every_s = jitter, idle_every_s, failing_every_s
        self._on_change, self._announcer = on_change, announcer
        self._hurry = {name: asyncio.Event() for name in fleet.members}

    async def heed(self, news: News) -> None:
        """Observer of commits: each leg's one word goes to its carrier's breaker."""
        for word in news.words:
            await self.hear(word)

    async def hear(self, word: BreakerWord) -> None:
        """Apply one word; a word from an earlier life of the breaker changes nothing."""
        now = self._clock.now()
        after = await self._change(
            word.carrier,
            lambda breaker: breakers.observe(
                breaker, word.signal, epoch=word.epoch, probe=word.probe, now=now, policy=self._policy
            ),
        )
        if _suspect(after):
            self._hurry[word.carrier].set()

    async def run(self) -> None:
        """Ask every carrier, each at its own pace, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._fleet.members:
                group.create_task(self._keep_asking(name), name=f"health-{name}")

    async def ask(self, name: str) -> Health:
        """One health request, and what follows from it."""
        health = await self._fleet.members[name].carrier.probe()
        well = health.verdict is None
        before = await self._store.breaker(name)
        now = self._clock.now()
        await self._change(name, lambda breaker: breakers.health(breaker, well=well, now=now, policy=self._policy))
        if well and not before.well:
            log.info("carrier-recovered", carrier=name)
            await self._store.hasten_promises(now, WAITING_FOR_A_CARRIER, _HASTEN)
        elif not well and before.well:
            log.warning("carrier-unwell", carrier=name, reason=health.verdict.reason if health.verdict else "")
        return health

    async def _keep_asking(self, name: str) -> None:
        while True:
            try:
                await self.ask(name)
                suspect = _suspect(await self._store.breaker(name))
            except StoreUnavailable:
                suspect = True
            except Exception:
                # One carrier's folder that breaks must not end the asking of all the others.
                log.exception("health-request-failed", carrier=name)
                suspect = True
            await self._pause(name, self._failing_every_s if suspect else self._idle_every_s)

    async def _pause(self, name: str, every_s: float) -> None:
        """Wait the carrier's pace; a carrier that has just failed is asked soon, whatever its pace was."""
        heed_cancellation()
        hurry = self._hurry[name]
        hurry.clear()
        nap = asyncio.ensure_future(self._clock.sleep(every_s * self._jitter.uniform(0.8, 1.2)))
        wake = asyncio.ensure_future(hurry.wait())
        try:
            await asyncio.wait({nap, wake}, return_when=asyncio.FIRST_COMPLETED)
            if wake.done() and not nap.done() and every_s <= self._failing_every_s:
                await nap
        finally:
            nap.cancel()
            wake.cancel()

    async def _change(self, name: str, change: Callable[[Breaker], Breaker]) -> Breaker:
        for _ in range(_TRIES):
            before = await self._store.breaker(name)
            after = change(before)
            if after == before:
                return before
            notices = self._announcer.of_breaker(name, before, after, self._clock.now())
            if await self._store.swap_breaker(name, before.version, after, notices=notices):
                await self._changed(name, before, after)
                return after
        raise StoreUnavailable(f"the breaker of {name} is being written by too many at once")

    async def _changed(self, name: str, before: Breaker, after: Breaker) -> None:
        if self._on_change is not None:
            self._on_change(name, before, after)
        if after.state is before.state:
            return
        log.info("breaker", carrier=name, was=before.state.value, now=after.state.value, reason=after.reason)
        if after.state is not BreakerState.OPEN:
            await self._store.hasten_promises(self._clock.now(), WAITING_FOR_A_CARRIER, _HASTEN)


def _suspect(breaker: Breaker) -> bool:
    return breaker.state is not BreakerState.CLOSED or not breaker.well or breaker.consecutive > 0
