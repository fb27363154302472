"""Promises about people who call us."""

from collections import defaultdict

from gateway.domain.outcome import Direction, Outcome
from gateway.domain.records import Call
from gateway.simulation.invariants.evidence import Checks, Evidence
from gateway.simulation.truth import Caller

ANSWERED_S = 2.0
"""Where all is calm, from the first ring at our number to the answer: two ways, a document or a command, a stream."""


def one_caller_one_call(evidence: Evidence, check: Checks) -> None:
    """Each caller is one call, with the numbers that they dialled and called from; and no call came from nowhere."""
    stored = _stored(evidence)
    for caller in evidence.callers:
        calls = stored.pop((caller.carrier, caller.ref), [])
        check(len(calls) <= 1, f"one caller became the calls {[call.id for call in calls]}")
        for call in calls:
            right = (call.to, call.from_number, call.direction) == (caller.to, caller.number or None, Direction.INBOUND)
            check(right, f"call {call.id} is from {call.from_number} to {call.to}; they called {caller.to} from {caller.number}")
            check(call.agent == caller.agent, f"call {call.id} went to {call.agent!r}, and not to {caller.agent!r}")
    check(not stored, lambda: f"calls of nobody: {list(stored)}")


def turned_away(evidence: Evidence, check: Checks) -> None:
    """Who is to be turned away is, without an agent; who is not, only for want of room."""
    for caller, call in _known(evidence):
        denied = call.outcome is Outcome.DENIED
        if not caller.agent:
            check(denied and not caller.bridges, f"call {call.id} should have been refused; it is {call.outcome}")
        elif denied:
            check(
                call.reason == "over-capacity" and evidence.plan.max_live_calls > 0, f"call {call.id} was refused: {call.reason}"
            )


def announced_is_kept(evidence: Evidence, check: Checks) -> None:
    """A caller whose announcement we have answered is a call in the store."""
    for hook in evidence.delivered:
        if hook.announces:
            check(hook.call_id != "", f"the caller {hook.caller} of {hook.carrier} was taken, and is not stored")


def answered_when_calm(evidence: Evidence, check: Checks) -> None:
    """Where all is calm, who waits is answered, and by an agent who speaks."""
    if evidence.plan.max_live_calls:
        return
    for caller in evidence.callers:
        patient = caller.ended_at is None or caller.ended_at - caller.called_at > ANSWERED_S
        if caller.welcome and patient and evidence.calm(caller.carrier, caller.called_at, caller.called_at + ANSWERED_S):
            at = caller.answered_at
            check(at is not None and at - caller.called_at <= ANSWERED_S, f"the caller {caller.ref} was not answered: {at}")


def _known(evidence: Evidence) -> list[tuple[Caller, Call]]:
    stored = _stored(evidence)
    return [(caller, call) for caller in evidence.callers for call in stored.get((caller.carrier, caller.ref), ())]


def _stored(evidence: Evidence) -> dict[tuple[str, str], list[Call]]:
    found: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call, leg in evidence.legs:
        if call.direction is Direction.INBOUND:
            found[leg.carrier, leg.carrier_call_id].append(call)
    return found
