"""The lab's Twilio: which TwiML it obeys, as tables. Whatever stands in none of them is refused by its name."""

import re
from collections.abc import Mapping

from msgspec import Struct

from carriers.twilio.simulator_call import Verb

_URL, _ANY, _COUNT, _FLAG = r".+", r".*", r"\d{1,5}", "true|false"
_METHOD, _KEYS = "GET|POST", r"[0-9*#]*"
_EVENTS = r"(initiated|ringing|answered|completed)( (initiated|ringing|answered|completed))*"
_RECORDING_EVENTS = r"(in-progress|completed|absent)( (in-progress|completed|absent))*"
_RECORDING = {
    "recordingStatusCallback": _URL,
    "recordingStatusCallbackMethod": _METHOD,
    "recordingStatusCallbackEvent": _RECORDING_EVENTS,
    "trim": "trim-silence|do-not-trim",
}


class Rule(Struct, frozen=True, kw_only=True):
    """An element: its attributes with patterns for their values, what may stand in it, whether text may."""

    attributes: Mapping[str, str] = {}
    children: frozenset[str] = frozenset()
    text: bool = False


RULES: Mapping[str, Rule] = {
    "Say": Rule(attributes={"voice": _ANY, "language": _ANY, "loop": _COUNT}, text=True),
    "Play": Rule(attributes={"loop": _COUNT, "digits": r"[0-9A-D*#wW]+"}, text=True),
    "Pause": Rule(attributes={"length": _COUNT}),
    "Redirect": Rule(attributes={"method": _METHOD}, text=True),
    "Hangup": Rule(),
    "Reject": Rule(attributes={"reason": "rejected|busy"}),
    "Gather": Rule(
        attributes={
            "input": "dtmf",
            "action": _URL,
            "method": _METHOD,
            "timeout": _COUNT,
            "finishOnKey": "[0-9*#]?",
            "numDigits": r"[1-9]\d*",
            "actionOnEmptyResult": _FLAG,
        },
        children=frozenset({"Say", "Play", "Pause"}),
    ),
    "Record": Rule(
        attributes={
            "action": _URL,
            "method": _METHOD,
            "timeout": _COUNT,
            "finishOnKey": _KEYS,
            "maxLength": _COUNT,
            "playBeep": _FLAG,
            **_RECORDING,
        }
    ),
    "Dial": Rule(
        attributes={
            "action": _URL,
            "method": _METHOD,
            "timeout": _COUNT,
            "timeLimit": _COUNT,
            "hangupOnStar": _FLAG,
            "callerId": _URL,
            "answerOnBridge": _FLAG,
            "record": "true|false|do-not-record|record-from-(answer|ringing)(-dual)?",
            "recordingTrack": "inbound|outbound|both",
            **_RECORDING,
        },
        children=frozenset({"Number"}),
        text=True,
    ),
    "Number": Rule(
        attributes={
            "url": _URL,
            "method": _METHOD,
            "sendDigits": r"[0-9A-D*#wW]+",
            "statusCallback": _URL,
            "statusCallbackMethod": _METHOD,
            "statusCallbackEvent": _EVENTS,
        },
        text=True,
    ),
    "Connect": Rule(attributes={"action": _URL, "method": _METHOD}, children=frozenset({"Stream"})),
    "Start": Rule(children=frozenset({"Stream", "Recording"})),
    "Stop": Rule(children=frozenset({"Stream"})),
    "Stream": Rule(
        attributes={
            "url": _ANY,
            "name": _ANY,
            "track": _ANY,
            "statusCallback": _URL,
            "statusCallbackMethod": _METHOD,
        },
        children=frozenset({"Parameter"}),
    ),
    "Recording": Rule(attributes={"channels": "mono|dual", "track": "inbound|outbound|both", **_RECORDING}),
    "Parameter": Rule(attributes={"name": _ANY, "value": _ANY}),
}
TOP = frozenset({"Say", "Play", "Pause", "Redirect", "Hangup", "Reject", "Gather", "Record", "Dial"}) | frozenset(
    {"Connect", "Start", "Stop"}
)
ONE_CHILD = frozenset({"Connect", "Start", "Stop"})


def problem(verb: Verb, inside: str) -> str:
    """What the lab does not obey in this element, in a sentence; empty if it obeys all."""
    allowed = TOP if inside == "Response" else RULES[inside].children
    if verb.name not in allowed:
        return f"<{inside}> of <{verb.name}> is not simulated" if inside != "Response" else f"<{verb.name}> is not simulated"
    rule = RULES[verb.name]
    for name, value in verb.attributes.items():
        if name not in rule.attributes or not re.fullmatch(rule.attributes[name], value, re.DOTALL):
            return f'<{verb.name} {name}="{value}"> is not simulated'
    if verb.name in ONE_CHILD and len(verb.children) != 1:
        return f"<{verb.name}> of {len(verb.children)} elements is not simulated"
    if verb.text and not rule.text:
        return f"text in <{verb.name}> is not simulated"
    return next(filter(None, (problem(child, verb.name) for child in verb.children)), "")
