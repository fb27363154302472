"""A message that Twilio takes in a live call: the documents, against Twilio's own builder, and what is found afterwards."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from twilio.twiml.voice_response import VoiceResponse

from carriers.contract import Attempt, Expectation, HookRequest
from carriers.messages_left import LEAVE, THANKS
from carriers.twilio.markup import TwilioMarkup
from carriers.twilio.messages import Recorded, of_call
from carriers.twilio.webhooks import TwilioWebhooks

ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190001",
    public_url="https://gw.example.com",
    carrier="twilio",
    media_token="secret",
)


def shape(xml: str | bytes) -> object:
    def of(element: ET.Element) -> object:
        return element.tag, element.text, sorted(element.attrib.items()), [of(child) for child in element]

    return of(ET.fromstring(xml))


def recorded(sid: str, **changes: Any) -> Recorded:
    known: dict[str, Any] = {
        "sid": sid,
        "call_sid": "CA1",
        "status": "completed",
        "source": "RecordVerb",
        "began": 5.0,
        "seconds": 3.0,
    }
    return Recorded(**(known | changes))


def test_the_document_is_what_the_builder_builds() -> None:
    """Greeting, tone and recording; what follows the recording is asked for at an address of its own."""
    response = VoiceResponse()
    response.say(LEAVE)
    response.record(
        action=ATTEMPT.hook("recorded"),
        method="POST",
        max_length=180,
        timeout=5,
        finish_on_key="#",
        play_beep=True,
        trim="do-not-trim",
    )
    response.say(THANKS)
    response.hangup()
    assert shape(TwilioMarkup().message(ATTEMPT).body) == shape(str(response))


def test_the_farewell_ends_the_call() -> None:
    """Thanks, and no more."""
    response = VoiceResponse()
    response.say(THANKS)
    response.hangup()
    assert shape(TwilioMarkup().farewell().body) == shape(str(response))


def test_after_the_recording_a_document_is_wanted() -> None:
    """A hang-up that ended it is told in the same request."""
    body = b"CallSid=CA1&CallStatus=completed&RecordingSid=RE1&Digits=hangup"
    request = HookRequest(method="POST", url="https://gw.example.com/x", path="recorded", headers={}, body=body)
    hook = TwilioWebhooks("token").parse(request, 0.0)
    assert hook.expects is Expectation.AFTER_MESSAGE_DOCUMENT
    assert [type(event).__name__ for event in hook.events] == ["LegEnded"]


@pytest.mark.parametrize(
    ("found", "sid", "seconds"),
    [
        ([recorded("RE1", seconds=1.0), recorded("RE2", seconds=4.0)], "RE2", 4.0),
        ([recorded("RE1", status="processing"), recorded("RE2", source="DialVerb")], None, None),
        ([recorded("RE1", status="absent", seconds=0.0)], "RE1", 0.0),
        ([], None, None),
    ],
    ids=["the-longest", "not-ready", "nothing-said", "none"],
)
def test_what_was_left_in_a_call(found: list[Recorded], sid: str | None, seconds: float | None) -> None:
    """Ready recordings of `<Record>` alone; Twilio's word that nothing was recorded is an answer too."""
    message = of_call(found)
    assert (message.recording_id, message.seconds) == (sid, seconds) if message else sid is None
