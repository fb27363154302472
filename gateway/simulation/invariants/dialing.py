"""Promises about dialling: who is rung, how often, and through whom."""

from collections import Counter, defaultdict
from itertools import pairwise

from gateway.domain.breaker import BreakerPolicy, BreakerState
from gateway.domain.outcome import Direction, LegPhase
from gateway.domain.records import Leg
from gateway.domain.verdict import Disposition, Signal
from gateway.simulation.invariants.evidence import SLACK_S, Checks, Evidence, by_call
from gateway.simulation.truth import Person, Post

HANG_UP_S = 2.0


def bridged_once(evidence: Evidence, check: Checks) -> None:
    """At no time do two legs of one call carry sound both ways."""
    for call_id in evidence.calls:
        check(True, "")
        talks = sorted((begin, end, person.leg_id) for person in evidence.people_of(call_id) for begin, end in person.bridges)
        for (_, end, one), (begin, _, other) in pairwise(talks):
            check(begin >= end or one == other, f"call {call_id} was bridged on leg {one} and on leg {other} at {begin:.3f}")
    for caller in evidence.callers:
        for (_, end), (begin, _) in pairwise(sorted(caller.streams.values())):
            check(begin >= end, f"the caller {caller.ref} of {caller.carrier} had two streams at {begin:.3f}")


def dialled_safely(evidence: Evidence, check: Checks) -> None:
    """A second dial leaves only when every earlier leg has ended or is condemned, in the store and in truth."""
    for call_id, posts in by_call(evidence.posts).items():
        for index, post in enumerate(posts):
            for earlier in posts[:index]:
                if earlier.leg_id != post.leg_id:
                    _is_over(evidence, check, call_id, earlier, post)


def _is_over(evidence: Evidence, check: Checks, call_id: str, earlier: Post, post: Post) -> None:
    leg = evidence.leg_at(call_id, earlier.leg_id, post.at)
    over = leg is not None and leg.phase in {LegPhase.ENDED, LegPhase.CONDEMNED}
    check(over, f"call {call_id}: leg {post.leg_id} was dialled while {earlier.leg_id} was {leg.phase if leg else 'unknown'}")
    person = next((one for one in evidence.people if one.leg_id == earlier.leg_id), None)
    rang = person is not None and person.rang_at is not None  # one that the carrier ended before any phone has no end there
    alive = rang and person is not None and (person.ended_at is None or person.ended_at > post.at)
    condemned = leg is not None and leg.phase is LegPhase.CONDEMNED
    if alive and not condemned:
        check(False, f"call {call_id}: leg {earlier.leg_id} lived on, not condemned, when {post.leg_id} was dialled")
    _count_second_ring(evidence, check, person, post)


def _sent_from(evidence: Evidence, post: Post) -> float:
    """When the dial was decided: what is told from then on comes too late for it."""
    decided = (
        write.at
        for write in evidence.watch.writes
        if any(leg.id == post.leg_id and leg.phase is LegPhase.SENDING for leg in write.after.legs)
    )
    return min(decided, default=post.at)


def _count_second_ring(evidence: Evidence, check: Checks, person: Person | None, post: Post) -> None:
    """A phone that rings through two carriers: allowed only where nobody could tell us of the first."""
    again = next((one for one in evidence.people if one.leg_id == post.leg_id and one.rang_at is not None), None)
    if again is None or person is None or person.rang_at is None or person.rang_at > post.at:
        return
    sending = _sent_from(evidence, post)
    told = [hook for hook in evidence.delivered if hook.leg_id == person.leg_id and person.rang_at < hook.answered_at < sending]
    ended_first = person.ended_at is not None and person.ended_at <= post.at
    if ended_first:
        check.note("phones rung again after the first ring had ended, unheard of")
    elif told:
        check(False, f"leg {post.leg_id} rang the phone again, although a webhook of {person.leg_id} had told of it")
    else:
        check.note("phones rung twice: the carrier could not be asked, and no webhook came")


def condemned_unheard(evidence: Evidence, check: Checks) -> None:
    """A condemned leg is never bridged; if it answers where all is calm, it is hung up within two seconds."""
    for person in evidence.people:
        condemned_at = evidence.watch.condemned_at.get(person.leg_id)
        if condemned_at is None:
            continue
        late = [begin for begin, _ in person.bridges if begin > condemned_at]
        check(not late, f"leg {person.leg_id}, condemned at {condemned_at:.3f}, was bridged at {late}")
        answered = person.answered_at
        if answered is not None and answered > condemned_at and evidence.calm(person.carrier, answered - 0.2, answered + 5):
            ended = person.ended_at or evidence.ended_at
            check(ended - answered <= HANG_UP_S + SLACK_S, f"leg {person.leg_id}, condemned, talked for {ended - answered:.2f} s")


def one_post(evidence: Evidence, check: Checks) -> None:
    """No leg is dialled twice on the wire; one whose carrier ignores repeats may be sent once more, and rings once."""
    again = {leg.id for _, leg in evidence.legs if leg.resend_asked}
    for leg_id, count in Counter(post.leg_id for post in evidence.posts).items():
        check(count == 1 or (count == 2 and leg_id in again), f"leg {leg_id} was POSTed {count} times")
        if count == 2:
            check.note("dials sent once more under the same tag")
    for leg_id, count in Counter(person.leg_id for person in evidence.people).items():
        check(count == 1, f"leg {leg_id} became {count} calls at its carrier")


def no_failover_after_alerting(evidence: Evidence, check: Checks) -> None:
    """Once a leg is known to have rung, or the person or the number has said no, its call is dialled no more."""
    for call_id, posts in by_call(evidence.posts).items():
        for post in posts:
            before = evidence.watch.alerted_at
            rung = [
                leg.id for leg in evidence.calls[call_id].legs if leg.id != post.leg_id and before.get(leg.id, post.at) < post.at
            ]
            check(not rung, f"call {call_id}: leg {post.leg_id} was dialled after {rung} had rung")
            known = evidence.call_at(call_id, post.at)
            final = [leg.id for leg in known.legs if leg.id != post.leg_id and _is_final(leg)] if known else []
            check(not final, f"call {call_id}: leg {post.leg_id} was dialled after {final} had settled it")


def _is_final(leg: Leg) -> bool:
    said_no = leg.verdict is not None and leg.verdict.disposition in {Disposition.STOP, Disposition.SUPPRESS}
    return said_no and leg.phase is LegPhase.ENDED


def probes_bounded(evidence: Evidence, check: Checks) -> None:
    """Behind an open breaker goes nothing but probes, and of those one at a time."""
    policy = BreakerPolicy()
    for write in evidence.watch.writes:
        permit, breaker = write.change.permit, write.breaker
        if permit is None or breaker is None or breaker.state is BreakerState.CLOSED:
            continue
        check(permit.probe is not None, f"leg {permit.leg_id} left through a breaker that was {breaker.state}")
        out = breaker.probe_at is not None and write.at - breaker.probe_at < policy.probe_lost_s
        if not evidence.stepping:
            check(not (out and permit.probe is not None), f"leg {permit.leg_id} was a second probe of {permit.carrier}")


def fair_breakers(evidence: Evidence, check: Checks) -> None:
    """A breaker hears of as many failures as its carrier had: never of a busy phone, never of what we did ourselves."""
    guilty: Counter[str] = Counter()
    for call, leg in evidence.legs:
        if call.direction is Direction.INBOUND:  # that a carrier brings callers says nothing of whether it can place calls
            continue
        blamed = leg.verdict is not None and leg.verdict.signal in {Signal.FAILURE, Signal.MISCONFIGURED}
        guilty[leg.carrier] += blamed or leg.id in evidence.watch.condemned_at
    for carrier, heard in evidence.watch.blamed.items():
        check(heard <= guilty[carrier], f"the breaker of {carrier} heard of {heard} failures; there were {guilty[carrier]}")


def within_limits(evidence: Evidence, check: Checks) -> None:
    """Each carrier once in a round; never more dials a second, and never more calls at once, than the config allows."""
    for call in evidence.calls.values():
        twice = [key for key, count in Counter((leg.round, leg.carrier) for leg in call.legs).items() if count > 1]
        check(not twice, f"call {call.id} tried {twice} (round, carrier) more than once")
    _pace(evidence, check)
    _concurrency(evidence, check)


def _pace(evidence: Evidence, check: Checks) -> None:
    """By the store's own clock, which the pace is kept by."""
    times: dict[str, list[float]] = defaultdict(list)
    for write in evidence.watch.writes:
        if write.change.permit is not None:
            times[write.change.permit.carrier].append(write.clock)
    spacing = {carrier.name: 1.0 / carrier.calls_per_second for carrier in evidence.plan.carriers}
    for carrier, taken in times.items():
        for one, other in pairwise(taken):
            check(other - one >= spacing[carrier] - 0.001, f"{carrier} gave permits {other - one:.3f} s apart")


def _concurrency(evidence: Evidence, check: Checks) -> None:
    """Places taken and given back. A condemned leg that comes to life after its presumed end has none, and is told of."""
    limits = {carrier.name: carrier.concurrent_calls for carrier in evidence.plan.carriers}
    held: dict[str, set[str]] = defaultdict(set)
    for write in evidence.watch.writes:
        for carrier, leg_id in write.change.released:
            held[carrier].discard(leg_id)
        permit = write.change.permit
        if permit is not None:
            held[permit.carrier].add(permit.leg_id)
            count = len(held[permit.carrier])
            check(count <= limits[permit.carrier], f"{permit.carrier} had {count} calls of {limits[permit.carrier]}")
    for write in evidence.watch.writes:
        for leg in write.after.legs:
            before = write.before.find(leg.id) if write.before else None
            if before is not None and before.ended_at is not None and leg.ended_at is None:
                check.note("condemned legs that came to life after their presumed end, and hold a line without a place")
