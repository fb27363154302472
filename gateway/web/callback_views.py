"""Promises to call as the API shows them. Pure."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.domain.callback import state_of
from gateway.domain.outcome import CallbackState, CallStatus, Outcome, Priority
from gateway.domain.records import Call
from gateway.domain.window import Window
from gateway.web.times import rfc3339


class PromiseView(Struct, frozen=True, kw_only=True):
    """A promise to call: one that waits for its time, its window or a carrier, and what became of it."""

    id: Annotated[str, Meta(description="`cb_call_...`: the call's id behind `cb_`.")]
    call_id: Annotated[str, Meta(description="The call that keeps it; GET /v1/calls/{call_id} shows its legs.")]
    status: CallbackState
    to: Annotated[str, Meta(description="The number to be called.")]
    purpose: Annotated[str, Meta(description="What for.")] | None
    reason: Annotated[str, Meta(description="While it waits, what for; once it is over, why it ended.")] | None
    due_at: Annotated[str, Meta(description="While it waits: when it is tried next, at the latest.")] | None
    attempts: Annotated[int, Meta(description="How often it has come due.")]
    priority: Priority
    window: Window | None
    agent: Annotated[str, Meta(description="Who talks.")]
    note: Annotated[str, Meta(description="To the agent that calls.")] | None
    callback_of: Annotated[str, Meta(description="The earlier call in which it was promised.")] | None
    retry_of: Annotated[str, Meta(description="The call that it tries again.")] | None
    retried_as: Annotated[str, Meta(description="The call that tries it again.")] | None
    created_at: Annotated[str, Meta(description="When the call was accepted.")]
    promised_at: Annotated[str, Meta(description="When it became a promise.")]
    expires_at: Annotated[str, Meta(description="Not kept by then, it is given up.")]
    call_status: CallStatus
    outcome: Outcome | None


class PromisePage(Struct, frozen=True, kw_only=True):
    """Promises, newest first."""

    items: Annotated[tuple[PromiseView, ...], Meta(description="Whole promises.")]
    next: Annotated[str, Meta(description="The cursor of the following page; null on the last.")] | None


def promise_view(call: Call) -> PromiseView:
    """Of a call that is or was a promise."""
    promise, since = call.promise, call.promised_at if call.promised_at is not None else call.created_at
    return PromiseView(
        id=f"cb_{call.id}",
        call_id=call.id,
        status=state_of(call),
        to=call.to,
        purpose=call.purpose or None,
        reason=(promise.reason if promise else call.reason) or None,
        due_at=rfc3339(promise.due_at) if promise else None,
        attempts=call.promise_attempts,
        priority=call.priority,
        window=call.window,
        agent=call.agent,
        note=call.note or None,
        callback_of=call.callback_of or None,
        retry_of=call.retry_of or None,
        retried_as=call.retried_as or None,
        created_at=rfc3339(call.created_at),
        promised_at=rfc3339(since),
        expires_at=rfc3339(call.expires_at),
        call_status=call.status,
        outcome=call.outcome,
    )
