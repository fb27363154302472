"""Whose threads a job gets: what may take long never has those that a hang-up needs."""

import asyncio
import threading
import time

import pytest

from carriers.sdk_threads import QUICK_S, SdkThreads
from gateway.domain.errors import CarrierError


async def test_downloads_that_hang_leave_a_hang_up_its_thread() -> None:
    """However many there are: they wait for one another, and for nobody else."""
    began, release, size = threading.Semaphore(0), threading.Event(), 2
    threads = SdkThreads("a", lambda: "client", time.time, size)

    def hang(_client: str) -> bool:
        began.release()
        return release.wait(30.0)

    downloads = [asyncio.create_task(threads.control(hang, QUICK_S + 1)) for _ in range(2 * size)]
    try:
        for _ in range(size):
            assert await asyncio.to_thread(began.acquire, timeout=10.0)
        assert await threads.control(lambda client: f"hung up by {client}") == "hung up by client"
    finally:
        release.set()
        assert all(await asyncio.gather(*downloads))
        threads.close()


@pytest.mark.parametrize(("timeout_s", "kind"), [(QUICK_S, "control"), (QUICK_S + 1, "lasting")], ids=["quick", "long"])
async def test_the_time_that_a_job_is_given_says_whose_thread_it_gets(timeout_s: float, kind: str) -> None:
    """Somebody on the line waits for the quick ones alone."""
    threads = SdkThreads("a", lambda: None, time.time)
    try:
        name = await threads.control(lambda _client: threading.current_thread().name, timeout_s)
        assert name.startswith(f"a-{kind}")
    finally:
        threads.close()


async def test_what_is_not_done_in_time_is_told_so() -> None:
    """A thread that hangs is not waited for."""
    release, threads = threading.Event(), SdkThreads("a", lambda: None, time.time)
    try:
        with pytest.raises(CarrierError, match="timeout"):
            await threads.control(lambda _client: release.wait(30.0), 0.05)
    finally:
        release.set()
        threads.close()
