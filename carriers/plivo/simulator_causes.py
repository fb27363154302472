"""The lab's Plivo: the causes with which calls end. Pure."""

from collections.abc import Mapping

from msgspec import Struct


class Cause(Struct, frozen=True):
    """How Plivo words one HangupCauseCode: its name, the CallStatus, and the raw cause of the telephone network."""

    name: str
    status: str
    raw: str = "NORMAL_UNSPECIFIED"


CAUSES: Mapping[int, Cause] = {
    0: Cause("Unknown", "failed"),
    1000: Cause("Canceled", "cancel", "ORIGINATOR_CANCEL"),
    1010: Cause("Canceled (Out Of Credits)", "failed"),
    1020: Cause("Canceled (Simultaneous dial limit reached)", "failed"),
    2000: Cause("Invalid Destination Address", "failed", "INVALID_NUMBER_FORMAT"),
    2010: Cause("Destination Out Of Service", "failed", "DESTINATION_OUT_OF_ORDER"),
    2020: Cause("Endpoint Not Registered", "failed", "SUBSCRIBER_ABSENT"),
    2030: Cause("Destination Country Barred", "failed", "OUTGOING_CALL_BARRED"),
    2040: Cause("Destination Number Barred", "failed", "OUTGOING_CALL_BARRED"),
    2050: Cause("Destination Prefix Barred", "failed", "OUTGOING_CALL_BARRED"),
    2060: Cause("Loop Detected", "failed"),
    2070: Cause("Violates Media Anchoring", "failed"),
    3000: Cause("No Answer", "no-answer", "NO_ANSWER"),
    3010: Cause("Busy Line", "busy", "USER_BUSY"),
    3020: Cause("Rejected", "busy", "CALL_REJECTED"),
    3030: Cause("Unknown Caller ID", "failed"),
    3040: Cause("Forbidden", "failed", "OUTGOING_CALL_BARRED"),
    3050: Cause("Unallocated number", "failed", "UNALLOCATED_NUMBER"),
    3070: Cause("Request timeout", "timeout", "RECOVERY_ON_TIMER_EXPIRE"),
    3080: Cause("Internal server error from carrier", "failed", "NETWORK_OUT_OF_ORDER"),
    3090: Cause("Network congestion from carrier", "failed", "NORMAL_CIRCUIT_CONGESTION"),
    3100: Cause("Busy everywhere", "busy", "USER_BUSY"),
    3110: Cause("Declined", "busy", "CALL_REJECTED"),
    3120: Cause("User does not exist anywhere", "failed", "UNALLOCATED_NUMBER"),
    3130: Cause("Spam block", "failed", "CALL_REJECTED"),
    3140: Cause("DNO Caller ID", "failed", "CALL_REJECTED"),
    4000: Cause("Normal Hangup", "completed", "NORMAL_CLEARING"),
    4010: Cause("End Of XML Instructions", "completed", "NORMAL_CLEARING"),
    4210: Cause("SIP Auth Failed (inbound)", "failed", "CALL_REJECTED"),
    4240: Cause("SIP Auth Failed", "failed", "CALL_REJECTED"),
    4250: Cause("SIP Auth Timeout", "failed", "RECOVERY_ON_TIMER_EXPIRE"),
    5000: Cause("Network Error", "failed", "NETWORK_OUT_OF_ORDER"),
    5010: Cause("Internal Error", "failed", "NORMAL_TEMPORARY_FAILURE"),
    5020: Cause("Routing Error", "failed", "NO_ROUTE_DESTINATION"),
    5030: Cause("Concurrency Limit Breached", "failed"),
    6000: Cause("Scheduled Hangup", "completed", "ALLOTTED_TIMEOUT"),
    6010: Cause("Ring Timeout Reached", "no-answer", "NO_ANSWER"),
    6020: Cause("Media Timeout", "completed", "MEDIA_TIMEOUT"),
    7011: Cause("Error Reaching Answer URL", "completed"),
    7012: Cause("Error Reaching Action URL", "completed"),
    7013: Cause("Error Reaching Transfer URL", "completed"),
    7014: Cause("Error Reaching Redirect URL", "completed"),
    7022: Cause("Invalid Action URL", "completed"),
    7023: Cause("Invalid Transfer URL", "completed"),
    7024: Cause("Invalid Redirect URL", "completed"),
    7032: Cause("Invalid Method For Action URL", "completed"),
    7033: Cause("Invalid Method For Transfer URL", "completed"),
    7034: Cause("Invalid Method For Redirect URL", "completed"),
    8011: Cause("Invalid Answer XML", "completed"),
    8012: Cause("Invalid Action XML", "completed"),
    8013: Cause("Invalid Transfer XML", "completed"),
    8014: Cause("Invalid Redirect XML", "completed"),
    9000: Cause("Lost Race", "cancel", "LOSE_RACE"),
    9110: Cause("Confirm Key Challenge Failed", "no-answer", "NORMAL_CLEARING"),
    9100: Cause("Machine Detected", "completed", "NORMAL_CLEARING"),
}

BEFORE_RINGING = frozenset(str(code) for code in CAUSES if code < 4000 or 4200 <= code < 6000)
"""What `reject {cause}` understands."""

UNREACHED: Mapping[str, int] = {
    # The lab network's causes of a call that nobody answered.
    "busy": 3010,
    "no_answer": 3000,
    "declined": 3020,
    "unreachable": 3000,
    "invalid": 3050,
    "canceled": 1000,
}

_SOURCES: Mapping[str, frozenset[int]] = {
    "Unknown": frozenset({0}),
    "Plivo": frozenset({1000, 1010, 1020, 2060, 4010, 5020, 5030, 6000, 6010, 6020}),
    "Error": frozenset({3080, 3090, 3110, 5000, 5010}),
}


def source_of(code: int) -> str:
    """The HangupSource of a call that nobody took: the network's word mostly is passed on as the carrier's."""
    return next((source for source, codes in _SOURCES.items() if code in codes), "Carrier")


HEARD: Mapping[int, str] = {3010: "busy", 3020: "declined"}
"""What a caller hears of a call that ended before it was answered; all else is "unreachable"."""


def status_of(code: int, answered: bool) -> str:
    """The CallStatus of an ended call; nothing that was never answered is completed."""
    status = CAUSES[code].status
    return "failed" if status == "completed" and not answered else status
