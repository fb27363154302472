"""Half-open for long: probes that are lost, probes that speak late, and a carrier that stays away for days."""

from gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState, ask, health, observe, take_probe
from gateway.domain.verdict import Signal

POLICY = BreakerPolicy()


def probing() -> Breaker:
    """A breaker whose one probe went out at 100."""
    return take_probe(Breaker(state=BreakerState.OPEN, epoch=1, open_until=100.0), 100.0)


def test_a_carrier_that_stays_away_for_days_stays_open_at_most_the_limit() -> None:
    """Thousands of failed probes neither overflow the growing open time nor let it grow beyond its limit."""
    breaker, now = probing(), 100.0
    for _ in range(3000):
        breaker = observe(breaker, Signal.FAILURE, epoch=breaker.epoch, probe=True, now=now, policy=POLICY)
        assert breaker.state is BreakerState.OPEN
        assert breaker.open_until - now <= POLICY.open_limit_s
        now = breaker.open_until
        breaker = take_probe(breaker, now)
    assert health(breaker, well=False, now=now + POLICY.probe_lost_s, policy=POLICY).state is BreakerState.OPEN


def test_a_lost_probe_that_speaks_late_does_not_free_its_successor_s_place() -> None:
    """The second probe is out when the first one, given up for lost, is heard of: still only one probe is in flight."""
    first, later = probing(), 100.0 + POLICY.probe_lost_s
    assert ask(first, later, POLICY).probe
    second = take_probe(first, later)
    heard = observe(second, Signal.RELEASE, epoch=first.epoch, probe=True, now=later + 1, policy=POLICY)
    assert heard == second
    assert not ask(heard, later + 1, POLICY).allowed


def test_probes_that_succeed_one_after_the_other_close_it() -> None:
    """Successes of probes in a row are counted together: the epoch of a half-open breaker stays."""
    breaker = probing()
    for _ in range(POLICY.successes - 1):
        breaker = take_probe(observe(breaker, Signal.SUCCESS, epoch=2, probe=True, now=110.0, policy=POLICY), 110.0)
    closed = observe(breaker, Signal.SUCCESS, epoch=2, probe=True, now=110.0, policy=POLICY)
    assert closed.state is BreakerState.CLOSED
