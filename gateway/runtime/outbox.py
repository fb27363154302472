"""Carries out the commands that the core wrote: claims what is due, hands each to its handler, and tries again what failed.

Every claim is leased: if this process dies, another one gets the command, with a new fencing token. A handler
acknowledges its command itself, in the write that stores what came of it; what it leaves is delivered again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
import tenacity

from gateway.domain.commands import (
    Answer,
    CollectMessage,
    Command,
    Dial,
    HangUp,
    OpenStream,
    RecordMessage,
    Reject,
    Resend,
    Resolve,
)
from gateway.domain.errors import IllegalTransition, StoreUnavailable
from gateway.runtime.calls import CallNotFound, News
from gateway.runtime.clock import Clock
from gateway.runtime.rounds import Rounds
from gateway.runtime.store.contract import Claim, Store

log = structlog.get_logger(__name__)

Handler = Callable[[Claim], Awaitable[None]]

_CARRIERS_OWN = frozenset({Dial, Resend, Resolve, HangUp, Answer, OpenStream, Reject, RecordMessage, CollectMessage})
"""Commands that wait for a carrier, for seconds if it hangs. Legs hold places at their carriers, which bounds their number."""
_LONGEST_DELAY_S = 30.0
_LONGEST_NAP_S = 5.0
"""Well below the lease."""


LEASE_S = 15.0
"""Longer than any dial may take (8 s and two writes), and as short as that allows: a dead process' commands wait for its end."""


class Outbox:
    """`run` until cancelled. At most `at_once` commands are in hand, not counting those that wait for a carrier, so that no
    hanging carrier keeps other calls waiting; with those at most `most`. `holder` is our process, as the store knows it;
    while `resting()`, nothing new is claimed.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        handlers: Mapping[type[Command], Handler],
        *,
        at_once: int = 200,
        most: int = 5000,
        lease_s: float = LEASE_S,
        poll_s: float = 0.2,
        holder: str = "",
        resting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store, self._clock, self._handlers = store, clock, handlers
        self._at_once, self._most, self._lease_s = at_once, most, lease_s
        self._holder, self._resting = holder, resting
        self._rounds = Rounds(clock, poll_s)
        self._ours: set[asyncio.Task[None]] = set()
        """Of those in hand, the ones that wait for nobody but the store."""

    async def heed(self, news: News) -> None:
        """Observer of commits: look at once instead of at the next poll."""
        self._rounds.awake.set()

    async def run(self) -> None:
        """Work for ever; a store that does not answer is waited for."""
        await self._rounds.run(self.work_once, lambda error: log.warning("outbox-store-unavailable", error=str(error)))

    async def work_once(self) -> int:
        """Claim what is due and start it; how many."""
        if self._resting():
            self._rounds.awake.clear()  # or the pause would be none
            return 0
        room = min(self._at_once - len(self._ours), self._most - len(self._rounds.in_hand))
        if room <= 0:
            await asyncio.wait(self._rounds.in_hand, return_when=asyncio.FIRST_COMPLETED)
            return 1
        self._rounds.awake.clear()
        claims = await self._store.claim(self._clock.now(), self._lease_s, room, self._holder)
        for claim in claims:
            self._begin(claim)
        return len(claims)

    def _begin(self, claim: Claim) -> None:
        task = self._rounds.begin(self._carry_out(claim), f"outbox-{claim.command_id}")
        if type(claim.command) not in _CARRIERS_OWN:
            self._ours.add(task)
            task.add_done_callback(self._ours.discard)

    @property
    def busy(self) -> bool:
        """Whether anything is in hand."""
        return bool(self._rounds.in_hand)

    async def idle(self) -> None:
        """Wait until everything in hand is done (tests and shutdown)."""
        await self._rounds.idle()

    async def _carry_out(self, claim: Claim) -> None:
        command = claim.command
        try:
            if await self._is_early(command):
                await self._quietly(self._store.defer, claim, command.due)
                return
            await self._handlers[type(command)](claim)
        except (CallNotFound, IllegalTransition) as error:
            # The call is purged, or the command means nothing to it any more: carrying it out again would not help.
            log.warning("command-dropped", call_id=command.call_id, command=type(command).__name__, error=str(error))
            await self._quietly(self._store.done, claim)
        except Exception as error:
            delay = min(_LONGEST_DELAY_S, 0.5 * 2.0 ** min(claim.deliveries, 10))
            log.warning(
                "command-deferred", call_id=command.call_id, command=type(command).__name__, error=repr(error), delay_s=delay
            )
            await self._quietly(self._store.defer, claim, self._clock.now() + delay)

    async def _is_early(self, command: Command) -> bool:
        """By our clock, that is. The store's time never goes back, ours may have: whatever asks for itself again after a
        pause would find no pause at all, and ask carrier and store as fast as they answer. So the pause is slept here.
        """
        early = command.due - self._clock.now()
        if early > 0:
            await self._clock.sleep(min(early, _LONGEST_NAP_S))
        return self._clock.now() < command.due

    async def _quietly(self, acknowledge: Callable[..., Awaitable[bool]], *given: Claim | float) -> None:
        """A store that is away for a moment is waited for; the lease is longer than most of its absences."""
        tries = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(8),
            wait=tenacity.wait_exponential(multiplier=0.25, max=4.0),
            retry=tenacity.retry_if_exception_type(StoreUnavailable),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            await tries(acknowledge, *given)
        except StoreUnavailable:
            pass  # the lease runs out, and the command is delivered again
