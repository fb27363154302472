"""The calls that reach colleagues: placed once for each handover, held in the process that has the caller, ended with it."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Protocol

import structlog
from msgspec import Struct

from gateway.domain.callback import person_of
from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import CallEvent
from gateway.domain.handover import colleague_call
from gateway.domain.ladder import Rung
from gateway.domain.records import Call
from gateway.runtime.callback_requests import OutboundRoute
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.clock import Clock
from gateway.runtime.leases import LeaseLost
from gateway.runtime.store.contract import Committed

log = structlog.get_logger(__name__)

_AGAIN_S = 1.0
_SEAT_EVERY_S, _SEAT_TRIES = 0.25, 20
"""So often, and five seconds long: a gateway that leaves gives up one session after the other."""

Sit = Callable[[str], Awaitable[bool]]
"""Seat the call's session in this process; False if it sits in another one that is alive."""


class Speaking(Protocol):
    """Says what happens to a call in the name of its session, as `Leases` does."""

    def say(self, call_id: str, event: CallEvent) -> Awaitable[Call]:
        """The call afterwards; raise LeaseLost, StoreUnavailable."""
        ...

    def hang_up(self, call_id: str, by: str) -> Awaitable[object]:
        """End it, unless another process has its session."""
        ...


class NotDialled(HoldlineError):
    """The colleague cannot be called; `reason` is kebab-case: `no-route`, `seated-elsewhere`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the colleague is not called: {reason}")
        self.reason = reason


class ColleagueTerms(Struct, frozen=True, kw_only=True):
    """What config.yaml says of them. `own_numbers`: ours, on all carriers."""

    routes: tuple[OutboundRoute, ...]
    own_numbers: Collection[str]


class Colleagues:
    """Everything about their calls but who hears whom."""

    def __init__(self, calls: Calls, speaking: Speaking, sit: Sit, terms: ColleagueTerms, clock: Clock) -> None:
        self._calls, self._speaking, self._sit, self._terms, self._clock = calls, speaking, sit, terms, clock

    async def obstacle(self, caller: Call) -> str:
        """Why this caller can be handed to nobody now; empty: they can. Called from one of our own numbers, a colleague who
        forwards their calls to us would be called for each of them, for ever.
        """
        if person_of(caller) in self._terms.own_numbers:
            return "calls from one of our own numbers"
        try:
            await self._calls.store.load(caller.id)
        except StoreUnavailable:
            return "the store is away"
        return ""

    def wanted(self, caller: Call, rung: Rung) -> Call:
        """The call that would reach them; raise NotDialled."""
        fitting = (route for route in self._terms.routes if rung.to.startswith(route.prefix))
        route = max(fitting, key=lambda route: len(route.prefix), default=None)
        if route is None:
            raise NotDialled("no-route")
        return colleague_call(caller, rung.to, ring_s=rung.ring_s, route=route.name, now=self._clock.now())

    async def place(self, wanted: Call) -> Call:
        """Accepted now or before, and seated here before a carrier can open its media socket. Raise NotDialled,
        StoreUnavailable.
        """
        result = await self._calls.accept(wanted)
        linked = result.call if isinstance(result, Committed) else await self._calls.store.load(wanted.id)
        if linked is None:
            raise NotDialled("not-accepted")
        if not linked.ended and not await self._seated(linked.id):
            await self._calls.hang_up(linked.id, "gateway")
            raise NotDialled("seated-elsewhere")
        return linked

    async def _seated(self, call_id: str) -> bool:
        for _ in range(_SEAT_TRIES):
            with suppress(LeaseLost):
                if await self._sit(call_id):
                    return True
            await self._clock.sleep(_SEAT_EVERY_S)
        return False

    async def end(self, call_id: str, by: str) -> None:
        """Hang up, or take back before the answer; a store that is away is waited for."""
        while True:
            try:
                await self._speaking.hang_up(call_id, by)
            except StoreUnavailable as error:
                log.warning("handover-end-not-stored", call_id=call_id, error=str(error))
                await self._clock.sleep(_AGAIN_S)
            except CallNotFound:
                return
            else:
                return

    async def tell(self, call_id: str, event: CallEvent) -> bool:
        """Write it into the call, in its session's name; False if that cannot be now."""
        try:
            await self._speaking.say(call_id, event)
        except (StoreUnavailable, LeaseLost, CallNotFound) as error:
            log.warning("handover-not-stored", call_id=call_id, error=str(error))
            return False
        return True
