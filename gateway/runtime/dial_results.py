"""Stores what a POST told, which nobody else knows."""

import tenacity

from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import LegReported
from gateway.runtime.calls import Applied, Calls
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Claim, Fenced


async def told(calls: Calls, clock: Clock, claim: Claim, report: LegReported) -> None:
    """A store that is away for a moment is waited for, and a claim that was lost meanwhile (somebody took the dial for
    orphaned) does not make it less true.
    """
    tries = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(6),
        wait=tenacity.wait_exponential(multiplier=0.25, max=4.0),
        retry=tenacity.retry_if_exception_type(StoreUnavailable),
        sleep=clock.sleep,
        reraise=True,
    )
    call_id, done = claim.command.call_id, (claim.command_id, claim.token)
    applied: Applied = await tries(calls.apply, call_id, lambda _fresh: (report,), done=done)
    if isinstance(applied.result, Fenced):
        await tries(calls.apply, call_id, lambda _fresh: (report,))
