"""An inbound call's beginning and end: the leg that a caller brings with them, and what its end means. Pure.

The carrier's ids decide ours: a call's and its leg's id are made from the carrier's name and the carrier's own id of the
call, so that every webhook about it, first or last, on whatever process, finds the same call without an index.
"""

from hashlib import blake2b

from gateway.domain import leg_verdicts as judged
from gateway.domain.commands import Answer, AnyCommand, Reject, Timer
from gateway.domain.events import CallArrived
from gateway.domain.leg_step import WATCH
from gateway.domain.outcome import Knowledge, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import Attribution, Verdict


def ids_of(carrier: str, carrier_call_id: str) -> tuple[str, str]:
    """(call id, leg id) of a call that came to us through this carrier under its own id."""
    digest = blake2b(f"{carrier}\n{carrier_call_id}".encode(), digest_size=12).hexdigest()
    return f"call_in{digest}", f"leg_in{digest}"


def arriving_leg(call: Call, event: CallArrived, now: float, policy: Policy) -> Leg:
    """The caller's leg: their phone rings back to them, and it is answered or refused at once.

    It says nothing to the breaker: that a carrier brings calls is no proof that it can place them, nor the reverse.
    """
    return Leg(
        id=event.leg_id,
        call_id=call.id,
        carrier=event.carrier,
        caller_id=call.from_number or "",
        media_token=event.media_token,
        round=call.round,
        created_at=now,
        phase=LegPhase.RINGING,
        knowledge=Knowledge.ALERTED,
        carrier_call_id=event.carrier_call_id,
        carrier_data=event.carrier_data,
        why="inbound",
        by_command=event.by_command,
        streams_by_command=event.streams_by_command,
        limit_at_carrier=False,
        ring_timeout_s=call.ring_timeout_s,
        max_duration_s=call.max_duration_s,
        accepted_at=now,
        alerted_at=now,
        watch_at=now + policy.answer_again_s if event.by_command else now + policy.silent_after_s,
        signaled=True,
    )


def welcome(leg: Leg) -> tuple[AnyCommand, ...]:
    """What taking the call needs beside the document that its webhook is answered with."""
    timer = Timer(call_id=leg.call_id, leg_id=leg.id, name=WATCH, due=leg.watch_at)
    answer = (Answer(call_id=leg.call_id, leg_id=leg.id),) if leg.by_command else ()
    return (*answer, timer)


def turned_away(leg: Leg, cause: str) -> tuple[AnyCommand, ...]:
    """What refusing it needs beside the document."""
    return (Reject(call_id=leg.call_id, leg_id=leg.id, cause=cause),) if leg.by_command else ()


def outcome_unanswered(call: Call, leg: Leg) -> tuple[Outcome, Verdict]:
    """A call that ended before we answered: the caller gave up, unless we ended it."""
    assert leg.verdict is not None
    if call.cancel_wanted:
        return Outcome.CANCELED, leg.verdict
    if leg.given_up is not None or leg.verdict.attribution in {Attribution.US, Attribution.CARRIER}:
        return Outcome.FAILED, leg.verdict
    return Outcome.ABANDONED, judged.CALLER_GAVE_UP
