"""Which sessions live in this process, and the words that it says for them, each fenced by its session's lease.

A lease tells who should speak for a session; its token, checked in every write, keeps everybody else from doing so: a
process that was paused while another one took the session over is refused, and lets go. Before the first media socket
nobody has the lease (token 0), and whoever has prepared an agent may speak.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import AnyLegEvent, CallEvent, HangupRequested, LegReported
from gateway.domain.records import Call, MediaCounters
from gateway.runtime.calls import Calls, News
from gateway.runtime.store.contract import Fenced, Lease, Process

log = structlog.get_logger(__name__)

_ENDED_KEPT = 1000
"""Ended calls whose tokens are kept: the last words of a stream come after the call's end."""


class LeaseLost(HoldlineError):
    """Another process speaks for the session by now."""


class Leases:
    """`me` is this process; `on_lost(call_id)` lets go of the session here."""

    def __init__(self, calls: Calls, me: Callable[[], Process], on_lost: Callable[[str], Awaitable[None]]) -> None:
        self._calls, self._me, self._on_lost = calls, me, on_lost
        self._held: dict[str, Lease] = {}
        self._ended: deque[str] = deque()

    def held(self, call_id: str) -> Lease | None:
        """Ours, as far as we know."""
        return self._held.get(call_id)

    async def heed(self, news: News) -> None:
        """Observer of commits: forget, in time, what has ended."""
        if news.after.ended and (news.before is None or not news.before.ended):
            self._ended.append(news.after.id)
            if len(self._ended) > _ENDED_KEPT:
                self._held.pop(self._ended.popleft(), None)

    # --- having one ----------------------------------------------------------------------------------------------

    async def stored(self, call_id: str) -> Lease | None:
        """As it stands now. If we held it and it is another's, we let go."""
        found = (await self._calls.store.leases((call_id,))).get(call_id)
        await self.compare(call_id, found)
        return found

    async def compare(self, call_id: str, found: Lease | None) -> None:
        """With what was just read: an agent that is not ours to speak for is let go."""
        if found is not None and found.token > self._token(call_id):
            await self._lost(call_id)

    async def take(self, call_id: str, over: int) -> Lease | None:
        """From whoever has it under this token; None if somebody was quicker."""
        lease = await self._calls.store.take_lease(call_id, self._me(), over)
        if lease is not None:
            self._held[call_id] = lease
            log.info("session-leased", call_id=call_id, token=lease.token)
        return lease

    async def keep_context(self, call_id: str, context: str) -> None:
        """For whoever takes the session over."""
        lease = self._held.get(call_id)
        if lease is not None and not await self._calls.store.keep_context(lease, context):
            await self._lost(call_id)

    async def give_up(self, call_id: str, context: str | None) -> None:
        """Leave the session to whoever comes."""
        lease = self._held.pop(call_id, None)
        if lease is not None:
            await self._calls.store.give_up_lease(lease, context)

    # --- speaking for it -----------------------------------------------------------------------------------------

    async def report(self, call_id: str, leg_id: str, event: AnyLegEvent) -> Call:
        """As `Calls.report`; raise LeaseLost."""
        return await self.say(call_id, LegReported(leg_id=leg_id, event=event))

    async def hang_up(self, call_id: str, by: str) -> None:
        """As `Calls.hang_up`, unless another process has the session."""
        try:
            await self.say(call_id, HangupRequested(by=by))
        except LeaseLost:
            log.info("end-is-anothers", call_id=call_id, by=by)

    async def store_media(self, call_id: str, leg_id: str, counters: MediaCounters) -> None:
        """As `Store.put_media`; while the store is away nothing is kept, for the next counters are a second away."""
        try:
            ours = await self._calls.store.put_media(call_id, leg_id, counters, self._token(call_id))
        except StoreUnavailable as error:
            log.warning("media-not-stored", call_id=call_id, error=str(error))
            return
        if not ours:
            await self._lost(call_id)

    async def say(self, call_id: str, event: CallEvent) -> Call:
        """One event of the call, in the name of its session; raise LeaseLost."""
        token = self._token(call_id)
        applied = await self._calls.apply(call_id, lambda _call: (event,), lease=token)
        if isinstance(applied.result, Fenced):
            if await self._taken_meanwhile(call_id, token):
                return await self.say(call_id, event)
            await self._lost(call_id)
            raise LeaseLost(f"the session of {call_id} is another process' by now")
        return applied.call

    # --- inside --------------------------------------------------------------------------------------------------

    async def _taken_meanwhile(self, call_id: str, token: int) -> bool:
        """Whether it is we who took the lease while this was being said, as when an agent is lost in the moment in which the
        first media socket comes.
        """
        found = (await self._calls.store.leases((call_id,))).get(call_id)
        if found is None or found.owner != self._me().id or found.token <= token:
            return False
        self._held[call_id] = found
        return True

    def _token(self, call_id: str) -> int:
        lease = self._held.get(call_id)
        return lease.token if lease else 0

    async def _lost(self, call_id: str) -> None:
        if self._held.pop(call_id, None) is not None:
            log.warning("session-lost", call_id=call_id)
        await self._on_lost(call_id)
