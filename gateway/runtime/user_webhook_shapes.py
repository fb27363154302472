"""What the user's systems are told of a call, a callback, a voicemail and a carrier: the `data` of each notice.

The words are those of the API. Times are RFC 3339 UTC, numbers E.164, what is not known or has not happened is null;
a type's data always have the same fields. docs/webhooks.md shows all of it, and a test holds it to what is sent.
"""

from typing import Any

from msgspec import Struct, field

from gateway.domain.hand import ServiceState
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call
from gateway.domain.times import rfc3339, told
from gateway.runtime.store.voicemail_contract import Voicemail


class CallTold(Struct, frozen=True, kw_only=True):
    """A call as it stands after what happened. GET /v1/calls/{id} has its legs, too."""

    id: str
    direction: Direction
    to: str
    from_: str | None = field(name="from")
    status: CallStatus
    outcome: Outcome | None
    reason: str | None
    agent: str
    route: str
    carrier: str | None
    """Of the newest leg."""
    purpose: str | None
    metadata: dict[str, str]
    callback_of: str | None
    retry_of: str | None
    retried_as: str | None
    handed_from: str | None
    """Of a call that reaches a colleague: the call whose person they are to talk to."""
    handed_to: str | None
    voicemail: str | None
    created_at: str
    answered_at: str | None
    ended_at: str | None


class Failover(Struct, frozen=True, kw_only=True):
    """From which carrier to which, and why."""

    from_: str = field(name="from")
    to: str
    reason: str


class CallbackTold(Struct, frozen=True, kw_only=True):
    """A promise to call; `due_at` is null while it is being kept, and when it is over."""

    id: str
    due_at: str | None
    attempts: int
    reason: str | None


class VoicemailTold(Struct, frozen=True, kw_only=True):
    """A message, as GET /v1/voicemails/{id} shows it."""

    id: str
    from_: str | None = field(name="from")
    to: str
    carrier: str
    call_id: str | None
    reason: str
    left_at: str
    seconds: float
    silent: bool
    ended_by: str | None
    """What ended our own recording; null for a carrier's."""


class CarrierTold(Struct, frozen=True, kw_only=True):
    """A carrier: what its breaker and people say of it."""

    name: str
    breaker: str | None
    """closed or open; null where a person decided."""
    state: ServiceState | None
    """active, draining or disabled; null where the breaker decided."""
    reason: str | None
    by: str | None
    """The name of the API key that was used."""


def call_told(call: Call) -> CallTold:
    """Without its legs, whose media tokens are secret."""
    return CallTold(
        id=call.id,
        direction=call.direction,
        to=call.to,
        from_=(call.leg.caller_id if call.leg else call.from_number) or None,
        status=call.status,
        outcome=call.outcome,
        reason=call.reason or None,
        agent=call.agent,
        route=call.route,
        carrier=call.leg.carrier if call.leg else None,
        purpose=call.purpose or None,
        metadata=call.metadata,
        callback_of=call.callback_of or None,
        retry_of=call.retry_of or None,
        retried_as=call.retried_as or None,
        handed_from=call.handed_from or None,
        handed_to=call.handed_to or None,
        voicemail=call.voicemail or None,
        created_at=rfc3339(call.created_at),
        answered_at=told(call.answered_at),
        ended_at=told(call.ended_at),
    )


def callback_told(call: Call) -> CallbackTold:
    """The call's promise, or what is left of it."""
    promise = call.promise
    return CallbackTold(
        id=promise.id if promise else f"cb_{call.id}",
        due_at=rfc3339(promise.due_at) if promise else None,
        attempts=call.promise_attempts,
        reason=(promise.reason or None) if promise else None,
    )


def voicemail_told(voicemail: Voicemail) -> VoicemailTold:
    """Without the carrier's own id of the recording."""
    return VoicemailTold(
        id=voicemail.id,
        from_=voicemail.caller or None,
        to=voicemail.to,
        carrier=voicemail.carrier,
        call_id=voicemail.call_id or None,
        reason=voicemail.reason,
        left_at=rfc3339(voicemail.left_at),
        seconds=voicemail.seconds,
        silent=voicemail.silent,
        ended_by=voicemail.ended_by or None,
    )


Data = dict[str, Any]
"""The notice's `data`, by what it tells of: {"call": CallTold, "callback": CallbackTold} and so on."""
