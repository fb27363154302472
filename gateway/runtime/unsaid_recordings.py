"""Carriers that were told to record while the store was away: written when it is back.

A carrier that asks is answered with greeting and recording from memory. Until the core knows of that, a leg that is still
`ordered` is ended by its timer while the person speaks, and nothing is collected.
"""

from collections.abc import Awaitable
from typing import Protocol

import structlog

from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import AnyLegEvent, MessageRecording
from gateway.domain.records import Call
from gateway.runtime.clock import Clock
from gateway.runtime.errands import Errands

log = structlog.get_logger(__name__)

AGAIN_S = 0.5
"""Well below `carrier_message.LATE_S` and the least that a leg's timer waits."""


class Reporting(Protocol):
    """Says what happens to a leg, as `Calls` does."""

    def report(self, call_id: str, leg_id: str, event: AnyLegEvent) -> Awaitable[Call]:
        """The call afterwards; raise CallNotFound, IllegalTransition, StoreUnavailable."""
        ...


class UnsaidRecordings:
    """In this process's memory alone: what a process that dies had not said, the carrier's own word may still tell."""

    def __init__(self, reporting: Reporting, clock: Clock) -> None:
        self._reporting, self._clock = reporting, clock
        self._waiting: set[str] = set()
        self._errands = Errands()

    def keep(self, call_id: str, leg_id: str) -> None:
        """The leg's carrier has all that it needs: say so until it is stored. However often that is told, it is said once."""
        if leg_id not in self._waiting:
            self._waiting.add(leg_id)
            self._errands.run("say-that-it-records", self._say(call_id, leg_id))

    async def aclose(self) -> None:
        """What cannot be said by now is lost with this process."""
        await self._errands.aclose()

    async def _say(self, call_id: str, leg_id: str) -> None:
        try:
            while not await self._said(call_id, leg_id):
                await self._clock.sleep(AGAIN_S)
        except HoldlineError as error:
            log.info("message-recording-not-stored", call_id=call_id, leg_id=leg_id, error=str(error))
        finally:
            self._waiting.discard(leg_id)

    async def _said(self, call_id: str, leg_id: str) -> bool:
        try:
            await self._reporting.report(call_id, leg_id, MessageRecording())
        except StoreUnavailable as error:
            log.info("message-recording-still-not-stored", call_id=call_id, leg_id=leg_id, error=str(error))
            return False
        return True
