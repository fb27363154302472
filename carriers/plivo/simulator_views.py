"""The lab's Plivo: calls and numbers as its API shows them, field by field as in the SDK's own recorded answers. Pure."""

from datetime import datetime, tzinfo
from typing import Any

from carriers.plivo.simulator_calls import CAUSES, Call, Phase
from carriers.plivo.simulator_forms import session_start, whole_seconds


def live_call(call: Call, status: str) -> dict[str, Any]:
    """One queued or live call; `from` has its `+`, `to` has none. What is queued does not say since when."""
    shown = {Phase.ANSWERED: "in-progress"}.get(call.phase, "ringing" if status == "live" else "queued")
    content = {
        "call_status": shown,
        "call_uuid": call.uuid,
        "caller_name": "",
        "direction": "outbound",
        "from": call.caller,
        "request_uuid": call.uuid,
        "to": call.to.lstrip("+"),
    }
    return content if status == "queued" else {**content, "session_start": session_start(call)}


def finished_call(call: Call, auth_id: str, zone: tzinfo) -> dict[str, Any]:
    """One call detail record; times carry the account's offset."""
    seconds = whole_seconds(call)
    return {
        "answer_time": _stamp(call.answered_at, zone) if call.answered else None,
        "bill_duration": seconds,
        "billed_duration": -(-seconds // 60) * 60,
        "call_direction": "outbound",
        "call_duration": seconds,
        "call_uuid": call.uuid,
        "end_time": _stamp(call.ended_at, zone),
        "from_number": call.caller,
        "hangup_cause_code": call.cause,
        "hangup_cause_name": CAUSES[call.cause].name,
        "hangup_source": call.source,
        "initiation_time": _stamp(call.accepted_at, zone),
        "parent_call_uuid": None,
        "resource_uri": f"/v1/Account/{auth_id}/Call/{call.uuid}/",
        "to_number": call.to.lstrip("+"),
        "total_amount": "0.00000",
        "total_rate": "0.01000",
    }


def rented_number(number: str, auth_id: str) -> dict[str, Any]:
    """One number of the account, written without `+`."""
    digits = number.lstrip("+")
    return {
        "active": True,
        "alias": None,
        "application": None,
        "carrier": "Plivo",
        "number": digits,
        "number_type": "local",
        "resource_uri": f"/v1/Account/{auth_id}/Number/{digits}/",
        "sms_enabled": True,
        "voice_enabled": True,
        "voice_rate": "0.00850",
    }


def _stamp(at: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at, zone).isoformat(sep=" ", timespec="seconds")
