"""Has a live leg's carrier take a message with its own means: what stands behind the rung `carrier_voicemail`.

The order is stored before anybody acts on it. By document: we close the stream, the carrier asks what now (whoever of us it
asks), and the inbox answers with greeting and recording. By command: the greeting is ordered while the stream is still open, so
that a carrier that refuses leaves us a person to go on with, on the next rung.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import structlog

from agent.contract import CallInfo
from gateway.domain.errors import CarrierError, HoldlineError, StoreUnavailable
from gateway.domain.events import AnyLegEvent, MessageOrdered, MessageRefused
from gateway.domain.ladder import RungKind
from gateway.domain.records import Call, Leg
from gateway.domain.voicemail import MessageStage
from gateway.runtime.bridge import Bridge
from gateway.runtime.casting import Gone
from gateway.runtime.errands import Errands
from gateway.runtime.fleet import Fleet, handle_of
from gateway.runtime.ladder import Ladder

log = structlog.get_logger(__name__)

NO_LEG = "nobody is on the line"
_ORDER_WITHIN_S = 5.0
"""A store that is away for longer costs the rung."""


class Reporting(Protocol):
    """Says what happens to a leg in the name of the call's session, as `Leases` does."""

    def report(self, call_id: str, leg_id: str, event: AnyLegEvent) -> Awaitable[Call]:
        """The call afterwards; raise LeaseLost, StoreUnavailable."""
        ...


class CarrierMessages:
    """`agent.hold.Watch` of the agent `carrier_voicemail`, and `Ladder`'s obstacle of the rung."""

    def __init__(self, bridge: Bridge, ladder: Ladder, reporting: Reporting, fleet: Fleet) -> None:
        self._bridge, self._ladder, self._reporting, self._fleet = bridge, ladder, reporting, fleet
        self._errands = Errands()

    async def obstacle(self, call: Call) -> str:
        """Why the carrier of this call's leg cannot take a message; empty: it can."""
        leg = call.leg
        if leg is None or not leg.live:
            return NO_LEG
        member = self._fleet.members.get(leg.carrier)
        if member is None or not member.carrier.capabilities.takes_messages:
            return f"{leg.carrier} takes no messages in a live call"
        return ""

    def began(self, call: CallInfo, kept: Mapping[str, Any]) -> None:
        self._errands.run("carrier-message", self._take(call.call_id, dict(kept)))

    def heard(self, call: CallInfo) -> None:
        """Nothing is said here."""

    def over(self, call: CallInfo) -> None:
        """What was ordered is the carrier's and the store's affair."""

    async def aclose(self) -> None:
        """Let what is under way go."""
        await self._errands.aclose()

    async def _take(self, call_id: str, kept: dict[str, Any]) -> None:
        call = await self._ladder.call(call_id)
        if call is None or call.leg is None:
            return
        try:
            async with asyncio.timeout(_ORDER_WITHIN_S):
                call = await self._reporting.report(call_id, call.leg.id, MessageOrdered())
        except (StoreUnavailable, TimeoutError) as error:
            await self._next_rung(call, kept, "not-stored", str(error))
            return
        except HoldlineError as error:
            log.info("carrier-message-left", call_id=call_id, why=str(error))
            return
        leg = call.leg
        if leg is not None and leg.live and leg.message is not None:
            await self._tell(call, leg, kept)

    async def _tell(self, call: Call, leg: Leg, kept: dict[str, Any]) -> None:
        """With the stream closed, the carrier asks what to do now; one that never asks is told, while it is open."""
        if leg.streams_by_command and leg.message is MessageStage.ORDERED:
            carrier = self._fleet.members[leg.carrier].carrier
            try:
                await carrier.begin_message(self._fleet.attempt(call, leg), handle_of(call, leg))
            except CarrierError as error:
                log.warning("carrier-message-refused", call_id=call.id, carrier=leg.carrier, reason=error.reason)
                await self._take_back(call, leg, error.reason)
                await self._next_rung(call, kept, "carrier-refused", str(error))
                return
        self._bridge.close_stream(call.id)

    async def _take_back(self, call: Call, leg: Leg, reason: str) -> None:
        try:
            await self._reporting.report(call.id, leg.id, MessageRefused(reason=reason))
        except HoldlineError as error:  # the leg's timer finds that nothing came of it
            log.warning("carrier-message-not-taken-back", call_id=call.id, error=str(error))

    async def _next_rung(self, call: Call, kept: dict[str, Any], reason: str, detail: str) -> None:
        name = RungKind.CARRIER_VOICEMAIL.value
        await self._ladder.descend(Gone(call=call, agent=name, reason=reason, detail=detail, context=kept))
