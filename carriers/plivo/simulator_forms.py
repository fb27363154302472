"""The lab's Plivo: what the webhooks of a call say. Pure.

The fields and their inconsistencies are those of recorded requests: `From` has a `+` in Ring and in no other event; the end
of a call tells SessionStart in UTC and all other times in the account's own zone, without a mark.
"""

from datetime import UTC, datetime, tzinfo

from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_causes import CAUSES, status_of

Form = dict[str, str]

RATES = {"inbound": 0.0085, "outbound": 0.01}
"""USD a minute."""
_ATTESTED = {"A": "Verified", "B": "Not Verified", "C": "Not Verified"}


def ring(call: Call, auth_id: str) -> Form:
    """The first sign of life. No ALegUUID, but a CallerName, mostly empty."""
    return {
        "CallStatus": "ringing",
        "CallUUID": call.uuid,
        "CallerName": call.settings.get("caller_name", ""),
        "Direction": call.direction,
        "Event": "Ring",
        "From": call.caller,
        "ParentAuthID": auth_id,
        "RequestUUID": call.uuid,
        "SessionStart": session_start(call),
        "To": call.to.lstrip("+"),
    }


def in_progress(call: Call, auth_id: str, event: str) -> Form:
    """For StartApp (answered; or arrived, for a call to us) and whatever is asked for later."""
    status = {Phase.ANSWERED: "in-progress", Phase.ENDED: status_of(call.cause, call.answered)}.get(call.phase, "ringing")
    return {**_common(call, auth_id), "CallStatus": status, "Event": event}


def hangup(call: Call, auth_id: str, zone: tzinfo) -> Form:
    """The end, answered or not."""
    cause = CAUSES[call.cause]
    billed = billed_seconds(call)
    return {
        **_common(call, auth_id),
        "AnswerTime": local_time(call.answered_at, zone) if call.answered else "",
        "BillDuration": str(billed),
        "CallStatus": status_of(call.cause, call.answered),
        "Duration": str(whole_seconds(call)),
        "EndTime": local_time(call.ended_at, zone),
        "Event": "Hangup",
        "HangupCause": cause.raw,
        "HangupCauseCode": str(call.cause),
        "HangupCauseName": cause.name,
        "HangupSource": call.source,
        "StartTime": local_time(call.accepted_at, zone),
        "TotalCost": f"{billed / 60 * RATES[call.direction]:.5f}",
    }


def stream(call: Call, auth_id: str, event: str, stream_id: str, url: str, now: float) -> Form:
    """For the stream's own callback."""
    return {
        "CallUUID": call.uuid,
        "Direction": call.direction,
        "Event": event,
        "From": call.caller.lstrip("+"),
        "ParentAuthID": auth_id,
        "ServiceURL": url,
        "StreamID": stream_id,
        "Timestamp": local_time(now, UTC),
        "To": call.to.lstrip("+"),
    }


def whole_seconds(call: Call) -> int:
    """From answer to end, rounded up as Plivo was seen to do (65 s were reported as 66)."""
    return int(call.ended_at - call.answered_at) + 1 if call.answered else 0


def billed_seconds(call: Call) -> int:
    """Whole minutes."""
    return -(-whole_seconds(call) // 60) * 60


def session_start(call: Call) -> str:
    """UTC, with microseconds."""
    return datetime.fromtimestamp(call.accepted_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def local_time(at: float, zone: tzinfo) -> str:
    """Without an offset."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def _common(call: Call, auth_id: str) -> Form:
    form = {
        "BillRate": str(RATES[call.direction]),
        "CallUUID": call.uuid,
        "CountryCode": "US",
        "Direction": call.direction,
        "From": call.caller.lstrip("+") or "anonymous",
        "ParentAuthID": auth_id,
        "RouteType": "Domestic_Anchored",
        "STIRAttestation": call.attestation,
        "STIRVerification": _ATTESTED.get(call.attestation, "Not Applicable"),
        "SessionStart": session_start(call),
        "To": call.to.lstrip("+"),
        **{f"X-PH-{name}": value for name, value in sip_headers(call.settings.get("sip_headers", "")).items()},
    }
    return {**form, **(_caller(call) if call.inbound else _a_leg(call))}


def _caller(call: Call) -> Form:
    return {"CallerName": call.caller_name or call.caller}


def _a_leg(call: Call) -> Form:
    first = call.parent or call.uuid
    return {"ALegRequestUUID": first, "ALegUUID": first, "RequestUUID": call.uuid}


def sip_headers(text: str) -> dict[str, str]:
    """`a=1,b=2`, as create-call takes them."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name.strip(): value.strip() for name, _, value in pairs}
