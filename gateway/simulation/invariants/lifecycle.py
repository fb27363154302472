"""Promises about calls: accepted once, kept, ended once, explained."""

from collections import Counter, defaultdict

import msgspec
from msgspec.structs import replace

from gateway.domain import call as calls
from gateway.domain.events import AnyCallEvent
from gateway.domain.outcome import Outcome
from gateway.domain.records import Call
from gateway.runtime.store.contract import LogEntry
from gateway.simulation.invariants.evidence import Checks, Evidence, first_writes
from gateway.simulation.stores import Weather

WRITES = 400
"""More than any call of a world needs, whatever becomes of it."""
CYCLES_S = 60.0
"""Within this a due call is tried again, whatever its last round came to."""
NO_AGENT = "no-agent"
"""The reason of a promise that waits because nobody would talk."""


def one_outcome(evidence: Evidence, check: Checks) -> None:
    """Every call ends once, with no leg alive; what comes later changes neither outcome nor reason nor time."""
    endings: Counter[str] = Counter()
    for write in evidence.watch.writes:
        before, after = write.before, write.after
        if before is not None and before.ended:
            same = (before.outcome, before.reason, before.ended_at) == (after.outcome, after.reason, after.ended_at)
            check(
                same and after.ended, f"call {after.id} ended as {before.outcome} and then became {after.status} {after.outcome}"
            )
        elif after.ended:
            endings[after.id] += 1
            alive = [leg.id for leg in after.legs if leg.live]
            check(not alive, f"call {after.id} ended as {after.outcome} while {alive} lived")
    for call_id in evidence.calls:
        check(endings[call_id] <= 1, f"call {call_id} ended {endings[call_id]} times")


def no_zombies(evidence: Evidence, check: Checks) -> None:
    """Every call has ended in its time, but for those whose window opens tomorrow, and so has every line at a carrier."""
    for call in evidence.calls.values():
        over = (call.ended and call.outcome is not None) or evidence.waits(call)
        check(over, f"call {call.id} never ended: it is {call.status} with {_legs(call)}")
    check(not evidence.left_over, lambda: f"left over: {evidence.left_over}")


def nothing_forgotten(evidence: Evidence, check: Checks) -> None:
    """Every call that a client was promised is in the store."""
    for told in evidence.told:
        if told.call_id:
            check(told.call_id in evidence.calls, f"call {told.call_id} was acknowledged and is not there")


def one_key_one_call(evidence: Evidence, check: Checks) -> None:
    """One key is one call, whatever was repeated and lost; another body under it is refused."""
    made: dict[str, set[str]] = defaultdict(set)
    for told in evidence.told:
        if told.key and told.call_id and not told.another_body:
            made[told.key].add(told.call_id)
        if told.another_body and told.status < 500:
            check(told.status == 422, f"key {told.key} with another body got {told.status}")
    for key, call_ids in made.items():
        check(len(call_ids) == 1, f"key {key} made the calls {sorted(call_ids)}")
    for number, count in _stored(evidence).items():
        if int(number) < len(evidence.plan.calls) and evidence.plan.calls[int(number)].key:
            check(count == 1, f"the client's wish {number} became {count} calls")


def refused_is_refused(evidence: Evidence, check: Checks) -> None:
    """Who was told no each time, and never left without an answer, has no call; a store that loses answers cannot know."""
    if any(one.weather is Weather.DEAF for one in evidence.plan.store):
        return
    stored = _stored(evidence)
    for number, plan in enumerate(evidence.plan.calls):
        statuses = [told.status for told in evidence.told if told.wish == number and not told.another_body]
        if len(statuses) == plan.tries * (1 + plan.also) and min(statuses) >= 400:
            check(stored[str(number)] == 0, f"wish {number} was refused with {statuses}, and there is a call")


def no_busy_waiting(evidence: Evidence, check: Checks) -> None:
    """No call is written over and over: whoever waits, waits for something."""
    for call in evidence.calls.values():
        check(call.version <= WRITES, f"call {call.id} was written {call.version} times")


def replayable(evidence: Evidence, check: Checks) -> None:
    """Every failover has its verdict, and a call's log, replayed from its first write, gives the call as it is stored."""
    for call in evidence.calls.values():
        for leg in call.legs[:-1]:
            check(leg.verdict is not None, f"call {call.id}: leg {leg.id} was given up without a verdict")
    begun = first_writes(evidence.watch.writes)
    for call_id, call in evidence.calls.items():
        replayed = _replayed(begun[call_id].after, evidence.entries[call_id][1:], evidence)
        check(replace(replayed, version=call.version) == call, f"call {call.id} is not what its log makes of it")


def liveness(evidence: Evidence, check: Checks) -> None:
    """What is due when all is well again is dialled soon, if it lives long enough, and no carrier is all but full. An agent is
    well when its breaker is closed: until then nobody's phone is to ring for it.
    """
    if min(carrier.concurrent_calls for carrier in evidence.plan.carriers) < len(evidence.plan.calls):
        return
    for call in evidence.calls.values():
        waiting = [write.after for write in evidence.watch.writes if write.after.id == call.id and write.at <= evidence.heal_at]
        then = waiting[-1] if waiting else None
        ahead = sum(max(0.0, mishap.step_s) for mishap in evidence.plan.mishaps)  # the store's time waits for ours to come up
        if then is None or then.window is not None or not _waits(then) or then.expires_at < evidence.heal_at + CYCLES_S + ahead:
            continue
        from_ = max(evidence.heal_at, then.not_before or 0.0) + ahead
        soon = [post for post in evidence.posts_of(call.id) if evidence.heal_at <= post.at <= from_ + CYCLES_S]
        ended = call.ended_at is not None and call.ended_at <= from_ + CYCLES_S and call.outcome is not Outcome.EXPIRED
        agentless = _for_want_of_an_agent(evidence, call.id, from_)
        check(
            bool(soon) or ended or agentless,
            f"call {call.id} waited when all was well, and was not dialled within {CYCLES_S:.0f} s",
        )


def _for_want_of_an_agent(evidence: Evidence, call_id: str, from_: float) -> bool:
    promises = [write.after.promise for write in evidence.watch.writes if write.after.id == call_id and write.at >= from_]
    return any(promise is not None and promise.reason == NO_AGENT for promise in promises)


def _waits(call: Call) -> bool:
    return not call.ended and not call.cancel_wanted and not (call.leg is not None and call.leg.live)


def _stored(evidence: Evidence) -> Counter[str]:
    """How many calls there are for each wish of a client; not those that come of a call, which bear its metadata."""
    asked_for = (call for call in evidence.calls.values() if not call.retry_of and not call.callback_of)
    return Counter(call.metadata["number"] for call in asked_for if "number" in call.metadata)


def _replayed(call: Call, entries: tuple[LogEntry, ...], evidence: Evidence) -> Call:
    for entry in entries:
        if entry.event:
            event = msgspec.convert(entry.event, AnyCallEvent)
            call = calls.step(call, event, entry.at, evidence.policy).call
    return call


def _legs(call: Call) -> str:
    return ", ".join(f"{leg.carrier} {leg.phase}" for leg in call.legs) or "no leg"
