"""The legs of the simulated carrier, what its events say of them, and the words for the ways in which they end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from carriers.lab.playback import Playback


class End(Struct, frozen=True):
    """How a leg ended, in the carrier's words."""

    status: str
    detail: str = ""
    sip_code: int | None = None


COMPLETED, CANCELLED, RANG_OUT = End("completed"), End("cancelled"), End("timeout")

CAUSES: dict[str, End] = {
    "busy": End("busy", "", 486),
    "timeout": End("unanswered", "timeout", 408),
    "carrier_timeout": End("unanswered", "carrier_timeout", 504),
    "unavailable": End("unanswered", "unavailable", 480),
    "declined": End("rejected", "declined", 603),
    "restricted": End("rejected", "restricted", 403),
    "invalid_number": End("rejected", "invalid_number", 484),
    "cannot_route": End("failed", "cannot_route"),
    "number_out_of_service": End("failed", "number_out_of_service", 404),
    "internal_error": End("failed", "internal_error", 503),
}
"""What the fault `reject` understands: the carrier's `detail` words, and `busy`, which has none."""

FROM_NETWORK: dict[str, End] = {
    "normal": COMPLETED,
    "canceled": CANCELLED,
    "busy": CAUSES["busy"],
    "no_answer": CAUSES["unavailable"],
    "declined": CAUSES["declined"],
    "unreachable": CAUSES["unavailable"],
    "invalid": CAUSES["number_out_of_service"],
}


@dataclass
class SocketLeg:
    """The WebSocket end of a conversation: a leg with a uuid of its own. `number` and `ref` are the phone's."""

    uuid: str
    conversation_uuid: str
    ref: str
    number: str
    from_: str
    uri: str
    rate: int
    event_url: str
    event_method: str
    synchronous: bool
    headers: dict[str, Any]
    playback: Playback
    created_at: float
    status: str = "started"
    open: bool = False
    said: int = 0
    """Notifies so far, to tell equal payloads apart."""
    notices: dict[str, Any] = field(default_factory=dict)
    start_time: float | None = None
    end_time: float | None = None

    @property
    def to(self) -> str:
        return self.uri


@dataclass
class PhoneLeg:
    """The leg that a create-call request places. Numbers without `+`."""

    uuid: str
    conversation_uuid: str
    to: str
    from_: str
    event_url: str
    event_method: str
    answer_url: str
    answer_method: str
    ringing_timer: int
    length_timer: int
    created_at: float
    actions: list[dict[str, Any]]
    """What is left of the flow."""
    reject: End | None = None
    status: str = "started"
    dialled: bool = False
    taken_back: End | None = None
    """Set before the network is asked to hang up, so that its `canceled` gets the right word."""
    disconnected_by: str = "user"
    step: int = 0
    """Counts the actions; what answers an older step comes too late."""
    socket: SocketLeg | None = None
    start_time: float | None = None
    end_time: float | None = None

    @property
    def answered(self) -> bool:
        return self.start_time is not None

    @property
    def ended(self) -> bool:
        return self.end_time is not None


Leg = PhoneLeg | SocketLeg

PRICE_A_MINUTE = 0.00797


def stamp(at: float | None) -> str | None:
    """ISO 8601 with milliseconds, as events have it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def event(leg: Leg, status: str, now: float) -> dict[str, Any]:
    """The fields that all events share."""
    body: dict[str, Any] = {}
    if isinstance(leg, SocketLeg):
        body["headers"] = leg.headers
    body |= {"from": leg.from_, "to": leg.to, "uuid": leg.uuid, "conversation_uuid": leg.conversation_uuid}
    return body | {"status": status, "direction": "outbound", "timestamp": stamp(now)}


def answered_event(leg: Leg, now: float) -> dict[str, Any]:
    """`answered` names sums that are not known yet."""
    return {"start_time": None, "rate": None, "network": None} | event(leg, "answered", now)


def end_event(leg: Leg, end: End, now: float, sip_as_text: bool) -> dict[str, Any]:
    """A terminal status other than `completed`, with what the carrier relays of the reason."""
    body = event(leg, end.status, now)
    if end.detail:
        body["detail"] = end.detail
    if end.sip_code is not None:
        body["sip_code"] = str(end.sip_code) if sip_as_text else end.sip_code
    return body


def completed_event(leg: Leg, now: float, disconnected_by: str) -> dict[str, Any]:
    """The last event of a leg, with its sums (all of them strings); without an answer they are empty and nought."""
    return {**sums(leg, now), "disconnected_by": disconnected_by, **event(leg, "completed", now)}


def sums(leg: Leg, now: float) -> dict[str, Any]:
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


def record(leg: Leg, now: float) -> dict[str, Any]:
    """A call as GET /v1/calls shows it; `detail` and `sip_code` are in webhooks only."""
    body: dict[str, Any] = {
        "_links": {"self": {"href": f"/calls/{leg.uuid}"}},
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "to": _endpoint(leg),
        "from": {"type": "phone", "number": leg.from_},
        "status": leg.status,
        "direction": "outbound",
    }
    return body if leg.end_time is None else body | sums(leg, now)


def _endpoint(leg: Leg) -> dict[str, str]:
    if isinstance(leg, SocketLeg):
        return {"type": "websocket", "uri": leg.uri}
    return {"type": "phone", "number": leg.to}


def answer_payload(leg: PhoneLeg, region_url: str) -> dict[str, Any]:
    """What the answer URL is asked with."""
    return {
        "from": leg.from_,
        "to": leg.to,
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation_uuid,
        "endpoint_type": "phone",
        "region_url": region_url,
    }
