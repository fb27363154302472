"""The fields that the simulated Telnyx obeys, per command, with what each may hold. Pure.

A field that is not in its table, or a value that the lab cannot obey though Telnyx could, is refused by name: nothing is
silently lost.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from carriers.lab.contract import RestReply
from carriers.telnyx import simulator_rest as rest

Check = Callable[[Any], bool]
Fields = Mapping[str, tuple[str, Check]]
"""name -> (the code of the refusal of a bad value, the check)"""

E164 = re.compile(r"\+[1-9][0-9]{7,14}")
DIALLED = re.compile(r"\+[1-9][0-9]{7,14}(,[0-9A-D*#wW]{1,64})?")
DIGITS = re.compile(r"[0-9A-D*#wW]+")
MOST_RETRIES, MOST_RETRIES_MS = 5, 60_000
LONGEST_SPEECH = 3000


def _base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def between(low: int, high: int) -> Check:
    """A whole number within these limits, which are allowed themselves."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def one_of(*words: Any) -> Check:
    """A closed set."""
    return lambda value: not isinstance(value, bool) and value in words


def url(*schemes: str) -> Check:
    """An address of at most 2000 characters."""
    return lambda value: isinstance(value, str) and len(value) <= 2000 and _is_address(value, schemes)


def _is_address(written: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(written)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        return False


def text(longest: int = 10_000, shortest: int = 1) -> Check:
    """A string of so many characters."""
    return lambda value: isinstance(value, str) and shortest <= len(value) <= longest


def matching(pattern: re.Pattern[str], longest: int = 2000) -> Check:
    """A string of this form."""
    return lambda value: isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value) is not None


def flag(value: Any) -> bool:
    """True or false."""
    return isinstance(value, bool)


def pairs(value: Any) -> bool:
    """A list of {name, value}, both strings."""
    return isinstance(value, list) and all(
        isinstance(pair, dict) and set(pair) == {"name", "value"} and all(isinstance(word, str) for word in pair.values())
        for pair in value
    )


def _urls_by_event(value: Any) -> bool:
    good = url("http", "https")
    return isinstance(value, dict) and all(
        isinstance(urls, list) and bool(urls) and all(map(good, urls)) for urls in value.values()
    )


def _retries_by_event(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_policy, value.values()))


def _is_policy(policy: Any) -> bool:
    waits = policy.get("retries_ms") if isinstance(policy, dict) else None
    if not isinstance(waits, list) or not all(map(between(0, MOST_RETRIES_MS), waits)):
        return False
    return len(waits) <= MOST_RETRIES and sum(waits) <= MOST_RETRIES_MS


def _loops(value: Any) -> bool:
    return (
        value == "infinity" or between(1, 100)(value) or (isinstance(value, str) and value.isdecimal() and 1 <= int(value) <= 100)
    )


_WEB = url("http", "https")

STATE: Fields = {"client_state": ("90017", _base64), "command_id": ("10015", text())}
"""What every command takes."""
HOOKS: Fields = {
    "webhook_url": ("10015", _WEB),
    "webhook_url_method": ("10015", one_of("POST", "GET")),
    "webhook_urls": ("10015", _urls_by_event),
    "webhook_urls_method": ("10015", one_of("POST", "GET")),
    "webhook_retries_policies": ("10015", _retries_by_event),
}
STREAM: Fields = {
    "stream_url": ("10015", url("ws", "wss")),
    "stream_track": ("10015", one_of("inbound_track", "outbound_track", "both_tracks")),
    "stream_codec": ("10015", one_of("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16", "default")),
    "stream_bidirectional_mode": ("10015", one_of("mp3", "rtp")),
    "stream_bidirectional_codec": ("10015", one_of("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16")),
    "stream_bidirectional_target_legs": ("10015", one_of("both", "self", "opposite")),
}
STREAM_BUT_NOT_ON_ANSWER: Fields = {
    "stream_bidirectional_sampling_rate": ("10015", one_of(8000, 16000, 22050, 24000, 48000)),
    "stream_auth_token": ("10015", text(4000)),
}
RECORD: Fields = {
    "record": ("10015", one_of("record-from-answer")),
    "record_channels": ("10015", one_of("single", "dual")),
    "record_format": ("10015", one_of("wav", "mp3")),
    "record_track": ("10015", one_of("both", "inbound", "outbound")),
    "record_max_length": ("10015", between(0, 43_200)),
    "record_timeout_secs": ("10015", between(0, 14_400)),
    "record_trim": ("10015", one_of("trim-silence")),
    "record_custom_file_name": ("10015", text(40)),
}
_LEG: Fields = {
    "timeout_secs": ("10015", between(5, 600)),
    "time_limit_secs": ("10015", between(30, 14_400)),
    "from_display_name": ("10015", text(128)),
    "privacy": ("10015", one_of("id", "none")),
    "diversion": ("10016", matching(E164)),
    "custom_headers": ("10015", pairs),
    "sip_region": ("10015", one_of("US", "Europe", "Canada", "Australia", "Middle East")),
    "send_digits_on_answer": ("10015", matching(DIGITS, 64)),
    "audio_url": ("10015", _WEB),
    "park_after_unbridge": ("10015", one_of("self")),
    "answering_machine_detection": (
        "10015",
        one_of(
            "premium",
            "premium_ios_call_screening_detection",
            "detect",
            "detect_beep",
            "detect_words",
            "greeting_end",
            "disabled",
        ),
    ),
    "answering_machine_detection_config": ("10015", lambda value: isinstance(value, dict)),
}
"""What a new leg takes, dialled or transferred to."""

DIAL: Fields = {
    "connection_id": ("10015", text()),
    "from": ("10016", matching(E164)),
    "to": ("10016", matching(DIALLED)),
    "retry_on_timeout": ("10015", flag),
    "link_to": ("90015", text()),
    "bridge_intent": ("10015", flag),
    "bridge_on_answer": ("10015", flag),
    "prevent_double_bridge": ("10015", flag),
    "stream_establish_before_call_originate": ("10015", flag),
    **STATE,
    **HOOKS,
    **STREAM,
    **STREAM_BUT_NOT_ON_ANSWER,
    **RECORD,
    **_LEG,
}
ANSWER: Fields = {**STATE, **HOOKS, **STREAM, **RECORD, "custom_headers": ("10015", pairs)}
"""No token, no sampling rate, no parameters of the stream: they exist in `streaming_start` only."""
TRANSFER: Fields = {
    "to": ("10016", matching(DIALLED)),
    "from": ("10016", matching(E164)),
    "early_media": ("10015", flag),
    "mute_dtmf": ("10015", one_of("none", "both", "self", "opposite")),
    "target_leg_client_state": ("90017", _base64),
    **STATE,
    **HOOKS,
    **RECORD,
    **_LEG,
}
BRIDGE: Fields = {
    **STATE,
    "call_control_id": ("90015", text()),
    "park_after_unbridge": ("10015", one_of("self")),
    "prevent_double_bridge": ("10015", flag),
    "mute_dtmf": ("10015", one_of("none", "both", "self", "opposite")),
}
HANG_UP: Fields = {**STATE, "custom_headers": ("10015", pairs), "reason": ("10015", text(40))}
REJECT: Fields = {
    **STATE,
    "cause": ("10015", one_of("CALL_REJECTED", "NOT_FOUND", "TEMPORARILY_UNAVAILABLE", "USER_BUSY")),
}
STREAMING_START: Fields = {**STATE, **STREAM, **STREAM_BUT_NOT_ON_ANSWER, "custom_parameters": ("10015", pairs)}
STREAMING_STOP: Fields = {**STATE, "stream_id": ("10015", text())}
SEND_DTMF: Fields = {**STATE, "digits": ("10015", matching(DIGITS)), "duration_millis": ("10015", between(100, 500))}
RECORD_START: Fields = {
    **STATE,
    "channels": ("10015", one_of("single", "dual")),
    "format": ("10015", one_of("wav", "mp3")),
    "max_length": ("10015", between(0, 14_400)),
    "play_beep": ("10015", flag),
    "recording_track": ("10015", one_of("both", "inbound", "outbound")),
    "trim": ("10015", one_of("trim-silence")),
    "timeout_secs": ("10015", between(0, 14_400)),
    "custom_file_name": ("10015", text(40)),
}
RECORD_OTHER: Fields = {**STATE, "recording_id": ("10015", text())}
PLAYBACK_START: Fields = {
    **STATE,
    "audio_url": ("10015", _WEB),
    "playback_content": ("10015", _base64),
    "audio_type": ("10015", one_of("wav", "mp3")),
    "loop": ("10015", _loops),
    "stop": ("10015", one_of("current", "all")),
    "target_legs": ("10015", one_of("self", "opposite", "both")),
    "overlay": ("10015", flag),
}
PLAYBACK_STOP: Fields = {**STATE, "stop": ("10015", one_of("current", "all")), "overlay": ("10015", flag)}
_VOICE: Fields = {
    "voice": ("10015", text()),
    "language": ("10015", text(20)),
    "payload_type": ("10015", one_of("text", "ssml")),
    "service_level": ("10015", one_of("basic", "premium")),
}
SPEAK: Fields = {
    **STATE,
    **_VOICE,
    "payload": ("10015", text(LONGEST_SPEECH)),
    "loop": ("10015", _loops),
    "stop": ("10015", one_of("current", "all")),
    "target_legs": ("10015", one_of("self", "opposite", "both")),
}
_GATHER: Fields = {
    "minimum_digits": ("10015", between(1, 128)),
    "maximum_digits": ("10015", between(1, 128)),
    "timeout_millis": ("10015", between(1, 3_600_000)),
    "inter_digit_timeout_millis": ("10015", between(1, 3_600_000)),
    "terminating_digit": ("10015", text(1, 0)),
    "valid_digits": ("10015", matching(re.compile(r"[0-9A-D*#]+"))),
}
GATHER: Fields = {
    **STATE,
    **_GATHER,
    "initial_timeout_millis": ("10015", between(1, 3_600_000)),
    "gather_id": ("10015", text(40)),
}
GATHER_USING_SPEAK: Fields = {
    **STATE,
    **_GATHER,
    **_VOICE,
    "payload": ("10015", text(LONGEST_SPEECH)),
    "invalid_payload": ("10015", text(LONGEST_SPEECH)),
    "maximum_tries": ("10015", between(1, 128)),
}
GATHER_USING_AUDIO: Fields = {
    **STATE,
    **_GATHER,
    "audio_url": ("10015", _WEB),
    "invalid_audio_url": ("10015", _WEB),
    "maximum_tries": ("10015", between(1, 128)),
}

UNKNOWN_TO_THE_LAB: dict[str, frozenset[Any]] = {
    "webhook_url_method": frozenset({"GET"}),
    "webhook_urls_method": frozenset({"GET"}),
    "stream_codec": frozenset({"G722", "OPUS", "AMR-WB"}),
    "stream_bidirectional_codec": frozenset({"G722", "OPUS", "AMR-WB"}),
    "record_format": frozenset({"mp3"}),
    "format": frozenset({"mp3"}),
    "audio_type": frozenset({"mp3"}),
    "overlay": frozenset({True}),
    "target_legs": frozenset({"opposite", "both"}),
    "answering_machine_detection": frozenset({"premium_ios_call_screening_detection"}),
    "stream_bidirectional_target_legs": frozenset({"opposite"}),
    "type": frozenset({"MMS"}),
    "dtmf_type": frozenset({"Inband", "SIP INFO"}),
}
"""Values that Telnyx takes and the lab cannot obey."""
INSIDE: dict[str, frozenset[str]] = {
    "answering_machine_detection_config": frozenset(
        {
            "after_greeting_silence_millis",
            "greeting_duration_millis",
            "initial_silence_millis",
            "total_analysis_time_millis",
            "greeting_silence_duration_millis",
            "greeting_total_analysis_time_millis",
        }
    )
}
"""Of a field that is an object, what the lab obeys of it; all of them milliseconds."""


def bad_field(wish: Mapping[str, Any], fields: Fields) -> RestReply | None:
    """The refusal of the first field that is bad, or that this simulator does not obey."""
    for name, value in wish.items():
        if name not in fields:
            return rest.not_simulated(f"the parameter {name}", f"/{name}")
        code, is_good = fields[name]
        if not is_good(value):
            return rest.failure(422, code, f"bad value for {name}", f"/{name}")
        if isinstance(value, str | bool) and value in UNKNOWN_TO_THE_LAB.get(name, ()):
            return rest.not_simulated(f"{name} {value}", f"/{name}")
        refused = _bad_inside(name, value) if name in INSIDE else None
        if refused is not None:
            return refused
    if "record" in wish and "record_format" not in wish:
        return rest.not_simulated("recording as mp3, the default: say record_format wav", "/record_format")
    return None


def _bad_inside(name: str, value: Mapping[str, Any]) -> RestReply | None:
    for inner, number in value.items():
        if inner not in INSIDE[name]:
            return rest.not_simulated(f"the parameter {name}.{inner}", f"/{name}/{inner}")
        if not between(0, 600_000)(number):
            return rest.failure(422, "10015", f"bad value for {name}.{inner}", f"/{name}/{inner}")
    return None
