"""The lab's Twilio reads a create and an update of a call: every parameter is obeyed, or refused by its name."""

from collections.abc import Mapping

from msgspec import Struct

from carriers.twilio import simulator_rules as rules
from carriers.twilio.simulator_call import Detection, RecordingOrder, Target
from carriers.twilio.simulator_rest import NoSuch, only

CREATE = frozenset(
    {"To", "From", "Url", "Twiml", "ApplicationSid", "Method", "FallbackUrl", "FallbackMethod", "Timeout", "TimeLimit"}
    | {"StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent", "SendDigits", "CallToken"}
    | {"Record", "RecordingChannels", "RecordingTrack", "Trim"}
    | {"RecordingStatusCallback", "RecordingStatusCallbackMethod", "RecordingStatusCallbackEvent"}
    | {"MachineDetection", "MachineDetectionTimeout", "MachineDetectionSpeechThreshold"}
    | {"MachineDetectionSpeechEndThreshold", "MachineDetectionSilenceTimeout"}
    | {"AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod"}
)
"""Parameters of a create that are obeyed. All others are refused loudly rather than accepted and ignored."""
UPDATE = frozenset(
    {"Status", "Url", "Method", "Twiml", "FallbackUrl", "FallbackMethod", "StatusCallback", "StatusCallbackMethod"}
    | {"TimeLimit"}
)
MAGIC_TO: Mapping[str, int] = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
MAGIC_FROM: Mapping[str, int] = {"+15005550001": 21212}
"""Numbers that Twilio's test credentials give a fixed error."""
LONGEST_TWIML = 4000
LONGEST_CALL_S = 86400
CHANNELS = frozenset({"mono", "dual"})
TRACKS = frozenset({"inbound", "outbound", "both"})
TRIMS = frozenset({"trim-silence", "do-not-trim"})


class Instructions(Struct, frozen=True, kw_only=True):
    """Where a call's documents come from and its events go to: of a create, or of an application."""

    url: str = ""
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    fallback_method: str = "POST"
    report: Target = Target()


class Order(Struct, frozen=True, kw_only=True):
    """A create that passed validation. Its application's instructions replace its own, if it names one."""

    to: str
    caller_id: str
    call_token: str
    application_sid: str
    instructions: Instructions
    timeout_s: int
    time_limit_s: int
    send_digits: str
    detection: Detection | None
    recording: RecordingOrder | None


class Change(Struct, frozen=True, kw_only=True):
    """An update that passed validation; None and empty: stays as it is."""

    status: str
    url: str
    method: str
    twiml: str
    fallback_url: str | None
    fallback_method: str
    report_url: str | None
    report_method: str
    time_limit_s: int | None


def read_order(fields: Mapping[str, list[str]]) -> Order:
    """Validate a create as Twilio does; raise NoSuch with its code."""
    only(fields, CREATE)
    one = {name: values[-1] for name, values in fields.items()}
    _check_numbers(one.get("To", ""), one.get("From", ""))
    instructions = read_instructions(fields)
    if not (one.get("ApplicationSid") or instructions.url or instructions.twiml):
        raise NoSuch(400, 21205, "neither Url nor Twiml nor ApplicationSid")
    return Order(
        to=one["To"],
        caller_id=one["From"],
        call_token=one.get("CallToken", ""),
        application_sid=one.get("ApplicationSid", ""),
        instructions=instructions,
        timeout_s=rules.number(one.get("Timeout", "60"), 1, 600),
        time_limit_s=rules.number(one.get("TimeLimit", "14400"), 1, LONGEST_CALL_S),
        send_digits=rules.digits(one.get("SendDigits", "")),
        detection=_detection(one, fields),
        recording=read_recording(fields, "OutboundAPI", "trim-silence") if _wants(one, "Record") else None,
    )


def read_instructions(fields: Mapping[str, list[str]]) -> Instructions:
    """The answer URL and its kin."""
    one = {name: values[-1] for name, values in fields.items()}
    text = one.get("Twiml", "")
    if len(text) > LONGEST_TWIML:
        raise NoSuch(400, 21205, f"Twiml is longer than {LONGEST_TWIML} characters")
    return Instructions(
        url=rules.url("Url", one.get("Url", "")),
        method=rules.method(one.get("Method", "POST")),
        twiml=text,
        fallback_url=rules.url("FallbackUrl", one.get("FallbackUrl", "")),
        fallback_method=rules.method(one.get("FallbackMethod", "POST")),
        report=rules.target("StatusCallback", fields),
    )


def read_recording(fields: Mapping[str, list[str]], source: str, trim: str) -> RecordingOrder:
    """How to record; `trim` is the default, which differs between a create and a recording begun later."""
    one = {name: values[-1] for name, values in fields.items()}
    return RecordingOrder(
        source=source,
        dual=rules.word("RecordingChannels", one.get("RecordingChannels", "mono"), CHANNELS) == "dual",
        track=rules.word("RecordingTrack", one.get("RecordingTrack", "both"), TRACKS),
        trim=rules.word("Trim", one.get("Trim", trim), TRIMS) == "trim-silence",
        report=rules.target("RecordingStatusCallback", fields, rules.RECORDING_EVENTS),
    )


def read_change(fields: Mapping[str, list[str]]) -> Change:
    """Validate an update of a call."""
    only(fields, UPDATE)
    one = {name: values[-1] for name, values in fields.items()}
    if one.get("Url") and one.get("Twiml"):
        raise NoSuch(400, 20001, "Url and Twiml exclude each other")
    if one.get("Status") and (one.get("Url") or one.get("Twiml")):
        raise NoSuch(400, 20001, "not simulated: Status together with Url or Twiml")
    if "Method" in one and not one.get("Url"):
        raise NoSuch(400, 20001, "not simulated: Method without Url")
    new = read_instructions(fields)
    return Change(
        status=rules.word("Status", one["Status"], frozenset({"completed", "canceled"})) if "Status" in one else "",
        url=new.url,
        method=new.method,
        twiml=new.twiml,
        fallback_url=new.fallback_url if "FallbackUrl" in one else None,
        fallback_method=new.fallback_method if "FallbackMethod" in one else "",
        report_url=new.report.url if "StatusCallback" in one else None,
        report_method=new.report.method if "StatusCallbackMethod" in one else "",
        time_limit_s=rules.number(one["TimeLimit"], 1, LONGEST_CALL_S) if "TimeLimit" in one else None,
    )


def _detection(one: Mapping[str, str], fields: Mapping[str, list[str]]) -> Detection | None:
    """SendDigits switches machine detection off (API description)."""
    wanted = one.get("MachineDetection", "")
    if not wanted or one.get("SendDigits"):
        return None
    rules.word("MachineDetection", wanted, frozenset({"Enable", "DetectMessageEnd"}))
    return Detection(
        message_end=wanted == "DetectMessageEnd",
        timeout_s=float(rules.number(one.get("MachineDetectionTimeout", "30"), 3, 59)),
        speech_s=rules.number(one.get("MachineDetectionSpeechThreshold", "2400"), 1000, 6000) / 1000,
        speech_end_s=rules.number(one.get("MachineDetectionSpeechEndThreshold", "1200"), 500, 5000) / 1000,
        silence_s=rules.number(one.get("MachineDetectionSilenceTimeout", "5000"), 2000, 10000) / 1000,
        background=_wants(one, "AsyncAmd"),
        report=rules.target("AsyncAmdStatusCallback", fields),
    )


def _wants(one: Mapping[str, str], name: str) -> bool:
    return rules.flag(name, one.get(name, "false"))


def _check_numbers(to: str, caller_id: str) -> None:
    if not to:
        raise NoSuch(400, 21201)
    if not caller_id:
        raise NoSuch(400, 21213)
    rules.telephone("To", to)
    rules.telephone("From", caller_id)
    if to in MAGIC_TO or caller_id in MAGIC_FROM:
        raise NoSuch(400, MAGIC_TO.get(to) or MAGIC_FROM[caller_id])
    if not rules.E164.fullmatch(to):
        raise NoSuch(400, 21211)
    if not rules.E164.fullmatch(caller_id):
        raise NoSuch(400, 21212)
