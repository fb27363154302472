"""What became of a leg: reading call resources, and telling our call from others to the same number. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from carriers.contract import Handle, LegAtCarrier, Sighting
from carriers.twilio import verdicts
from gateway.domain.errors import CarrierError, Malformed

NEWEST = 10
"""How many calls between the two numbers are looked at; the list comes newest first."""
EARLIER_S = 5.0
"""`date_created` has whole seconds and Twilio's clock: it may lie a little before our own time of sending."""
LATER_S = 60.0
"""Twilio's API works on a request for up to about 26 s; a call created later than this is another attempt's."""

MISSING = Sighting(state=LegAtCarrier.MISSING)

_STATES: Mapping[str, LegAtCarrier] = {
    "queued": LegAtCarrier.ACCEPTED,
    "initiated": LegAtCarrier.ACCEPTED,
    "ringing": LegAtCarrier.RINGING,
    "in-progress": LegAtCarrier.ANSWERED,
    "completed": LegAtCarrier.ENDED,
    "busy": LegAtCarrier.ENDED,
    "failed": LegAtCarrier.ENDED,
    "no-answer": LegAtCarrier.ENDED,
    "canceled": LegAtCarrier.ENDED,
}


class Seen(Struct, frozen=True, kw_only=True):
    """A call resource, as far as we read it; `created` is unix time, None while Twilio shows no date."""

    sid: str
    status: str
    created: float | None


class Trace(StrEnum):
    """What a call's list of requests says of its origin."""

    OURS = "ours"
    OTHERS = "others"
    NONE = "none"


def sighting(call: Seen) -> Sighting:
    """Translate; CarrierError for a status that Twilio has not published."""
    state = _STATES.get(call.status)
    if state is None:
        raise Malformed("call-status", call.status)
    verdict = verdicts.of_resource(call.status) if state is LegAtCarrier.ENDED else None
    return Sighting(state=state, carrier_call_id=call.sid, verdict=verdict)


def plausible(call: Seen, sent_at: float) -> bool:
    """Whether the call may have been created by a POST at `sent_at` (0: not known, so any may)."""
    if call.created is None or not sent_at:
        return True
    return sent_at - EARLIER_S <= call.created <= sent_at + LATER_S


def trace(requests: Iterable[object], leg_id: str) -> Trace:
    """Our hooks' URLs hold the leg's id; the first requests of every call of ours hold such a URL."""
    text = msgspec.json.encode(list(requests)).decode()
    if leg_id and f"/{leg_id}/" in text:
        return Trace.OURS
    return Trace.OTHERS if "/hooks/" in text else Trace.NONE


def choose(calls: Sequence[tuple[Seen, Trace]], handle: Handle) -> Seen | None:
    """The call proven to be ours; else the only one that nothing disproves, if its time of creation speaks for it.

    Several that nothing tells apart, or several legs that look for one: CarrierError, to be asked again when Twilio has listed
    their requests.
    """
    for call, origin in calls:
        if origin is Trace.OURS:
            return call
    unproven = [call for call, origin in calls if origin is Trace.NONE and handle.sent_at]
    if len(unproven) > 1 or (unproven and handle.rivals):
        told = f"calls between these numbers at that time: {len(unproven)}, legs that look for one: {1 + handle.rivals}"
        raise CarrierError("ambiguous-look-up", told)
    return unproven[0] if unproven else None
