"""Takes inbound legs, turns them away, and has streams opened, at carriers that want commands instead of documents.

Handles Answer, Reject and OpenStream. If the carrier does not obey, the leg's own timer asks again; a leg that has moved on since
wants none of them any more.
"""

import structlog

from gateway.domain import restream
from gateway.domain.commands import OpenStream, Reject
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call, Leg
from gateway.runtime.calls import Calls
from gateway.runtime.fleet import Fleet, handle_of
from gateway.runtime.store.contract import Claim

log = structlog.get_logger(__name__)


class Answering:
    """See the head of this file."""

    def __init__(self, calls: Calls, fleet: Fleet) -> None:
        self._calls, self._fleet = calls, fleet

    async def answer(self, claim: Claim) -> None:
        """Connect the caller, unless they have gone or are connected already."""
        call, leg = await self._subject(claim)
        if call is not None and leg is not None and leg.phase is LegPhase.RINGING and not leg.hangup_wanted:
            carrier = self._fleet.members[leg.carrier].carrier
            try:
                await carrier.answer(self._fleet.attempt(call, leg), handle_of(call, leg))
            except CarrierError as error:
                log.warning("answer-failed", call_id=call.id, leg_id=leg.id, carrier=leg.carrier, reason=error.reason)
        await self._calls.store.done(claim)

    async def reject(self, claim: Claim) -> None:
        """Turn the caller away; raise CarrierError, so that the outbox tries again."""
        call, leg = await self._subject(claim)
        if call is not None and leg is not None and isinstance(claim.command, Reject):
            await self._fleet.members[leg.carrier].carrier.reject(handle_of(call, leg), claim.command.cause)
        await self._calls.store.done(claim)

    async def open_stream(self, claim: Claim) -> None:
        """Have the leg open another stream, unless it has one by now, or a newer order is under way."""
        call, leg = await self._subject(claim)
        command = claim.command
        assert isinstance(command, OpenStream)
        if call is not None and leg is not None and restream.wanted(leg) and leg.stream_orders == command.turn:
            carrier = self._fleet.members[leg.carrier].carrier
            try:
                await carrier.open_stream(self._fleet.attempt(call, leg), handle_of(call, leg), command.turn)
            except CarrierError as error:
                log.warning("stream-not-opened", call_id=call.id, leg_id=leg.id, carrier=leg.carrier, reason=error.reason)
        await self._calls.store.done(claim)

    async def _subject(self, claim: Claim) -> tuple[Call | None, Leg | None]:
        call = await self._calls.store.load(claim.command.call_id)
        leg = call.find(claim.command.leg_id) if call else None
        return (call, leg) if leg is not None and leg.carrier in self._fleet.members else (None, None)
