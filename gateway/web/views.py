"""Records as the API shows them. Pure: a record in, a view out; times become RFC 3339, secrets stay behind."""

from collections.abc import Mapping
from typing import Any

from gateway.config.structs import CarrierConfig
from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.hand import Hand
from gateway.domain.records import Call, Leg, MediaCounters, Promise
from gateway.domain.verdict import Verdict
from gateway.runtime.explain import Explained
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.store.voicemail_contract import Voicemail
from gateway.web.shapes import (
    BreakerView,
    CallbackView,
    CallView,
    CarrierView,
    EventView,
    ExplainedView,
    LegView,
    LimitsView,
    SessionView,
    VerdictView,
    VoicemailView,
)
from gateway.web.times import rfc3339, told


def call_view(call: Call, media: Mapping[str, MediaCounters]) -> CallView:
    """`media` by leg id; a leg without counters has had no stream."""
    return CallView(
        id=call.id,
        direction=call.direction,
        to=call.to,
        from_=(call.leg.caller_id if call.leg else call.from_number) or None,
        caller_name=call.caller_name or None,
        attestation=call.attestation or None,
        status=call.status,
        outcome=call.outcome,
        reason=call.reason or None,
        agent=call.agent,
        route=call.route,
        metadata=call.metadata,
        created_at=rfc3339(call.created_at),
        answered_at=told(call.answered_at),
        ended_at=told(call.ended_at),
        expires_at=rfc3339(call.expires_at),
        purpose=call.purpose or None,
        priority=call.priority,
        window=call.window,
        retry_on=call.retry_on,
        retry_of=call.retry_of or None,
        retried_as=call.retried_as or None,
        callback_of=call.callback_of or None,
        handed_from=call.handed_from or None,
        handed_to=call.handed_to or None,
        note=call.note or None,
        callback=_callback(call.promise),
        voicemail=call.voicemail or None,
        legs=tuple(leg_view(leg, media.get(leg.id, MediaCounters())) for leg in call.legs),
        session=SessionView(id=call.session_id, resumed=call.resumed, agent=call.talks),
    )


def leg_view(leg: Leg, media: MediaCounters) -> LegView:
    """Never shows the leg's media token."""
    return LegView(
        id=leg.id,
        role=leg.role,
        carrier=leg.carrier,
        carrier_call_id=leg.carrier_call_id or None,
        from_=leg.caller_id,
        status=leg.phase.status,
        knowledge=leg.knowledge,
        verdict=_verdict(leg.verdict),
        created_at=rfc3339(leg.created_at),
        alerted_at=told(leg.alerted_at),
        answered_at=told(leg.answered_at),
        ended_at=told(leg.ended_at),
        media=media,
    )


def voicemail_view(voicemail: Voicemail) -> VoicemailView:
    """Without the carrier's own id of the recording."""
    return VoicemailView(
        id=voicemail.id,
        from_=voicemail.caller or None,
        to=voicemail.to,
        carrier=voicemail.carrier,
        call_id=voicemail.call_id or None,
        reason=voicemail.reason,
        left_at=rfc3339(voicemail.left_at),
        collected_at=rfc3339(voicemail.collected_at),
        seconds=voicemail.seconds,
        silent=voicemail.silent,
        status=voicemail.status,
        ended_by=voicemail.ended_by or None,
    )


def event_view(entry: LogEntry) -> EventView:
    """Never shows `entry.event`, which may hold a media token."""
    return EventView(
        id=entry.id,
        seq=entry.seq,
        at=rfc3339(entry.at),
        kind=entry.kind,
        call_id=entry.call_id,
        leg_id=entry.leg_id or None,
        carrier=entry.carrier or None,
        data={key: _shown(key, value) for key, value in entry.data.items()},
    )


def carrier_view(carrier: CarrierConfig, priority: int, breaker: Breaker, hand: Hand, live_legs: int) -> CarrierView:
    """How one carrier stands."""
    return CarrierView(
        name=carrier.name,
        kind=carrier.kind,
        priority=priority,
        state=hand.state,
        state_by=hand.by or None,
        state_at=rfc3339(hand.at) if hand.at else None,
        numbers=carrier.numbers,
        breaker={"place": _breaker(breaker)},
        well=breaker.well,
        limits=LimitsView(calls_per_second=carrier.limits.calls_per_second, concurrent_calls=carrier.limits.concurrent_calls),
        live_legs=live_legs,
    )


def explained_view(one: Explained) -> ExplainedView:
    """Why one carrier stands where it stands."""
    return ExplainedView(
        carrier=one.carrier, place=one.place, from_=one.caller_id, reason=one.reason, retry_at=told(one.retry_at)
    )


def _breaker(breaker: Breaker) -> BreakerView:
    is_open = breaker.state is BreakerState.OPEN
    return BreakerView(
        state=breaker.state, reason=breaker.reason or None, open_until=rfc3339(breaker.open_until) if is_open else None
    )


def _verdict(verdict: Verdict | None) -> VerdictView | None:
    if verdict is None:
        return None
    return VerdictView(attribution=verdict.attribution, disposition=verdict.disposition, reason=verdict.reason, code=verdict.code)


def _callback(promise: Promise | None) -> CallbackView | None:
    if promise is None:
        return None
    return CallbackView(id=promise.id, due_at=rfc3339(promise.due_at), attempts=promise.attempts, reason=promise.reason)


def _shown(key: str, value: Any) -> Any:
    """Times inside an event's data are RFC 3339 like all others; their keys end as ours do."""
    is_time = isinstance(value, float | int) and not isinstance(value, bool) and (key.endswith("_at") or key == "until")
    return rfc3339(value) if is_time else value
