"""The circuit breaker of one carrier: a small record and pure functions over it.

    closed --(failures)--> open --(open time over, or a health request succeeds)--> half-open --(successes)--> closed
                             ^                                                          |
                             +------------------(probe failed, or lost)-----------------+

Permits carry the breaker's epoch: a verdict from an earlier life of the breaker changes nothing. In half-open one call
at a time may try; a probe that nobody hears of again counts as failed. Callees never open a breaker, and neither do we:
only `Signal.FAILURE` counts, and `Signal.MISCONFIGURED` opens at once, since wrong credentials do not heal by trying.
"""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.verdict import Signal


class BreakerState(StrEnum):
    """Closed lets everything through, open nothing, half-open one probe at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerPolicy(Struct, frozen=True, kw_only=True):
    """When it opens and for how long; times in seconds."""

    window_s: float = 30.0
    minimum: int = 5
    failure_rate: float = 0.5
    consecutive: int = 5
    open_s: float = 15.0
    open_limit_s: float = 300.0
    probe_lost_s: float = 45.0
    """A probe is a whole call; this long without a word and it counts as failed."""
    successes: int = 3


class Breaker(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One carrier's record, as it stands in the store."""

    state: BreakerState = BreakerState.CLOSED
    epoch: int = 0
    """Grows whenever the state changes."""
    version: int = 0
    samples: tuple[tuple[float, bool], ...] = ()
    """(when, failed) of the last `window_s`."""
    consecutive: int = 0
    open_until: float = 0.0
    reopenings: int = 0
    successes: int = 0
    probe_at: float | None = None
    well: bool = True
    """Whether the last health request was answered well; a hint for the prober's pace."""
    reason: str = ""


class Permit(Struct, frozen=True, kw_only=True):
    """Leave to try, or the time at which to ask again."""

    allowed: bool
    epoch: int
    probe: bool = False
    retry_at: float = 0.0


_SAMPLES_KEPT = 100
_DOUBLINGS = 16
"""Of the open time, at most: any limit is reached by then, and no float overflows."""


def ask(breaker: Breaker, now: float, policy: BreakerPolicy) -> Permit:
    """May a call be placed now? Changes nothing; a probe is taken with `take_probe`."""
    if breaker.state is BreakerState.CLOSED:
        return Permit(allowed=True, epoch=breaker.epoch)
    if breaker.state is BreakerState.OPEN and now < breaker.open_until:
        return Permit(allowed=False, epoch=breaker.epoch, retry_at=breaker.open_until)
    if _probe_out(breaker, now, policy):
        assert breaker.probe_at is not None
        return Permit(allowed=False, epoch=breaker.epoch, retry_at=breaker.probe_at + policy.probe_lost_s)
    return Permit(allowed=True, epoch=breaker.epoch, probe=True)


def may_panic(breaker: Breaker, now: float, policy: BreakerPolicy) -> bool:
    """When every carrier is open, the least bad one may be tried as a probe; one at a time, even so."""
    return not _probe_out(breaker, now, policy)


def take_probe(breaker: Breaker, now: float) -> Breaker:
    """The record with the one probe given out. The epoch stays from probe to probe, and grows if it was open or if the last
    probe was lost: what that one says, should it come back, is of no account any more.
    """
    goes_on = breaker.state is BreakerState.HALF_OPEN and breaker.probe_at is None
    epoch = breaker.epoch if goes_on else breaker.epoch + 1
    successes = breaker.successes if breaker.state is BreakerState.HALF_OPEN else 0
    return replace(breaker, state=BreakerState.HALF_OPEN, epoch=epoch, probe_at=now, successes=successes)


def observe(breaker: Breaker, signal: Signal, *, epoch: int, probe: bool, now: float, policy: BreakerPolicy) -> Breaker:
    """The record after one verdict; the same record if the verdict is from an earlier life."""
    if epoch != breaker.epoch:
        return breaker
    if breaker.state is BreakerState.HALF_OPEN:
        return _observe_probe(breaker, signal, now, policy) if probe else breaker
    if signal is Signal.MISCONFIGURED:
        return _opened(breaker, now, policy, "misconfigured")
    if breaker.state is BreakerState.OPEN or signal is Signal.RELEASE:
        return breaker
    return _count(breaker, failed=signal is Signal.FAILURE, now=now, policy=policy)


def health(breaker: Breaker, *, well: bool, now: float, policy: BreakerPolicy) -> Breaker:
    """The record after an active health request, which only answers "may I try again?".

    It never closes a breaker and never opens a closed one. A good answer after a bad one ends the waiting of an open
    one (a carrier whose health request was good all the while has told us nothing by being good again), and a probe that
    was lost re-opens a half-open one.
    """
    if breaker.state is BreakerState.HALF_OPEN and _probe_lost(breaker, now, policy):
        return replace(_opened(breaker, now, policy, "probe-lost"), well=well)
    if breaker.state is BreakerState.OPEN and well and not breaker.well:
        return replace(breaker, state=BreakerState.HALF_OPEN, epoch=breaker.epoch + 1, well=True, probe_at=None, successes=0)
    return replace(breaker, well=well) if breaker.well is not well else breaker


def _observe_probe(breaker: Breaker, signal: Signal, now: float, policy: BreakerPolicy) -> Breaker:
    if signal in {Signal.FAILURE, Signal.MISCONFIGURED}:
        return _opened(breaker, now, policy, "probe-failed")
    if signal is Signal.RELEASE:
        return replace(breaker, probe_at=None)
    if breaker.successes + 1 >= policy.successes:
        return Breaker(epoch=breaker.epoch + 1, version=breaker.version)
    return replace(breaker, probe_at=None, successes=breaker.successes + 1)


def _count(breaker: Breaker, *, failed: bool, now: float, policy: BreakerPolicy) -> Breaker:
    recent = tuple(sample for sample in breaker.samples if sample[0] > now - policy.window_s)
    samples = (*recent, (now, failed))[-_SAMPLES_KEPT:]
    counted = replace(breaker, samples=samples, consecutive=breaker.consecutive + 1 if failed else 0)
    failures = sum(1 for _, bad in samples if bad)
    by_rate = failed and len(samples) >= policy.minimum and failures / len(samples) >= policy.failure_rate
    if counted.consecutive >= policy.consecutive or by_rate:
        return _opened(counted, now, policy, "failures")
    return counted


def _opened(breaker: Breaker, now: float, policy: BreakerPolicy, reason: str) -> Breaker:
    again = breaker.reopenings + 1 if breaker.state is BreakerState.HALF_OPEN else 0
    open_s = min(policy.open_limit_s, policy.open_s * 2.0 ** min(again, _DOUBLINGS))
    return Breaker(
        state=BreakerState.OPEN,
        epoch=breaker.epoch + 1,
        version=breaker.version,
        open_until=now + open_s,
        reopenings=again,
        well=breaker.well,
        reason=reason,
    )


def _probe_out(breaker: Breaker, now: float, policy: BreakerPolicy) -> bool:
    return breaker.probe_at is not None and not _probe_lost(breaker, now, policy)


def _probe_lost(breaker: Breaker, now: float, policy: BreakerPolicy) -> bool:
    return breaker.probe_at is not None and now - breaker.probe_at >= policy.probe_lost_s
