"""Sends an unknown dial once more, where the carrier ignores repeats of one that it has: the command Resend.

Like a dial it is won before it is sent, and goes through the carrier's one `place`; the permit is taken in the same write,
so that pace and limits hold. A carrier whose breaker is not closed is left alone, and so is a call whose window has closed.
What is not won is not sent: whoever finds the command again leaves the leg to its look-ups.
"""

import structlog
from msgspec.structs import replace

from carriers.contract import Placed
from gateway.domain import resend
from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.errors import CarrierError
from gateway.domain.events import CallEvent, DialResending, DialResent, LegReported
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call, Leg
from gateway.domain.window import is_open
from gateway.runtime.calls import Calls, News
from gateway.runtime.clock import Clock
from gateway.runtime.dial_results import told
from gateway.runtime.fleet import Fleet, handle_of
from gateway.runtime.store.contract import Claim, Denied, DialPermit

log = structlog.get_logger(__name__)


class Resending:
    """See the head of this file; `hold_s`: how long beyond its longest time a leg keeps its place at the carrier."""

    def __init__(self, calls: Calls, fleet: Fleet, clock: Clock, hold_s: float) -> None:
        self._calls, self._store, self._fleet, self._clock, self._hold_s = calls, calls.store, fleet, clock, hold_s
        self._sending: set[str] = set()
        """Legs that are ours to send; looked at by worker threads in the line before the request."""

    async def resend(self, claim: Claim) -> None:
        """Win it and POST once."""
        call = await self._store.load(claim.command.call_id)
        leg = call.find(claim.command.leg_id) if call else None
        if call is None or leg is None or leg.carrier not in self._fleet.members:
            await self._store.done(claim)
            return
        self._sending.add(leg.id)  # before it is won, so that no cancellation falls between
        try:
            await self._resend(claim, call, leg)
        finally:
            self._sending.discard(leg.id)

    async def heed(self, news: News) -> None:
        """Observer of commits: a leg that is known by now, or is to end, closes its gate."""
        for leg in news.after.legs:
            if leg.id in self._sending and (leg.phase is not LegPhase.UNKNOWN or leg.hangup_wanted):
                self._sending.discard(leg.id)

    async def _resend(self, claim: Claim, call: Call, leg: Leg) -> None:
        breaker = await self._store.breaker(leg.carrier)
        won = await self._win(call, leg, breaker) if breaker.state is BreakerState.CLOSED else None
        if isinstance(won, Denied) and won.why == "pace":
            await self._store.defer(claim, won.retry_at)
        elif won is None or isinstance(won, Denied):
            await self._store.done(claim)
        else:
            placed = await self._place(call, won)
            report = DialResent(
                knowledge=placed.knowledge, carrier_call_id=placed.carrier_call_id, carrier_data=placed.carrier_data
            )
            await told(self._calls, self._clock, claim, LegReported(leg_id=leg.id, event=report))
            await self._end_a_second(call.id, leg, placed)

    async def _end_a_second(self, call_id: str, leg: Leg, placed: Placed) -> None:
        """Should a carrier not have ignored the repeat after all: a call that is not the leg's is nobody's, and ends."""
        call = await self._store.load(call_id)
        known = call.find(leg.id) if call else None
        if call is None or known is None or placed.carrier_call_id in {"", known.carrier_call_id}:
            return
        log.error("dial-placed-twice", call_id=call_id, leg_id=leg.id, carrier=leg.carrier)
        second = replace(handle_of(call, known), carrier_call_id=placed.carrier_call_id)
        try:
            await self._fleet.members[leg.carrier].carrier.hang_up(second)
        except CarrierError as error:
            log.warning("hang-up-failed", call_id=call_id, leg_id=leg.id, carrier=leg.carrier, reason=error.reason)

    async def _win(self, call: Call, leg: Leg, breaker: Breaker) -> Leg | Denied | None:
        """The leg as it is ours to send; None if it is not."""
        fence, deadline = await self._store.next_fence(), self._clock.now() + resend.TIME_S

        def sending(fresh: Call) -> tuple[CallEvent, ...]:
            here = fresh.find(leg.id)
            now = self._clock.now()
            if here is None or here.resent_by is not None or not resend.wanted(here, now) or not is_open(fresh.window, now):
                return ()
            return (LegReported(leg_id=leg.id, event=DialResending(fence=fence, deadline=deadline)),)

        applied = await self._calls.apply(call.id, sending, permit=self._permit(call, leg, breaker))
        if isinstance(applied.result, Denied):
            return applied.result
        here = applied.call.find(leg.id)
        return here if here is not None and here.fence == fence else None

    async def _place(self, call: Call, leg: Leg) -> Placed:
        carrier = self._fleet.members[leg.carrier].carrier
        return await carrier.place(self._fleet.attempt(call, leg), leg.resent_by or 0.0, lambda: leg.id in self._sending)

    def _permit(self, call: Call, leg: Leg, breaker: Breaker) -> DialPermit:
        member = self._fleet.members[leg.carrier]
        return DialPermit(
            carrier=leg.carrier,
            leg_id=leg.id,
            calls_per_second=member.calls_per_second,
            concurrent_calls=member.concurrent_calls,
            holds_until=self._clock.now() + call.ring_timeout_s + call.max_duration_s + self._hold_s,
            breaker_epoch=breaker.epoch,
            breaker_version=breaker.version,
        )
