"""Promises to call: kept once, by whoever holds them, in their window, one for a number and purpose; tried again as agreed."""

from collections import defaultdict

from gateway.domain.callback import is_open
from gateway.domain.outcome import Outcome
from gateway.domain.records import Call
from gateway.simulation.invariants.evidence import SLACK_S, Checks, Evidence
from gateway.simulation.later import allows

LONGEST_PAUSE = 1.25
"""A retry's pause is up to a quarter longer than the config says."""


def kept_under_tokens(evidence: Evidence, check: Checks) -> None:
    """A scheduled call has a promise and no other has one; whoever keeps it holds its newest token; none is left at the end."""
    for write in evidence.watch.writes:
        call = write.after
        check((call.promise is not None) == (call.status == "scheduled"), f"call {call.id} is {call.status} with {call.promise}")
    check(not evidence.watch.stale_keepers, lambda: "; ".join(evidence.watch.stale_keepers))
    left = [call_id for call_id in evidence.open_promises if not evidence.waits(evidence.calls[call_id])]
    check(not left, lambda: f"promises of {left} are still in the queue")


def one_of_a_kind(evidence: Evidence, check: Checks) -> None:
    """At no time are there two open promises to a number for a purpose, unless the second one asked to be allowed, or is a
    callback that was asked for while the first one was being dialled.
    """
    holders: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    """By slot: the calls that hold it, and whether each waits."""
    succeeded: set[str] = set()
    for write in evidence.watch.writes:
        call, held = write.after, holders[write.after.to, write.after.purpose]
        waits = call.promise is not None
        if call.promised_at is None or call.duplicate or (call.id in succeeded and not waits):
            continue
        if call.callback_of and not call.retry_of and call.id not in held:
            dialled = [other for other, waiting in held.items() if not waiting]
            succeeded.update(dialled)
            for other in dialled:
                del held[other]
        if not is_open(call):
            held.pop(call.id, None)
            continue
        held[call.id] = waits
        check(len(held) == 1, f"{sorted(held)} are all promised to {call.to} for {call.purpose or 'no'} purpose")


def only_in_window(evidence: Evidence, check: Checks) -> None:
    """No dial leaves outside its call's window, by the wall clock of the window's own zone."""
    for post in evidence.posts:
        call = evidence.calls.get(post.call_id)
        if call is not None and call.window is not None and not evidence.stepping:
            check(allows(call.window, post.at), f"leg {post.leg_id} was dialled outside {call.window}")


def taken_back(evidence: Evidence, check: Checks) -> None:
    """Who was told that a promise is taken back is called no more, however the two races end."""
    for told in evidence.taken_back:
        later = [post.leg_id for post in evidence.posts_of(told.call_id) if post.at > told.at]
        outcome = evidence.calls[told.call_id].outcome
        check(not later and outcome is Outcome.CANCELED, f"call {told.call_id} was taken back; it is {outcome}, dialled {later}")


def tried_again(evidence: Evidence, check: Checks) -> None:
    """A call that ended as its client wants to have tried again has its one retry, while there is time and a try left."""
    retries: dict[str, list[Call]] = defaultdict(list)
    for call in evidence.calls.values():
        if call.retry_of:
            retries[call.retry_of].append(call)
    for call in evidence.calls.values():
        mine = retries.pop(call.id, [])
        check(len(mine) <= 1, f"call {call.id} was tried again by {[one.id for one in mine]}")
        check([one.id for one in mine] == ([call.retried_as] if call.retried_as else []), f"call {call.id} has lost its retry")
        if _wants_another(evidence, call):
            check(bool(mine) or _folded(evidence, call), f"call {call.id} ended as {call.outcome} and was not tried again")
        for one in mine:
            _is_like(check, call, one)
    check(not retries, lambda: f"retries of nothing: {list(retries)}")


def _is_like(check: Checks, call: Call, again: Call) -> None:
    wanted = (call.to, call.agent, call.purpose, call.window, call.expires_at, call.retries + 1)
    there = (again.to, again.agent, again.purpose, again.window, again.expires_at, again.retries)
    check(there == wanted, f"the retry {again.id} of {call.id} is another call")
    check(again.not_before is not None and call.ended_at is not None and again.not_before > call.ended_at, f"{again.id} is early")


def _wants_another(evidence: Evidence, call: Call) -> bool:
    policy = evidence.policy
    asked = call.outcome in call.retry_on and not call.cancel_wanted and call.retries + 1 < policy.retry_attempts
    if not asked or call.window is not None or call.ended_at is None:
        return False
    pause = LONGEST_PAUSE * min(policy.retry_limit_s, policy.retry_first_s * policy.retry_factor**call.retries)
    return call.ended_at + pause + SLACK_S < call.expires_at


def _folded(evidence: Evidence, call: Call) -> bool:
    """Its log says that another promise for the same stands for the retry, and there was one."""
    said = any(entry.kind == "retry-folded" for entry in evidence.entries[call.id])
    others = (other for other in evidence.calls.values() if other.id != call.id and other.promised_at is not None)
    return said and any((other.to, other.purpose) == (call.to, call.purpose) for other in others)
