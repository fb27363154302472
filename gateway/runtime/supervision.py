"""Jobs that must never end while the gateway lives: what crashes is logged loudly and begun again."""

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
