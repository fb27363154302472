"""Where a call's session sits: in this process, in another one, or nowhere; and how it moves.

The first media socket of a call seats its session in the process that took it. A socket that lands elsewhere is carried
there (web/relay.py); if nobody is there any more, the process that got the socket takes the lease and starts the same
session from its stored context. An agent that was only prepared is let go when the session sits elsewhere.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakValueDictionary

import msgspec
import structlog

from gateway.domain.errors import AgentUnavailable, StoreUnavailable
from gateway.domain.events import CallEvent, LegReported, SessionResumed, StreamClosed
from gateway.domain.records import Call
from gateway.runtime.bridge import Bridge
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.clock import Clock
from gateway.runtime.heartbeat import Heartbeat
from gateway.runtime.leases import LeaseLost, Leases
from gateway.runtime.store.contract import Lease, Process
from gateway.runtime.supervision import heed_cancellation

log = structlog.get_logger(__name__)

KEEP_EVERY_S = 1.0
"""A context is stored this soon after it has changed."""


class Peers(Protocol):
    """The other gateways, asked over their internal addresses."""

    async def holds(self, lease: Lease) -> bool:
        """Whether the lease's owner answers, and has the session."""
        ...


class Seats:
    """`run` keeps contexts and finds lost leases until cancelled."""

    def __init__(self, calls: Calls, leases: Leases, bridge: Bridge, heartbeat: Heartbeat, clock: Clock, peers: Peers) -> None:
        self._calls, self._leases, self._bridge = calls, leases, bridge
        self._heartbeat, self._clock, self._peers = heartbeat, clock, peers
        self._kept: dict[str, str] = {}
        """By call: the context as it was stored last."""
        self._sitting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By call: held while its session is being seated here."""

    # --- where it is ---------------------------------------------------------------------------------------------

    async def elsewhere(self, call_id: str) -> Lease | None:
        """The lease of another process that may be alive; None if the session is ours, or ours to take."""
        lease = await self._leases.stored(call_id)
        if lease is None or not lease.owner or lease.owner == self._heartbeat.me().id:
            return None
        return None if self._heartbeat.found_dead(lease.owner) else lease

    async def here(self, call_id: str) -> bool:
        """Whether the session sits in this process, by the store's word."""
        lease = await self._leases.stored(call_id)
        return lease is not None and lease == self._leases.held(call_id)

    async def orphaned(self, call: Call, leg_id: str) -> bool:
        """Whether the stream that the leg has by our records is nobody's any more: its process is dead, or has let go."""
        leg = call.find(leg_id)
        if leg is None or not leg.stream_open or not leg.live or leg.hangup_wanted:
            return False
        lease = (await self._calls.store.leases((call.id,))).get(call.id)
        if lease is None or lease == self._leases.held(call.id):
            return False
        dead = not lease.owner or self._heartbeat.found_dead(lease.owner)
        return dead or not await self._peers.holds(lease)

    # --- sitting down --------------------------------------------------------------------------------------------

    async def sit(self, call_id: str, over: Lease | None = None) -> bool:
        """Take the lease and go on with the session, if it has begun; False if somebody was quicker.

        `over`: the lease of a process that was found not to answer; without it only what is nobody's is taken. Whoever else
        wants it in this process waits until it sits: a stream that comes in between would be that of a session without its past.
        """
        lock = self._sitting.setdefault(call_id, asyncio.Lock())
        async with lock:
            return await self._sit(call_id, over)

    async def _sit(self, call_id: str, over: Lease | None) -> bool:
        stored = await self._leases.stored(call_id)
        if stored is not None and stored == self._leases.held(call_id):
            return True
        if stored != over and await self.elsewhere(call_id) is not None:
            return False
        if stored is not None:
            await self._orphan(stored)  # first: once the lease is ours, nobody else finds out that the streams are lost
        lease = await self._leases.take(call_id, stored.token if stored else 0)
        if lease is None:
            return False
        call = await self._calls.store.load(call_id)
        if call is not None and lease.token > 1 and any(leg.streams for leg in call.legs):
            await self._resume(call)
        return True

    async def claim(self, call_id: str) -> bool:
        """Sit, also in the place of a process that does not answer; False if another one has the session and does."""
        lease = await self.elsewhere(call_id)
        if lease is not None and await self._peers.holds(lease):
            return False
        return await self.sit(call_id, lease)

    async def _resume(self, call: Call) -> None:
        context = await self._calls.store.context(call.id)
        known: dict[str, Any] = msgspec.json.decode(context) if context else {}
        resumed = await self._leases.say(call.id, SessionResumed())
        await self._bridge.let_go(call.id)  # an agent that was prepared here knows nothing of the conversation
        log.info("session-resumed", call_id=call.id, resumed=resumed.resumed)
        try:
            await self._bridge.prepare(resumed, known)
        except AgentUnavailable as error:
            log.info("agent-not-ready", call_id=call.id, error=str(error))  # the bridge has told whom it concerns

    # --- keeping it, and leaving it ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look after the sessions here for ever; a store that does not answer is waited for."""
        while True:
            try:
                await self.keep_once()
            except StoreUnavailable as error:
                log.warning("seats-store-unavailable", error=str(error))
            heed_cancellation()
            await self._clock.sleep(KEEP_EVERY_S)

    async def keep_once(self) -> None:
        """Let go of what is another's, and store the contexts that have changed."""
        here = tuple(sorted(self._bridge.call_ids))
        self._kept = {call_id: kept for call_id, kept in self._kept.items() if call_id in here}
        stored = await self._calls.store.leases(here) if here else {}
        for call_id in here:
            await self._leases.compare(call_id, stored.get(call_id))
            context = self._context(call_id)
            if context is not None and context != self._kept.get(call_id) and self._leases.held(call_id) is not None:
                await self._leases.keep_context(call_id, context)
                self._kept[call_id] = context

    async def leave(self) -> None:
        """Every session here is another's to go on with: context kept, lease given up, stream closed."""
        for call_id in sorted(self._bridge.call_ids):
            try:
                await self._leave(call_id)
            except (StoreUnavailable, CallNotFound, LeaseLost) as error:
                log.warning("session-not-left", call_id=call_id, error=str(error))

    async def _leave(self, call_id: str) -> None:
        lease = self._leases.held(call_id)
        if lease is not None:
            await self._orphan(lease)
            await self._leases.give_up(call_id, self._context(call_id))
        await self._bridge.let_go(call_id)
        log.info("session-left", call_id=call_id)

    async def inherit(self, dead: Process) -> bool:
        """What a silent process had is orphaned, unless it still answers us: then only its way to the store is broken."""
        for lease in await self._calls.store.leased(dead.id):
            if await self._peers.holds(lease):
                return False
            await self._orphan(lease)
        return True

    async def _orphan(self, lease: Lease) -> None:
        """Written under the old lease: whoever has taken the session meanwhile is not disturbed."""
        try:
            await self._calls.apply(lease.call_id, orphans, lease=lease.token)
        except CallNotFound:
            log.info("orphan-purged", call_id=lease.call_id)

    def _context(self, call_id: str) -> str | None:
        context = self._bridge.context(call_id)
        return None if context is None else msgspec.json.encode(context).decode()


def orphans(call: Call) -> Sequence[CallEvent]:
    """What is said of a call whose process is gone: its streams are, the legs may live on."""
    open_ones = (leg for leg in call.legs if leg.live and leg.stream_open)
    return [LegReported(leg_id=leg.id, event=StreamClosed(orphaned=True)) for leg in open_ones]
