"""Callers: webhooks on the account's own URLs become inbound calls, and later news of those calls finds them again.

The first webhook about a call decides everything in one write (call, leg, mark, answer, commands) and is answered with
the document that connects the agent, or turns the caller away; nothing slow happens before that.
"""

import re
from collections.abc import Callable
from contextlib import nullcontext

import msgspec
from msgspec.structs import replace

from carriers.contract import Arrival, Document, HookRequest
from gateway.domain.admission import Admission, InboundRule, admit
from gateway.domain.events import CallArrived
from gateway.domain.inbound import ids_of
from gateway.domain.outcome import Direction
from gateway.domain.records import Call
from gateway.runtime.calls import Calls
from gateway.runtime.clock import Clock
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.inbox import MARK_KEPT_S, Inbox, UnknownHook
from gateway.runtime.live import Room
from gateway.runtime.store.contract import HookMark

_LONGEST_NAME = 64


class InboundTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What config.yaml says of calls that come to us. Times in seconds."""

    rules: tuple[InboundRule, ...]
    max_duration_s: int
    ring_timeout_s: int
    answer_within_s: float = 60.0
    """An inbound call that nobody could answer by then has expired."""


class Arrivals:
    """`receive` is all that the web needs."""

    def __init__(
        self,
        calls: Calls,
        fleet: Fleet,
        inbox: Inbox,
        terms: InboundTerms,
        *,
        clock: Clock,
        new_id: Callable[[str], str],
        new_token: Callable[[], str],
        room: Room,
        count: Callable[..., None],
    ) -> None:
        self._calls, self._fleet, self._inbox, self._terms = calls, fleet, inbox, terms
        self._clock, self._new_id, self._new_token = clock, new_id, new_token
        self._room, self._count = room, count

    async def receive(self, carrier: str, request: HookRequest) -> Document:
        """Answer one webhook. Raise BadSignature, Malformed, UnknownHook, StoreUnavailable."""
        member = self._fleet.members.get(carrier)
        if member is None:
            raise UnknownHook("no-such-carrier", carrier)
        now = self._clock.now()
        verified = member.carrier.webhooks.verify(request, now)
        arrival = member.carrier.webhooks.parse_arrival(request, now)
        if arrival is None:
            return member.carrier.markup.acknowledge()
        call_id, leg_id = ids_of(carrier, arrival.carrier_call_id)
        of_leg, key = replace(request, call_id=call_id, leg_id=leg_id), f"{carrier}:{verified.key}"
        if arrival.to and await self._calls.store.load(call_id) is None:
            created = await self._create(member, of_leg, arrival, key)
            if created is not None:
                return created
        try:
            return await self._inbox.take(member, of_leg, arrival.hook, key)
        except UnknownHook:
            # News of a call that we never saw, or whose first webhook is still on its way: nothing to repeat it for.
            self._count("webhooks_total", carrier=carrier, result="unknown")
            return member.carrier.markup.acknowledge()

    async def _create(self, member: Member, request: HookRequest, arrival: Arrival, key: str) -> Document | None:
        """The answer to the caller's first webhook; None if another process has just stored the call."""
        admission = self._admission(member, arrival, request.call_id)
        call = self._call(request.call_id, arrival, admission)
        event = CallArrived(
            leg_id=request.leg_id,
            media_token=self._new_token(),
            carrier=member.carrier.name,
            carrier_call_id=arrival.carrier_call_id,
            carrier_data=arrival.carrier_data,
            by_command=member.carrier.capabilities.answers_by_command,
            streams_by_command=member.carrier.capabilities.streams_by_command,
            refusal=admission.refusal,
            cause=admission.cause,
        )

        def answer(stored: Call) -> Document:
            return self._inbox.answer(member, stored, request.leg_id, arrival.hook)

        def mark(stored: Call) -> HookMark:
            return HookMark(key=key, answer=msgspec.json.encode(answer(stored)), expires_at=self._clock.now() + MARK_KEPT_S)

        with nullcontext() if admission.refusal else self._room.coming(call.id):
            stored = await self._calls.arrive(call, event, mark)
        if stored is None:
            return None
        self._count("webhooks_total", carrier=member.carrier.name, result="ok")
        if admission.refusal:
            self._count("inbound_refused_total", reason=_reason(admission))
        return answer(stored)

    def _admission(self, member: Member, arrival: Arrival, call_id: str) -> Admission:
        return admit(
            self._terms.rules,
            carrier=member.carrier.name,
            to=arrival.to,
            caller_id=_number(arrival.caller_id) or "",
            full=self._room.full(call_id),
            now=self._clock.now(),
        )

    def _call(self, call_id: str, arrival: Arrival, admission: Admission) -> Call:
        now, rule = self._clock.now(), admission.rule
        return Call(
            id=call_id,
            direction=Direction.INBOUND,
            session_id=self._new_id("ses"),
            to=arrival.to,
            from_number=_number(arrival.caller_id),
            caller_name=_name(arrival.caller_name),
            attestation=arrival.attestation,
            created_at=now,
            expires_at=now + self._terms.answer_within_s,
            agent=rule.agent if rule else "",
            route=rule.name if rule else "",
            language=rule.language if rule else "",
            max_duration_s=(rule.max_duration_s if rule else None) or self._terms.max_duration_s,
            ring_timeout_s=self._terms.ring_timeout_s,
        )


def _reason(admission: Admission) -> str:
    """A label of few values: a route's own name is in the call."""
    return "route" if admission.refusal.startswith("route-") else admission.refusal


def _number(given: str) -> str | None:
    """Callers write into it what they like: what is no number at all is withheld."""
    return given if re.fullmatch(r"\+[0-9]{1,20}", given) else None


def _name(given: str) -> str:
    """The same: one line, no longer than a name may be. Agents are told of it, and some tell a model."""
    plain = "".join(character if character.isprintable() else " " for character in given[: 4 * _LONGEST_NAME])
    return " ".join(plain.split())[:_LONGEST_NAME]
