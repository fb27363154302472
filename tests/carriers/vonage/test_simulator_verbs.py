"""The actions of a flow, one by one: sounds, keys, recordings, pauses."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.lab.contract import Fetch
from carriers.lab.sound import SILENCE, from_wav, to_wav, tone

HOOK = "https://gw.example.com/"
TALK = {"action": "talk", "text": "Please hold"}
"""11 characters: 0.73 s, or 37 frames."""
AFTER = {"action": "notify", "payload": {}, "eventUrl": [f"{HOOK}after"]}
INPUT = {"action": "input", "type": ["dtmf"], "eventUrl": [f"{HOOK}keys"]}
RECORD = {"action": "record", "format": "wav", "eventUrl": [f"{HOOK}recorded"]}
STREAM = {"action": "stream", "streamUrl": [f"{HOOK}hold.wav"]}


def press(stage: Any, ref: str, keys: str) -> None:
    for key in keys:
        stage.phone(ref, "digit", digit=key)


def loud(stage: Any) -> int:
    """How many frames of sound the phone heard since the last look."""
    found = sum(frame != SILENCE for frame in stage.network.heard)
    stage.network.heard.clear()
    return found


# --- sounds ------------------------------------------------------------------------------------------------------


def test_a_talk_repeats_as_often_as_it_says(stage: Any) -> None:
    """Twice the text is twice the sound, then the flow goes on."""
    stage.answered_with([TALK | {"loop": 2}, AFTER])
    stage.tick(times=73)
    assert stage.webhooks() == []
    stage.tick(times=2)
    assert stage.asked("after").method == "POST"


def test_a_talk_without_end_goes_on(stage: Any) -> None:
    """Loop 0 repeats until somebody stops it."""
    stage.answered_with([TALK | {"loop": 0}, AFTER])
    stage.tick(times=200)
    assert loud(stage) > 150
    assert stage.webhooks() == []


def test_the_level_changes_the_sound(stage: Any) -> None:
    """At the lowest level nothing is heard, but it takes as long."""
    stage.answered_with([TALK | {"level": -1}, AFTER])
    stage.tick(times=38)
    assert loud(stage) == 0
    assert stage.asked("after").method == "POST"


def test_tags_are_not_read_out(stage: Any) -> None:
    """SSML takes the time of its words."""
    stage.answered_with([{"action": "talk", "text": "<speak><break time='1s'/>Hi</speak>"}, AFTER])
    stage.tick(times=11)
    assert stage.asked("after").method == "POST"


def test_a_file_is_fetched_and_played(stage: Any) -> None:
    """A WAV of a second takes a second; nothing sounds before it is there."""
    ref = stage.answered_with([STREAM, AFTER])
    stage.tick(times=5)
    assert loud(stage) == 0
    assert stage.fetched(to_wav(tone(500, 1.0))) == f"{HOOK}hold.wav"
    stage.tick(times=49)
    assert (loud(stage), stage.webhooks()) == (49, [])
    stage.tick(times=1)
    assert stage.asked("after").carrier_call_id == ref


@pytest.mark.parametrize(("body", "status"), [(b"ID3 this is no wav", 200), (b"", 404)])
def test_a_file_that_cannot_be_played_is_skipped_loudly(stage: Any, body: bytes, status: int) -> None:
    """An error webhook, the ledger, and the next action."""
    stage.answered_with([STREAM, AFTER])
    stage.fetched(body, status)
    urls = [webhook.url for webhook in stage.webhooks()]
    assert urls == [f"{HOOK}event", f"{HOOK}after"]
    assert "hold.wav" in stage.ledger.kinds("refused")[0]["reason"]


def test_a_file_that_comes_too_late_is_forgotten(stage: Any) -> None:
    """The call has ended meanwhile."""
    ref = stage.answered_with([STREAM])
    (wish,) = stage.take(Fetch)
    stage.phone(ref, "ended", cause="normal", by="phone")
    stage.webhooks()
    stage.sim.on_fetched(stage.now, wish.id, None)
    assert stage.effects == []


# --- keys --------------------------------------------------------------------------------------------------------


def test_enough_keys_are_sent_at_once(stage: Any) -> None:
    """Four keys by default; the answer may bring another flow."""
    ref = stage.answered_with([INPUT, AFTER])
    press(stage, ref, "12*")
    assert stage.webhooks() == []
    press(stage, ref, "4")
    webhook = stage.asked("keys")
    body = json.loads(webhook.body)
    assert body["dtmf"] == {"digits": "12*4", "timed_out": False}
    assert (body["uuid"], body["speech"], webhook.timeout_s) == (ref, {}, 10.0)
    stage.reply(webhook, [TALK])
    stage.tick(times=38)
    assert stage.network.hung_up == [ref]


def test_a_pause_sends_what_there_is(stage: Any) -> None:
    """Three seconds after the last key; without a new flow the next action follows."""
    ref = stage.answered_with([INPUT, AFTER])
    stage.pass_time(2.9)
    press(stage, ref, "1")
    stage.pass_time(2.9)
    assert stage.webhooks() == []
    stage.pass_time(0.2)
    webhook = stage.asked("keys")
    assert json.loads(webhook.body)["dtmf"] == {"digits": "1", "timed_out": True}
    stage.reply(webhook, status=204)
    assert stage.asked("after").method == "POST"


@pytest.mark.parametrize(("submits", "digits"), [(True, "12"), (False, "12#3")])
def test_the_hash_key_submits_where_it_is_told_to(stage: Any, submits: bool, digits: str) -> None:
    """Elsewhere it is a key like the others."""
    ref = stage.answered_with([INPUT | {"dtmf": {"submitOnHash": submits, "maxDigits": 4}}])
    press(stage, ref, "12#3")
    assert json.loads(stage.asked("keys").body)["dtmf"]["digits"] == digits


def test_nobody_presses_anything(stage: Any) -> None:
    """The time limit of the action counts."""
    stage.answered_with([INPUT | {"dtmf": {"timeOut": 1}}])
    stage.pass_time(1.1)
    assert json.loads(stage.asked("keys").body)["dtmf"] == {"digits": "", "timed_out": True}


def test_a_key_interrupts_what_may_be_interrupted(stage: Any) -> None:
    """bargeIn: keys are taken while the text is read, and end it."""
    ref = stage.answered_with([TALK | {"bargeIn": True, "loop": 10}, INPUT | {"dtmf": {"maxDigits": 2}}])
    stage.tick(times=5)
    assert loud(stage) == 5
    press(stage, ref, "1")
    stage.tick(times=5)
    assert loud(stage) == 0
    press(stage, ref, "2")
    assert json.loads(stage.asked("keys").body)["dtmf"]["digits"] == "12"


def test_the_clock_of_an_input_waits_for_the_text_before_it(stage: Any) -> None:
    """BargeIn without a key: three seconds count from the end of the text."""
    stage.answered_with([TALK | {"bargeIn": True}, INPUT])
    stage.tick(times=38)
    stage.pass_time(2.8)
    assert stage.webhooks() == []
    stage.pass_time(0.3)
    assert json.loads(stage.asked("keys").body)["dtmf"]["timed_out"] is True


def test_the_fallback_stands_in_for_an_events_url(stage: Any) -> None:
    """After two failures of the event URL the fallback is asked; without a flow from it the call goes on."""
    stage.configure(fallback_answer_url={"address": f"{HOOK}fallback", "http_method": "POST"})
    stage.answered_with([INPUT | {"dtmf": {"timeOut": 1}}, AFTER])
    stage.pass_time(1.1)
    for step in ("keys", "keys", "fallback", "fallback"):
        asked = stage.asked(step)
        stage.reply(asked, status=503)
        stage.pass_time(1)
    assert json.loads(asked.body)["original_request"] == {"url": f"{HOOK}keys", "type": "event"}
    assert stage.asked("after").method == "POST"


# --- recordings --------------------------------------------------------------------------------------------------


def test_a_recording_without_an_end_lasts_as_long_as_the_call(stage: Any) -> None:
    """The flow goes on at once; at the end there is a webhook without a leg, and a file."""
    ref = stage.answered_with([RECORD, {"action": "talk", "text": "Hi", "loop": 0}])
    stage.tick(times=100)
    assert stage.webhooks() == []
    stage.phone(ref, "ended", cause="normal", by="phone")
    told = json.loads(stage.asked("recorded").body)
    assert sorted(told) == sorted(
        ["start_time", "recording_url", "size", "recording_uuid", "end_time", "conversation_uuid", "timestamp"]
    )
    assert told["start_time"].endswith("Z")
    assert "." not in told["start_time"]
    assert told["recording_uuid"] not in told["recording_url"]
    (entry,) = stage.ledger.kinds("recording")
    assert (entry["seconds"], entry["channels"], entry["carrier_call_id"]) == (2.0, 1, ref)


def test_a_voicemail_ends_with_silence_a_key_or_the_time(stage: Any) -> None:
    """Each condition stops it, and only then the flow goes on."""
    stage.network.voice = SILENCE
    ref = stage.answered_with([RECORD | {"endOnSilence": 3}, RECORD | {"endOnKey": "5"}, RECORD | {"timeOut": 4}, AFTER])
    stage.tick(times=149)
    assert stage.webhooks() == []
    stage.tick(times=1)
    assert stage.asked("recorded").method == "POST"
    press(stage, ref, "6")
    assert stage.webhooks() == []
    press(stage, ref, "5")
    assert stage.asked("recorded").method == "POST"
    stage.tick(times=200)
    assert [webhook.url for webhook in stage.webhooks()] == [f"{HOOK}recorded", f"{HOOK}after"]


def test_a_split_recording_has_two_channels(stage: Any) -> None:
    """Left the person, right the others; one channel has both."""
    ref = stage.answered_with([RECORD | {"split": "conversation", "timeOut": 3, "beepStart": True}])
    stage.tick(times=150)
    told = json.loads(stage.asked("recorded").body)
    path = told["recording_url"].removeprefix(stage.site.base_url)
    reply = stage.request("GET", path)
    assert (reply.status, reply.content_type, len(reply.body)) == (200, "audio/wav", told["size"])
    assert from_wav(reply.body)[:160] == stage.network.voice
    assert int.from_bytes(reply.body[22:24], "little") == 2
    assert loud(stage) == 20
    assert stage.network.hung_up == [ref]


def test_a_recording_is_there_for_its_application_and_for_a_month(stage: Any) -> None:
    """Without a token 401, with another application's 404, and after thirty days for nobody."""
    stage.answered_with([RECORD | {"timeOut": 3}])
    stage.tick(times=150)
    path = json.loads(stage.asked("recorded").body)["recording_url"].removeprefix(stage.site.base_url)
    made = json.loads(stage.account("POST", "/v2/applications", {"name": "other"}).body)["id"]
    assert stage.request("GET", path, token="garbage").status == 401
    assert stage.request("GET", path, token=stage.token(application_id=made)).status == 404
    assert stage.request("GET", path).status == 200
    stage.pass_time(30 * 86400.0)
    assert stage.request("GET", path).status == 404
    assert stage.request("GET", "/v1/files/nobody").status == 404


def test_a_pause_has_its_bounds(stage: Any) -> None:
    """Less than a tenth of a second is a tenth."""
    ref = stage.answered_with([{"action": "wait", "timeout": 0}])
    stage.pass_time(0.09)
    assert stage.network.hung_up == []
    stage.pass_time(0.02)
    assert stage.network.hung_up == [ref]


def test_the_first_action_that_is_wrong_is_named(make_stage: Callable[..., Any]) -> None:
    """The refusal says which action and which word."""
    stage = make_stage()
    stage.answered_with([TALK, TALK | {"voice": "kim"}])
    assert stage.ledger.kinds("refused")[0]["reason"] == "NCCO[1]: talk: voice is not simulated"
