"""The breaker: when it opens, whom it lets through, and whose word counts."""

from gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState, ask, health, observe, take_probe
from gateway.domain.verdict import Signal

POLICY = BreakerPolicy()


def told(breaker: Breaker, *signals: Signal, now: float = 0.0, probe: bool = False) -> Breaker:
    for signal in signals:
        breaker = observe(breaker, signal, epoch=breaker.epoch, probe=probe, now=now, policy=POLICY)
    return breaker


def opened(now: float = 0.0) -> Breaker:
    return told(Breaker(), *[Signal.FAILURE] * POLICY.consecutive, now=now)


def test_opens_after_failures_in_a_row() -> None:
    """Five failures in a row open it, four do not."""
    assert told(Breaker(), *[Signal.FAILURE] * 4).state is BreakerState.CLOSED
    assert opened().state is BreakerState.OPEN


def test_opens_on_the_rate_of_its_window() -> None:
    """Half of at least five within the window open it, though never five in a row."""
    mixed = [Signal.FAILURE, Signal.SUCCESS, Signal.FAILURE, Signal.SUCCESS, Signal.FAILURE]
    assert told(Breaker(), *mixed).state is BreakerState.OPEN


def test_forgets_what_is_older_than_its_window() -> None:
    """Old failures do not count together with new ones."""
    old = told(Breaker(), Signal.FAILURE, Signal.FAILURE, Signal.SUCCESS, now=0.0)
    assert told(old, Signal.FAILURE, Signal.SUCCESS, Signal.FAILURE, now=POLICY.window_s + 1).state is BreakerState.CLOSED


def test_callees_and_we_never_open_it() -> None:
    """Released permits say nothing, however many they are."""
    assert told(Breaker(), *[Signal.RELEASE] * 100) == Breaker()


def test_wrong_credentials_open_it_at_once() -> None:
    """They do not heal by trying."""
    assert told(Breaker(), Signal.MISCONFIGURED).state is BreakerState.OPEN


def test_open_lets_nothing_through_until_its_time() -> None:
    """Before `open_until` no, then one probe."""
    breaker = opened(now=100.0)
    refused = ask(breaker, 100.0 + POLICY.open_s - 0.1, POLICY)
    assert not refused.allowed
    assert refused.retry_at == 100.0 + POLICY.open_s
    permit = ask(breaker, refused.retry_at, POLICY)
    assert permit.allowed
    assert permit.probe


def test_one_probe_at_a_time() -> None:
    """While a probe is out there is no second; a lost one counts as gone."""
    breaker = take_probe(opened(), POLICY.open_s)
    assert not ask(breaker, POLICY.open_s + 1, POLICY).allowed
    assert ask(breaker, POLICY.open_s + POLICY.probe_lost_s, POLICY).allowed


def test_closes_after_enough_good_probes() -> None:
    """Three good probes close it, with a clean record."""
    breaker, now = opened(), POLICY.open_s
    for _ in range(POLICY.successes):
        breaker = told(take_probe(breaker, now), Signal.SUCCESS, now=now, probe=True)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.samples == ()


def test_a_failed_probe_opens_it_for_twice_as_long() -> None:
    """Re-openings double the time, up to the limit."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(7):
        now = breaker.open_until
        breaker = told(take_probe(breaker, now), Signal.FAILURE, now=now, probe=True)
        waits.append(breaker.open_until - now)
    assert waits == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0]


def test_a_verdict_from_an_earlier_life_changes_nothing() -> None:
    """The epoch fences stale words."""
    breaker = opened()
    late = observe(breaker, Signal.SUCCESS, epoch=breaker.epoch - 1, probe=True, now=50.0, policy=POLICY)
    assert late == breaker


def test_half_open_hears_only_probes() -> None:
    """A call that was placed before says nothing of the recovery."""
    breaker = take_probe(opened(), POLICY.open_s)
    assert told(breaker, Signal.FAILURE, probe=False) == breaker


def test_health_ends_the_waiting_only_after_it_failed() -> None:
    """A health request that was good all the while has told us nothing by being good again."""
    breaker = opened()
    assert health(breaker, well=True, now=1.0, policy=POLICY).state is BreakerState.OPEN
    ill = health(breaker, well=False, now=1.0, policy=POLICY)
    assert health(ill, well=True, now=2.0, policy=POLICY).state is BreakerState.HALF_OPEN


def test_health_never_opens_nor_closes() -> None:
    """It answers only "may I try again?"."""
    assert health(Breaker(), well=False, now=1.0, policy=POLICY).state is BreakerState.CLOSED
    probing = take_probe(opened(), POLICY.open_s)
    assert health(probing, well=True, now=POLICY.open_s + 1, policy=POLICY).state is BreakerState.HALF_OPEN


def test_a_lost_probe_reopens_at_the_next_health_request() -> None:
    """Nobody heard of it again: it failed."""
    probing = take_probe(opened(), 20.0)
    lost = health(probing, well=True, now=20.0 + POLICY.probe_lost_s, policy=POLICY)
    assert lost.state is BreakerState.OPEN
    assert lost.reopenings == 1
