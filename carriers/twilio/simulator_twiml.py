"""The lab's Twilio reads TwiML: an HTTP answer becomes verbs, or the error code that Twilio's debugger would show."""

from xml.etree import ElementTree as ET  # documents come from the gateway under test, and a DOCTYPE is refused below

from carriers.lab.contract import WebhookReply
from carriers.twilio import simulator_grammar as grammar
from carriers.twilio.simulator_call import Verb

LARGEST = 64 * 1024
XML_TYPES = frozenset({"text/xml", "application/xml"})

CONNECTION_FAILED = "11205"
HTTP_ERROR = "11200"
TOO_LARGE = "11750"
BAD_CONTENT_TYPE = "12300"
NOT_TWIML = "12100"
NOT_VALID = "12200"
"""Twilio only warns of a verb or attribute that its schema lacks, and goes on; the lab refuses: nothing is lost unseen."""


class BadTwiml(Exception):
    """`code` as in Twilio's error catalogue."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


def document(reply: WebhookReply) -> tuple[Verb, ...]:
    """The verbs of an answer to a document request; BadTwiml for all that Twilio would not execute."""
    if reply.status == 0:
        raise BadTwiml(CONNECTION_FAILED, reply.failure)
    if not 200 <= reply.status < 300:
        raise BadTwiml(HTTP_ERROR, f"HTTP {reply.status}")
    if len(reply.body) > LARGEST:
        raise BadTwiml(TOO_LARGE, f"{len(reply.body)} bytes")
    if reply.content_type.partition(";")[0].strip().lower() not in XML_TYPES:
        raise BadTwiml(BAD_CONTENT_TYPE, reply.content_type or "no content type")
    return parse(reply.body)


def parse(body: bytes) -> tuple[Verb, ...]:
    """The children of `<Response>`."""
    if b"<!DOCTYPE" in body:
        raise BadTwiml(NOT_TWIML, "DOCTYPE")
    try:
        root = ET.fromstring(body)  # noqa: S314 - see the import
    except ET.ParseError as error:
        raise BadTwiml(NOT_TWIML, str(error)) from error
    if root.tag != "Response":
        raise BadTwiml(NOT_TWIML, f"root element {root.tag}")
    try:
        verbs = tuple(_verb(child) for child in root)
    except RecursionError as error:
        raise BadTwiml(NOT_TWIML, "elements within elements without end") from error
    stray = _stray_text(root)
    if stray:
        raise BadTwiml(NOT_VALID, f"text outside of a verb is not simulated: {stray[:50]}")
    for problem in filter(None, (grammar.problem(verb, "Response") for verb in verbs)):
        raise BadTwiml(NOT_VALID, problem)
    return verbs


def _stray_text(element: ET.Element) -> str:
    """What stands beside the elements: Twilio says none of it."""
    beside = (element.text if element.tag == "Response" else "", *(child.tail for child in element))
    return "".join(text or "" for text in beside).strip() or next(filter(None, map(_stray_text, element)), "")


def _verb(element: ET.Element) -> Verb:
    return Verb(
        name=element.tag,
        attributes=dict(element.attrib),
        text=(element.text or "").strip(),
        children=tuple(_verb(child) for child in element),
    )
