"""Verdicts and health requests: what they do to breakers, and to calls that wait for a carrier."""

import asyncio
from typing import Any

from carriers.contract import Health, Placed
from gateway.domain.breaker import BreakerPolicy, BreakerState
from gateway.domain.call import BreakerWord
from gateway.domain.outcome import CallStatus, Knowledge
from gateway.domain.verdict import Signal, next_carrier

DOWN = next_carrier("unreachable")
NOT_SENT = Placed(knowledge=Knowledge.NOT_SENT, verdict=DOWN)
UNWELL, WELL = Health(seconds=1.0, verdict=DOWN), Health(seconds=0.01)


def word(signal: Signal, epoch: int = 0, probe: bool = False) -> BreakerWord:
    return BreakerWord(carrier="a", signal=signal, epoch=epoch, probe=probe)


async def test_a_carrier_that_recovers_makes_waiting_calls_due_at_once(rig: Any) -> None:
    """The promise was due in 15 s; the first good health request after a bad one has the call dialled now."""
    for carrier in (rig.a, rig.b):
        carrier.answers.append(NOT_SENT)
    await rig.accept()
    await rig.settle()
    promised = (await rig.call()).promise
    assert promised.due_at == rig.clock.time + 15
    rig.a.health.extend([UNWELL, WELL])
    await rig.health.ask("a")
    await rig.wait(1.0)
    assert (await rig.call()).status is CallStatus.SCHEDULED
    await rig.health.ask("a")
    await rig.settle()
    assert (await rig.leg()).carrier == "a"
    assert rig.clock.time < promised.due_at


async def test_good_health_all_the_while_hastens_nothing(rig: Any) -> None:
    """A carrier whose health request was never bad has told nothing new by being good again."""
    for carrier in (rig.a, rig.b):
        carrier.answers.append(NOT_SENT)
    await rig.accept()
    await rig.settle()
    await rig.health.ask("a")
    await rig.health.ask("a")
    await rig.wait(1.0)
    assert (await rig.call()).status is CallStatus.SCHEDULED


async def test_a_call_scheduled_for_later_is_not_hastened(rig: Any) -> None:
    """It waits for its time and not for a carrier."""
    await rig.accept(not_before=rig.clock.time + 100)
    rig.a.health.extend([UNWELL, WELL])
    await rig.health.ask("a")
    await rig.health.ask("a")
    await rig.wait(1.0)
    assert ((await rig.call()).status, rig.a.posts) == (CallStatus.SCHEDULED, [])


async def test_failures_open_a_breaker_and_a_recovery_lets_one_probe_through(new_rig: Any) -> None:
    """Open after three in a row; bad then good health: half-open before its time; a good probe closes it."""
    rig = new_rig(breaker=BreakerPolicy(consecutive=3, open_s=60.0, successes=1))
    for _ in range(3):
        await rig.health.hear(word(Signal.FAILURE))
    opened = await rig.store.breaker("a")
    assert (opened.state, opened.open_until) == (BreakerState.OPEN, rig.clock.time + 60)
    rig.a.health.extend([UNWELL, WELL])
    await rig.health.ask("a")
    assert (await rig.store.breaker("a")).state is BreakerState.OPEN
    await rig.health.ask("a")
    half = await rig.store.breaker("a")
    assert (half.state, half.epoch) == (BreakerState.HALF_OPEN, opened.epoch + 1)
    await rig.health.hear(word(Signal.SUCCESS, half.epoch, probe=True))
    assert (await rig.store.breaker("a")).state is BreakerState.CLOSED


async def test_a_word_from_an_earlier_life_of_the_breaker_changes_nothing(new_rig: Any) -> None:
    """A late failure of a call that was placed before it opened does not open it again, and a late success closes nothing."""
    rig = new_rig(breaker=BreakerPolicy(consecutive=1, open_s=60.0))
    await rig.health.hear(word(Signal.FAILURE))
    opened = await rig.store.breaker("a")
    for signal in Signal:
        await rig.health.hear(word(signal, epoch=opened.epoch - 1))
    assert await rig.store.breaker("a") == opened


async def test_callees_and_we_ourselves_open_no_breaker_and_wrong_credentials_do_at_once(rig: Any) -> None:
    """A hundred releases are nothing; one misconfiguration is enough."""
    for _ in range(100):
        await rig.health.hear(word(Signal.RELEASE))
    assert (await rig.store.breaker("a")).state is BreakerState.CLOSED
    await rig.health.hear(word(Signal.MISCONFIGURED))
    opened = await rig.store.breaker("a")
    assert (opened.state, opened.reason) == (BreakerState.OPEN, "misconfigured")


async def test_a_probe_of_which_nothing_is_heard_counts_as_failed(new_rig: Any) -> None:
    """The probe's process died: after its time the breaker opens again, for twice as long, and lets the next one through."""
    rig = new_rig(breaker=BreakerPolicy(consecutive=1, open_s=10.0, probe_lost_s=45.0))
    await rig.health.hear(word(Signal.FAILURE))
    rig.clock.time += 11
    await rig.accept(carriers=("a",))
    await rig.settle()
    assert (await rig.leg()).probe
    rig.clock.time += 46
    await rig.health.ask("a")
    again = await rig.store.breaker("a")
    assert (again.state, again.reason) == (BreakerState.OPEN, "probe-lost")
    assert again.open_until == rig.clock.time + 20


async def test_many_words_at_once_are_all_counted(new_rig: Any) -> None:
    """Twenty writers of one record: compare-and-set loses none of them."""
    rig = new_rig(breaker=BreakerPolicy(consecutive=1000, minimum=1000))
    await asyncio.gather(*(rig.health.hear(word(Signal.FAILURE)) for _ in range(20)))
    breaker = await rig.store.breaker("a")
    assert (breaker.consecutive, len(breaker.samples)) == (20, 20)


async def test_every_carrier_is_asked_and_a_suspect_soon(new_rig: Any) -> None:
    """At start each is asked once; a failure elsewhere has that carrier asked again without waiting for its idle pace."""
    rig = new_rig()
    asked: dict[str, int] = {"a": 0, "b": 0}
    news = asyncio.Event()
    for carrier in (rig.a, rig.b):

        async def probe(name: str = carrier.name) -> Health:
            asked[name] += 1
            news.set()
            return WELL

        carrier.probe = probe
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        news.set()
        await asyncio.get_running_loop().create_future()

    rig.clock.sleep = nap
    running = asyncio.create_task(rig.health.run())
    async with asyncio.timeout(5):
        while asked != {"a": 1, "b": 1} or len(naps) < 2:
            news.clear()
            await news.wait()
        await rig.health.hear(word(Signal.FAILURE))
        while asked["a"] < 2:
            news.clear()
            await news.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert asked["b"] == 1
    assert all(12.0 <= seconds <= 18.0 for seconds in naps[:2])
