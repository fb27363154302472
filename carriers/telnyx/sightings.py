"""What a look-up at Telnyx amounts to: from a call's status and from its event log, both as plain JSON. Pure.

A call's status says only whether it lives; how it ended, and whether it was answered, stands in `GET /v2/call_events`,
Telnyx' log of webhooks. The shape of its `metadata` is not published ("includes raw event"), so the payload is sought in
it: the first object with a `call_control_id`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from carriers.contract import LegAtCarrier, Sighting
from carriers.telnyx import verdicts
from carriers.telnyx.webhooks import Payload, ending_of
from gateway.domain.verdict import Verdict

DEPTH = 4


class Logged(Struct, frozen=True):
    """One entry of the event log: its name (`call.hangup`), and its payload."""

    name: str
    payload: Payload


def logged(name: str, metadata: Mapping[str, Any]) -> Logged | None:
    """An entry as we read it; None if no payload is found in it."""
    raw = _payload_in(metadata, DEPTH)
    if raw is None:
        return None
    try:
        return Logged(name, msgspec.convert(raw, Payload))
    except msgspec.ValidationError:
        return None


def of_leg(tag: str, entries: Iterable[Logged]) -> list[Logged]:
    """Those entries that carry our tag in `client_state`."""
    return [entry for entry in entries if entry.payload.client_state == tag]


def sighting(call_control_id: str, *, alive: bool, entries: Iterable[Logged]) -> Sighting:
    """What is known of a call that Telnyx knows. `alive` is Telnyx' word; the log may know better."""
    mine = {entry.name: entry.payload for entry in entries if entry.payload.call_control_id == call_control_id}
    hangup = mine.get("call.hangup")
    if hangup is not None:
        return Sighting(state=LegAtCarrier.ENDED, carrier_call_id=call_control_id, verdict=_verdict(mine))
    if not alive:
        return Sighting(state=LegAtCarrier.ENDED, carrier_call_id=call_control_id, verdict=verdicts.end_unseen())
    answered = "call.answered" in mine or "call.bridged" in mine
    return Sighting(state=LegAtCarrier.ANSWERED if answered else LegAtCarrier.ACCEPTED, carrier_call_id=call_control_id)


def _verdict(mine: Mapping[str, Payload]) -> Verdict:
    """Answered first: after a conversation no cause frees the call for a dial that would ring the person again."""
    verdict = ending_of(mine["call.hangup"]).verdict
    if "call.answered" in mine and verdict.outcome is None:
        return verdicts.dropped(verdict.code)
    return verdict


def _payload_in(value: Any, depth: int) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping) or depth < 0:
        return None
    if "call_control_id" in value:
        return value
    found = (_payload_in(inner, depth - 1) for inner in value.values())
    return next((payload for payload in found if payload is not None), None)
