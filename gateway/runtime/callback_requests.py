"""Asks for a callback: the person of an earlier call is promised another one."""

import structlog
from msgspec import Struct

from gateway.domain.callback import LONGEST_NOTE, callback_ids, in_a_row, own_number, pause_before, person_of
from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.outcome import Outcome
from gateway.domain.records import Call
from gateway.domain.window import Window, next_opening
from gateway.runtime.calls import Calls
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Committed
from gateway.runtime.store.promise_contract import Taken

log = structlog.get_logger(__name__)

_TRIES = 3
CALLBACK = "callback"
"""The purpose of a callback that somebody asked for, or was promised by default."""


class CallbackImpossible(HoldlineError):
    """The person cannot be called back; `reason` is kebab-case: `no-number`, `no-route` or `called-back-often-enough`."""

    def __init__(self, call_id: str, reason: str) -> None:
        super().__init__(f"call {call_id} gets no callback: {reason}")
        self.reason = reason


class OutboundRoute(Struct, frozen=True, kw_only=True):
    """An outbound route, as far as a callback needs it."""

    name: str
    prefix: str
    agent: str


class CallbackTerms(Struct, frozen=True, kw_only=True):
    """What config.yaml says of callbacks. Times in seconds."""

    routes: tuple[OutboundRoute, ...]
    agents: frozenset[str]
    """Those that a call may name."""
    after_s: float
    expires_after_s: float
    retry_on: tuple[Outcome, ...]
    window: Window | None
    ring_timeout_s: int
    max_duration_s: int


class CallbackRequests:
    """`ask` is all."""

    def __init__(self, calls: Calls, terms: CallbackTerms, clock: Clock) -> None:
        self._calls, self._terms, self._clock = calls, terms, clock

    async def ask(
        self, because: Call, *, purpose: str = CALLBACK, note: str = "", agent: str = "", due_at: float | None = None
    ) -> Call:
        """The promise to call the other person of this call, stored; asked again, the same one.

        Where another promise to the number, for the same purpose, waits already, that one is returned: nobody is called
        twice. One that is being dialled or talked on is not meant: it reaches somebody else behind a number that many
        share, or it fails and is followed by this one. Raise CallbackImpossible, StoreUnavailable.
        """
        wanted = self._call(because, purpose, note, agent, due_at)
        known = await self._calls.store.load(wanted.id)
        if known is not None:
            return known
        for _ in range(_TRIES):
            result = await self._calls.accept(wanted, succeeds=True)
            if isinstance(result, Committed):
                log.info("callback-promised", call_id=wanted.id, because=because.id, purpose=purpose)
                return result.call
            known = await self._calls.store.load(result.holder if isinstance(result, Taken) else wanted.id)
            if known is not None:
                return known
        raise StoreUnavailable(f"the callback of {because.id} could not be stored")

    async def obstacle(self, because: Call) -> str:
        """Why this call's person cannot be called back; empty: they can."""
        try:
            self._call(because, CALLBACK, "", "", None)
        except CallbackImpossible as error:
            return error.reason
        return ""

    def _call(self, because: Call, purpose: str, note: str, agent: str, due_at: float | None) -> Call:
        number = person_of(because)
        if not number:
            raise CallbackImpossible(because.id, "no-number")
        route = max((route for route in self._terms.routes if number.startswith(route.prefix)), key=_closeness, default=None)
        if route is None:
            raise CallbackImpossible(because.id, "no-route")
        before = in_a_row(because, purpose)
        if before >= self._calls.policy.retry_attempts:
            raise CallbackImpossible(because.id, "called-back-often-enough")
        now, window = self._clock.now(), because.window or self._terms.window
        call_id, session_id = callback_ids(because, purpose)
        due = max(now, due_at if due_at is not None else now + self._pause(call_id, before))
        return Call(
            id=call_id,
            session_id=session_id,
            to=number,
            from_number=own_number(because),
            created_at=now,
            not_before=due,
            expires_at=(next_opening(window, due) or due) + self._terms.expires_after_s,
            agent=agent or self._agent(because, route),
            route=route.name,
            language=because.language,
            metadata=because.metadata,
            max_duration_s=self._terms.max_duration_s,
            ring_timeout_s=self._terms.ring_timeout_s,
            purpose=purpose,
            note=note[:LONGEST_NOTE],
            callback_of=because.id,
            retries=before,
            duplicate=before > 0,
            window=window,
            retry_on=self._terms.retry_on,
        )

    def _pause(self, call_id: str, before: int) -> float:
        """Like a retry's, after a callback that failed: whoever loses its agent in each call is not called all day."""
        again = pause_before(call_id, before - 1, self._calls.policy) if before else 0.0
        return max(self._terms.after_s, again)

    def _agent(self, because: Call, route: OutboundRoute) -> str:
        """Whoever was spoken to, where calls may name them."""
        return because.agent if because.agent in self._terms.agents else route.agent


def _closeness(route: OutboundRoute) -> int:
    return len(route.prefix)
