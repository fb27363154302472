"""Media Streams from Twilio's end: what is told, and what an agent may answer."""

import base64
import json

import pytest

from agent.twilio_stream.messages import CONNECTED, Clear, Mark, Play, Refused, Told, read

SID = "MZ" + "1" * 32


def test_what_is_told_has_twilios_shapes() -> None:
    """Numbers are strings, but for the two in mediaFormat; sequence numbers count every message but `connected`."""
    told = Told(SID, "CA1", "AC1")
    start = json.loads(told.start({"call_id": "call_1"}))
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": SID,
        "start": {
            "streamSid": SID,
            "accountSid": "AC1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "customParameters": {"call_id": "call_1"},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    media = json.loads(told.media(b"\x01" * 160))
    assert media == {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": SID,
        "media": {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": base64.b64encode(b"\x01" * 160).decode()},
    }
    assert json.loads(told.dtmf("5"))["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert json.loads(told.mark("m"))["mark"] == {"name": "m"}
    assert json.loads(told.stop())["sequenceNumber"] == "5"
    assert json.loads(CONNECTED) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}


WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt ").decode()
"""How agents begin that add a header to each frame."""


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ({"event": "media", "media": {"payload": base64.b64encode(b"abc").decode()}}, Play(b"abc")),
        ({"event": "media", "media": {"payload": ""}}, Play(b"")),
        ({"event": "media", "media": {"payload": "eA==", "track": "outbound"}, "extra": 1}, Play(b"x")),
        ({"event": "mark", "mark": {"name": "a b"}}, Mark("a b")),
        ({"event": "clear"}, Clear()),
    ],
)
def test_an_agents_wish_is_read(message: dict[str, object], meant: object) -> None:
    """Unknown fields are tolerated."""
    assert read(json.dumps({"streamSid": SID, **message}), SID) == meant


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\xff\xff", "31950"),
        ("", "31951"),
        ("[]", "31951"),
        ('{"event":"media","extra":' + "[" * 5000 + "]" * 5000 + "}", "31951"),
        ('{"event":"media"}', "31951"),
        (json.dumps({"event": "clear", "streamSid": "MZ2"}), "31951"),
        (json.dumps({"event": "media", "streamSid": SID}), "31951"),
        (json.dumps({"event": "media", "streamSid": SID, "media": {"payload": "*"}}), "31951"),
        (json.dumps({"event": "media", "streamSid": SID, "media": {"payload": WAV}}), "31951"),
        (json.dumps({"event": "mark", "streamSid": SID, "mark": {"name": 5}}), "31951"),
        (json.dumps({"event": "stop", "streamSid": SID}), "31951"),
    ],
)
def test_what_twilio_would_drop_is_refused_by_its_code(message: str | bytes, code: str) -> None:
    """Binary, no JSON, another stream, a missing object, wrong base64, wrong types, words that are not an agent's."""
    refused = read(message, SID)
    assert isinstance(refused, Refused)
    assert refused.code == code
