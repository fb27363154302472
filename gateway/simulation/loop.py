"""An event loop of virtual time: it jumps to the next timer, and runs what is ready in an order that the seed decides.

Nothing is ever waited for: there are no sockets, no threads and no signals in it. If nothing is ready and no timer is
set, nothing can ever happen again, which is an error (`Deadlock`), not a hang.

Every callback belongs to an `Owner` (a simulated process, found by a context variable) or to the world itself. The
callbacks of a halted owner are put aside: never run, for one that was killed; run later, for one that was frozen. So a
kill takes effect between any two steps of its tasks, and no clean-up of theirs runs, as after kill -9.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Given = TypeVarTuple("Given")


class Deadlock(Exception):
    """Nothing is ready, no timer is set, and somebody still waits."""


class Owner:
    """A simulated process, as the loop sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.halted = False
        self.parked: list[asyncio.Handle] = []
        self.steps = 0

    def resume(self, loop: "VirtualLoop") -> None:
        """Run what was put aside, and what follows."""
        self.halted = False
        parked, self.parked = self.parked, []
        for handle in parked:
            loop.again(handle)


OWNER: ContextVar[Owner | None] = ContextVar("simulated process", default=None)


class Job(asyncio.Task[T]):
    """A task whose hash is its number, so that sets of tasks are walked in the same order in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """`chance` decides the order of what is ready at the same time. Time begins at 0, in seconds."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self._count = 0
        self._waiting: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.steps = 0
        """Callbacks run so far."""
        self.failures: list[str] = []
        """What was raised where nobody waits for it."""

    # --- time and callbacks --------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[Unpack[Given]], object], *args: *Given, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._waiting.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Given]], object], *args: *Given, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Given]], object], *args: *Given, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + max(0.0, delay), callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Given]], object], *args: *Given, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def again(self, handle: asyncio.Handle) -> None:
        """Make a callback that was put aside ready once more."""
        self._waiting.append(handle)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        Job.number = self._count = self._count + 1  # of the class too: asyncio hashes the task while it is being made
        task: Job[T] = Job(coro, loop=self, name=str(name or f"job-{self._count}"), context=context)
        task.number = self._count
        return task

    def run_in_executor(  # type: ignore[override]
        self, _executor: Any, work: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """There are no threads here: the work is done in a step of its own."""

        async def done() -> T:
            return work(*args)

        return self.create_task(done())

    # --- running -------------------------------------------------------------------------------------------------

    def run_until_complete(self, future: Any) -> Any:
        """Run until it is done; raise Deadlock if it never can be."""
        task = asyncio.ensure_future(future, loop=self)
        asyncio._set_running_loop(self)  # noqa: SLF001 - what run_forever does
        try:
            while not task.done():
                self.turn()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001
        return task.result()

    def turn(self) -> None:
        """Run everything that is ready, in an order drawn from the seed; what it makes ready waits for the next turn."""
        self._take_due()
        batch, self._waiting = self._waiting, []
        if len(batch) > 1:
            self._chance.shuffle(batch)
        for handle in batch:
            if not handle.cancelled():
                self._run(handle)

    def _run(self, handle: asyncio.Handle) -> None:
        owner: Owner | None = handle._context.get(OWNER)  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio tells it nowhere else
        if owner is not None:
            if owner.halted:
                owner.parked.append(handle)
                return
            owner.steps += 1
        self.steps += 1
        handle._run()  # noqa: SLF001

    def _take_due(self) -> None:
        timers = self._timers
        if not self._waiting:
            while timers and timers[0][2].cancelled():
                heapq.heappop(timers)
            if not timers:
                raise Deadlock(f"nothing can happen any more at {self._now:.3f} s")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            self._waiting.append(heapq.heappop(timers)[2])

    # --- what asyncio asks of a loop -----------------------------------------------------------------------------

    def unfinished(self) -> list["Job[Any]"]:
        """The tasks that have not ended, oldest first."""
        tasks = [task for task in asyncio.all_tasks(self) if isinstance(task, Job)]
        return sorted(tasks, key=lambda task: task.number)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context.get('message')}: {type(error).__name__}: {error}")
