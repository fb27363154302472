"""The event loop of virtual time."""

import asyncio
from contextvars import Context
from random import Random

import pytest

from gateway.simulation.loop import OWNER, Deadlock, Owner, VirtualLoop


def run(seed: int) -> list[tuple[float, int]]:
    """Four tasks that wake at the same times; when and in which order."""
    loop, told = VirtualLoop(Random(seed)), []

    async def worker(number: int) -> None:
        for _ in range(3):
            await asyncio.sleep(3600)
            told.append((loop.time(), number))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(worker(number))

    loop.run_until_complete(main())
    loop.close()
    return told


def test_time_jumps_and_nobody_waits() -> None:
    """Three hours of sleep take no time, and end at the right moments."""
    assert [at for at, _ in run(1)] == [3600.0] * 4 + [7200.0] * 4 + [10800.0] * 4


def test_the_seed_decides_who_goes_first() -> None:
    """What is ready at the same time runs in an order that is the same for the same seed, and another for others."""
    assert run(1) == run(1)
    assert len({tuple(run(seed)) for seed in range(8)}) > 4


def test_nothing_left_to_happen_is_an_error() -> None:
    """A world in which somebody waits for what cannot come says so instead of hanging."""
    loop = VirtualLoop(Random(1))

    async def forlorn() -> None:
        await loop.create_future()

    with pytest.raises(Deadlock):
        loop.run_until_complete(forlorn())
    loop.close()


def test_time_outs_and_thread_work_go_by_virtual_time() -> None:
    """The time-outs, events and executor of asyncio work as they do elsewhere."""
    loop = VirtualLoop(Random(1))

    async def main() -> tuple[float, int]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.Event().wait()
        return loop.time(), await loop.run_in_executor(None, lambda: 42)

    assert loop.run_until_complete(main()) == (7.0, 42)
    loop.close()


class Life:
    """A process that counts its seconds, and says when its clean-up runs."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.owner, self.seconds, self.cleaned = Owner("p"), 0, False
        context = Context()
        context.run(OWNER.set, self.owner)
        self.task = loop.create_task(self._count(), context=context)

    async def _count(self) -> None:
        try:
            while True:
                await asyncio.sleep(1)
                self.seconds += 1
        finally:
            self.cleaned = True


def test_a_halted_process_stops_between_two_steps_and_cleans_nothing_up() -> None:
    """After a kill no line of the process runs any more, not even its `finally`."""
    loop = VirtualLoop(Random(1))

    async def main() -> Life:
        life = Life(loop)
        await asyncio.sleep(3.5)
        life.owner.halted = True
        await asyncio.sleep(100)
        return life

    life = loop.run_until_complete(main())
    assert (life.seconds, life.cleaned, life.task.done()) == (3, False, False)
    _bury(loop, life)


def test_a_frozen_process_goes_on_where_it_stood() -> None:
    """What was put aside runs after the thaw, late, and the process goes on."""
    loop = VirtualLoop(Random(1))

    async def main() -> Life:
        life = Life(loop)
        await asyncio.sleep(3.5)
        life.owner.halted = True
        await asyncio.sleep(100)
        life.owner.resume(loop)
        await asyncio.sleep(2.9)
        return life

    life = loop.run_until_complete(main())
    assert life.seconds == 3 + 1 + 2
    _bury(loop, life)


def _bury(loop: VirtualLoop, life: Life) -> None:
    async def last() -> None:
        life.task.cancel()
        life.owner.resume(loop)
        await asyncio.gather(life.task, return_exceptions=True)

    loop.run_until_complete(last())
    loop.close()
