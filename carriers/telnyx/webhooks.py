"""What Telnyx posts to us: Ed25519 over `timestamp|raw body`, and JSON events.

    {"data": {"id", "event_type", "occurred_at", "payload": {...}, "record_type": "event"}, "meta": {"attempt", ...}}

The signature does not cover the URL, so a captured event could be posted to another leg's URL while it is fresh; the
leg's tag, which comes back in `client_state`, ties the event to the leg that the URL names.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from msgspec import Raw, Struct, field
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from carriers.contract import Arrival, Hook, HookRequest, Verified
from carriers.telnyx import verdicts
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import AnyLegEvent, LegAnswered, LegEnded, LegProgressed, MessageRecorded, MessageSpoken, StreamFailed

SIGNATURE = "telnyx-signature-ed25519"
TIMESTAMP = "telnyx-timestamp"
TOLERANCE_S = 300


class Payload(Struct, frozen=True):
    """The fields of all call events that we read; real captures lack what the SDK's types promise, so all may be absent."""

    call_control_id: str | None = None
    client_state: str | None = None
    direction: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    hangup_cause: str | None = None
    sip_hangup_cause: str | None = None
    failure_reason: str | None = None
    to: str | None = None
    from_: str | None = field(default=None, name="from")
    caller_id_name: str | None = None
    shaken_stir_attestation: str | None = None


class _Event(Struct, frozen=True):
    event_type: str
    payload: Payload
    id: str | None = None


class _Envelope(Struct, frozen=True):
    data: _Event


class _Kind(Struct, frozen=True):
    event_type: str


class _KindEnvelope(Struct, frozen=True):
    data: _Kind


class _Outer(Struct, frozen=True):
    data: Raw = Raw()


class _Tagged(Struct, frozen=True):
    client_state: str | None = None


class _Identity(Struct, frozen=True):
    id: str | None = None
    payload: _Tagged | None = None


VOICE = ("call.", "streaming.")
"""How events of calls begin. Those of messages, faxes and numbers come to the same URLs, with payloads of other shapes."""


def tag_of(leg_id: str) -> str:
    """The leg's id as `client_state`, which must be base64 (90017 otherwise)."""
    return base64.b64encode(leg_id.encode()).decode()


class TelnyxWebhooks:
    """Verifies with the account's public key (base64 of 32 bytes; ValueError for any other)."""

    def __init__(self, public_key: str) -> None:
        raw = base64.b64decode(public_key, validate=True)
        if len(raw) != 32:
            raise ValueError(f"a public key has 32 bytes, not {len(raw)}")
        self._key = VerifyKey(raw)

    def verify(self, request: HookRequest, now: float) -> Verified:
        timestamp = request.headers.get(TIMESTAMP, "")
        self._check_signature(request.headers.get(SIGNATURE, ""), timestamp, request.body)
        if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_S:
            raise BadSignature("stale")
        return Verified(key=_delivery_key(request))

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        """No signature on the upgrade is documented; the one-time token in the path is all there is."""
        return False

    def parse(self, request: HookRequest, now: float) -> Hook:
        event = _event_of(request.body)
        read = _READERS.get(event.event_type) if event is not None else None
        if event is None or read is None:
            return Hook()
        if not event.payload.call_control_id and event.event_type not in _OF_RECORDINGS:
            raise Malformed("no-call-control-id", event.event_type)
        return Hook(events=read(event.payload.call_control_id or "", event.payload))

    def parse_arrival(self, request: HookRequest, now: float) -> Arrival | None:
        """The application's own URL. A caller is parked until a command comes; Telnyx ignores what we answer here."""
        event = _event_of(request.body)
        if event is None:
            return None
        payload, call = event.payload, event.payload.call_control_id
        if not call or payload.direction == "outgoing":
            return None
        read = _READERS.get(event.event_type)
        hook = Hook(events=read(call, payload)) if read is not None else Hook()
        if event.event_type != "call.initiated" or payload.direction != "incoming":
            return Arrival(carrier_call_id=call, hook=hook)
        return Arrival(
            carrier_call_id=call,
            to=_e164(payload.to),
            caller_id=_e164(payload.from_),
            caller_name=payload.caller_id_name or "",
            attestation=payload.shaken_stir_attestation if payload.shaken_stir_attestation in {"A", "B", "C"} else "",
            hook=hook,
        )

    def _check_signature(self, signature: str, timestamp: str, body: bytes) -> None:
        if not signature or not timestamp:
            raise BadSignature("unsigned")
        try:
            raw = base64.b64decode(signature, validate=True)
            # libsodium compares in constant time; it raises ValueError for a signature that has not 64 bytes.
            self._key.verify(timestamp.encode() + b"|" + body, raw)
        except (BadSignatureError, ValueError, binascii.Error) as error:
            raise BadSignature("wrong-signature") from error


def _delivery_key(request: HookRequest) -> str:
    """`data.id` is one event's, and the same in all its repeats; `meta.attempt` counts them and must not be part of it."""
    try:
        data = bytes(msgspec.json.decode(request.body, type=_Outer).data) or request.body
        identity = msgspec.json.decode(data, type=_Identity)
    except msgspec.DecodeError:
        data, identity = request.body, _Identity()
    _check_tag(request.leg_id, identity.payload)
    return identity.id or hashlib.sha256(request.path.encode() + b"\0" + data).hexdigest()


def _check_tag(leg_id: str, payload: _Tagged | None) -> None:
    tag = payload.client_state if payload is not None else None
    if leg_id and tag and tag != tag_of(leg_id):
        raise BadSignature("foreign-leg", "client_state names another leg than the URL")


def _event_of(body: bytes) -> _Event | None:
    """None for what is no event of a call."""
    try:
        kind = msgspec.json.decode(body, type=_KindEnvelope).data.event_type
        return msgspec.json.decode(body, type=_Envelope).data if kind.startswith(VOICE) else None
    except msgspec.DecodeError as error:
        if _is_version_1(body):
            raise Malformed("api-v1-webhook", "set the application's webhook API version to 2") from error
        raise Malformed("not-a-telnyx-event", str(error)) from error


def _is_version_1(body: bytes) -> bool:
    """The flat shape of old: {"event_type", "payload", "created_at", "webhook_id"}, without `data`."""
    try:
        return "data" not in (fields := msgspec.json.decode(body, type=dict[str, Raw])) and "event_type" in fields
    except msgspec.DecodeError:
        return False


def _e164(number: str | None) -> str:
    """The samples write numbers with hyphens now and then; what has no digits is withheld."""
    digits = re.sub(r"[^0-9]", "", number or "")
    return f"+{digits}" if digits else ""


# --- one event each ----------------------------------------------------------------------------------------------


def _progressed(call: str, payload: Payload) -> tuple[AnyLegEvent, ...]:
    return () if payload.direction == "incoming" else (LegProgressed(carrier_call_id=call),)


def _answered(call: str, _payload: Payload) -> tuple[AnyLegEvent, ...]:
    return (LegAnswered(carrier_call_id=call),)


def _ended(call: str, payload: Payload) -> tuple[AnyLegEvent, ...]:
    ending = ending_of(payload)
    event = LegEnded(carrier_call_id=call, verdict=ending.verdict, alerted=ending.alerted, answered=ending.answered)
    return (event,)


def _stream_failed(call: str, payload: Payload) -> tuple[AnyLegEvent, ...]:
    words = re.findall(r"[a-z0-9]+", (payload.failure_reason or "").lower())
    return (StreamFailed(carrier_call_id=call, reason="-".join(words) or "unspecified"),)


def _spoken(call: str, _payload: Payload) -> tuple[AnyLegEvent, ...]:
    return (MessageSpoken(carrier_call_id=call),)


def _recorded(call: str, payload: Payload) -> tuple[AnyLegEvent, ...]:
    """Without a call only the leg's tag says whose it is, and `verify` has compared that."""
    return (MessageRecorded(carrier_call_id=call),) if call or payload.client_state else ()


_OF_RECORDINGS = frozenset({"call.recording.saved", "call.recording.error"})
"""The SDK's types of these name leg and session, and no call."""
_READERS: dict[str, Callable[[str, Payload], tuple[AnyLegEvent, ...]]] = {
    "call.initiated": _progressed,
    "call.answered": _answered,
    "call.bridged": _answered,
    "call.hangup": _ended,
    "call.speak.ended": _spoken,  # we say one thing to a call, the greeting of a message
    "call.recording.saved": _recorded,
    "call.recording.error": _recorded,
    "streaming.failed": _stream_failed,
    # `streaming.started` is sent before the socket opens and proves nothing. `streaming.stopped` comes at every end of
    # a leg, even of one that was never answered, often before its `call.hangup`: taken for a broken stream it would
    # start a rescue of a leg that ended well. A stream that really stops closes its socket.
}


def ending_of(payload: Payload) -> verdicts.Ending:
    """The judgement of a `call.hangup` payload."""
    return verdicts.judge_hangup(
        (payload.hangup_cause or "").lower(), payload.sip_hangup_cause or "", _seconds(payload.start_time, payload.end_time)
    )


def _seconds(start: str | None, end: str | None) -> float | None:
    try:
        return (datetime.fromisoformat(end or "") - datetime.fromisoformat(start or "")).total_seconds()
    except (ValueError, TypeError):  # absent, unreadable, or one with and one without a time zone
        return None
