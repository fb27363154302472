"""Promises to call: whom they reach, which of them are the same, and when one that found nobody is tried again. Pure.

A callback and a retry are calls of their own. Their ids are made from the call that they come from, so that whoever asks
twice, in whatever process and after whatever crash, gets the same one.
"""

from hashlib import blake2b

from gateway.domain.outcome import Direction
from gateway.domain.records import Call

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
    return _ids(f"callback\n{because.id}\n{purpose}", "cb")


def retry_ids(call: Call) -> tuple[str, str]:
    """(call id, session id) of the call that tries this one again."""
    return _ids(f"retry\n{call.id}", "re")


def _ids(seed: str, kind: str) -> tuple[str, str]:
    digest = blake2b(seed.encode(), digest_size=12).hexdigest()
    return f"call_{kind}{digest}", f"ses_{kind}{digest}"
