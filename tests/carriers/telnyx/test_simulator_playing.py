"""Speak, play and their queue at the simulated Telnyx, as the person hears it and as the webhooks tell it."""

import base64
from typing import Any

import pytest
from telnyx.types.call_playback_ended_webhook_event import CallPlaybackEndedWebhookEvent
from telnyx.types.call_playback_started_webhook_event import CallPlaybackStartedWebhookEvent
from telnyx.types.call_speak_ended_webhook_event import CallSpeakEndedWebhookEvent
from telnyx.types.call_speak_started_webhook_event import CallSpeakStartedWebhookEvent

from carriers.lab.contract import Fetch
from carriers.lab.sound import is_loud, to_wav, tone

SHORT = tone(440, 0.04)
SILENCE = b"\xff" * 160
MODELS = {
    "call.speak.started": CallSpeakStartedWebhookEvent,
    "call.speak.ended": CallSpeakEndedWebhookEvent,
    "call.playback.started": CallPlaybackStartedWebhookEvent,
    "call.playback.ended": CallPlaybackEndedWebhookEvent,
}


def test_text_is_spoken(new_world: Any) -> None:
    """It takes as long as reading it, is heard, and its beginning and end are told."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "speak", payload="x" * 15, voice="female", client_state="c3Q=")
    assert world.told()[2:] == ["call.speak.started"]
    world.tick(49)
    assert (any(map(is_loud, world.heard)), world.told()[-1]) == (True, "call.speak.started")
    world.tick()
    (ended,) = world.payloads("call.speak.ended")
    assert (ended["status"], ended["client_state"]) == ("completed", "c3Q=")
    assert ("speak_id" in ended, "speak_id" in world.payload("call.speak.started")) == (True, False)
    assert not world.telnyx.ticking()


def test_what_is_said_at_once_is_heard_in_order(new_world: Any) -> None:
    """Commands queue; each is told when its own turn comes."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "speak", payload="<speak>a</speak>", payload_type="ssml", voice="female")
    world.do(ref, "playback_start", playback_content=base64.b64encode(to_wav(SHORT)).decode())
    assert world.told()[2:] == ["call.speak.started"]
    world.tick(20)
    assert world.told()[2:] == ["call.speak.started", "call.speak.ended", "call.playback.started", "call.playback.ended"]
    assert "media_url" not in world.payload("call.playback.started")


def test_a_file_is_fetched_and_played_as_often_as_asked(new_world: Any) -> None:
    """Nothing is told before the file is there; `loop` plays it again."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "playback_start", audio_url="http://127.0.0.1:1/a.wav", loop=2)
    assert world.told()[-1] == "call.answered"
    assert world.fetched(body=to_wav(SHORT)).url == "http://127.0.0.1:1/a.wav"
    world.tick(4)
    assert [is_loud(frame) for frame in world.heard] == [True] * 4
    (ended,) = world.payloads("call.playback.ended")
    assert (ended["status"], ended["media_url"]) == ("completed", "http://127.0.0.1:1/a.wav")


@pytest.mark.parametrize(
    ("status", "body", "word", "refused"), [(404, b"", "file_not_found", 0), (200, b"ID3 no WAV", "failed", 1)]
)
def test_a_file_that_cannot_be_played_is_told(new_world: Any, status: int, body: bytes, word: str, refused: int) -> None:
    """Absent, or nothing that the lab can play (then the ledger says so too); what waits behind is played."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "playback_start", audio_url="http://127.0.0.1:1/a.mp3")
    world.do(ref, "speak", payload="next", voice="female")
    world.fetched(status, body)
    assert world.payload("call.playback.ended")["status"] == word
    assert (world.told()[-1], len(world.refusals())) == ("call.speak.started", refused)


@pytest.mark.parametrize(("stop", "left"), [("current", ["call.speak.started"]), ("all", [])])
def test_playing_is_stopped(new_world: Any, stop: str, left: list[str]) -> None:
    """`current` goes on with what waits, `all` drops it; what was heard is told as cancelled."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "playback_start", playback_content=base64.b64encode(to_wav(tone(440, 9))).decode(), loop="infinity")
    world.do(ref, "speak", payload="next", voice="female")
    world.tick()
    world.do(ref, "playback_stop", stop=stop)
    assert world.payload("call.playback.ended")["status"] == "cancelled"
    assert world.told()[4:] == left
    assert world.telnyx.ticking() is bool(left)


def test_a_new_sound_may_stop_the_old_one(new_world: Any) -> None:
    """`stop` in the command itself clears what is heard first."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "speak", payload="one " * 50, voice="female")
    world.do(ref, "speak", payload="two", voice="female", stop="all")
    assert world.told()[2:] == ["call.speak.started", "call.speak.ended", "call.speak.started"]


def test_a_hang_up_ends_what_is_heard(new_world: Any) -> None:
    """The end is told before the hang-up, with `call_hangup`."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "speak", payload="one " * 50, voice="female")
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.told()[-2:] == ["call.speak.ended", "call.hangup"]
    assert world.payload("call.speak.ended")["status"] == "call_hangup"


@pytest.mark.knob("telnyx", "speak_stopped_status", no_adapter="nothing of ours lets Telnyx speak")
@pytest.mark.parametrize("word", ["completed", "cancelled"])
def test_the_word_for_stopped_speech_is_a_guess(new_world: Any, word: str) -> None:
    """The SDK's type knows no word for it."""
    world = new_world(speak_stopped_status=word)
    ref = world.talking()
    world.do(ref, "speak", payload="one " * 50, voice="female")
    world.do(ref, "playback_stop")
    assert world.payload("call.speak.ended")["status"] == word


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("playback_start", {"media_name": "hold"}, "/media_name"),
        ("playback_start", {"audio_url": "http://x/a.wav", "overlay": True}, "/overlay"),
        ("playback_start", {"audio_url": "http://x/a.wav", "target_legs": "both"}, "/target_legs"),
        ("playback_start", {"audio_url": "http://x/a.mp3", "audio_type": "mp3"}, "/audio_type"),
        ("playback_start", {"playback_content": base64.b64encode(b"ID3 mp3").decode()}, "/playback_content"),
        ("speak", {"payload": "x", "voice": "female", "voice_settings": {}}, "/voice_settings"),
        ("speak", {"payload": "x", "voice": "female", "target_legs": "opposite"}, "/target_legs"),
    ],
)
def test_what_the_lab_cannot_play_is_refused_by_name(new_world: Any, verb: str, body: dict[str, Any], pointer: str) -> None:
    """In the answer and in the ledger; nothing is heard."""
    world = new_world()
    ref = world.talking()
    assert world.error(world.command(ref, verb, **body)) == (422, "10015", pointer)
    assert (len(world.refusals()), list(world.all(Fetch)), world.telnyx.ticking()) == (1, [], False)


def test_webhooks_of_playing_are_what_the_sdks_models_promise(new_world: Any) -> None:
    """Every event is validated by the SDK's own type for it."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "speak", payload="a", voice="female")
    world.do(ref, "playback_start", playback_content=base64.b64encode(to_wav(SHORT)).decode())
    world.tick(20)
    told = [(kind, hook) for kind, hook in zip(world.told(), world.hooks, strict=True) if kind in MODELS]
    assert {kind for kind, _ in told} == set(MODELS)
    for kind, hook in told:
        MODELS[kind].model_validate_json(hook.body, strict=True)


def test_a_stream_goes_on_under_a_clip(new_world: Any) -> None:
    """What is played covers the stream's sound, whose clock runs on: its marks come back all the same."""
    world = new_world()
    ref, stream = world.streaming()
    sound = base64.b64encode(b"\x22" * 160).decode()
    world.telnyx.on_socket_frame(world.now, stream, f'{{"event":"media","media":{{"payload":"{sound}"}}}}')
    world.telnyx.on_socket_frame(world.now, stream, '{"event":"mark","mark":{"name":"m"}}')
    world.do(ref, "playback_start", playback_content=base64.b64encode(to_wav(SHORT)).decode())
    world.tick(3)
    assert world.heard[0] != b"\x22" * 160
    assert [frame["mark"]["name"] for frame in world.frames() if frame["event"] == "mark"] == ["m"]
    assert world.heard[2] == SILENCE
