"""Each carrier is asked for its health by itself: what breaks for one does not stop, or hurry, the asking of the others."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from carriers.contract import Capabilities, Health
from gateway.domain.breaker import BreakerPolicy
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.health import HealthWatch
from gateway.runtime.store.memory_store import MemoryStore


class Clock:
    """Set by hand; who sleeps by it is woken when its time has come."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.sleepers.append((self.time + seconds, woken))
        await woken.wait()

    async def pass_by(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.time += 1.0
            for until, woken in self.sleepers:
                if until <= self.time:
                    woken.set()
            for _ in range(20):
                await asyncio.sleep(0)


class Asked:
    """A carrier that counts how often it is asked, and then answers by `answer`."""

    capabilities = Capabilities()

    def __init__(self, name: str, answer: Callable[[], Health]) -> None:
        self.name, self.answer, self.times = name, answer, 0

    async def probe(self) -> Health:
        self.times += 1
        return self.answer()


def broken() -> Health:
    raise ValueError("a page of HTML where JSON was promised")


async def test_a_probe_that_raises_is_that_carrier_s_own_trouble() -> None:
    """The broken one is asked again at the pace of a failing carrier, the other one at its usual pace: nobody is hammered."""
    clock = Clock()
    carriers = [Asked("broken", broken), Asked("well", lambda: Health(seconds=0.1))]
    members = [
        Member(carrier=carrier, kind="k", numbers=("+15550190001",), calls_per_second=1, concurrent_calls=1)  # type: ignore[arg-type]
        for carrier in carriers
    ]
    watch = HealthWatch(
        MemoryStore(),
        Fleet(members, "http://gw.test"),
        clock,
        BreakerPolicy(),
        random.Random(1),
        idle_every_s=20,
        failing_every_s=5,
    )
    running = asyncio.create_task(watch.run())
    await clock.pass_by(60)
    asked = Counter({carrier.name: carrier.times for carrier in carriers})
    ended = running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not ended
    assert 8 <= asked["broken"] <= 16
    assert 2 <= asked["well"] <= 5
