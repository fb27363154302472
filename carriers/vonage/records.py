"""Vonage's call records (GET /v1/calls), read as sightings. Pure.

A record has no tag of ours and no filter by number: a leg without a uuid is known only by who called whom, and when.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from carriers.contract import Handle, LegAtCarrier, Sighting
from carriers.vonage import verdicts
from gateway.domain.errors import CarrierError

PAGE_SIZE = 100
EARLIER_S = 5.0
"""Their clock may be behind ours."""
LATER_S = 20.0
"""A POST that was sent at all has been taken by then, whatever became of its answer."""
LOOK_BACK_S = 600.0
"""How far to look where nobody knows when the POST was sent."""

_LIVE = {
    "started": LegAtCarrier.ACCEPTED,
    "ringing": LegAtCarrier.RINGING,
    "answered": LegAtCarrier.ANSWERED,
    "human": LegAtCarrier.ANSWERED,
    "machine": LegAtCarrier.ANSWERED,
}


def window(handle: Handle, now: float) -> dict[str, str]:
    """The filter for GET /v1/calls that surely contains the leg."""
    start = handle.sent_at - EARLIER_S if handle.sent_at else now - LOOK_BACK_S
    bounds = {"date_start": _iso(start), "order": "desc", "page_size": str(PAGE_SIZE)}
    if handle.sent_at:
        bounds["date_end"] = _iso(handle.sent_at + LATER_S)
    return bounds


def calls_of(answer: Any) -> list[dict[str, Any]]:
    """The records of one page of the list."""
    embedded = answer.get("_embedded") if isinstance(answer, Mapping) else None
    calls = embedded.get("calls") if isinstance(embedded, Mapping) else None
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def choose(records: Sequence[Mapping[str, Any]], handle: Handle) -> Sighting:
    """The leg among the records of its window. CarrierError if another leg's call could be taken for it: where several calls
    fit, ended ones too, or several legs look for theirs.
    """
    matching = [record for record in records if _is_ours(record, handle)]
    if not matching:
        return Sighting(state=LegAtCarrier.MISSING)
    if len(matching) > 1 or handle.rivals:
        raise CarrierError(
            "ambiguous-look-up",
            f"calls between the same two numbers: {len(matching)}, legs that look for one: {1 + handle.rivals}",
        )
    return sighting_of(matching[0])


def sighting_of(record: Mapping[str, Any]) -> Sighting:
    """One record as a sighting; a status that we do not know is at least proof that the call was accepted."""
    status, uuid = str(record.get("status", "")), str(record.get("uuid", ""))
    conversation = record.get("conversation_uuid")
    data = {"conversation_uuid": conversation} if isinstance(conversation, str) else {}
    if status not in verdicts.TERMINAL:
        state = _LIVE.get(status, LegAtCarrier.ACCEPTED)
        return Sighting(state=state, carrier_call_id=uuid, carrier_data=data)
    verdict = verdicts.recorded_end(status, answered=verdicts.answer_proven(record) is True)
    return Sighting(state=LegAtCarrier.ENDED, carrier_call_id=uuid, carrier_data=data, verdict=verdict)


def _is_ours(record: Mapping[str, Any], handle: Handle) -> bool:
    return (
        record.get("direction") == "outbound"
        and bool(record.get("uuid"))
        and record.get("uuid") not in handle.foreign
        and _number(record.get("to")) == handle.to.removeprefix("+")
        and _number(record.get("from")) == handle.caller_id.removeprefix("+")
    )


def _number(endpoint: Any) -> str:
    return str(endpoint.get("number", "")) if isinstance(endpoint, Mapping) else ""


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
