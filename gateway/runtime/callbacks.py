"""Keeps promises and timers: calls whose time has come are dialled again, and steps get the timers they asked for."""

import structlog

from gateway.domain.commands import Timer
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import PromiseDue, TimerFired
from gateway.domain.outcome import CallStatus
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.clock import Clock
from gateway.runtime.promise_pace import PromisePace
from gateway.runtime.store.contract import Claim, Fenced
from gateway.runtime.store.promise_contract import PromiseClaim
from gateway.runtime.supervision import heed_cancellation

log = structlog.get_logger(__name__)

WAITING_FOR_A_CARRIER = frozenset({"no-carrier"})
"""Reasons of promises that a carrier's recovery makes due at once."""

_LONGEST_NAP_S = 5.0
"""Well below the outbox's lease."""


class Callbacks:
    """`run` looks for due promises until cancelled; `fire` handles the command Timer. Without `pace`, all that are due go."""

    def __init__(
        self,
        calls: Calls,
        clock: Clock,
        pace: PromisePace | None = None,
        *,
        poll_s: float = 0.25,
        lease_s: float = 10.0,
        batch: int = 50,
    ) -> None:
        self._calls, self._clock, self._pace = calls, clock, pace
        self._poll_s, self._lease_s, self._batch = poll_s, lease_s, batch
        self._resting = self._busy = False

    def rest(self) -> None:
        """Keep no more promises: this process is being stopped. Timers go on, for the calls that live."""
        self._resting = True

    async def run(self) -> None:
        """Work for ever; a store that does not answer is waited for."""
        while True:
            try:
                await self.keep_once()
            except StoreUnavailable as error:
                log.warning("callbacks-store-unavailable", error=str(error))
            heed_cancellation()
            await self._clock.sleep(self._poll_s)

    async def keep_once(self) -> int:
        """Make every due promise a dialling call again; how many were due."""
        if self._resting:
            return 0
        per_second = await self._pace.per_second(busy=self._busy) if self._pace else None
        claims = await self._calls.store.claim_promises(self._clock.now(), self._lease_s, self._batch, per_second)
        self._busy = bool(claims)
        for claim in claims:
            await self._keep(claim)
        return len(claims)

    async def _keep(self, claim: PromiseClaim) -> None:
        """Under the claim's token: whoever comes too late, after another worker or a cancellation, changes nothing."""
        try:
            applied = await self._calls.apply(
                claim.call_id, lambda call: (PromiseDue(),) if call.status is CallStatus.SCHEDULED else (), kept=claim.token
            )
        except CallNotFound:
            log.warning("promise-without-call", call_id=claim.call_id)
            return
        if isinstance(applied.result, Fenced):
            log.info("promise-kept-by-another", call_id=claim.call_id)

    async def fire(self, claim: Claim) -> None:
        """Give a timer back to its call, when its time has come by our clock too."""
        command = claim.command
        assert isinstance(command, Timer)
        if await self._is_early(command):
            await self._calls.store.defer(claim, command.due)
            return
        event = TimerFired(name=command.name, leg_id=command.leg_id)
        await self._calls.apply(command.call_id, lambda _call: (event,), done=(claim.command_id, claim.token))

    async def _is_early(self, command: Timer) -> bool:
        """The store's time never goes back, ours does, and other gateways' clocks may be ahead of it: a timer that fired
        early would mean nothing to its leg, and be gone. A small difference is slept over.
        """
        early = command.due - self._clock.now()
        if early > 0:
            await self._clock.sleep(min(early, _LONGEST_NAP_S))
        return self._clock.now() < command.due
