"""Small asynchronous work that a synchronous place has to start: kept alive, its failures told, ended with its owner."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import structlog

log = structlog.get_logger()


class Errands:
    """The running errands of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    def run(self, name: str, work: Awaitable[Any]) -> None:
        """Start it now; nobody waits for it, and a failure is logged under `name`."""
        task = asyncio.get_running_loop().create_task(self._done(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """All that has been started has ended."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def aclose(self, grace_s: float = 2.0) -> None:
        """Give them a little time, then cancel what still runs."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=grace_s)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _done(self, name: str, work: Awaitable[Any]) -> None:
        try:
            await work
        except Exception:
            log.exception("errand-failed", errand=name)
