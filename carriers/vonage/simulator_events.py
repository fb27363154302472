"""The payloads of the simulated carrier's webhooks and call records. Pure: a leg and a time in, a JSON object out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from carriers.vonage.simulator_legs import AnyLeg, End, Gather, PhoneLeg, SocketLeg

PRICE_A_MINUTE = 0.00797


def stamp(at: float | None) -> str | None:
    """ISO 8601 with milliseconds, as events have it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def whole_seconds(at: float) -> str:
    """ISO 8601 without milliseconds, as recordings have their times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(leg: AnyLeg, status: str, now: float) -> dict[str, Any]:
    """The fields that all events of a leg share."""
    body: dict[str, Any] = {}
    if isinstance(leg, SocketLeg):
        body["headers"] = leg.headers
    body |= {"from": leg.from_, "to": leg.to, "uuid": leg.uuid, "conversation_uuid": leg.conversation_uuid}
    return body | {"status": status, "direction": leg.direction, "timestamp": stamp(now)}


def answered_event(leg: AnyLeg, now: float) -> dict[str, Any]:
    """`answered` names sums that are not known yet."""
    return {"start_time": None, "rate": None, "network": None} | event(leg, "answered", now)


def end_event(leg: AnyLeg, end: End, now: float, sip_as_text: bool) -> dict[str, Any]:
    """A terminal status other than `completed`, with what the carrier relays of the reason."""
    body = event(leg, end.status, now)
    if end.detail:
        body["detail"] = end.detail
    return body if end.sip_code is None else body | sip_code(end.sip_code, sip_as_text)


def sip_code(code: int, as_text: bool) -> dict[str, Any]:
    """The code that the called side answered with."""
    return {"sip_code": str(code) if as_text else code}


def completed_event(leg: AnyLeg, now: float) -> dict[str, Any]:
    """The last event of a leg, with its sums (all of them strings); without an answer they are empty and nought."""
    return {**sums(leg, now), "disconnected_by": leg.disconnected_by, **event(leg, "completed", now)}


def machine_event(leg: PhoneLeg, status: str, now: float, sub_state: str = "") -> dict[str, Any]:
    """`human` or `machine`; it names the leg `call_uuid`."""
    body = {"call_uuid": leg.uuid, "from": leg.from_, "to": leg.to, "status": status}
    if sub_state:
        body["sub_state"] = sub_state
    return body | {"conversation_uuid": leg.conversation_uuid, "timestamp": stamp(now)}


def transfer_event(leg: AnyLeg, before: str, now: float) -> dict[str, Any]:
    """The leg is in another conversation than `before`."""
    moved = {"conversation_uuid_from": before, "conversation_uuid_to": leg.conversation_uuid}
    return {"uuid": leg.uuid, "type": "transfer", **moved, "timestamp": stamp(now)}


def input_event(leg: PhoneLeg, gather: Gather, now: float, timed_out: bool, none_as_null: bool) -> dict[str, Any]:
    """What an `input` action collected."""
    digits = None if none_as_null and not gather.digits else gather.digits
    who = {"from": leg.from_, "to": leg.to, "uuid": leg.uuid, "conversation_uuid": leg.conversation_uuid}
    return {"speech": {}, "dtmf": {"digits": digits, "timed_out": timed_out}, **who, "timestamp": stamp(now)}


def record_event(conversation_uuid: str, found: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A finished recording: no uuid of a leg, no status, times without milliseconds."""
    return {**found, "conversation_uuid": conversation_uuid, "timestamp": stamp(now)}


def answer_payload(leg: PhoneLeg, region_url: str) -> dict[str, Any]:
    """What the answer URL is asked with."""
    who = {"from": leg.from_, "to": leg.to, "uuid": leg.uuid, "conversation_uuid": leg.conversation_uuid}
    return {**who, "endpoint_type": "phone", "region_url": region_url}


def sums(leg: AnyLeg, now: float) -> dict[str, Any]:
    """Times, duration and price of a finished leg."""
    seconds = 0 if leg.start_time is None else round((leg.end_time or now) - leg.start_time)
    rate = 0.0 if isinstance(leg, SocketLeg) else PRICE_A_MINUTE
    return {
        "start_time": stamp(leg.start_time),
        "end_time": stamp(leg.end_time or now),
        "duration": str(seconds),
        "rate": f"{rate:.8f}",
        "price": f"{rate * seconds / 60:.8f}",
        "network": None if isinstance(leg, SocketLeg) else "US-FIXED",
    }


def record(leg: AnyLeg, now: float) -> dict[str, Any]:
    """A call as GET /v1/calls shows it; `detail` and `sip_code` are in webhooks only."""
    body: dict[str, Any] = {
        "_links": {"self": {"href": f"/calls/{leg.uuid}"}},
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "to": _endpoint(leg),
        "from": {"type": "phone", "number": leg.from_},
        "status": leg.status,
        "direction": leg.direction,
    }
    return body if leg.end_time is None else body | sums(leg, now)


def _endpoint(leg: AnyLeg) -> dict[str, str]:
    if isinstance(leg, SocketLeg):
        return {"type": "websocket", "uri": leg.to}
    return {"type": "phone", "number": leg.to}
