"""A seed's plan: the same each time, as much as was asked for, at every moment of a call."""

from collections import Counter

import pytest

from gateway.chaos.plan import CALLERS, KILLS, Deed, Moment, Plan, number_of, own_kills, plan_of


def full(seed: int) -> Plan:
    return plan_of(seed, seconds=480, kills=110, gateways=2, carriers=4)


def test_a_seed_is_a_plan() -> None:
    """The same seed gives the same plan, another one another."""
    assert full(7) == full(7)
    assert full(7) != full(8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_full_plan_kills_enough_of_everything(seed: int) -> None:
    """110 of our own, each kind of process among them, at each moment; twice as many carriers, every one of the four."""
    plan = full(seed)
    assert own_kills(plan) == 110
    assert {strike.deed for strike in plan.strikes} >= KILLS
    assert {strike.moment for strike in plan.strikes if strike.deed is Deed.KILL_GATEWAY} == set(Moment)
    kills = Counter(strike.carrier for strike in plan.carrier_strikes if strike.kill)
    assert kills.total() == 220
    assert min(kills[carrier] for carrier in range(4)) > 30


def test_everything_happens_while_the_run_lasts() -> None:
    """Nothing is planned before the beginning or after the end."""
    plan = full(3)
    times = [strike.at for strike in plan.strikes] + [strike.at for strike in plan.carrier_strikes]
    times += [wish.at for wish in plan.wishes] + [caller.at for caller in plan.callers]
    assert min(times) > 0
    assert max(times) <= plan.seconds


def test_every_call_has_a_phone_of_its_own() -> None:
    """No number is called twice, and callers have other numbers than the called: so a second ring is a second dial."""
    plan = full(5)
    numbers = [wish.to for wish in plan.wishes] + [caller.number for caller in plan.callers]
    assert len(numbers) == len(set(numbers)) > 400
    assert all(caller.number.startswith(number_of(CALLERS, 0)[:9]) for caller in plan.callers)


def test_a_small_plan_is_a_plan() -> None:
    """Few seconds and few kills give calls and kills all the same."""
    plan = plan_of(1, seconds=12, kills=3, gateways=2, carriers=4)
    assert own_kills(plan) == 3
    assert len(plan.wishes) >= 10
    assert len(plan.carrier_strikes) >= 6
