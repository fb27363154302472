"""Telnyx' stream frames, as the carrier's media-streaming page prints them."""

import base64
import json
import warnings

import pytest

from carriers.telnyx.alaw import ALAW_TO_MULAW
from carriers.telnyx.media import TelnyxMediaCodec
from gateway.domain.errors import Malformed
from gateway.domain.media import MULAW_8K, Audio, Digit, MarkPlayed, StreamEvent, StreamProblem, StreamStarted, StreamStopped

SOUND = bytes(range(160))


def start(encoding: str = "PCMU", rate: int = 8000) -> str:
    media_format = {"encoding": encoding, "sample_rate": rate, "channels": 1}
    body = {"user_id": "u", "call_control_id": "v3:x", "call_session_id": "s", "from": "+15550190011", "to": "+15550100001"}
    frame = {"event": "start", "sequence_number": "1", "stream_id": "st-1", "start": {**body, "media_format": media_format}}
    return json.dumps(frame)


def media(chunk: object, sound: bytes = SOUND, track: str = "inbound") -> str:
    body = {"track": track, "chunk": chunk, "timestamp": "5", "payload": base64.b64encode(sound).decode()}
    return json.dumps({"event": "media", "sequence_number": "4", "stream_id": "st-1", "media": body})


def heard(codec: TelnyxMediaCodec, *frames: str) -> list[bytes]:
    events = [event for frame in frames for event in codec.decode(frame)]
    return [event.payload for event in events if isinstance(event, Audio)]


def test_the_start_names_stream_and_call() -> None:
    """The stream's id is top-level, the call's id inside start; connected says nothing."""
    codec = TelnyxMediaCodec()
    assert codec.decode('{"event":"connected","version":"1.0.0"}') == ()
    assert codec.decode(start()) == (StreamStarted(stream_id="st-1", carrier_call_id="v3:x", format=MULAW_8K),)
    assert codec.sends == MULAW_8K


@pytest.mark.parametrize("encoding", ["PCMU", "audio/x-mulaw"])
def test_mu_law_passes_untouched(encoding: str) -> None:
    """Both names of mu-law that Telnyx has used are understood, and the bytes are the codec's own."""
    codec = TelnyxMediaCodec()
    codec.decode(start(encoding))
    assert heard(codec, media("1")) == [SOUND]


def test_a_law_becomes_mu_law() -> None:
    """Where Telnyx cannot transcode, A-law comes in; the bridge never sees it."""
    codec = TelnyxMediaCodec()
    codec.decode(start("PCMA"))
    assert heard(codec, media("1", b"\xd5\x2a\xaa" * 53)) == [b"\xfe\x00\x80" * 53]


def test_the_a_law_table_agrees_with_the_standard_librarys() -> None:
    """Every one of the 256 codes, against an independent implementation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop

    every = bytes(range(256))
    assert audioop.lin2ulaw(audioop.alaw2lin(every, 2), 2) == ALAW_TO_MULAW


@pytest.mark.parametrize(("encoding", "rate"), [("L16", 16000), ("OPUS", 8000), ("PCMU", 16000)])
def test_an_encoding_that_we_did_not_ask_for_is_refused(encoding: str, rate: int) -> None:
    """Better no stream than noise in a person's ear."""
    with pytest.raises(Malformed, match="unsupported-encoding"):
        TelnyxMediaCodec().decode(start(encoding, rate))


def test_keys_marks_stop_and_complaints() -> None:
    """The other frames of the page, in our words."""
    codec = TelnyxMediaCodec()
    frames: list[tuple[str, tuple[StreamEvent, ...]]] = [
        ('{"event":"dtmf","stream_id":"s","occurred_at":"x","sequence_number":"5","dtmf":{"digit":"#"}}', (Digit("#"),)),
        ('{"event":"mark","stream_id":"s","sequence_number":"5","mark":{"name":"m1"}}', (MarkPlayed("m1"),)),
        ('{"event":"stop","sequence_number":"5","stream_id":"s","stop":{"user_id":"u"}}', (StreamStopped(),)),
        (
            '{"event":"error","stream_id":"s","payload":{"code":100003,"title":"malformed_frame","detail":".."}}',
            (StreamProblem("100003", "malformed_frame"),),
        ),
        ('{"event":"something_new","x":1}', ()),
    ]
    for frame, expected in frames:
        assert codec.decode(frame) == expected


def test_frames_that_overtake_each_other_are_put_in_order() -> None:
    """Telnyx does not promise the order of its frames; the chunk's number restores it."""
    one, two, three, four = (bytes([n]) * 160 for n in (1, 2, 3, 4))
    codec = TelnyxMediaCodec()
    assert heard(codec, media("1", one), media("3", three), media("4", four), media("2", two)) == [one, two, three, four]


def test_a_lost_frame_holds_the_others_up_only_shortly() -> None:
    """After four frames (80 ms) without the missing one it counts as lost, and comes too late if it comes."""
    codec = TelnyxMediaCodec()
    sounds = {n: bytes([n]) * 160 for n in range(1, 8)}
    assert heard(codec, media("1", sounds[1])) == [sounds[1]]
    assert heard(codec, *(media(str(n), sounds[n]) for n in (3, 4, 5))) == []
    assert heard(codec, media("6", sounds[6])) == [sounds[n] for n in (3, 4, 5, 6)]
    assert heard(codec, media("2", sounds[2])) == []
    assert heard(codec, media("7", sounds[7])) == [sounds[7]]


def test_what_waits_at_the_end_is_still_heard() -> None:
    """The stop frame lets go of what waited for a frame that never came."""
    codec = TelnyxMediaCodec()
    assert heard(codec, media("1"), media("3", b"\1" * 160), '{"event":"stop"}') == [SOUND, b"\1" * 160]


@pytest.mark.parametrize("chunk", [None, "", "x", 0, "-1"])
def test_frames_without_a_number_are_taken_as_they_come(chunk: object) -> None:
    """Nothing is lost for want of a chunk number."""
    assert heard(TelnyxMediaCodec(), media(chunk), media(chunk)) == [SOUND, SOUND]


def test_our_own_sound_is_not_heard_back() -> None:
    """The outbound track, should it ever be streamed, is not the person."""
    assert TelnyxMediaCodec().decode(media("1", track="outbound")) == ()


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "garbage",
        "[]",
        "{}",
        b"\xff\x00",
        b'{"event":"\xff"}',
        '{"event":"media"}',
        '{"event":"media","media":{"payload":"***"}}',
        '{"event":"media","media":{"payload":5}}',
        '{"event":"dtmf","dtmf":{}}',
        '{"event":"mark"}',
    ],
)
def test_garbage_is_malformed(frame: str | bytes) -> None:
    """What is in no language of Telnyx' is an error that says so."""
    with pytest.raises(Malformed):
        TelnyxMediaCodec().decode(frame)


def test_what_we_send_has_the_carriers_shape() -> None:
    """Media, mark and clear carry no stream id."""
    codec = TelnyxMediaCodec()
    payload = base64.b64encode(SOUND).decode()
    assert json.loads(codec.audio(SOUND)) == {"event": "media", "media": {"payload": payload}}
    assert json.loads(codec.mark('a "name"\n')) == {"event": "mark", "mark": {"name": 'a "name"\n'}}
    assert json.loads(codec.clear()) == {"event": "clear"}


def test_a_short_tail_is_filled_with_silence() -> None:
    """Less than 20 ms is undefined at Telnyx, so it never leaves."""
    sent = json.loads(TelnyxMediaCodec().audio(b"\1\2\3"))
    assert base64.b64decode(sent["media"]["payload"]) == b"\1\2\3" + b"\xff" * 157


def test_sound_survives_the_way_there_and_back() -> None:
    """What one codec sends, another reads as the same bytes."""
    sent = json.loads(TelnyxMediaCodec().audio(SOUND))
    assert heard(TelnyxMediaCodec(), media("1", base64.b64decode(sent["media"]["payload"]))) == [SOUND]
