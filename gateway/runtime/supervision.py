"""Jobs that must never end while the gateway lives: what crashes is logged loudly and begun again."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.runtime.clock import Clock

log = structlog.get_logger(__name__)

RESTART_S = 1.0


async def for_ever(name: str, job: Callable[[], Awaitable[None]], clock: Clock, restart_s: float = RESTART_S) -> None:
    """Run `job` until cancelled; if it fails, run it again after `restart_s`. A job that returns has nothing to do."""
    while True:
        try:
            await job()
            return
        except Exception:
            log.exception("job-failed", job=name)
        await clock.sleep(restart_s)


def heed_cancellation() -> None:
    """Raise a cancellation that a library dropped; ask before every pause of a job, or the job would outlive its gateway.

    Up to Python 3.11 `asyncio.wait_for`, through which redis-py sends, gives the result where both come at once.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
