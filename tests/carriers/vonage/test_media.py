"""Vonage's stream frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.vonage.media import VonageCodec
from gateway.domain.errors import Malformed
from gateway.domain.media import LINEAR_8K, LINEAR_16K, Audio, Digit, MarkPlayed, StreamStarted


def test_sound_is_binary_both_ways() -> None:
    """320 bytes of 16-bit sound are one frame in and one frame out, untouched."""
    codec, frame = VonageCodec(), bytes(range(160)) * 2
    assert codec.decode(frame) == (Audio(frame),)
    assert codec.audio(frame) == frame
    assert codec.sends == LINEAR_8K


def test_the_first_message_names_the_format() -> None:
    """`websocket:connected` starts the stream with its rate; headers of the connect action may stand beside it."""
    codec = VonageCodec()
    first = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","call_id":"abc","nested":{"a":[1]}}'
    assert codec.decode(first) == (StreamStarted(format=LINEAR_16K),)
    assert codec.sends == LINEAR_16K
    assert len(codec.audio(b"\1\0" * 10)) == 640


@pytest.mark.parametrize(
    "frame", [' {"event":"websocket:connected","content-type":"audio/l16;rate=8000"}', '{"content-type":"audio/l16; rate=8000"}']
)
def test_older_engines_are_understood(frame: str) -> None:
    """A leading space and a missing `event` have been seen in the first message."""
    assert VonageCodec().decode(frame) == (StreamStarted(format=LINEAR_8K),)


@pytest.mark.parametrize(
    "frame",
    ['{"event":"websocket:dtmf","digit":"5","duration":260}', '{"event":"websocket:dtmf","dtmf":"5","duration":260}'],
)
def test_keys_come_under_two_names(frame: str) -> None:
    """The key is in `digit`, in older engines in `dtmf`."""
    assert VonageCodec().decode(frame) == (Digit("5"),)


@given(st.text(min_size=1, max_size=40))
def test_marks_come_back_as_they_were_sent(name: str) -> None:
    """Whatever the mark's name, the carrier's echo of our payload gives the same name."""
    codec = VonageCodec()
    sent = json.loads(codec.mark(name))
    assert sent["action"] == "notify"
    assert codec.decode(json.dumps({"event": "websocket:notify", "payload": sent["payload"]})) == (MarkPlayed(name),)


def test_clear_is_a_command() -> None:
    """The buffer is dropped by one text message; its acknowledgement is no news."""
    codec = VonageCodec()
    assert json.loads(codec.clear()) == {"action": "clear"}
    assert codec.decode('{"event":"websocket:cleared"}') == ()


@pytest.mark.parametrize(
    "frame",
    [
        '{"event":"websocket:media:update","active":false,"method":"update","content-type":"audio/l16;rate=8000"}',
        '{"event":"websocket:notify","payload":{"other":1}}',
        '{"event":"websocket:notify"}',
        '{"event":"websocket:hangup"}',
        '{"event":17}',
        "{}",
    ],
)
def test_other_messages_are_no_news(frame: str) -> None:
    """Messages that we have no use for, or that do not exist yet, are ignored."""
    assert VonageCodec().decode(frame) == ()


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "5",
        b"\0" * 319,
        '{"event":"websocket:dtmf","digit":"55"}',
        '{"event":"websocket:dtmf"}',
        '{"event":"websocket:connected","content-type":"audio/pcmu;rate=8000"}',
        '{"event":"websocket:connected"}',
    ],
)
def test_garbage_is_malformed(frame: str | bytes) -> None:
    """What the carrier's documents do not promise is refused by name."""
    with pytest.raises(Malformed):
        VonageCodec().decode(frame)


@given(st.text() | st.binary())
def test_no_input_breaks_the_decoder(frame: str | bytes) -> None:
    """Any frame is events or Malformed, never another error."""
    try:
        events = VonageCodec().decode(frame)
    except Malformed:
        return
    assert isinstance(events, tuple)


@given(st.binary(max_size=320))
def test_frames_have_exactly_one_size(sound: bytes) -> None:
    """A short tail is filled with silence: any other size makes the carrier drop the socket."""
    framed = VonageCodec().audio(sound)
    assert len(framed) == 320
    assert framed.startswith(sound)
    assert not framed[len(sound) :].strip(b"\0")


def test_more_than_a_frame_is_our_mistake() -> None:
    """Sound is never cut off in silence."""
    with pytest.raises(ValueError, match="more than one frame"):
        VonageCodec().audio(b"\0" * 321)
