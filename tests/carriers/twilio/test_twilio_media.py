"""Media Streams messages, both ways."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.twilio.media import TwilioMedia
from gateway.domain.errors import CarrierError, Malformed
from gateway.domain.media import MULAW_8K, Audio, Digit, MarkPlayed, StreamStarted, StreamStopped

STREAM, CALL = "MZ" + "d" * 32, "CA" + "a" * 32
START = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC" + "b" * 32,
        "streamSid": STREAM,
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
    "streamSid": STREAM,
}


def started() -> TwilioMedia:
    codec = TwilioMedia()
    codec.decode(json.dumps(START))
    return codec


def test_start() -> None:
    """The recorded start message names stream, call and format."""
    assert TwilioMedia().decode(json.dumps(START)) == (StreamStarted(STREAM, CALL, MULAW_8K),)


def test_other_formats_are_refused() -> None:
    """A stream that is not mu-law 8 kHz is not played as if it were."""
    other = json.loads(json.dumps(START))
    other["start"]["mediaFormat"]["sampleRate"] = 16000
    with pytest.raises(Malformed):
        TwilioMedia().decode(json.dumps(other))


@given(st.binary(min_size=1, max_size=400))
def test_media_arrives(payload: bytes) -> None:
    """Any sound comes out of its base64 as it went in."""
    message = {
        "event": "media",
        "sequenceNumber": "3",
        "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": base64.b64encode(payload).decode()},
        "streamSid": STREAM,
    }
    assert started().decode(json.dumps(message)) == (Audio(payload),)


def test_our_own_sound_is_not_the_persons() -> None:
    """The outbound track, should Twilio ever send it, is not taken for the person's voice."""
    message = {"event": "media", "media": {"track": "outbound", "payload": "AAAA"}, "streamSid": STREAM}
    assert started().decode(json.dumps(message)) == ()


@pytest.mark.parametrize(
    ("message", "events"),
    [
        ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, ()),
        ({"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": "inbound_track", "digit": "#"}}, (Digit("#"),)),
        ({"event": "mark", "streamSid": STREAM, "mark": {"name": "m1"}}, (MarkPlayed("m1"),)),
        ({"event": "stop", "streamSid": STREAM, "stop": {"accountSid": "A", "callSid": CALL}}, (StreamStopped(),)),
        ({"event": "weather", "sky": "blue"}, ()),
    ],
)
def test_other_messages(message: dict[str, object], events: tuple[object, ...]) -> None:
    """Keys, marks and the end are told; greetings and words that we do not know are passed over."""
    assert started().decode(json.dumps(message)) == events


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '{"event":7}',
        '{"event":"media"}',
        '{"event":"media","media":{"payload":"***"}}',
        '{"event":"media","media":{}}',
        '{"event":"start","streamSid":"MZ"}',
        '{"event":"mark","mark":{}}',
        '{"no":"event"}',
        b"\x00\xff\x00",
    ],
)
def test_garbage(frame: str | bytes) -> None:
    """What Twilio does not promise is Malformed and nothing else."""
    with pytest.raises(Malformed):
        started().decode(frame)


@given(st.text())
def test_any_text_is_understood_or_malformed(frame: str) -> None:
    """No text whatever raises anything but Malformed."""
    try:
        started().decode(frame)
    except Malformed:
        pass


@given(st.binary(max_size=400))
def test_audio_as_twilio_wants_it(payload: bytes) -> None:
    """Exactly the fields that Twilio allows, standard base64, the stream's own sid."""
    message = json.loads(started().audio(payload))
    assert message == {"event": "media", "streamSid": STREAM, "media": {"payload": base64.b64encode(payload).decode()}}


@given(st.text())
def test_mark_as_twilio_wants_it(name: str) -> None:
    """A mark's name may hold anything."""
    assert json.loads(started().mark(name)) == {"event": "mark", "streamSid": STREAM, "mark": {"name": name}}


def test_clear_as_twilio_wants_it() -> None:
    """A clear has no body."""
    assert json.loads(started().clear()) == {"event": "clear", "streamSid": STREAM}


def test_nothing_is_written_before_start() -> None:
    """Before start the stream has no name, and Twilio drops what does not name it."""
    codec = TwilioMedia()
    assert codec.sends == MULAW_8K
    for write in (lambda: codec.audio(b"x"), lambda: codec.mark("m"), codec.clear):
        with pytest.raises(CarrierError):
            write()
