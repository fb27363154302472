"""The lab's Plivo: account and calls as its API shows them, field by field as in the SDK's own recorded answers. Pure."""

from datetime import datetime, tzinfo
from typing import Any

from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_causes import CAUSES
from carriers.plivo.simulator_forms import RATES, billed_seconds, session_start, whole_seconds
from carriers.plivo.simulator_switch import Account


def account_of(account: Account, balance: str) -> dict[str, Any]:
    """The account with its balance."""
    return {
        "account_type": "standard",
        "address": "",
        "auth_id": account.auth_id,
        "auto_recharge": False,
        "billing_mode": "prepaid",
        "cash_credits": balance,
        "city": "",
        "name": "Holdline lab",
        "resource_uri": f"/v1/Account/{account.auth_id}/",
        "state": "",
        "timezone": account.zone_name,
    }


def live_call(call: Call, status: str) -> dict[str, Any]:
    """One queued or live call; `from` has its `+`, `to` has none. What is queued does not say since when."""
    shown = {Phase.ANSWERED: "in-progress"}.get(call.phase, "ringing" if status == "live" else "queued")
    content = {
        "call_status": shown,
        "call_uuid": call.uuid,
        "caller_name": call.caller_name or call.settings.get("caller_name", ""),
        "direction": call.direction,
        "from": call.caller,
        "request_uuid": call.uuid,
        "to": call.to.lstrip("+"),
    }
    return content if status == "queued" else {**content, "session_start": session_start(call)}


def finished_call(call: Call, account: Account) -> dict[str, Any]:
    """One call detail record; times carry the account's offset."""
    return {
        "answer_time": stamp(call.answered_at, account.zone) if call.answered else None,
        "bill_duration": whole_seconds(call),
        "billed_duration": billed_seconds(call),
        "call_direction": call.direction,
        "call_duration": whole_seconds(call),
        "call_uuid": call.uuid,
        "end_time": stamp(call.ended_at, account.zone),
        "from_number": call.caller,
        "hangup_cause_code": call.cause,
        "hangup_cause_name": CAUSES[call.cause].name,
        "hangup_source": call.source,
        "initiation_time": stamp(call.accepted_at, account.zone),
        "parent_call_uuid": call.parent or None,
        "resource_uri": f"/v1/Account/{account.auth_id}/Call/{call.uuid}/",
        "to_number": call.to.lstrip("+"),
        "total_amount": f"{billed_seconds(call) / 60 * RATES[call.direction]:.5f}",
        "total_rate": f"{RATES[call.direction]:.5f}",
    }


def stamp(at: float, zone: tzinfo) -> str:
    """With the account's offset."""
    return datetime.fromtimestamp(at, zone).isoformat(sep=" ", timespec="seconds")
