"""Chooses carriers and places legs. A dial is three durable writes: intended, sending, result.

Route writes the intent, with the carrier's permit taken in the same write. Dial wins `intended -> sending`, and only
the winner POSTs; a Dial that finds `sending` written by somebody else makes the leg unknown and leaves it to the
reconciler. So a dial happens at most once, whatever dies in between.
"""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from msgspec import Struct
from msgspec.structs import replace

from carriers.contract import Placed
from gateway.compliance.decision import Denied as ComplianceDenied
from gateway.compliance.decision import decide as comply
from gateway.domain import breaker as breakers
from gateway.domain import routing
from gateway.domain.breaker import Breaker, BreakerPolicy
from gateway.domain.events import (
    CallEvent,
    DialDenied,
    DialOrphaned,
    DialReported,
    DialSending,
    LegReported,
    PaceHeld,
    RouteChosen,
    RouteExhausted,
)
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.promising import OUTSIDE_WINDOW
from gateway.domain.records import Call
from gateway.domain.routing import Candidate, CarrierView, Passed
from gateway.domain.window import is_open, next_opening
from gateway.runtime.calls import Calls, News
from gateway.runtime.clock import Clock
from gateway.runtime.dial_results import told
from gateway.runtime.fleet import Fleet
from gateway.runtime.store.contract import Claim, Denied, DialPermit
from gateway.runtime.store.plan import CONCURRENCY_RETRY_S

log = structlog.get_logger(__name__)

HOLD_SLACK_S = 300.0
"""A concurrency place outlives the longest leg by this: look-ups and repeated hang-ups take their time."""


NO_AGENT = "no-agent"
"""Why a call is exhausted that any carrier would take: there is nobody to talk."""
_TO_BE_SENT = frozenset({LegPhase.INTENDED, LegPhase.SENDING})


_LATE_S = 0.25
"""So long after it was read a call is looked at anew before it is dialled."""
_NOT_A_QUEUE = frozenset({"breaker", "out of service"})
"""A permit denied for one of these is not had by waiting a moment."""


class RouteRule(Struct, frozen=True, kw_only=True):
    """What the config's route says to the dialer."""

    carriers: tuple[str, ...]
    compliance: str = "none"


Nobody = Callable[[Call], Awaitable[str]]
"""Why nobody would talk in this call, were it answered; empty: somebody would, and who had to be tried first is ready for it."""


async def somebody(_call: Call) -> str:
    """There always is."""
    return ""


class Dialer:
    """Handles the commands Route and Dial. A call in which `nobody` would talk waits, and nobody's phone rings for it."""

    def __init__(
        self,
        calls: Calls,
        fleet: Fleet,
        routes: Mapping[str, RouteRule],
        clock: Clock,
        new_id: Callable[[str], str],
        new_token: Callable[[], str],
        policy: Policy,
        breaker_policy: BreakerPolicy,
        nobody: Nobody = somebody,
    ) -> None:
        self._nobody = nobody
        self._calls, self._store, self._fleet, self._routes = calls, calls.store, fleet, routes
        self._clock, self._new_id, self._new_token = clock, new_id, new_token
        self._policy, self._breaker_policy = policy, breaker_policy
        self._sending: set[str] = set()
        """Legs whose `sending` mark is ours; looked at by worker threads in the line before the request."""

    # --- Route: the first write -------------------------------------------------------------------------------

    async def route(self, claim: Claim) -> None:
        """Take the first carrier that gives a permit; else hold for pace, or say that there is none."""
        call = await self._store.load(claim.command.call_id)
        if call is None or not _wants_carrier(call):
            await self._store.done(claim)
            return
        now = self._clock.now()
        forbidden = self._forbidden(call, now)
        if forbidden is not None:
            await self._say(claim, forbidden)
            return
        views = await self._fleet.views(self._store)
        plan = routing.plan(call, self._rule(call).carriers, views, now, self._breaker_policy)
        nobody = await self._nobody(replace(call, from_number=plan.candidates[0].caller_id)) if plan.candidates else ""
        if nobody:
            again = self._clock.now() + self._policy.retry_every_s
            await self._say(claim, RouteExhausted(passed=(nobody,), retry_at=again, reason=NO_AGENT))
        elif self._clock.now() - now >= _LATE_S:  # an agent was tried first: the call, its hours, the carriers may have changed
            await self.route(claim)
        else:
            await self._take_first(claim, call, plan, {view.name: view for view in views})

    def _rule(self, call: Call) -> RouteRule:
        return self._routes.get(call.route) or RouteRule(carriers=tuple(self._fleet.members))

    def _forbidden(self, call: Call, now: float) -> DialDenied | None:
        if not is_open(call.window, now):
            return DialDenied(rule=OUTSIDE_WINDOW, retry_at=next_opening(call.window, now))
        decision = comply(self._rule(call).compliance, call, now)
        return DialDenied(rule=decision.rule, retry_at=decision.until) if isinstance(decision, ComplianceDenied) else None

    async def _take_first(self, claim: Claim, call: Call, plan: routing.Plan, views: Mapping[str, CarrierView]) -> None:
        passed = list(plan.passed)
        for candidate in plan.candidates:
            denied = await self._take(claim, call, candidate, views[candidate.carrier].breaker, passed)
            if denied is None:
                return
            held = self._hold(call, candidate, denied)
            if held is not None:
                await self._say(claim, held)
                return
            passed.append(Passed(carrier=candidate.carrier, reason=denied.why, retry_at=denied.retry_at))
        await self._say(claim, _exhausted(passed, self._clock.now() + self._policy.retry_every_s))

    async def _take(
        self, claim: Claim, call: Call, candidate: Candidate, breaker: Breaker, passed: list[Passed]
    ) -> Denied | None:
        """Write the intent; the reason if the permit is not to be had. Done also when the call has moved on."""
        now = self._clock.now()
        probe = breakers.take_probe(breaker, now) if candidate.permit.probe else None
        epoch = probe.epoch if probe else candidate.permit.epoch
        event = self._chosen(candidate, epoch, passed)
        member = self._fleet.members[candidate.carrier]
        permit = DialPermit(
            carrier=candidate.carrier,
            leg_id=event.leg_id,
            calls_per_second=member.calls_per_second,
            concurrent_calls=member.concurrent_calls,
            holds_until=now + call.ring_timeout_s + call.max_duration_s + HOLD_SLACK_S,
            breaker_epoch=breaker.epoch,
            probe=probe,
            breaker_version=breaker.version,
        )
        applied = await self._calls.apply(
            call.id,
            lambda fresh: (event,) if _wants_carrier(fresh) and fresh.round == call.round else (),
            done=(claim.command_id, claim.token),
            permit=permit,
        )
        return applied.result if isinstance(applied.result, Denied) else None

    def _chosen(self, candidate: Candidate, epoch: int, passed: list[Passed]) -> RouteChosen:
        capabilities = self._fleet.members[candidate.carrier].carrier.capabilities
        return RouteChosen(
            leg_id=self._new_id("leg"),
            media_token=self._new_token(),
            carrier=candidate.carrier,
            caller_id=candidate.caller_id,
            why=candidate.why,
            passed=tuple(str(entry) for entry in passed),
            probe=candidate.permit.probe,
            breaker_epoch=epoch,
            ringing_events=capabilities.ringing_events,
            lookup_settles_s=capabilities.lookup_settles_s,
            place_timeout_s=capabilities.place_timeout_s,
            streams_by_command=capabilities.streams_by_command,
            resends_safely=capabilities.resends_safely,
        )

    def _hold(self, call: Call, candidate: Candidate, denied: Denied) -> PaceHeld | None:
        """Wait for the carrier's turn, `pace_wait_s` in all; a breaker or a hand that just changed is no reason to wait."""
        now = self._clock.now()
        since = call.pace_since if call.pace_since is not None else now
        last = since + self._policy.pace_wait_s
        if denied.why in _NOT_A_QUEUE or now >= last:
            return None
        # The store's time never goes back, ours may have: by the store's time we would be due again at once, and again.
        ahead = max(0.0, denied.retry_at - now - self._longest_turn_s(candidate))
        return PaceHeld(carrier=candidate.carrier, until=min(max(denied.retry_at, now + 0.02), last + ahead))

    def _longest_turn_s(self, candidate: Candidate) -> float:
        """As far ahead of the store's time as it tells anybody to come again."""
        return max(CONCURRENCY_RETRY_S, 1.0 / self._fleet.members[candidate.carrier].calls_per_second)

    async def _say(self, claim: Claim, event: CallEvent) -> None:
        await self._calls.apply(
            claim.command.call_id,
            lambda fresh: (event,) if _wants_carrier(fresh) else (),
            done=(claim.command_id, claim.token),
        )

    # --- Dial: the second and third write ---------------------------------------------------------------------

    async def dial(self, claim: Claim) -> None:
        """Win the leg and POST once; or find out that somebody else may have."""
        leg_id = claim.command.leg_id
        fence = await self._store.next_fence()
        self._sending.add(leg_id)  # before it is won, so that no cancellation falls between
        try:
            placed = await self._place(claim, fence)
        finally:
            self._sending.discard(leg_id)
        if placed is None:
            await self._not_ours(claim)
            return
        report = DialReported(
            knowledge=placed.knowledge,
            verdict=placed.verdict,
            carrier_call_id=placed.carrier_call_id,
            carrier_data=placed.carrier_data,
            fence=fence,
        )
        await told(self._calls, self._clock, claim, LegReported(leg_id=leg_id, event=report))

    async def _place(self, claim: Claim, fence: int) -> Placed | None:
        """What the one POST told; None, and nothing sent, if the leg is not ours to send."""
        leg_id = claim.command.leg_id
        call = await self._win(claim, fence)
        leg = call.find(leg_id)
        if leg is None or leg.phase is not LegPhase.SENDING or leg.fence != fence:
            return None
        carrier = self._fleet.members[leg.carrier].carrier
        return await carrier.place(self._fleet.attempt(call, leg), leg.deadline, lambda: leg_id in self._sending)

    async def _win(self, claim: Claim, fence: int) -> Call:
        leg_id = claim.command.leg_id

        def sending(call: Call) -> tuple[CallEvent, ...]:
            leg = call.find(leg_id)
            if leg is None or leg.phase is not LegPhase.INTENDED or leg.hangup_wanted:
                return ()
            deadline = self._clock.now() + leg.place_timeout_s
            return (LegReported(leg_id=leg_id, event=DialSending(fence=fence, deadline=deadline)),)

        return (await self._calls.apply(claim.command.call_id, sending)).call

    async def _not_ours(self, claim: Claim) -> None:
        """Redelivered: if the leg is still `sending`, its worker is gone or slow, and nobody may POST."""

        def orphaned(call: Call) -> tuple[CallEvent, ...]:
            leg = call.find(claim.command.leg_id)
            if leg is None or leg.phase is not LegPhase.SENDING:
                return ()
            return (LegReported(leg_id=leg.id, event=DialOrphaned()),)

        await self._calls.apply(claim.command.call_id, orphaned, done=(claim.command_id, claim.token))

    async def heed(self, news: News) -> None:
        """Observer of commits: a leg that is no longer to be sent closes its gate, also for a thread about to write."""
        for leg in news.after.legs:
            if leg.id in self._sending and (leg.phase not in _TO_BE_SENT or leg.hangup_wanted):
                self._sending.discard(leg.id)


def _wants_carrier(call: Call) -> bool:
    return call.status is CallStatus.DIALING and not (call.leg is not None and call.leg.live) and not call.cancel_wanted


def _exhausted(passed: list[Passed], latest: float) -> RouteExhausted:
    times = [entry.retry_at for entry in passed if entry.retry_at is not None]
    return RouteExhausted(passed=tuple(str(entry) for entry in passed), retry_at=min([latest, *times]))
