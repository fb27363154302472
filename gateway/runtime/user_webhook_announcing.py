"""Turns what happened into notices for the endpoints that want to know, to be written together with it. Pure but for ids."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.events import CallEvent, RouteChosen
from gateway.domain.hand import Hand, ServiceState
from gateway.domain.happenings import Happening
from gateway.domain.outcome import CallStatus, Direction
from gateway.domain.records import Call
from gateway.domain.times import rfc3339
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.voicemail_contract import KEPT, Voicemail
from gateway.runtime.user_webhook_shapes import (
    CarrierTold,
    Data,
    Failover,
    call_told,
    callback_told,
    voicemail_told,
)

_OF_HANDS = {
    ServiceState.ACTIVE: Happening.CARRIER_ENABLED,
    ServiceState.DRAINING: Happening.CARRIER_DRAINED,
    ServiceState.DISABLED: Happening.CARRIER_DISABLED,
}

_OF_STATUS = {
    CallStatus.SCHEDULED: (Happening.CALL_SCHEDULED,),
    CallStatus.DIALING: (Happening.CALL_DIALING,),
    CallStatus.RINGING: (Happening.CALL_RINGING,),
    CallStatus.IN_PROGRESS: (Happening.CALL_IN_PROGRESS,),
    CallStatus.VOICEMAIL: (Happening.CALL_VOICEMAIL,),
    CallStatus.ENDED: (Happening.CALL_ENDED,),
}
"""`reconnecting` is entered by no event yet."""

Told = tuple[Happening, Data]


class Announcer:
    """`wanted`: by endpoint, what it is told. Without endpoints there are no notices, and no ids are drawn."""

    def __init__(self, wanted: Mapping[str, frozenset[Happening]], new_id: Callable[[str], str]) -> None:
        self._wanted, self._new_id = wanted, new_id

    def of_call(self, before: Call | None, after: Call, event: CallEvent, now: float) -> tuple[Notice, ...]:
        """Of one step of a call; `before` None for a new one."""
        if not self._wanted:
            return ()
        told = [*_of_call(before, after, event), *_of_callback(before, after)]
        return self._notices(after.id, told, now)

    def of_breaker(self, carrier: str, before: Breaker, after: Breaker, now: float) -> tuple[Notice, ...]:
        """A carrier is down when its breaker opens, and up again when it closes; what is between is not news."""
        opened = before.state is BreakerState.CLOSED and after.state is BreakerState.OPEN
        closed = before.state is not BreakerState.CLOSED and after.state is BreakerState.CLOSED
        if not (opened or closed):
            return ()
        told = CarrierTold(name=carrier, breaker=after.state.value, state=None, reason=after.reason or None, by=None)
        kind = Happening.CARRIER_DOWN if opened else Happening.CARRIER_UP
        return self._notices(f"carrier:{carrier}", [(kind, {"carrier": told})], now)

    def of_hand(self, carrier: str, hand: Hand) -> tuple[Notice, ...]:
        """A person takes a carrier out of service, or puts it back."""
        told = CarrierTold(name=carrier, breaker=None, state=hand.state, reason=None, by=hand.by or None)
        return self._notices(f"carrier:{carrier}", [(_OF_HANDS[hand.state], {"carrier": told})], hand.at)

    def of_voicemail(self, voicemail: Voicemail, now: float) -> tuple[Notice, ...]:
        """A message is kept; one that is still being recorded is not, yet."""
        if voicemail.status != KEPT:
            return ()
        return self._of_voicemail(Happening.VOICEMAIL_KEPT, voicemail, now)

    def of_deleted(self, voicemail: Voicemail, now: float) -> tuple[Notice, ...]:
        """By a person, or by age; one that was never kept has not been told of."""
        if voicemail.status != KEPT:
            return ()
        return self._of_voicemail(Happening.VOICEMAIL_DELETED, voicemail, now)

    def _of_voicemail(self, kind: Happening, voicemail: Voicemail, now: float) -> tuple[Notice, ...]:
        return self._notices(voicemail.id, [(kind, {"voicemail": voicemail_told(voicemail)})], now)

    def _notices(self, about: str, told: Iterable[Told], now: float) -> tuple[Notice, ...]:
        return tuple(notice for kind, data in told for notice in self._of_one(about, kind, data, now))

    def _of_one(self, about: str, kind: Happening, data: Data, now: float) -> tuple[Notice, ...]:
        endpoints = [name for name, wanted in self._wanted.items() if kind in wanted]
        if not endpoints:
            return ()
        notice_id, payload = self._new_id("msg"), payload_of(kind, data, now)
        return tuple(
            Notice(endpoint=name, id=notice_id, type=kind.value, about=about, at=now, payload=payload) for name in endpoints
        )


SILENT = Announcer({}, lambda prefix: prefix)
"""For whoever has no endpoints."""


def payload_of(kind: Happening, data: Data, at: float) -> str:
    """The body, as it is signed and sent."""
    return msgspec.json.encode({"type": kind.value, "timestamp": rfc3339(at), "data": data}).decode()


def _of_call(before: Call | None, after: Call, event: CallEvent) -> Iterable[Told]:
    data: Data = {"call": call_told(after)}
    if before is None:
        inbound = after.direction is Direction.INBOUND
        yield Happening.CALL_ARRIVED if inbound else Happening.CALL_ACCEPTED, data
    if isinstance(event, RouteChosen) and before is not None and before.leg is not None:
        yield from _of_failover(before, event, data)
    known = before.status if before is not None else CallStatus.DIALING
    if after.status is not known:
        yield from ((kind, data) for kind in _OF_STATUS.get(after.status, ()))


def _of_failover(before: Call, event: RouteChosen, data: Data) -> Iterable[Told]:
    last = before.leg
    assert last is not None
    if last.round == before.round and last.verdict is not None:
        failover = Failover(from_=last.carrier, to=event.carrier, reason=last.verdict.reason)
        yield Happening.CALL_FAILED_OVER, {**data, "failover": failover}


def _of_callback(before: Call | None, after: Call) -> Iterable[Told]:
    kind = _callback_kind(before, after)
    if kind is not None:
        yield kind, {"callback": callback_told(after), "call": call_told(after)}


def _callback_kind(before: Call | None, after: Call) -> Happening | None:
    """A call is a callback from its first promise on, until it has ended."""
    was, promise = before is not None and _promised(before), before.promise if before is not None else None
    if not was:
        return Happening.CALLBACK_CREATED if after.promise is not None else None
    assert before is not None
    if after.ended:
        return None if before.ended else Happening.CALLBACK_ENDED
    if after.promise is None:
        return Happening.CALLBACK_DUE if promise is not None else None
    return Happening.CALLBACK_DEFERRED if after.promise != promise else None


def _promised(call: Call) -> bool:
    return call.promise is not None or call.promised_at is not None
