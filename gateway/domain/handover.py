"""A caller is handed to a colleague: the linked call that reaches the colleague, and what both are told. Pure.

The linked call is a call like every other one, so that routing, failover between carriers, breakers and pace are those of
every call. Its id is made from the caller's call and the descent that wanted it: who asks twice, in whatever process and
after whatever crash, gets the same one, and nobody's phone rings twice.
"""

import math
from enum import StrEnum
from hashlib import blake2b

from gateway.domain.outcome import Outcome
from gateway.domain.records import Call

COLLEAGUE = "colleague"
"""The agent that speaks with the colleague until they have the caller."""
PURPOSE = "handover"
LONGEST_DIALLING_S = 15.0
"""So long carriers may take, one after the other, until the colleague's phone rings."""
_SHORTEST_TALK_S = 60


class Whisper(StrEnum):
    """What a colleague hears before the caller."""

    PRESS_1 = "press_1"
    """Who calls, and that 1 takes the call: a mailbox never does."""
    ANNOUNCE = "announce"
    """Who calls; then the caller is there."""
    NONE = "none"


def colleague_call(call: Call, to: str, *, ring_s: float, route: str, now: float) -> Call:
    """The call to the colleague at `to`, for a caller whose call stands on the rung that names them."""
    call_id, session_id = handover_ids(call)
    left = call.max_duration_s - (now - call.answered_at if call.answered_at is not None else 0.0)
    return Call(
        id=call_id,
        session_id=session_id,
        to=to,
        created_at=now,
        expires_at=now + LONGEST_DIALLING_S + ring_s,
        agent=COLLEAGUE,
        route=route,
        language=call.language,
        metadata=call.metadata,
        ring_timeout_s=math.ceil(ring_s),
        max_duration_s=max(_SHORTEST_TALK_S, math.ceil(left)),
        on_exhausted="fail",
        purpose=PURPOSE,
        handed_from=call.id,
    )


def handover_ids(call: Call) -> tuple[str, str]:
    """(call id, session id) of the call to the colleague; another one after each loss, the same one after a crash."""
    seed = f"handover\n{call.id}\n{call.ladder.rung}\n{len(call.ladder.lost)}"
    digest = blake2b(seed.encode(), digest_size=12).hexdigest()
    return f"call_ho{digest}", f"ses_ho{digest}"


def taken(caller: Call, linked: Call) -> bool:
    """Whether the colleague has, or had, the caller."""
    return caller.handed_to == linked.id


def ends_the_caller(linked: Call) -> bool:
    """Whether the end of a conversation with the colleague is the end of the caller's call, too: somebody hung up."""
    return linked.outcome is Outcome.COMPLETED


def why_not_reached(linked: Call) -> str:
    """Kebab-case, of a linked call that ended before the colleague had the caller."""
    return f"colleague-{linked.outcome.value.replace('_', '-')}" if linked.outcome else "colleague-gone"
