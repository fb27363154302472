"""The lab's Plivo: the XML that customers answer with. Pure."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from msgspec import Struct

MAX_BYTES = 100 * 1024
OBEYED = frozenset({"Stream", "Redirect", "Hangup", "Speak", "Play", "Wait"})
NOT_SIMULATED = frozenset(
    {"Conference", "Dial", "DTMF", "GetDigits", "GetInput", "Message", "MultiPartyCall", "PreAnswer", "Record"}
)
STREAM_FORMATS: Mapping[str, tuple[str, int]] = {
    "audio/x-mulaw;rate=8000": ("audio/x-mulaw", 8000),
    "audio/x-l16;rate=8000": ("audio/x-l16", 8000),
}
DEFAULT_STREAM_FORMAT = "audio/x-l16;rate=8000"
"""What a stream without contentType is given: not mu-law."""


class Verb(Struct, frozen=True):
    """One element below `<Response>`."""

    name: str
    attributes: Mapping[str, str]
    text: str


class BadDocument(Exception):
    """Plivo would not take it, or the lab cannot obey it; `simulated` is False for the latter."""

    def __init__(self, why: str, simulated: bool = True) -> None:
        super().__init__(why)
        self.why, self.simulated = why, simulated


def read(body: bytes) -> list[Verb]:
    """The verbs in order; every one is checked before the first is obeyed."""
    if len(body) > MAX_BYTES:
        raise BadDocument("larger than 100 KB")
    verbs = [Verb(child.tag, child.attrib, (child.text or "").strip()) for child in _root(body)]
    for verb in verbs:
        _check(verb)
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


def _check(verb: Verb) -> None:
    if verb.name in NOT_SIMULATED:
        raise BadDocument(f"<{verb.name}> is not simulated", simulated=False)
    if verb.name not in OBEYED:
        raise BadDocument(f"unknown element <{verb.name}>")
    if verb.name == "Stream":
        _check_stream(verb)


def _check_stream(verb: Verb) -> None:
    attributes = verb.attributes
    if not verb.text.startswith(("ws://", "wss://")) or len(verb.text) > 2048:
        raise BadDocument("<Stream> without a WebSocket URL")
    if attributes.get("bidirectional") == "true" and attributes.get("audioTrack", "inbound") != "inbound":
        raise BadDocument("a bidirectional <Stream> takes audioTrack inbound only")
    content_type = attributes.get("contentType", DEFAULT_STREAM_FORMAT).replace(" ", "")
    if content_type == "audio/x-l16;rate=16000":
        raise BadDocument("<Stream> with 16 kHz is not simulated", simulated=False)
    if content_type not in STREAM_FORMATS:
        raise BadDocument(f"<Stream> with contentType {content_type}")
    if not attributes.get("streamTimeout", "86400").isdecimal():
        raise BadDocument("<Stream> with a streamTimeout that is no number")
