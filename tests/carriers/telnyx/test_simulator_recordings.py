"""Recordings at the simulated Telnyx: what is in them, what is told of them, and who may fetch them for how long."""

import io
import json
import wave
from typing import Any
from urllib.parse import urlsplit

import pytest
from telnyx.types.call_recording_saved_webhook_event import CallRecordingSavedWebhookEvent

from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.sound import tone

LOUD, QUIET = tone(440, 0.02), b"\xff" * 160
START = {"channels": "single", "format": "wav"}


def saved(world: Any) -> dict[str, Any]:
    world.wake("saved")
    payload: dict[str, Any] = world.payloads("call.recording.saved")[-1]
    return payload


def download(world: Any, url: str) -> RestReply:
    parts = urlsplit(url)
    reply: RestReply = world.telnyx.on_request(world.now, RestRequest(method="GET", path=parts.path, query=parts.query))
    return reply


def shape(reply: RestReply) -> tuple[int, float]:
    """(channels, seconds) of a WAV."""
    with wave.open(io.BytesIO(reply.body)) as file:
        return file.getnchannels(), file.getnframes() / file.getframerate()


def test_a_recording_by_command(new_world: Any) -> None:
    """It runs until it is stopped, is told of when it is saved, and its link gives the sound without a key."""
    world = new_world()
    ref = world.talking(client_state="bGVn")
    world.do(ref, "record_start", **START)
    world.tick(50)
    world.do(ref, "record_stop")
    assert "call.recording.saved" not in world.told()
    payload = saved(world)
    assert ("call_control_id" in payload, payload["client_state"], payload["channels"]) == (False, "bGVn", "single")
    assert shape(download(world, payload["recording_urls"]["wav"])) == (1, 1.0)
    hook = world.hooks[-1]
    CallRecordingSavedWebhookEvent.model_validate_json(hook.body, strict=True)


@pytest.mark.parametrize(
    ("order", "channels"),
    [
        ({"channels": "dual"}, 2),
        ({"channels": "dual", "recording_track": "inbound"}, 1),
        ({"channels": "dual", "recording_track": "outbound"}, 1),
    ],
)
def test_tracks_and_channels(new_world: Any, order: dict[str, str], channels: int) -> None:
    """A single track is mono, whatever was asked."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "record_start", **(START | order))
    world.tick(10)
    world.do(ref, "record_stop")
    payload = saved(world)
    assert shape(download(world, payload["recording_urls"]["wav"]))[0] == channels
    assert payload["channels"] == ("dual" if channels == 2 else "single")


def test_the_end_of_a_call_ends_its_recording(new_world: Any) -> None:
    """Told after the hang-up."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "record_start", **START)
    world.tick(5)
    world.phone(ref, "ended", cause="normal", by="phone")
    saved(world)
    assert world.told()[-2:] == ["call.hangup", "call.recording.saved"]


def test_pause_and_resume(new_world: Any) -> None:
    """What is said in between is not in it."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "record_start", **START)
    world.tick(10)
    world.do(ref, "record_pause")
    world.tick(30)
    world.do(ref, "record_resume")
    world.tick(10)
    world.do(ref, "record_stop")
    assert shape(download(world, saved(world)["recording_urls"]["wav"])) == (1, 0.4)


def test_limits_end_a_recording(new_world: Any) -> None:
    """By its length; by silence only after somebody has spoken, and trimmed of silence at both ends."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "record_start", max_length=1, **START)
    world.tick(60)
    assert shape(download(world, saved(world)["recording_urls"]["wav"])) == (1, 1.0)
    world.do(ref, "record_start", timeout_secs=1, trim="trim-silence", **START)
    world.said = QUIET
    world.tick(80)
    world.said = LOUD
    world.tick(10)
    world.said = QUIET
    world.tick(49)
    assert len(world.payloads("call.recording.saved")) == 1
    world.tick(1)
    assert shape(download(world, saved(world)["recording_urls"]["wav"])) == (1, 0.2)


def test_a_beep_is_heard_at_the_start(new_world: Any) -> None:
    """Only where it was asked for."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "record_start", play_beep=True, **START)
    world.tick(25)
    assert [frame != QUIET for frame in world.heard] == [True] * 20 + [False] * 5


def test_a_recording_from_the_answer(new_world: Any) -> None:
    """The dial's answer has its id already; two channels are the default."""
    world = new_world()
    reply = world.ask("POST", "/v2/calls", world.wish(record="record-from-answer", record_format="wav", stream_url=None))
    data = json.loads(reply.body)["data"]
    world.phone(data["call_control_id"], "answered")
    world.tick(10)
    world.phone(data["call_control_id"], "ended", cause="normal", by="phone")
    payload = saved(world)
    (entry,) = world.get("/v2/recordings")
    assert (entry["id"], entry["initiated_by"], payload["channels"]) == (data["recording_id"], "OutboundAPI", "dual")


@pytest.mark.knob("telnyx", "recording_url_s", no_adapter="no adapter fetches recordings yet")
@pytest.mark.parametrize(("knobs", "seconds"), [({}, 600), ({"recording_url_s": 60}, 60)])
def test_links_expire(new_world: Any, knobs: dict[str, int], seconds: int) -> None:
    """After ten minutes the storage refuses them, in its own XML; a look-up gives new ones."""
    world = new_world(**knobs)
    ref = world.talking()
    world.do(ref, "record_start", **START)
    world.tick(5)
    world.do(ref, "record_stop")
    url = saved(world)["recording_urls"]["wav"]
    world.now += seconds - 1
    assert download(world, url).status == 200
    assert download(world, url[:-1] + "x").status == 403
    world.now += 1
    expired = download(world, url)
    assert (expired.status, b"Request has expired" in expired.body) == (403, True)
    (entry,) = world.get("/v2/recordings")
    assert download(world, entry["download_urls"]["wav"]).status == 200
    assert world.ask("DELETE", f"/v2/recordings/{entry['id']}").status == 200
    assert download(world, entry["download_urls"]["wav"]).status == 404
    assert world.ask("GET", f"/v2/recordings/{entry['id']}").status == 404


@pytest.mark.knob("telnyx", "recording_saved_after_s", no_adapter="no adapter fetches recordings yet")
@pytest.mark.parametrize(("knobs", "seconds"), [({}, 1.0), ({"recording_saved_after_s": 20.0}, 20.0)])
def test_saving_takes_a_while(new_world: Any, knobs: dict[str, float], seconds: float) -> None:
    """Before that it is neither told of nor listed."""
    world = new_world(**knobs)
    ref = world.talking()
    world.do(ref, "record_start", **START)
    world.do(ref, "record_stop")
    stopped = world.now
    assert world.get("/v2/recordings") == []
    saved(world)
    assert (world.now - stopped, len(world.get("/v2/recordings"))) == (seconds, 1)


def test_recordings_are_found(new_world: Any) -> None:
    """By leg, session and times; the newest first."""
    world = new_world()
    legs = []
    for _ in range(2):
        ref = world.talking()
        world.do(ref, "record_start", **START)
        world.do(ref, "record_stop")
        saved(world)
        legs.append(world.payloads("call.recording.saved")[-1]["call_leg_id"])
    assert [entry["call_leg_id"] for entry in world.get("/v2/recordings")] == legs[::-1]
    assert len(world.get("/v2/recordings", f"filter%5Bcall_leg_id%5D={legs[0]}")) == 1
    assert world.error(world.ask("GET", "/v2/recordings", query="filter%5Bsip_call_id%5D=x"))[0] == 422


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"channels": "single"}, "/format"), ({"channels": "single", "format": "mp3"}, "/format"), ({"format": "wav"}, "/channels")],
)
def test_how_to_record_has_to_be_said(new_world: Any, body: dict[str, str], pointer: str) -> None:
    """Channels and format are required; mp3 is what the lab cannot make."""
    world = new_world()
    assert world.error(world.command(world.talking(), "record_start", **body))[2] == pointer
    assert world.error(world.command(world.place(), "record_start", **START))[1] == "90020"
