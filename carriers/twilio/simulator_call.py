"""The lab's Twilio: one call as Twilio keeps it, and the document that shows it. Shares no code with the adapter."""

from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import urljoin

from msgspec import Struct, field

from carriers.lab.call_audio import CallAudio

API_VERSION = "2010-04-01"
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
ALL_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
LAST_EVENT = frozenset({"completed"})
INBOUND, OUTBOUND, DIALLED = "inbound", "outbound-api", "outbound-dial"
"""Directions: a phone called us, the API's create, a child of `<Dial>`."""


class Verb(Struct, frozen=True, kw_only=True):
    """One element of a TwiML document."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: tuple["Verb", ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """An attribute."""
        return self.attributes.get(name, default)

    def url(self, name: str, call: "Call") -> str:
        """An attribute that is a URL; empty if it is not there."""
        return call.absolute(self.get(name)) if self.get(name) else ""


class Target(Struct, frozen=True, kw_only=True):
    """Where to report, how, and which of the events."""

    url: str = ""
    method: str = "POST"
    events: frozenset[str] = LAST_EVENT


class Work:
    """A verb while it is being executed: what may happen to it. Each verb overrides what concerns it.

    A work that is over calls `Documents.go_on` or `Documents.ask`, and hears nothing any more.
    """

    def digit(self, now: float, digit: str) -> None:
        """The person pressed a key."""

    def timer(self, now: float, what: str) -> None:
        """A time that it asked for through `Documents.wake` has come."""

    def played(self, now: float) -> None:
        """The last clip that it played is over."""

    def fetched(self, now: float, sound: bytes | None) -> None:
        """A file that it asked for: mu-law, or None if it cannot be played."""

    def recorded(self, now: float, reason: str) -> None:
        """Its recorder has had enough (`max_length`, `silence`)."""

    def stop(self, now: float) -> None:
        """The call is over, or was given new instructions."""


class Detection(Struct, frozen=True, kw_only=True):
    """Machine detection as it was asked for; times in seconds."""

    message_end: bool
    timeout_s: float
    speech_s: float
    speech_end_s: float
    silence_s: float
    background: bool
    report: Target


class RecordingOrder(Struct, frozen=True, kw_only=True):
    """How a call is to be recorded. `track` is `inbound`, `outbound` or `both`; `dual` gives two channels."""

    source: str
    dual: bool = False
    track: str = "both"
    trim: bool = False
    report: Target = Target()


class Call(Struct, kw_only=True, eq=False):
    """`status` is the resource's; the webhook's word `initiated` has no counterpart there. Times are unix seconds."""

    sid: str
    uri: str
    account_sid: str
    number_sid: str
    to: str
    caller_id: str
    direction: str
    created: float
    url: str = ""
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    fallback_method: str = "POST"
    report: Target = Target()
    timeout_s: int = 60
    time_limit_s: int = 14400
    queue_ms: int = 0
    parent_sid: str | None = None
    caller_name: str | None = None
    send_digits: str = ""
    detection: Detection | None = None
    recording: RecordingOrder | None = None
    extra: dict[str, str] = {}
    """Fields that every request about this call carries beside the usual ones (StirVerstat, CallToken, CallerName)."""
    status: str = "queued"
    updated: float = 0.0
    dialled: float | None = None
    """When it began to ring somebody, or us: its start_time."""
    ends_shown: bool = True
    """Whether its resource says when it ended."""
    answered: float | None = None
    answered_by: str | None = None
    detection_ms: int = 0
    ended: float | None = None
    sequence: int = 0
    """Of status callbacks; counts only the events that were asked for."""
    ending: tuple[str, str] | None = None
    """(status, SIP code) with which the call will end because of something that Twilio or its customer did."""
    step: int = 0
    """Grows with each document and each verb: timers and replies of an older step mean nothing."""
    document_url: str = ""
    verbs: deque[Verb] = field(default_factory=deque)
    work: Work | None = None
    audio: CallAudio | None = None
    """From the answer on."""
    when_done: Callable[[float], None] | None = None
    """What follows a document without a verb left; None: the call ends."""
    when_answered: Callable[[float], None] | None = None
    """Of a dialled child: in place of a document."""
    when_lost: Callable[[float], None] | None = None
    """Of a dialled child: it is over, or was given instructions of its own."""
    requests: list[tuple[float, dict[str, Any]]] = []
    """(time, request and response) for the Events resource; a create POST is the first."""
    notifications: list[tuple[float, str, str]] = []
    """(time, error code, URL) for the Notifications resource."""

    @property
    def live(self) -> bool:
        """The call has not ended."""
        return self.status not in FINAL

    @property
    def talking(self) -> bool:
        """Answered, and neither over nor about to be."""
        return self.live and self.answered is not None and self.ending is None

    @property
    def person(self) -> str:
        """Whose phone it is."""
        return self.caller_id if self.direction == INBOUND else self.to

    @property
    def seconds(self) -> int:
        """Length of the conversation; 0 if there was none."""
        return int((self.ended or self.answered or 0.0) - self.answered) if self.answered is not None else 0

    def absolute(self, url: str) -> str:
        """A URL of a document, which may be relative to the document's own; what is none stays, and reaches nobody."""
        try:
            return urljoin(self.document_url, url)
        except ValueError:
            return url


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
        "direction": call.direction,
        "to": call.to,
        "to_formatted": _formatted(call.to),
        "from": call.caller_id,
        "from_formatted": _formatted(call.caller_id),
        "phone_number_sid": call.number_sid or None,
        "parent_call_sid": call.parent_sid,
        "group_sid": None,
        "trunk_sid": None,
        "forwarded_from": None,
        "caller_name": call.caller_name,
        "answered_by": call.answered_by,
        "annotation": None,
        "duration": str(call.seconds) if over and call.answered is not None else None,
        "start_time": stamp(call.dialled),
        "end_time": stamp(call.ended) if call.ends_shown else None,
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
