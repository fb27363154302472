"""The lab's Plivo: the XML that customers answer with. Pure."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from msgspec import Struct

MAX_BYTES = 100 * 1024
NOT_SIMULATED = frozenset({"Conference", "MultiPartyCall", "User"})
STREAM_FORMATS: Mapping[str, tuple[str, int]] = {
    "audio/x-mulaw;rate=8000": ("audio/x-mulaw", 8000),
    "audio/x-l16;rate=8000": ("audio/x-l16", 8000),
    "audio/x-l16;rate=16000": ("audio/x-l16", 16000),
    "audio/x-l16;rate=24000": ("audio/x-l16", 24000),
}
DEFAULT_STREAM_FORMAT = "audio/x-l16;rate=8000"
"""What a stream without contentType is given: not mu-law."""
MAX_EXTRA_HEADERS = 512
MAX_DIGITS = 9
"""Of a number in an attribute."""

_ACTION = frozenset({"action", "method", "redirect"})
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    # What is obeyed, element by element.
    "Stream": frozenset(
        {"bidirectional", "keepCallAlive", "audioTrack", "streamTimeout", "contentType", "statusCallbackUrl"}
        | {"statusCallbackMethod", "extraHeaders", "noiseCancellation"}
    ),
    "Redirect": frozenset({"method"}),
    "Hangup": frozenset({"reason", "schedule"}),
    "Speak": frozenset({"voice", "language", "loop"}),
    "Play": frozenset({"loop"}),
    "Wait": frozenset({"length", "silence", "minSilence", "beep"}),
    "DTMF": frozenset({"async"}),
    "PreAnswer": frozenset(),
    "GetDigits": _ACTION
    | {"timeout", "digitTimeout", "finishOnKey", "numDigits", "retries", "playBeep", "validDigits", "log", "invalidDigitsSound"},
    "GetInput": _ACTION | {"inputType", "executionTimeout", "digitEndTimeout", "finishOnKey", "numDigits", "retries", "log"},
    "Record": _ACTION
    | {"fileFormat", "timeout", "maxLength", "playBeep", "finishOnKey", "recordSession", "startOnDialAnswer"}
    | {"callbackUrl", "callbackMethod", "recordChannelType"},
    "Dial": _ACTION
    | {"hangupOnStar", "timeLimit", "timeout", "callerId", "callerName", "dialMusic", "callbackUrl", "callbackMethod"}
    | {"digitsMatch", "digitsMatchBLeg", "confirmSound", "confirmKey", "confirmTimeout"},
    "Number": frozenset({"sendDigits", "sendDigitsMode"}),
    "Message": frozenset({"src", "dst", "type", "callbackUrl", "callbackMethod"}),
}
_PROMPTS = frozenset({"Speak", "Play", "Wait"})
_NESTED: Mapping[str, frozenset[str]] = {
    "GetDigits": _PROMPTS,
    "GetInput": _PROMPTS,
    "PreAnswer": _PROMPTS,
    "Dial": frozenset({"Number"}),
}
_WHOLE = frozenset(
    {"timeout", "digitTimeout", "numDigits", "retries", "executionTimeout", "maxLength", "timeLimit", "length", "loop"}
    | {"minSilence", "schedule", "streamTimeout", "confirmTimeout"}
)
_TRUTHS = frozenset(
    {"redirect", "playBeep", "log", "recordSession", "startOnDialAnswer", "hangupOnStar", "async", "silence"}
    | {"bidirectional", "keepCallAlive"}
)
_CHOICES: Mapping[str, frozenset[str]] = {
    **{name: frozenset({"true", "false"}) for name in _TRUTHS},
    "fileFormat": frozenset({"mp3", "wav"}),
    "recordChannelType": frozenset({"mono", "stereo"}),
    "audioTrack": frozenset({"inbound", "outbound", "both"}),
    "type": frozenset({"sms"}),
    "reason": frozenset({"rejected", "busy"}),
    **{name: frozenset({"GET", "POST"}) for name in ("callbackMethod", "statusCallbackMethod")},
}
_LANGUAGES = frozenset(
    {"da-DK", "nl-NL", "en-AU", "en-GB", "en-US", "fr-FR", "fr-CA", "de-DE", "it-IT", "pl-PL", "pt-PT", "pt-BR", "ru-RU"}
    | {"es-ES", "es-US", "sv-SE"}
)
_KEYS = re.compile(r"[0-9*#wWA-D]+")
_NUMBER = re.compile(r"\+?[1-9]\d{6,14}")


class Verb(Struct, frozen=True):
    """One element below `<Response>`, or nested in another."""

    name: str
    attributes: Mapping[str, str]
    text: str
    children: tuple["Verb", ...] = ()

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a number; checked when the document was read."""
        return int(self.attributes.get(name, default))

    def true(self, name: str, default: bool = False) -> bool:
        """An attribute that is a truth."""
        return self.attributes.get(name, "true" if default else "false") == "true"


class BadDocument(Exception):
    """Plivo would not take it, or the lab cannot obey it; `simulated` is False for the latter."""

    def __init__(self, why: str, simulated: bool = True) -> None:
        super().__init__(why)
        self.why, self.simulated = why, simulated


def read(body: bytes) -> list[Verb]:
    """The verbs in order; every one is checked before the first is obeyed."""
    if len(body) > MAX_BYTES:
        raise BadDocument("larger than 100 KB")
    try:
        verbs = [_verb(child) for child in _root(body)]
    except RecursionError as error:
        raise BadDocument("nested too deep") from error
    for verb in verbs:
        _check(verb, frozenset(ATTRIBUTES) - {"Number"})
    return verbs


def check_alone(verb: Verb) -> None:
    """An element that came another way than in a document; raise BadDocument."""
    _check(verb, frozenset({verb.name}))


def read_sounds(body: bytes) -> list[Verb]:
    """What is to be heard in a document of which nothing else is wanted."""
    if len(body) > MAX_BYTES:
        raise BadDocument("larger than 100 KB")
    verbs = [_verb(child) for child in _root(body) if child.tag in _PROMPTS]
    for verb in verbs:
        _check(verb, _PROMPTS)
    return verbs


def _root(body: bytes) -> ET.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BadDocument("a document type declaration")
    try:
        root = ET.fromstring(body)  # noqa: S314 - entities were refused in the line above
    except ET.ParseError as error:
        raise BadDocument(f"not well-formed: {error}") from error
    if root.tag != "Response":
        raise BadDocument(f"root element {root.tag}")
    return root


def _verb(element: ET.Element) -> Verb:
    # The tags inside <Speak> are SSML: what is said is the text between them.
    if element.tag == "Speak":
        return Verb("Speak", element.attrib, "".join(element.itertext()).strip())
    return Verb(element.tag, element.attrib, (element.text or "").strip(), tuple(map(_verb, element)))


def _check(verb: Verb, allowed: frozenset[str]) -> None:
    if verb.name in NOT_SIMULATED:
        raise BadDocument(f"<{verb.name}> is not simulated", simulated=False)
    if verb.name not in allowed:
        raise BadDocument(f"unknown element <{verb.name}>")
    for name, value in verb.attributes.items():
        _check_attribute(verb.name, name, value)
    for child in verb.children:
        _check(child, _NESTED.get(verb.name, frozenset()))
    if verb.name in _CHECKS:
        _CHECKS[verb.name](verb)


def _check_attribute(element: str, name: str, value: str) -> None:
    # Plivo does not say what becomes of an attribute that it does not know: the lab says that it is not obeyed.
    if name not in ATTRIBUTES[element]:
        raise BadDocument(f"{name} of <{element}> is not simulated", simulated=False)
    if name in _WHOLE and not (value.isdecimal() and len(value) <= MAX_DIGITS):
        raise BadDocument(f"<{element}> with a {name} that is no number")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise BadDocument(f"<{element}> with {name} {value}")


def _check_stream(verb: Verb) -> None:
    attributes = verb.attributes
    if not verb.text.startswith(("ws://", "wss://")) or len(verb.text) > 2048:
        raise BadDocument("<Stream> without a WebSocket URL")
    if verb.true("bidirectional") and attributes.get("audioTrack", "inbound") != "inbound":
        raise BadDocument("a bidirectional <Stream> takes audioTrack inbound only")
    if stream_format(attributes) not in STREAM_FORMATS:
        raise BadDocument(f"<Stream> with contentType {attributes.get('contentType')}")
    if len(attributes.get("extraHeaders", "").encode()) > MAX_EXTRA_HEADERS:
        raise BadDocument("<Stream> with more than 512 bytes of extraHeaders")
    if attributes.get("noiseCancellation", "false") != "false":
        raise BadDocument("noiseCancellation of <Stream> is not simulated", simulated=False)


def stream_format(attributes: Mapping[str, str]) -> str:
    """The contentType, as a key of STREAM_FORMATS if it is one."""
    return attributes.get("contentType", DEFAULT_STREAM_FORMAT).replace(" ", "").lower()


def _check_speak(verb: Verb) -> None:
    voice, language = verb.attributes.get("voice", "WOMAN"), verb.attributes.get("language", "en-US")
    if voice.startswith("Polly."):
        return
    if voice not in {"WOMAN", "MAN"}:
        raise BadDocument(f"<Speak> with voice {voice}")
    if language not in _LANGUAGES:
        raise BadDocument(f"<Speak> in {language} with voice {voice}")


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _check_play(verb: Verb) -> None:
    if not _is_url(verb.text):
        raise BadDocument("<Play> without an audio URL")


def _check_keys(verb: Verb) -> None:
    if not _KEYS.fullmatch(verb.text):
        raise BadDocument(f"<DTMF> with digits {verb.text}")


def _check_input(verb: Verb) -> None:
    if not verb.attributes.get("action"):
        raise BadDocument("<GetInput> without an action")
    if verb.attributes.get("inputType") != "dtmf":
        raise BadDocument(f"<GetInput> with inputType {verb.attributes.get('inputType')} is not simulated", simulated=False)
    end = verb.attributes.get("digitEndTimeout", "auto")
    if end != "auto" and not (end.isdecimal() and 2 <= int(end) <= 10):
        raise BadDocument(f"<GetInput> with digitEndTimeout {end}")
    if not 5 <= verb.whole("executionTimeout", 15) <= 60:
        raise BadDocument("<GetInput> with an executionTimeout outside of 5 to 60")


def _check_dial(verb: Verb) -> None:
    if not verb.children:
        raise BadDocument("<Dial> without a <Number>")
    if verb.attributes.get("dialMusic", "real") != "real" and not _is_url(verb.attributes["dialMusic"]):
        raise BadDocument("<Dial> with a dialMusic that is no URL")
    if "confirmSound" in verb.attributes and not _is_url(verb.attributes["confirmSound"]):
        raise BadDocument("<Dial> with a confirmSound that is no URL")
    if verb.attributes.get("confirmKey", "1") not in set("0123456789*#"):
        raise BadDocument("<Dial> with a confirmKey that is no key")


def _check_number(verb: Verb) -> None:
    if not _NUMBER.fullmatch(verb.text):
        raise BadDocument(f"<Number> that is none: {verb.text}")


def _check_wait(verb: Verb) -> None:
    if verb.attributes.get("beep", "true") not in {"true", "false"}:
        raise BadDocument("parameters in beep of <Wait> are not simulated", simulated=False)


def _check_message(verb: Verb) -> None:
    if not all(_NUMBER.fullmatch(verb.attributes.get(name, "")) for name in ("src", "dst")) or not verb.text:
        raise BadDocument("<Message> without src, dst or text")


_CHECKS = {
    "Stream": _check_stream,
    "Speak": _check_speak,
    "Play": _check_play,
    "DTMF": _check_keys,
    "GetInput": _check_input,
    "Dial": _check_dial,
    "Number": _check_number,
    "Wait": _check_wait,
    "Message": _check_message,
}
