"""The lab's Plivo: what its webhooks say. Pure.

The fields and their inconsistencies are those of recorded requests: `From` has a `+` in Ring and in no other event; the end
of a call tells SessionStart in UTC and all other times in the account's own zone, without a mark.
"""

from datetime import UTC, datetime, tzinfo

from carriers.plivo.simulator_calls import CAUSES, Call

Form = dict[str, str]


def ring(call: Call, auth_id: str) -> Form:
    """The first sign of life. No ALegUUID, but a CallerName, mostly empty."""
    return {
        "CallStatus": "ringing",
        "CallUUID": call.uuid,
        "CallerName": "",
        "Direction": "outbound",
        "Event": "Ring",
        "From": call.caller,
        "ParentAuthID": auth_id,
        "RequestUUID": call.uuid,
        "SessionStart": session_start(call),
        "To": call.to.lstrip("+"),
    }


def in_progress(call: Call, auth_id: str, event: str) -> Form:
    """For StartApp (answered) and Redirect."""
    return {**_common(call, auth_id), "CallStatus": "in-progress", "Event": event}


def hangup(call: Call, auth_id: str, zone: tzinfo) -> Form:
    """The end, answered or not."""
    cause = CAUSES[call.cause]
    seconds = whole_seconds(call)
    return {
        **_common(call, auth_id),
        "AnswerTime": local_time(call.answered_at, zone) if call.answered else "",
        "BillDuration": str(-(-seconds // 60) * 60),
        "CallStatus": cause.status,
        "Duration": str(seconds),
        "EndTime": local_time(call.ended_at, zone),
        "Event": "Hangup",
        "HangupCause": cause.raw,
        "HangupCauseCode": str(call.cause),
        "HangupCauseName": cause.name,
        "HangupSource": call.source,
        "StartTime": local_time(call.accepted_at, zone),
        "TotalCost": f"{-(-seconds // 60) * 0.01:.5f}",
    }


def stream(call: Call, auth_id: str, event: str, stream_id: str, url: str, now: float) -> Form:
    """For the stream's own callback."""
    return {
        "CallUUID": call.uuid,
        "Direction": "outbound",
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


def session_start(call: Call) -> str:
    """UTC, with microseconds."""
    return datetime.fromtimestamp(call.accepted_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def local_time(at: float, zone: tzinfo) -> str:
    """Without an offset."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def _common(call: Call, auth_id: str) -> Form:
    return {
        "ALegRequestUUID": call.uuid,
        "ALegUUID": call.uuid,
        "BillRate": "0.01",
        "CallUUID": call.uuid,
        "CountryCode": "US",
        "Direction": "outbound",
        "From": call.caller.lstrip("+"),
        "ParentAuthID": auth_id,
        "RequestUUID": call.uuid,
        "RouteType": "Domestic_Anchored",
        "STIRAttestation": "",
        "STIRVerification": "Not Applicable",
        "SessionStart": session_start(call),
        "To": call.to.lstrip("+"),
    }
