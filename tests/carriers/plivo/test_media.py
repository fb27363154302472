"""The stream's frames, as Plivo's documents and a recorded session show them."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.plivo.media import PlivoMedia
from gateway.domain.errors import Malformed
from gateway.domain.media import (
    LINEAR_8K,
    LINEAR_16K,
    MULAW_8K,
    Audio,
    AudioFormat,
    Digit,
    MarkPlayed,
    StreamEvent,
    StreamProblem,
    StreamStarted,
    StreamStopped,
)

START = (
    '{"event":"start","sequenceNumber":1,"start":{"callId":"c-uuid","streamId":"s-uuid","accountId":"MAXXXXXXXXXXXXXXXXXX",'
    '"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}},"extra_headers":"cid=abc123"}'
)
MEDIA = (
    '{"event":"media","sequenceNumber":42,"streamId":"s-uuid","media":{"track":"inbound","timestamp":"1705312200000",'
    '"chunk":41,"payload":"%s"},"extra_headers":"cid=abc123"}'
)
DTMF = (
    '{"event":"dtmf","sequenceNumber":99,"streamId":"s-uuid","dtmf":{"track":"inbound","digit":"5",'
    '"timestamp":"1705312201000"},"extra_headers":""}'
)


def _started() -> PlivoMedia:
    codec = PlivoMedia()
    codec.decode(START)
    return codec


def test_start_tells_ids_and_format() -> None:
    """The first frame names stream, call and format."""
    assert PlivoMedia().decode(START) == (StreamStarted("s-uuid", "c-uuid", MULAW_8K),)


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [
        ("audio/x-mulaw", "8000", MULAW_8K),
        ("audio/x-l16", 8000, LINEAR_8K),
        ("audio/x-l16;rate=16000", 16000, LINEAR_16K),
    ],
)
def test_format_is_taken_from_start(encoding: str, rate: int | str, expected: AudioFormat) -> None:
    """What `start` says counts, whatever was asked for: number or string, with or without a rate in the type."""
    codec = PlivoMedia()
    media_format = {"encoding": encoding, "sampleRate": rate}
    codec.decode(json.dumps({"event": "start", "start": {"callId": "c", "streamId": "s", "mediaFormat": media_format}}))
    assert codec.sends == expected
    sent = json.loads(codec.audio(bytes(expected.frame_bytes)))
    assert sent["media"]["contentType"] == encoding.partition(";")[0]
    assert sent["media"]["sampleRate"] == expected.rate


def test_unknown_format_is_refused() -> None:
    """Sound that we could not read is an error, not noise."""
    with pytest.raises(Malformed):
        PlivoMedia().decode('{"event":"start","start":{"mediaFormat":{"encoding":"audio/opus","sampleRate":48000}}}')


@given(st.binary(max_size=700))
def test_sound_comes_in_untouched(payload: bytes) -> None:
    """The person's sound is the base64 of a media frame, byte for byte."""
    frame = MEDIA % base64.b64encode(payload).decode()
    assert PlivoMedia().decode(frame) == (Audio(payload),)


@given(st.binary(max_size=700))
def test_sound_goes_out_untouched(payload: bytes) -> None:
    """Our sound is wrapped in the words of the documents."""
    content = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": base64.b64encode(payload).decode()}
    assert json.loads(_started().audio(payload)) == {"event": "playAudio", "media": content}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (DTMF, (Digit("5"),)),
        ('{"event":"playedStream","sequenceNumber":120,"streamId":"s-uuid","name":"utt-7"}', (MarkPlayed("utt-7"),)),
        ('{"event":"played","streamId":"s-uuid","name":"utt-7"}', (MarkPlayed("utt-7"),)),
        ('{"event":"clearedAudio","sequenceNumber":121,"streamId":"s-uuid"}', ()),
        ('{"event":"stop","streamId":"s-uuid"}', (StreamStopped("stop"),)),
        ('{"event":"playFailed","reason":"invalid_content_type"}', (StreamProblem("playFailed", "invalid_content_type"),)),
        ('{"event":"error","reason":"buffer_overflow"}', (StreamProblem("error", "buffer_overflow"),)),
        ('{"event":"somethingNew","answer":42}', ()),
    ],
)
def test_other_frames(frame: str, expected: tuple[StreamEvent, ...]) -> None:
    """Every other frame has its meaning, and one that nobody knows has none."""
    assert PlivoMedia().decode(frame) == expected


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "garbage",
        "[]",
        "{}",
        '{"event":5}',
        '{"event":"media"}',
        '{"event":"media","media":{"payload":"***"}}',
        '{"event":"start"}',
        '{"event":"dtmf","dtmf":{}}',
        b"\xff\xfe\x00",
    ],
)
def test_garbage_is_malformed(frame: str | bytes) -> None:
    """What breaks the documents' promise raises Malformed, never anything else."""
    with pytest.raises(Malformed):
        PlivoMedia().decode(frame)


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(frame: bytes) -> None:
    """Whatever arrives, decode answers or raises Malformed."""
    try:
        events: object = PlivoMedia().decode(frame)
    except Malformed:
        events = ()
    assert isinstance(events, tuple)


@pytest.mark.parametrize("name", ["utt-7", 'quote"back\\slash', "ünïcode"])
def test_mark_and_clear_name_the_stream(name: str) -> None:
    """Checkpoint and clearAudio carry the stream's id; a name survives JSON."""
    codec = _started()
    assert json.loads(codec.mark(name)) == {"event": "checkpoint", "streamId": "s-uuid", "name": name}
    assert json.loads(codec.clear()) == {"event": "clearAudio", "streamId": "s-uuid"}
