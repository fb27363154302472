"""The lab's Twilio: the form fields of what it says about a call."""

from collections.abc import Mapping

from carriers.twilio.simulator_call import API_VERSION, Call, stamp

_PLACES = ("City", "State", "Zip", "Country")
_SIDES = ("From", "To", "Caller", "Called")


def call_fields(call: Call, status: str) -> dict[str, str]:
    """What every request about a call carries; blank values included, because Twilio sends (and signs) them too."""
    fields = {
        "AccountSid": call.account_sid,
        "ApiVersion": API_VERSION,
        "CallSid": call.sid,
        "CallStatus": status,
        "Direction": call.direction,
        "From": call.caller_id,
        "To": call.to,
        "Caller": call.caller_id,
        "Called": call.to,
    }
    fields |= {f"{side}{place}": "" for side in _SIDES for place in _PLACES}
    fields |= {f"{side}Country": "US" for side in _SIDES}
    if call.parent_sid:
        fields["ParentCallSid"] = call.parent_sid
    return fields | call.extra | detection_fields(call)


def detection_fields(call: Call) -> dict[str, str]:
    """What machine detection found, from then on."""
    if call.answered_by is None:
        return {}
    return {"AnsweredBy": call.answered_by, "MachineDetectionDuration": str(call.detection_ms)}


def status_fields(call: Call, status: str, sip_code: str, now: float, more: Mapping[str, str]) -> dict[str, str]:
    """A status callback; durations and SIP code only with a final status."""
    fields = call_fields(call, status) | {
        "Timestamp": stamp(now) or "",
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(call.sequence),
    }
    if call.live:
        return fields
    fields |= {"CallDuration": str(call.seconds), "Duration": str(-(-call.seconds // 60)), **more}
    return fields | ({"SipResponseCode": sip_code} if sip_code else {})
