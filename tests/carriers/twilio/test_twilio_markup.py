"""The documents that we answer with, against Twilio's own builder."""

from xml.etree import ElementTree as ET

from twilio.twiml.voice_response import Connect, VoiceResponse

from carriers.contract import Attempt
from carriers.twilio.markup import TwilioMarkup

ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190001",
    public_url="https://gw.example.com",
    carrier="twilio",
    media_token="secret",
)


def shape(element: ET.Element) -> tuple[object, ...]:
    return element.tag, sorted(element.attrib.items()), [shape(child) for child in element]


def test_connect_is_what_the_builder_builds() -> None:
    """The connect document equals the one of the SDK's builder, element by element."""
    after, stream = ATTEMPT.hook("after"), ATTEMPT.hook("stream")
    connect = Connect(action=after, method="POST")
    connect.stream(url=ATTEMPT.media_url, status_callback=stream, status_callback_method="POST")
    response = VoiceResponse()
    response.append(connect)
    document = TwilioMarkup().connect(ATTEMPT)
    assert shape(ET.fromstring(document.body)) == shape(ET.fromstring(str(response)))
    assert (document.status, document.content_type) == (200, "text/xml")


def test_connect_tells_where_to_stream_and_whom_to_ask_after() -> None:
    """The token is in the path (Twilio drops a query), and the end of the stream is asked about."""
    stream = ET.fromstring(TwilioMarkup().connect(ATTEMPT).body)[0][0]
    assert stream.attrib["url"] == "wss://gw.example.com/carriers/twilio/media/call_1/leg_1/secret"
    assert "?" not in stream.attrib["url"]
    action = ET.fromstring(TwilioMarkup().connect(ATTEMPT).body)[0].attrib["action"]
    assert action == "https://gw.example.com/carriers/twilio/hooks/call_1/leg_1/after"


def test_markup_is_escaped() -> None:
    """A public URL with characters that XML reserves stays well-formed and whole."""
    odd = Attempt(
        call_id="c", leg_id="l", to="+1", caller_id="+1", public_url='https://gw/a"b&c<d>', carrier="twilio", media_token="t"
    )
    connect = ET.fromstring(TwilioMarkup().connect(odd).body)[0]
    assert connect.attrib["action"] == odd.hook("after")
    assert connect[0].attrib["url"] == odd.media_url


def test_hang_up() -> None:
    """One verb, as the builder writes it."""
    response = VoiceResponse()
    response.hangup()
    assert shape(ET.fromstring(TwilioMarkup().hang_up().body)) == shape(ET.fromstring(str(response)))


def test_acknowledgement_has_no_body() -> None:
    """A 2xx that cannot be taken for a document."""
    document = TwilioMarkup().acknowledge()
    assert (document.status, document.body) == (204, b"")
