"""What happened to calls while the store was away: counted in by whoever reads them here, and written when it is back.

A person who has lost their agent is helped at once, store or no store. What is done for them is kept here until it can be
said, in order; without that a rung would be taken twice, and the call's log would know nothing of it.
"""

from collections.abc import Awaitable
from typing import Protocol

import structlog

from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import AgentBack, AgentLost, CallEvent
from gateway.domain.ladder import after_loss, regained
from gateway.domain.records import Call
from gateway.runtime.clock import Clock
from gateway.runtime.errands import Errands

log = structlog.get_logger(__name__)

AGAIN_S = 1.0


class Speaking(Protocol):
    """Says what happens to a call in the name of its session, as `Leases` does."""

    def say(self, call_id: str, event: CallEvent) -> Awaitable[Call]:
        """The call afterwards; raise LeaseLost, StoreUnavailable."""
        ...

    def hang_up(self, call_id: str, by: str) -> Awaitable[object]:
        """End it."""
        ...


class Unsaid:
    """In this process's memory alone: what a process that dies had not said, nobody will."""

    def __init__(self, speaking: Speaking, clock: Clock) -> None:
        self._speaking, self._clock = speaking, clock
        self._waiting: dict[str, list[AgentLost | AgentBack]] = {}
        self._errands = Errands()

    async def say(self, call: Call, event: AgentLost | AgentBack) -> Call:
        """The call afterwards, written or not. Raise LeaseLost, or another HoldlineError if there is no such call any more."""
        if call.id not in self._waiting:
            try:
                return await self._speaking.say(call.id, event)
            except StoreUnavailable as error:
                log.warning("descent-not-stored", call_id=call.id, error=str(error))
        self._keep(call.id, event)
        return self._after(call, event)

    def seen(self, call: Call) -> Call:
        """The call as it would be read, had all been said."""
        for event in self._waiting.get(call.id, ()):
            call = self._after(call, event)
        return call

    async def aclose(self) -> None:
        """What cannot be said by now is lost with this process."""
        await self._errands.aclose()

    # --- inside ---

    def _keep(self, call_id: str, event: AgentLost | AgentBack) -> None:
        waiting = self._waiting.get(call_id)
        if waiting is not None:
            waiting.append(event)
            return
        self._waiting[call_id] = [event]
        self._errands.run("say-what-was-unsaid", self._say_all(call_id, self._waiting[call_id]))

    async def _say_all(self, call_id: str, waiting: list[AgentLost | AgentBack]) -> None:
        """A write whose answer was lost is said again: the core knows it by its time."""
        try:
            while waiting:
                await self._clock.sleep(AGAIN_S)
                await self._say_some(call_id, waiting)
        except HoldlineError as error:
            log.info("descent-is-not-ours-to-store", call_id=call_id, error=str(error))
        finally:
            del self._waiting[call_id]

    async def _say_some(self, call_id: str, waiting: list[AgentLost | AgentBack]) -> None:
        try:
            while waiting:
                await self._speaking.say(call_id, waiting[0])
                del waiting[0]
        except StoreUnavailable as error:
            log.info("descent-still-not-stored", call_id=call_id, error=str(error))

    def _after(self, call: Call, event: AgentLost | AgentBack) -> Call:
        """Also of a call that has one of them already, between the write and its being crossed out here."""
        if isinstance(event, AgentBack):
            return regained(call, event.agent)
        return after_loss(call, event, self._clock.now())
