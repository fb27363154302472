"""The documents, read by the SDK's own builder's output and by an XML parser."""

import xml.etree.ElementTree as ET

from plivo import plivoxml

from carriers.contract import Attempt
from carriers.plivo.markup import QUICK_RETRIES, PlivoMarkup

ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550101000",
    caller_id="+15550190021",
    public_url="https://gw.example.com",
    carrier="plivo",
    media_token="tok&en",
)


def _tree(xml: str | bytes) -> list[tuple[str, dict[str, str], str]]:
    return [(child.tag, dict(child.attrib), (child.text or "").strip()) for child in ET.fromstring(xml)]


def test_connect_is_what_the_sdk_would_build() -> None:
    """The connect document equals, element by element, one made with the SDK's builder."""
    built = plivoxml.ResponseElement()
    stream = plivoxml.StreamElement(
        ATTEMPT.media_url,
        bidirectional=True,
        keepCallAlive=True,
        contentType="audio/x-mulaw;rate=8000",
        statusCallbackUrl=ATTEMPT.hook("stream"),
        statusCallbackMethod="POST",
    )
    built.add(stream)
    built.add(plivoxml.RedirectElement(ATTEMPT.hook("after") + QUICK_RETRIES, method="POST"))
    assert _tree(PlivoMarkup().connect(ATTEMPT).body) == _tree(built.to_string())


def test_connect_escapes_its_urls() -> None:
    """A URL with XML's own characters arrives as it was."""
    stream = ET.fromstring(PlivoMarkup().connect(ATTEMPT).body)[0]
    assert stream.text == ATTEMPT.media_url
    assert "&" in ATTEMPT.media_url


def test_hang_up_is_what_the_sdk_would_build() -> None:
    """The hang-up document equals one made with the SDK's builder."""
    built = plivoxml.ResponseElement()
    built.add(plivoxml.HangupElement())
    assert _tree(PlivoMarkup().hang_up().body) == _tree(built.to_string())


def test_documents_are_declared_as_xml() -> None:
    """Plivo takes a document for a document only with an XML content type; an acknowledgement is none."""
    markup = PlivoMarkup()
    assert {markup.connect(ATTEMPT).content_type, markup.hang_up().content_type} == {"application/xml"}
    assert (markup.acknowledge().status, markup.acknowledge().body) == (200, b"")
