"""Judges Plivo's answers. The SDK has no typed models and no description is published: its test data (github
plivo/plivo-python, tests/resources/fixtures) show which fields an answer has and of which JSON type.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from played import Recording

Shape = Mapping[str, Any]
TEXT, WHOLE, FLAG, NUMBER = str, int, bool, (int, float)
MAYBE_TEXT = (str, type(None))
TOLD: Shape = {"api_id": TEXT, "message": TEXT}
META: Shape = {"limit": WHOLE, "next": MAYBE_TEXT, "offset": WHOLE, "previous": MAYBE_TEXT, "total_count": WHOLE}
FINISHED: Shape = {
    "answer_time": MAYBE_TEXT,
    "bill_duration": WHOLE,
    "billed_duration": WHOLE,
    "call_direction": TEXT,
    "call_duration": WHOLE,
    "call_uuid": TEXT,
    "end_time": TEXT,
    "from_number": TEXT,
    "initiation_time": TEXT,
    "parent_call_uuid": MAYBE_TEXT,
    "resource_uri": TEXT,
    "to_number": TEXT,
    "total_amount": TEXT,
    "total_rate": TEXT,
}
LIVE: Shape = {
    "api_id": TEXT,
    "call_status": TEXT,
    "call_uuid": TEXT,
    "caller_name": TEXT,
    "direction": TEXT,
    "from": TEXT,
    "request_uuid": TEXT,
    "session_start": TEXT,
    "to": TEXT,
}
ACCOUNT: Shape = {
    "account_type": TEXT,
    "address": TEXT,
    "api_id": TEXT,
    "auth_id": TEXT,
    "auto_recharge": FLAG,
    "billing_mode": TEXT,
    "cash_credits": TEXT,
    "city": TEXT,
    "name": TEXT,
    "resource_uri": TEXT,
    "state": TEXT,
    "timezone": TEXT,
}
NUMBER_SHAPE: Shape = {
    **dict.fromkeys(("added_on", "carrier", "city", "country", "monthly_rental_rate", "number", "number_type"), TEXT),
    **dict.fromkeys(("region", "renewal_date", "resource_uri", "sms_rate", "tendlc_registration_status", "voice_rate"), TEXT),
    **dict.fromkeys(("alias", "application", "compliance_application_id", "compliance_status", "sub_account"), MAYBE_TEXT),
    **dict.fromkeys(("mms_rate", "tendlc_campaign_id", "toll_free_sms_verification"), MAYBE_TEXT),
    **dict.fromkeys(("active", "mms_enabled", "sms_enabled", "voice_enabled"), FLAG),
}
APPLICATION: Shape = {
    **dict.fromkeys(("answer_method", "answer_url", "app_id", "app_name", "fallback_answer_url", "fallback_method"), TEXT),
    **dict.fromkeys(("hangup_method", "hangup_url", "message_method", "message_url", "resource_uri", "sip_uri"), TEXT),
    **dict.fromkeys(("default_app", "default_endpoint_app", "enabled", "public_uri"), FLAG),
    "sub_account": MAYBE_TEXT,
}
MESSAGE: Shape = {
    **dict.fromkeys(("from_number", "message_direction", "message_state", "message_time", "message_type", "message_uuid"), TEXT),
    **dict.fromkeys(("resource_uri", "to_number", "total_amount", "total_rate"), TEXT),
    "error_code": MAYBE_TEXT,
    "units": WHOLE,
}
RECORDING: Shape = {
    **dict.fromkeys(("add_time", "call_uuid", "recording_duration_ms", "recording_end_ms", "recording_format"), TEXT),
    **dict.fromkeys(("recording_id", "recording_start_ms", "recording_type", "recording_url", "resource_uri"), TEXT),
    "conference_name": MAYBE_TEXT,
    **dict.fromkeys(("monthly_recording_storage_amount", "recording_storage_rate"), NUMBER),
    **dict.fromkeys(("recording_storage_duration", "rounded_recording_duration"), WHOLE),
}


STREAM: Shape = {
    **dict.fromkeys(("call_uuid", "service_url", "status", "status_callback_url", "stream_id"), TEXT),
    **dict.fromkeys(("start_time", "end_time"), MAYBE_TEXT),
}
STREAMS: Shape = {
    "api_id": TEXT,
    "meta": {"count": WHOLE, "limit": WHOLE, "next": MAYBE_TEXT, "offset": WHOLE, "previous": MAYBE_TEXT},
    "objects": [STREAM],
}


def _page(item: Shape) -> Shape:
    return {"api_id": TEXT, "meta": META, "objects": [item]}


SHAPES: tuple[tuple[str, Shape], ...] = (
    (r"GET ", ACCOUNT),
    (r"POST Call/", {**TOLD, "request_uuid": TEXT}),
    (r"GET Call/\?.*status=(live|queued)", {"api_id": TEXT, "calls": [TEXT]}),
    (r"GET Call/(\?.*)?", _page(FINISHED)),
    (r"GET Call/[^/]+/\?.*status=(live|queued)", LIVE),
    (r"GET Call/[^/]+/(\?.*)?", {**FINISHED, "api_id": TEXT}),
    (r"POST Call/[^/]+/", TOLD),
    (r"POST Call/[^/]+/(Play|Speak|DTMF)/", TOLD),
    (r"POST Call/[^/]+/Record/", {**TOLD, "url": TEXT, "recording_id": TEXT}),
    (r"POST Call/[^/]+/Stream/", {**TOLD, "stream_id": TEXT}),
    (r"GET Call/[^/]+/Stream/", STREAMS),
    (r"GET Call/[^/]+/Stream/[^/]+/", {**STREAM, "api_id": TEXT}),
    (r"GET Number/(\?.*)?", _page(NUMBER_SHAPE)),
    (r"GET Number/\d+/", {**NUMBER_SHAPE, "api_id": TEXT}),
    (r"POST Number/\d+/", TOLD),
    (r"POST Application/", {**TOLD, "app_id": TEXT}),
    (r"POST Application/\d+/", TOLD),
    (r"GET Application/(\?.*)?", _page(APPLICATION)),
    (r"GET Application/\d+/", {**APPLICATION, "api_id": TEXT}),
    (r"POST Message/", {**TOLD, "message_uuid": [TEXT]}),
    (r"GET Message/(\?.*)?", _page(MESSAGE)),
    (r"GET Message/[^/]+/", {**MESSAGE, "api_id": TEXT}),
    (r"GET Recording/(\?.*)?", _page(RECORDING)),
    (r"GET Recording/[^/]+/", {**RECORDING, "api_id": TEXT}),
)
"""What is answered, by method and path below the account (with the query, where it decides)."""

UNSHOWN: Mapping[str, str] = {
    "hangup_cause_code": "call resource, Plivo's documentation",
    "hangup_cause_name": "call resource, Plivo's documentation",
    "hangup_source": "call resource, Plivo's documentation",
    "from_number": "recording, Plivo's documentation",
    "to_number": "recording, Plivo's documentation",
    "log_incoming_messages": "application, Plivo's documentation",
    **dict.fromkeys(
        ("audio_track", "bidirectional", "content_type", "created_at", "plivo_auth_id", "resource_uri"),
        "audio stream, Plivo's documentation",
    ),
    "message_sent_time": "younger test data only",
    "message_updated_time": "younger test data only",
    "error_message": "younger test data only",
}
"""Fields that an answer may have, or not: where each is known from."""


def plivo_problems(recording: Recording) -> Iterator[str]:
    """Fields that are missing, unknown or of another type, in every success that has a body."""
    for asked, reply in recording.exchanges:
        if not 200 <= reply.status < 300 or reply.status == 204:
            continue
        below = re.sub(r"^/v1/Account/[^/]+/", "", asked.path)
        told = f"{asked.method} {below}" + (f"?{asked.query}" if asked.query else "")
        shape = next((shape for pattern, shape in SHAPES if re.fullmatch(pattern, told)), None)
        if shape is None:
            yield f"{told}: no test data show the answer"
        else:
            yield from (f"{told}: {problem}" for problem in _problems(json.loads(reply.body), shape))


def _problems(value: Any, shape: Any, where: str = "answer") -> Iterator[str]:
    if isinstance(shape, list):
        for item in value if isinstance(value, list) else (value,):
            yield from _problems(item, shape[0], f"{where}[]")
    elif isinstance(shape, dict):
        yield from _fields(value, shape, where)
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        yield f"{where} is {value!r}"


def _fields(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {value!r}"
        return
    yield from (f"{where}.{name} is missing" for name in shape if name not in value)
    for name, inner in value.items():
        if name in shape:
            yield from _problems(inner, shape[name], f"{where}.{name}")
        elif name not in UNSHOWN:
            yield f"{where}.{name} is not in the test data"
