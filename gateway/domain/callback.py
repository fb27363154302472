"""Promises to call: whom they reach, which of them are the same, and when one that found nobody is tried again. Pure.

A callback and a retry are calls of their own. Their ids are made from the call that they come from, so that whoever asks
twice, in whatever process and after whatever crash, gets the same one.
"""

from hashlib import blake2b

from gateway.domain.outcome import CallbackState, Direction
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.window import next_opening

PURPOSES = ("", "callback", "informational", "telemarketing", "transactional", "emergency")
"""What calls are for: nobody said, we promised it, or the API's words."""
LONGEST_NOTE = 500
"""Characters of a note to the agent that calls back."""


def person_of(call: Call) -> str:
    """The other side's number, E.164; empty where a caller withheld it."""
    return (call.from_number or "") if call.direction is Direction.INBOUND else call.to


def own_number(call: Call) -> str | None:
    """The number of ours that the person knows: the one they called, or the one that called them."""
    if call.direction is Direction.INBOUND:
        return call.to
    return call.leg.caller_id if call.leg else call.from_number


def callback_ids(because: Call, purpose: str) -> tuple[str, str]:
    """(call id, session id) of the callback that this call was the reason for."""
    return _ids(f"callback\n{because.id}\n{purpose}")


def retry_ids(call: Call) -> tuple[str, str]:
    """(call id, session id) of the call that tries this one again."""
    return _ids(f"retry\n{call.id}")


def state_of(call: Call) -> CallbackState:
    """Where a call that is or was a promise is."""
    if call.ended:
        return CallbackState.OVER
    return CallbackState.WAITING if call.promise is not None else CallbackState.RUNNING


def in_a_row(because: Call, purpose: str) -> int:
    """How many callbacks in a row this one would follow: 0, unless it is promised in a callback for the same purpose."""
    return because.retries + 1 if because.callback_of and because.purpose == purpose else 0


def slot_of(call: Call) -> str | None:
    """Of which there is one: the open promises to a number for a purpose. None: it has never been a promise."""
    return None if call.promised_at is None else f"{call.purpose}:{call.to}"


def is_open(call: Call) -> bool:
    """It waits, or is being dialled. Once somebody has answered, it says nothing of anybody else at that number any more:
    behind a switchboard's there are many, and each is to be called back.
    """
    return not call.ended and (call.promise is not None or call.answered_at is None)


def retry(call: Call, now: float, policy: Policy) -> Call | None:
    """The call that tries an ended one again; None if that is not wanted, or cannot be before it expires."""
    wanted = call.direction is Direction.OUTBOUND and call.outcome in call.retry_on and not call.cancel_wanted
    if not wanted or call.retries + 1 >= policy.retry_attempts:
        return None
    call_id, session_id = retry_ids(call)
    due = next_opening(call.window, now + pause_before(call_id, call.retries, policy))
    if due is None or due >= call.expires_at:
        return None
    kept = {name: getattr(call, name) for name in _RETRIED}
    return Call(
        id=call_id,
        session_id=session_id,
        created_at=now,
        not_before=due,
        retries=call.retries + 1,
        retry_of=call.id,
        **kept,
    )


_RETRIED = (
    *("to", "from_number", "expires_at", "language", "agent", "route", "carriers", "metadata", "max_duration_s"),
    *("ring_timeout_s", "on_exhausted", "purpose", "note", "priority", "duplicate", "window", "retry_on", "callback_of"),
)
"""What a retry has of the call that it tries again: all that was asked for."""


def pause_before(call_id: str, retries: int, policy: Policy) -> float:
    """Before another try: it grows, and is up to a quarter longer than it need be, so that calls that failed together do not
    come again together.
    """
    pause = min(policy.retry_limit_s, policy.retry_first_s * policy.retry_factor**retries)
    chance = int.from_bytes(blake2b(call_id.encode(), digest_size=8).digest()) / 2.0**64
    return pause * (1.0 + chance / 4.0)


def _ids(seed: str) -> tuple[str, str]:
    """In the shape of all ids: 24 hex digits."""
    digest = blake2b(seed.encode(), digest_size=12).hexdigest()
    return f"call_{digest}", f"ses_{digest}"
