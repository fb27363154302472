"""A message that Plivo takes in a live call: the document, against the SDK's own builder, and what is found afterwards."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from plivo import plivoxml

from carriers.contract import Attempt
from carriers.messages_left import LEAVE, THANKS
from carriers.plivo.markup import PlivoMarkup
from carriers.plivo.messages import of_call

ATTEMPT = Attempt(call_id="call_1", leg_id="leg_1", to="+15550101000", caller_id="+15550190021", carrier="plivo")


def tree(xml: str | bytes) -> list[tuple[str, dict[str, str], str]]:
    return [(child.tag, dict(child.attrib), (child.text or "").strip()) for child in ET.fromstring(xml)]


def one(recording_id: str, **changes: Any) -> dict[str, Any]:
    known = {"call_uuid": "c-1", "recording_format": "wav", "recording_duration_ms": "3000.00000", "recording_start_ms": "5000"}
    return {"recording_id": recording_id, "recording_url": "https://media.plivo.com/r.wav", **known, **changes}


def test_the_document_is_what_the_sdk_would_build() -> None:
    """Greeting, tone and recording, and the farewell behind it: nothing is asked."""
    built = plivoxml.ResponseElement()
    built.add(plivoxml.SpeakElement(LEAVE))
    built.add(
        plivoxml.RecordElement(max_length=180, timeout=5, finish_on_key="#", play_beep=True, file_format="wav", redirect=False)
    )
    built.add(plivoxml.SpeakElement(THANKS))
    built.add(plivoxml.HangupElement())
    ours, theirs = tree(PlivoMarkup().message(ATTEMPT).body), tree(built.to_string())
    assert [(tag, text) for tag, _, text in ours] == [(tag, text) for tag, _, text in theirs]
    assert ours[1] == theirs[1]
    assert tree(PlivoMarkup().farewell().body) == [("Speak", {}, THANKS), ("Hangup", {}, "")]


def test_what_was_left_in_a_call() -> None:
    """The longest of this call's; another call's, and what is no WAV file, is not it."""
    found = [one("r1"), one("r2", recording_duration_ms="4000"), one("r3", call_uuid="c-2"), one("r4", recording_format="mp3")]
    message = of_call(found, "c-1")
    assert message is not None
    assert (message.recording_id, message.seconds, message.left_at, message.carrier_call_id) == ("r2", 4.0, 5.0, "c-1")
    assert of_call(found[2:], "c-1") is None


@pytest.mark.parametrize("told", [None, "", "0", "-1"], ids=repr)
def test_a_recording_of_unknown_length_is_one_all_the_same(told: str | None) -> None:
    """Whoever fetches it hears how long it is; without a second it would be taken for none."""
    message = of_call([one("r1", recording_duration_ms=told)], "c-1")
    assert message is not None
    assert message.seconds == 1.0
