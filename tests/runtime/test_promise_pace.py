"""Promises that come due together are kept as fast as the carriers place calls, and not all at once."""

from itertools import pairwise
from typing import Any

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.hand import Hand, ServiceState
from gateway.domain.outcome import CallStatus, Priority
from gateway.runtime.callbacks import Callbacks
from gateway.runtime.promise_pace import AT_LEAST, PromisePace


async def promised(rig: Any, count: int, **given: Any) -> None:
    """Calls for in a minute, each to a number of its own."""
    for number in range(count):
        await rig.accept(f"call_{number}", to=f"+15550101{number:03}", not_before=rig.clock.time + 60, **given)
    rig.callbacks = Callbacks(rig.calls, rig.clock, PromisePace(rig.fleet, rig.store, rig.clock))


async def a_second(rig: Any) -> None:
    """As the gateway's own polls divide it."""
    for _ in range(4):
        await rig.settle()
        rig.clock.time += 0.25


async def waited_in_vain(rig: Any, count: int) -> int:
    return sum(["route-exhausted" in await rig.told(f"call_{number}") for number in range(count)])


async def dialling(rig: Any, count: int) -> int:
    return sum([(await rig.call(f"call_{number}")).status is not CallStatus.SCHEDULED for number in range(count)])


async def test_what_comes_due_together_is_kept_at_the_carriers_pace(new_rig: Any) -> None:
    """Two carriers at two calls a second each: of forty, four a second, and few wait in vain for a carrier's turn."""
    rig = new_rig(pace=2.0)
    await promised(rig, 40)
    rig.clock.time += 60
    kept = [0]
    for _ in range(10):
        await a_second(rig)
        kept.append(await dialling(rig, 40))
    growth = [after - before for before, after in pairwise(kept)]
    assert max(growth) <= 8  # a second's worth may be had at once, beside the second's own
    assert 36 <= kept[-1] <= 40
    assert await waited_in_vain(rig, 40) <= 6


async def test_without_a_pace_most_of_them_wait_in_vain(new_rig: Any) -> None:
    """What the pace is for: all forty want a carrier at once, and half of them come back another time."""
    rig = new_rig(pace=2.0)
    await promised(rig, 40)
    rig.callbacks = Callbacks(rig.calls, rig.clock)
    rig.clock.time += 60
    for _ in range(10):
        await a_second(rig)
    assert await waited_in_vain(rig, 40) >= 14


async def test_carriers_that_take_nothing_count_for_nothing(new_rig: Any) -> None:
    """Out of service by hand, or with an open breaker; with none left a call a second may still find one that is back."""
    rig = new_rig(pace=7.0)
    pace = PromisePace(rig.fleet, rig.store, rig.clock)
    assert await pace.per_second(busy=False) == 14.0
    await rig.store.set_hand("a", Hand(state=ServiceState.DISABLED))
    rig.clock.time += 1
    assert await pace.per_second(busy=True) == 7.0
    await rig.store.swap_breaker("b", 0, Breaker(state=BreakerState.OPEN, open_until=rig.clock.time + 60))
    rig.clock.time += 1
    assert await pace.per_second(busy=True) == AT_LEAST


async def test_idle_gateways_seldom_look_at_their_carriers(new_rig: Any) -> None:
    """While no promise comes due, the pace of fifteen seconds ago is good enough."""
    rig = new_rig(pace=7.0)
    pace = PromisePace(rig.fleet, rig.store, rig.clock)
    await pace.per_second(busy=False)
    await rig.store.set_hand("a", Hand(state=ServiceState.DISABLED))
    rig.clock.time += 14
    assert await pace.per_second(busy=False) == 14.0
    rig.clock.time += 1
    assert await pace.per_second(busy=False) == 7.0


async def test_the_urgent_ones_are_dialled_first(new_rig: Any) -> None:
    """Ten promises due at once on a slow carrier: the one of high priority is first, though it was asked for last."""
    rig = new_rig(pace=1.0)
    await promised(rig, 9)
    await rig.accept("call_9", to="+15550102000", not_before=rig.clock.time + 60, priority=Priority.HIGH)
    rig.clock.time += 60
    await rig.settle()
    first = (rig.a.posts + rig.b.posts)[0]
    assert first.to == "+15550102000"
