"""The lab's Twilio: one call as Twilio keeps it, and the documents that show it. Shares no code with the adapter."""

from collections import deque
from email.utils import formatdate
from typing import Any

from msgspec import Struct, field

from carriers.lab.playback import Playback

API_VERSION = "2010-04-01"
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
BUFFER_LIMIT_S = 600.0
"""More than ten minutes queued is discarded, with warning 31931."""


class Verb(Struct, frozen=True, kw_only=True):
    """One element of a TwiML document."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: tuple["Verb", ...] = ()


class Stream(Struct, kw_only=True):
    """One `<Connect><Stream>`: exists from the verb until the socket is gone."""

    sid: str
    call_sid: str
    connect: Verb
    verb: Verb
    url: str
    playback: Playback
    opened_at: float | None = None
    sequence: int = 0
    chunk: int = 0
    warned: set[str] = set()


class Call(Struct, kw_only=True):
    """`status` is the resource's; the webhook's word `initiated` has no counterpart there. Times are unix seconds."""

    sid: str
    uri: str
    account_sid: str
    number_sid: str
    to: str
    caller_id: str
    url: str
    method: str
    twiml: str
    fallback_url: str
    fallback_method: str
    status_callback: str
    status_callback_method: str
    events: frozenset[str]
    timeout_s: int
    time_limit_s: int
    created: float
    queue_ms: int
    status: str = "queued"
    updated: float = 0.0
    dialled: bool = False
    answered: float | None = None
    ended: float | None = None
    sequence: int = 0
    """Of status callbacks; counts only the events that were asked for."""
    ending: tuple[str, str] | None = None
    """(status, SIP code) with which the call will end because of something that Twilio or its customer did."""
    step: int = 0
    """Grows with each document and each verb: timers and replies of an older step mean nothing."""
    document_url: str = ""
    verbs: deque[Verb] = field(default_factory=deque)
    stream: Stream | None = None
    requests: list[tuple[float, dict[str, Any]]] = []
    """(time, request and response) for the Events resource; the create POST is the first."""
    notifications: list[tuple[float, str, str]] = []
    """(time, error code, URL) for the Notifications resource."""

    @property
    def live(self) -> bool:
        """The call has not ended."""
        return self.status not in FINAL

    @property
    def seconds(self) -> int:
        """Length of the conversation; 0 if there was none."""
        return int((self.ended or self.answered or 0.0) - self.answered) if self.answered is not None else 0


def stamp(now: float | None) -> str | None:
    """RFC 2822 with `+0000`, as the REST API and the call callbacks write times."""
    return None if now is None else formatdate(now, usegmt=False).replace("-0000", "+0000")


def call_json(call: Call) -> dict[str, Any]:
    """The Call resource: all values are strings or null."""
    over = call.ended is not None
    return {
        "sid": call.sid,
        "account_sid": call.account_sid,
        "api_version": API_VERSION,
        "status": call.status,
        "direction": "outbound-api",
        "to": call.to,
        "to_formatted": _formatted(call.to),
        "from": call.caller_id,
        "from_formatted": _formatted(call.caller_id),
        "phone_number_sid": call.number_sid,
        "parent_call_sid": None,
        "group_sid": None,
        "trunk_sid": None,
        "forwarded_from": None,
        "caller_name": None,
        "answered_by": None,
        "annotation": None,
        "duration": str(call.seconds) if over and call.answered is not None else None,
        "start_time": stamp(call.answered),
        "end_time": stamp(call.ended),
        "price": None,
        "price_unit": "USD",
        "queue_time": str(call.queue_ms),
        "date_created": stamp(call.created),
        "date_updated": stamp(call.updated or call.created),
        "uri": f"{call.uri}.json",
        "subresource_uris": {name: f"{call.uri}/{part}.json" for name, part in _SUBRESOURCES.items()},
    }


_SUBRESOURCES = {
    "notifications": "Notifications",
    "recordings": "Recordings",
    "streams": "Streams",
    "transcriptions": "Transcriptions",
    "siprec": "Siprec",
    "payments": "Payments",
    "events": "Events",
    "user_defined_messages": "UserDefinedMessages",
    "user_defined_message_subscriptions": "UserDefinedMessageSubscriptions",
}


def _formatted(number: str) -> str:
    """American numbers are shown as `(555) 010-0001`, others as they are."""
    if not (number.startswith("+1") and len(number) == 12):
        return number
    return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
