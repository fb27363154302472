"""Finds out what became of legs of which we do not know enough, and ends legs that must end.

Handles Resolve (one look-up at the carrier; what an empty one means, the leg decides) and HangUp (idempotent, by every
handle that we have). Neither ever places anything.
"""

import random
from collections.abc import Awaitable, Callable

import structlog
import tenacity
from msgspec.structs import replace

from carriers.contract import Handle, LegAtCarrier, Sighting
from gateway.domain.errors import CarrierError
from gateway.domain.events import AnyLegEvent, LegFound, LegMissing, LegReported, LookupFailed
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call, Leg
from gateway.runtime.calls import Calls
from gateway.runtime.fleet import Fleet, handle_of
from gateway.runtime.store.contract import CallFilter, Claim

log = structlog.get_logger(__name__)

_NEIGHBOURS = 50
"""Newest calls to the same number that are looked at: as many as could be alive together with a leg in doubt, and more."""


class Reconciler:
    """Handles the commands Resolve and HangUp. `nap` waits between two tries of a hang-up, for a time that `jitter` draws."""

    def __init__(self, calls: Calls, fleet: Fleet, nap: Callable[[float], Awaitable[None]], jitter: random.Random) -> None:
        self._calls, self._fleet, self._nap = calls, fleet, nap
        self._jitter = jitter

    async def resolve(self, claim: Claim) -> None:
        """Ask the carrier once and report what it says."""
        call, leg = await self._subject(claim)
        if call is None or leg is None or leg.ended_at is not None:
            await self._calls.store.done(claim)
            return
        event = await self._look_up(call, leg)
        await self._calls.apply(
            call.id,
            lambda _fresh: (LegReported(leg_id=leg.id, event=event),),
            done=(claim.command_id, claim.token),
        )

    async def hang_up(self, claim: Claim) -> None:
        """End the leg at its carrier. If the carrier does not obey, the leg's own timer asks again."""
        call, leg = await self._subject(claim)
        # a leg that ended for us may have answered at its carrier since: with its id the hang-up costs one request and harms none
        if call is not None and leg is not None and (leg.ended_at is None or leg.carrier_call_id):
            await self._end_at_carrier(call, leg)
        await self._calls.store.done(claim)

    async def _look_up(self, call: Call, leg: Leg) -> AnyLegEvent:
        try:
            handle = await self._handle(call, leg)
            sighting = await self._fleet.members[leg.carrier].carrier.find(handle)
        except CarrierError as error:
            return LookupFailed(reason=error.reason)
        return LegMissing() if sighting.carrier_call_id in handle.foreign else _event_of(sighting)

    async def _end_at_carrier(self, call: Call, leg: Leg) -> None:
        carrier = self._fleet.members[leg.carrier].carrier
        tries = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(2),
            wait=lambda state: self._jitter.uniform(0.0, min(1.0, 0.2 * 2**state.attempt_number)),
            retry=tenacity.retry_if_exception_type(CarrierError),
            sleep=self._nap,
            reraise=True,
        )
        try:
            async for attempt in tries:
                with attempt:
                    await carrier.hang_up(await self._handle(call, leg))
        except CarrierError as error:
            log.warning("hang-up-failed", call_id=call.id, leg_id=leg.id, carrier=leg.carrier, reason=error.reason)

    async def _handle(self, call: Call, leg: Leg) -> Handle:
        """By what to find the leg; without an id some carriers have its numbers alone, and others' calls have the same."""
        handle = handle_of(call, leg)
        if leg.carrier_call_id:
            return handle
        page = await self._calls.store.list_calls(CallFilter(to=call.to, carrier=leg.carrier), _NEIGHBOURS, None)
        others = [other for known in page.items for other in known.legs if other.carrier == leg.carrier and other.id != leg.id]
        if any(other.phase is LegPhase.SENDING and other.caller_id == leg.caller_id for other in others):
            raise CarrierError("another-dial-is-on-its-way", "its call could be taken for this leg's")
        rivals = sum(_in_doubt(other) and other.caller_id == leg.caller_id for other in others)
        return replace(handle, rivals=rivals, foreign=tuple(other.carrier_call_id for other in others if other.carrier_call_id))

    async def _subject(self, claim: Claim) -> tuple[Call | None, Leg | None]:
        call = await self._calls.store.load(claim.command.call_id)
        return call, call.find(claim.command.leg_id) if call else None


def _in_doubt(leg: Leg) -> bool:
    """It may have a call at its carrier, and nobody knows which."""
    return leg.phase in {LegPhase.UNKNOWN, LegPhase.CONDEMNED} and leg.ended_at is None and not leg.carrier_call_id


def _event_of(sighting: Sighting) -> AnyLegEvent:
    if sighting.state is LegAtCarrier.MISSING:
        return LegMissing()
    return LegFound(
        phase=sighting.state.value,
        verdict=sighting.verdict,
        carrier_call_id=sighting.carrier_call_id,
        carrier_data=sighting.carrier_data,
    )
