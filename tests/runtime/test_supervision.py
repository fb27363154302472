"""Jobs that crash are begun again; jobs that are cancelled are not."""

import asyncio

import pytest
import structlog

from gateway.runtime.supervision import for_ever


class NoWaiting:
    """A clock whose sleeps are counted and take no time."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)


async def test_a_crashed_job_is_logged_and_begun_again() -> None:
    """Two crashes, then a clean end: three runs, two pauses, two loud lines."""
    runs: list[int] = []

    async def job() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("broken")

    clock = NoWaiting()
    with structlog.testing.capture_logs() as lines:
        await for_ever("test", job, clock, 0.5)
    assert len(runs) == 3
    assert clock.naps == [0.5, 0.5]
    assert [line["event"] for line in lines] == ["job-failed", "job-failed"]


async def test_cancellation_ends_it() -> None:
    """The gateway's own end is no crash."""
    task = asyncio.create_task(for_ever("test", asyncio.Event().wait, NoWaiting()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
