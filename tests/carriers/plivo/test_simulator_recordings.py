"""Recordings in the simulated Plivo: messages, whole calls, the API's, their files and who may fetch them."""

import base64
import io
import json
import wave
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.sound import tone
from carriers.plivo.webhooks import PlivoWebhooks

HOOKS = "https://gw.example.com/hooks"
QUIET = b"\xff" * 160
LOUD = tone(300, 0.02)


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _at(world: Any, end: str) -> list[Any]:
    return [hook for hook in world.sent() if hook.url == f"{HOOKS}/{end}"]


def _verified(world: Any, hook: Any) -> bool:
    headers = {name.lower(): value for name, value in hook.headers.items()}
    request = HookRequest(method=hook.method, url=hook.url, path="after", headers=headers, body=hook.body)
    return bool(PlivoWebhooks(world.simulator.credentials()["auth_token"]).verify(request, world.now).key)


def _get(world: Any, url: str, authorized: bool = False) -> RestReply:
    account = world.simulator.credentials()
    basic = base64.b64encode(f"{account['auth_id']}:{account['auth_token']}".encode()).decode()
    headers = {"authorization": f"Basic {basic}"} if authorized else {}
    reply = world.simulator.on_request(world.now, RestRequest(method="GET", path=urlsplit(url).path, headers=headers))
    assert isinstance(reply, RestReply)
    return reply


def _sound(reply: RestReply) -> tuple[int, float]:
    """Channels and seconds."""
    with wave.open(io.BytesIO(reply.body)) as file:
        return file.getnchannels(), file.getnframes() / file.getframerate()


def _message(world: Any, attributes: str = "", behind: str = "<Hangup/>") -> str:
    ref = world.answered()
    world.saying[ref] = LOUD
    world.obey(
        f"<Record action='{HOOKS}/kept' callbackUrl='{HOOKS}/ready' fileFormat='wav' playBeep='false' {attributes}/>{behind}"
    )
    return str(ref)


def test_message_until_a_key(world: Any) -> None:
    """A key ends the message; the action gets its link and length, the callback when the file is ready."""
    ref = _message(world)
    world.tick(2.0)
    world.phone(ref, "digit", digit="#")
    (kept,) = _at(world, "kept")
    form = _form(kept)
    assert (form["Digits"], form["RecordingDuration"], form["RecordingDurationMs"]) == ("#", "2", "2000")
    assert int(form["RecordingEndMs"]) - int(form["RecordingStartMs"]) == 2000
    assert not _at(world, "ready")
    world.run(1.0)
    told = _form(_at(world, "ready")[0])
    assert (told["RecordUrl"], told["RecordingID"]) == (form["RecordUrl"], form["RecordingID"])
    assert "Digits" not in told
    assert _sound(_get(world, form["RecordUrl"])) == (1, 2.0)


def test_beep_comes_first(world: Any) -> None:
    """The person hears a beep, which is not on the recording."""
    ref = world.answered()
    world.saying[ref] = LOUD
    world.obey(f"<Record action='{HOOKS}/kept' fileFormat='wav' maxLength='1'/>")
    world.tick(0.5)
    assert any(frame != QUIET for frame in world.ears[ref])
    world.tick(1.1)
    assert _form(_at(world, "kept")[0])["RecordingDurationMs"] == "1000"


@pytest.mark.parametrize(("attributes", "saying", "after_s"), [("maxLength='2'", LOUD, 2.0), ("timeout='1'", QUIET, 1.0)])
def test_message_ends_by_itself(world: Any, attributes: str, saying: bytes, after_s: float) -> None:
    """It is long enough, or the person has said nothing for the time-out."""
    ref = _message(world, attributes)
    world.saying[ref] = saying
    world.tick(after_s - 0.1)
    assert not _at(world, "kept")
    world.tick(0.2)
    assert _form(_at(world, "kept")[0])["Digits"] == ""


@pytest.mark.knob("plivo", "record_finish_on_key")
@pytest.mark.parametrize(("guess", "ends"), [("#", False), ("1234567890*#", True)])
def test_key_that_ends_a_message_by_default(world_with: Callable[..., Any], guess: str, ends: bool) -> None:
    """Sources differ on which keys end a message that names none; what is told is signed either way."""
    world = world_with(record_finish_on_key=guess)
    ref = _message(world)
    world.tick(0.2)
    world.phone(ref, "digit", digit="1")
    assert bool(_at(world, "kept")) is ends
    world.phone(ref, "digit", digit="#")
    assert [_verified(world, hook) for hook in _at(world, "kept")] == [True]


def test_redirect_false_goes_on_in_the_document(world: Any) -> None:
    """The action is told, and the next element runs."""
    ref = _message(world, "redirect='false'")
    world.tick(0.2)
    world.phone(ref, "digit", digit="#")
    assert len(_at(world, "kept")) == 1
    assert world.hung_up == [ref]


@pytest.mark.knob("plivo", "action_on_hangup")
@pytest.mark.parametrize(("guess", "told"), [(True, 1), (False, 0)])
def test_caller_hangs_up_instead_of_pressing_a_key(world_with: Callable[..., Any], guess: bool, told: int) -> None:
    """The message is kept; whether the action of a call that is over is asked is told both ways, signed."""
    world = world_with(action_on_hangup=guess)
    ref = _message(world)
    world.tick(1.0)
    world.phone(ref, "ended", cause="normal", by="phone")
    world.run(1.0)
    assert [_form(hook)["CallStatus"] for hook in _at(world, "kept")] == ["completed"] * told
    (ready,) = _at(world, "ready")
    assert _form(ready)["RecordingDurationMs"] == "1000"
    assert _verified(world, ready)


def test_whole_call_in_the_background(world: Any) -> None:
    """RecordSession goes on while the document does; the lengths are unknown at first and told at the end, in stereo."""
    ref = world.answered()
    session = f"<Record recordSession='true' redirect='false' maxLength='600' fileFormat='wav' action='{HOOKS}/kept'"
    world.obey(f"{session} callbackUrl='{HOOKS}/ready'/><Wait length='30'/>")
    assert _form(_at(world, "kept")[0])["RecordingDuration"] == "-1"
    world.tick(3.0)
    world.phone(ref, "ended", cause="normal", by="phone")
    world.run(1.0)
    told = _form(_at(world, "ready")[0])
    assert told["RecordingDuration"] == "3"
    assert _sound(_get(world, told["RecordUrl"])) == (2, 3.0)
    (entry,) = world.refusals("recording")
    assert (entry["seconds"], entry["channels"], entry["carrier_call_id"]) == (3.0, 2, ref)


def test_api_starts_and_stops_a_recording(world: Any) -> None:
    """The answer has the link; the callback says it in small letters, with the api_id of the request."""
    ref = world.answered()
    world.obey("<Wait length='60'/>")
    body = {"call_uuid": ref, "file_format": "wav", "callback_url": f"{HOOKS}/ready", "time_limit": 600}
    reply = world.request("POST", f"Call/{ref}/Record/", body)
    started = json.loads(reply.body)
    assert (reply.status, started["message"]) == (202, "call recording started")
    world.tick(1.0)
    assert world.request("DELETE", f"Call/{ref}/Record/", {"call_uuid": ref}).status == 204
    world.run(1.0)
    form = _form(_at(world, "ready")[0])
    assert (form["record_url"], form["recording_id"]) == (started["url"], started["recording_id"])
    assert (form["api_id"], form["call_uuid"], form["recording_duration_ms"]) == (started["api_id"], ref, "1000")
    assert _sound(_get(world, form["record_url"]))[1] == 1.0


@pytest.mark.knob("plivo", "recording_ready_s", no_adapter="no code of ours fetches recordings")
@pytest.mark.parametrize("guess", [0.5, 3.0])
def test_recordings_through_the_api(world_with: Callable[..., Any], guess: float) -> None:
    """A recording is listed when it is ready, filtered by its call, fetched, deleted, and then gone with its file."""
    world = world_with(recording_ready_s=guess)
    ref = _message(world, "maxLength='1'")
    world.tick(1.1)
    assert not json.loads(world.request("GET", "Recording/").body)["objects"]
    world.run(guess)
    (shown,) = json.loads(world.request("GET", "Recording/", call_uuid=ref).body)["objects"]
    assert (shown["call_uuid"], shown["recording_duration_ms"], shown["recording_format"]) == (ref, "1000.00000", "wav")
    assert not json.loads(world.request("GET", "Recording/", call_uuid="another").body)["objects"]
    assert json.loads(world.request("GET", "Recording/", add_time__gte="2026-01-01 00:00").body)["meta"]["total_count"] == 1
    assert json.loads(world.request("GET", "Recording/", add_time__lt="2026-01-01 00:00").body)["meta"]["total_count"] == 0
    path = f"Recording/{shown['recording_id']}/"
    assert json.loads(world.request("GET", path).body)["recording_url"] == shown["recording_url"]
    assert world.request("DELETE", path).status == 204
    assert [world.request("GET", path).status, _get(world, shown["recording_url"]).status] == [404, 404]


@pytest.mark.knob("plivo", "recording_auth", no_adapter="no code of ours fetches recordings")
@pytest.mark.parametrize(("guess", "status"), [(False, 200), (True, 401)])
def test_who_may_fetch_a_recording(world_with: Callable[..., Any], guess: bool, status: int) -> None:
    """Links are public, unless the account protects them: then the API's credentials are asked for."""
    world = world_with(recording_auth=guess)
    _message(world, "maxLength='1'")
    world.tick(1.1)
    world.run(1.0)
    url = _form(_at(world, "ready")[0])["RecordUrl"]
    assert _get(world, url).status == status
    assert _get(world, url, authorized=True).status == 200


@pytest.mark.knob("plivo", "recording_kept_days", no_adapter="no code of ours fetches recordings")
@pytest.mark.parametrize("days", [30, 1])
def test_recordings_expire(world_with: Callable[..., Any], days: int) -> None:
    """After its days the file is gone."""
    world = world_with(recording_kept_days=days)
    _message(world, "maxLength='1'")
    world.tick(1.1)
    world.run(1.0)
    url = _form(_at(world, "ready")[0])["RecordUrl"]
    world.now += days * 86400 - 10
    assert _get(world, url).status == 200
    world.now += 20
    assert _get(world, url).status == 404


def test_mp3_is_kept_and_not_played(world: Any) -> None:
    """mp3 is Plivo's default: the recording is there, its sound is refused aloud."""
    ref = world.answered()
    world.obey(f"<Record playBeep='false' maxLength='1' callbackUrl='{HOOKS}/ready'/>")
    world.tick(1.1)
    world.run(1.0)
    url = _form(_at(world, "ready")[0])["RecordUrl"]
    assert url.endswith(".mp3")
    assert _get(world, url).status == 501
    assert "mp3" in world.refusals("refused")[0]["what"]
    assert world.hung_up == [ref]


def test_recording_of_no_call(world: Any) -> None:
    """Only a call that is going on can be recorded."""
    assert world.request("POST", "Call/nobody/Record/", {}).status == 404
    assert world.request("GET", "Recording/nobody/").status == 404
