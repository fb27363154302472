"""What carriers have been seen to send, or show in their documents: test vectors, recorded payloads and samples, by row.

Values are invented where they were somebody's; what counts is which fields there are and of which JSON type. `...` stands for
a text whatever it says. The source is in the comment above each.
"""

from collections.abc import Mapping
from typing import Any

TEXT = ...


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Twilio's documents (voice/media-streams/websocket-messages) and a recorded `start` of 2026-02. Counts are texts.
_TWILIO_MEDIA: dict[str, Any] = {
    "connected": {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    "start": {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": TEXT,
        "start": {
            "streamSid": TEXT,
            "accountSid": TEXT,
            "callSid": TEXT,
            "tracks": ["inbound"],
            "customParameters": {},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    },
    "media": {
        "event": "media",
        "sequenceNumber": TEXT,
        "streamSid": TEXT,
        "media": {"track": "inbound", "chunk": TEXT, "timestamp": TEXT, "payload": TEXT},
    },
    "dtmf": {"event": "dtmf", "sequenceNumber": TEXT, "streamSid": TEXT, "dtmf": {"track": "inbound_track", "digit": "1"}},
    "mark": {"event": "mark", "sequenceNumber": TEXT, "streamSid": TEXT, "mark": {"name": "m-1"}},
}
_TWILIO_END: dict[str, Any] = {
    "stop": {"event": "stop", "sequenceNumber": TEXT, "streamSid": TEXT, "stop": {"accountSid": TEXT, "callSid": TEXT}},
}
# Telnyx' documents (media streaming over WebSocket, 2026): counts are texts, the stream's id stands on top.
_TELNYX_MEDIA: dict[str, Any] = {
    "connected": {"event": "connected", "version": "1.0.0"},
    "start": {
        "event": "start",
        "sequence_number": "1",
        "stream_id": TEXT,
        "start": {
            "user_id": TEXT,
            "call_control_id": TEXT,
            "call_session_id": TEXT,
            "from": TEXT,
            "to": TEXT,
            "tags": [],
            "client_state": TEXT,
            "custom_parameters": {},
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    },
    "media": {
        "event": "media",
        "sequence_number": TEXT,
        "stream_id": TEXT,
        "media": {"track": "inbound", "chunk": TEXT, "timestamp": TEXT, "payload": TEXT},
    },
    "dtmf": {"event": "dtmf", "stream_id": TEXT, "occurred_at": TEXT, "sequence_number": TEXT, "dtmf": {"digit": "1"}},
    "mark": {"event": "mark", "stream_id": TEXT, "sequence_number": TEXT, "mark": {"name": "m-1"}},
}
_TELNYX_END: dict[str, Any] = {
    "stop": {"event": "stop", "sequence_number": TEXT, "stream_id": TEXT, "stop": {"user_id": TEXT, "call_control_id": TEXT}},
    "error": {"event": "error", "stream_id": TEXT, "payload": {"code": 100003, "title": "malformed_frame", "detail": TEXT}},
}
# Plivo's audio stream documents and its public Rust transport: counts are numbers, times are texts of milliseconds since 1970.
_PLIVO_MEDIA: Mapping[str, Any] = {
    "start": {
        "event": "start",
        "sequenceNumber": 1,
        "start": {
            "callId": TEXT,
            "streamId": TEXT,
            "accountId": TEXT,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": TEXT,
    },
    "media": {
        "event": "media",
        "sequenceNumber": 42,
        "streamId": TEXT,
        "media": {"track": "inbound", "timestamp": TEXT, "chunk": 41, "payload": TEXT},
        "extra_headers": TEXT,
    },
    "dtmf": {
        "event": "dtmf",
        "sequenceNumber": 99,
        "streamId": TEXT,
        "dtmf": {"track": "inbound", "digit": "1", "timestamp": TEXT},
        "extra_headers": TEXT,
    },
    "playedStream": {"event": "playedStream", "sequenceNumber": 120, "streamId": TEXT, "name": "m-1"},
    "clearedAudio": {"event": "clearedAudio", "sequenceNumber": 121, "streamId": TEXT},
}
# Vonage's WebSocket guide; sound is binary.
_VONAGE_MEDIA: Mapping[str, Any] = {
    "websocket:connected": {"event": "websocket:connected", "content-type": "audio/l16;rate=8000"},
    "websocket:dtmf": {"event": "websocket:dtmf", "digit": "1", "duration": 260},
    "websocket:notify": {"event": "websocket:notify", "payload": {"mark": "m-1"}},
    "websocket:cleared": {"event": "websocket:cleared"},
}
MEDIA: Mapping[str, Mapping[str, Any]] = {
    "twilio": _TWILIO_MEDIA | _TWILIO_END,
    "telnyx": _TELNYX_MEDIA | _TELNYX_END,
    "plivo": _PLIVO_MEDIA,
    "vonage": _VONAGE_MEDIA,
}
"""By carrier and event: what it sends."""

TO_CARRIER: Mapping[str, Mapping[str, Any]] = {
    "twilio": {
        "sound for the person": {"event": "media", "streamSid": TEXT, "media": {"payload": TEXT}},
        "mark": {"event": "mark", "streamSid": TEXT, "mark": {"name": "m-1"}},
        "clear": {"event": "clear", "streamSid": TEXT},
    },
    "telnyx": {
        "sound for the person": {"event": "media", "media": {"payload": TEXT}},
        "mark": {"event": "mark", "mark": {"name": "m-1"}},
        "clear": {"event": "clear"},
    },
    "plivo": {
        "sound for the person": {
            "event": "playAudio",
            "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": TEXT},
        },
        "mark": {"event": "checkpoint", "streamId": TEXT, "name": "m-1"},
        "clear": {"event": "clearAudio", "streamId": TEXT},
    },
    "vonage": {
        "mark": {"action": "notify", "payload": {"mark": "m-1"}},
        "clear": {"action": "clear"},
    },
}
"""By carrier and row: what the carriers' documents tell customers to send."""

_PLACES = _words("FromCity FromState FromZip FromCountry ToCity ToState ToZip ToCountry Caller Called StirStatus") | _words(
    "CallerCity CallerState CallerZip CallerCountry CalledCity CalledState CalledZip CalledCountry"
)
"""Twilio's geography, the older names of both numbers, the attestation: on recorded requests, and absent on some."""

FORMS: Mapping[tuple[str, str], tuple[frozenset[str], ...]] = {
    # Recorded bodies of 2022 to 2026: initiated carries neither durations nor a SIP code, a final one carries both.
    ("twilio", "call events"): (
        _words("AccountSid ApiVersion CallSid CallStatus Direction From To Timestamp CallbackSource SequenceNumber"),
        _words("CallDuration Duration SipResponseCode") | _PLACES,
    ),
    ("twilio", "stream events"): (
        _words("AccountSid CallSid StreamSid StreamName StreamEvent Timestamp"),
        frozenset({"StreamError"}),
    ),
    ("twilio", "request for a document"): (
        _words("AccountSid ApiVersion CallSid CallStatus Direction From To"),
        _PLACES,
    ),
    # A recorded StartApp of 2024-10.
    ("plivo", "request for a document"): (
        _words("CallUUID From To Direction CallStatus Event RequestUUID ALegUUID ALegRequestUUID ParentAuthID"),
        _words("RouteType CountryCode BillRate STIRAttestation STIRVerification SessionStart"),
    ),
    # A recorded Ring and a recorded Hangup.
    ("plivo", "call events"): (
        _words("CallUUID From To Direction CallStatus Event RequestUUID"),
        _words("CallerName ALegUUID ALegRequestUUID ParentAuthID RouteType CountryCode BillRate SessionStart")
        | _words("STIRAttestation STIRVerification HangupCause HangupCauseName HangupCauseCode HangupSource")
        | _words("Duration BillDuration TotalCost StartTime AnswerTime EndTime"),
    ),
    # A documents' sample of a service with Plivo's wire format.
    ("plivo", "stream events"): (
        _words("Event StreamID CallUUID From To Timestamp"),
        _words("ServiceURL ParentAuthID Direction StatusReason Duration"),
    ),
}
"""By carrier and row: the fields that every request has, and those that some may have beside them."""

_CALL = "call_control_id call_leg_id call_session_id connection_id client_state from to start_time"
TELNYX_PAYLOADS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    # Recorded outgoing legs of 2025-09 and an incoming one of 2025-11.
    "call.initiated": (
        _words(f"{_CALL} direction state"),
        _words("calling_party_type custom_headers tags offered_codecs connection_codecs caller_id_name from_sip_uri to_sip_uri")
        | _words("shaken_stir_attestation shaken_stir_validated"),
    ),
    "call.answered": (
        _words(_CALL),
        _words("calling_party_type codec sampling_rate custom_headers tags"),
    ),
    "call.hangup": (
        _words(f"{_CALL} end_time hangup_cause hangup_source sip_hangup_cause"),
        _words("calling_party_type call_quality_stats custom_headers tags"),
    ),
    "streaming.started": (_words("call_control_id stream_url"), _words(f"{_CALL} stream_id")),
    "streaming.stopped": (_words("call_control_id stream_url"), _words(f"{_CALL} stream_id")),
    # A sample of the documents.
    "streaming.failed": (
        _words("call_control_id failure_reason stream_id stream_params stream_type"),
        _words(_CALL),
    ),
}
"""By event: fields that every payload has, and those that some may have."""

VONAGE_EVENTS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    # Recorded events of 2019 and 2021, and the webhook reference of today.
    "started": (
        _words("from to uuid conversation_uuid status direction timestamp"),
        frozenset({"headers"}),
    ),
    "ringing": (
        _words("from to uuid conversation_uuid status direction timestamp"),
        frozenset({"headers"}),
    ),
    "answered": (
        _words("from to uuid conversation_uuid status direction timestamp start_time rate network"),
        frozenset({"headers"}),
    ),
    "completed": (
        _words("from to uuid conversation_uuid status direction timestamp end_time start_time duration rate price network"),
        _words("headers disconnected_by sip_code detail"),
    ),
    "disconnected": (
        _words("from to uuid conversation_uuid status direction timestamp"),
        _words("headers end_time start_time duration rate price network"),
    ),
    "error": (frozenset({"reason", "timestamp"}), frozenset({"conversation_uuid"})),
    "transfer": (_words("type conversation_uuid_from conversation_uuid_to timestamp"), frozenset({"uuid"})),
    "notify": (frozenset({"conversation_uuid", "payload"}), frozenset({"timestamp"})),
    "document": (_words("from to uuid conversation_uuid endpoint_type region_url"), frozenset()),
}
"""By status: fields that every event has, and those that some may have."""

REFUSALS: Mapping[str, Any] = {
    # A body that persisted over four retries (OrchardCore issue 18484).
    "twilio": {"code": 20503, "message": TEXT, "more_info": TEXT, "status": 503},
    # Quoted alike by the tests of four public projects: the hang-up of a call that has ended.
    "telnyx": {"code": "90018", "title": "Call has already ended", "detail": TEXT, "meta": {"url": TEXT}},
}
"""Bodies of refusals that were seen; of Telnyx the one item of its list."""

PLIVO_SIGNATURES = (
    # Run against plivo 4.63.0: token `tok`, nonce 12345.
    ("POST", "https://gw.example.com/plivo/answer", True, "sSUG0O//I48XCKP+5OXRRx4j6+kLI3yfBtCHas/IQoc="),
    ("POST", "https://gw.example.com/plivo/answer?b=2&a=1", True, "gQYUphJgNy5axTOX7P0HfxHxnKlnepLru7j74rPGFo8="),
    ("POST", "https://gw.example.com/plivo/answer?a=1", False, "X6OFxooMPzN9WlxbSL58Maz0fWGlbAXtga+y6iGHZSA="),
)
"""Method, URL, whether the form below is posted, signature."""
PLIVO_FORM = {"CallStatus": "ringing", "CallUUID": "u1", "Direction": "inbound", "From": "14155550100", "To": "14155550101"}


def differences(sample: Any, told: Any, where: str = "") -> list[str]:
    """In what a message differs from its sample: fields, JSON types, and values that are not `...`."""
    if sample is TEXT:
        return [] if isinstance(told, str) else [f"{where} is {told!r}, not a text"]
    if isinstance(sample, Mapping):
        if not isinstance(told, Mapping):
            return [f"{where} is {told!r}, not an object"]
        found = [f"{where}.{name} is missing" for name in sample if name not in told]
        found += [f"{where}.{name} is unknown" for name in told if name not in sample]
        return found + [
            line for name in sample if name in told for line in differences(sample[name], told[name], f"{where}.{name}")
        ]
    if isinstance(sample, int) and not isinstance(sample, bool) and where.rpartition(".")[2] in COUNTS:
        return [] if isinstance(told, int) else [f"{where} is {told!r}, not a number"]
    return [] if sample == told and type(sample) is type(told) else [f"{where} is {told!r}, not {sample!r}"]


COUNTS = frozenset({"sequenceNumber", "chunk", "duration"})
"""Fields whose number is another each time."""
