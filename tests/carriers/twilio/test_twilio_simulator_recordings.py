"""The lab's Twilio: recordings by create, by API, and by `<Record>`."""

import io
import json
import wave

import pytest

from carriers.lab.contract import RestRequest
from carriers.lab.sound import tone

QUIET, LOUD = b"\xff" * 160, tone(500, 0.02)
END = "<Pause length='600'/>"
TALK = f"<Response>{END}</Response>"


def response(verbs: str) -> str:
    return f"<Response>{verbs}</Response>"


def recorded(world, **changes) -> str:
    return world.answered_call(TALK, Record="true", RecordingStatusCallback="http://gw.test/rec", **changes)


def media(world, url: str, *, auth: bool = True):
    path, _, query = url.removeprefix("http://127.0.0.1:4011").partition("?")
    if auth:
        return world.api("GET", path.partition(world.credentials["account_sid"])[2] + (f"?{query}" if query else ""))
    return world.sim.on_request(world.now, RestRequest(method="GET", path=path, query=query))


def shape(body: bytes) -> tuple[int, float]:
    """(channels, seconds)."""
    with wave.open(io.BytesIO(body)) as file:
        return file.getnchannels(), round(file.getnframes() / file.getframerate(), 2)


def test_record_a_whole_call(world) -> None:
    """Record=true records from the answer; after the end the file is processed, told, fetched, listed and downloaded."""
    world.said = LOUD
    sid = recorded(world, RecordingChannels="dual", RecordingStatusCallbackEvent="in-progress completed absent")
    (begun,) = world.told("/rec")
    assert (begun["RecordingStatus"], begun["RecordingSource"], begun["RecordingChannels"]) == ("in-progress", "OutboundAPI", "2")
    world.pass_time(3)
    world.phone(sid, "ended", cause="normal", by="phone")
    last = world.told("/status")[-1]
    assert last["RecordingUrl"] == begun["RecordingUrl"]
    assert media(world, begun["RecordingUrl"]).status == 404
    world.pass_time(1.1)
    done = world.told("/rec")[-1]
    assert (done["RecordingStatus"], done["RecordingDuration"], done["RecordingSid"]) == ("completed", "3", begun["RecordingSid"])
    assert shape(media(world, done["RecordingUrl"]).body)[0] == 2
    assert shape(media(world, done["RecordingUrl"] + ".wav?RequestedChannels=1").body)[0] == 1
    (listed,) = world.shown(f"/Calls/{sid}/Recordings.json")["recordings"]
    assert (listed["status"], listed["duration"], listed["source"]) == ("completed", "3", "OutboundAPI")
    assert ("recording", "twilio") in [(kind, entry["carrier"]) for kind, entry in world.ledger]


def test_silent_ends_are_trimmed(world) -> None:
    """A create trims silence by default; do-not-trim keeps it; nothing but silence is absent."""
    for changes, seconds in (({}, ["0.2"]), ({"Trim": "do-not-trim"}, ["2.0"])):
        world.said = QUIET
        sid = recorded(world, **changes)
        world.pass_time(0.9)
        world.said = LOUD
        world.pass_time(0.2)
        world.said = QUIET
        world.pass_time(0.8)
        world.phone(sid, "ended", cause="normal", by="phone")
        world.pass_time(1.1)
        ((_, size),) = [shape(media(world, told["RecordingUrl"]).body) for told in world.told("/rec")[-1:]]
        assert abs(size - float(seconds[0])) < 0.13


def test_nothing_said_is_absent(world) -> None:
    """A recording without a sound is absent, with its error code, and only those who asked for that event hear of it."""
    world.said = QUIET
    sid = recorded(world, RecordingStatusCallbackEvent="absent")
    world.pass_time(2)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(1.1)
    (told,) = world.told("/rec")
    assert (told["RecordingStatus"], told["ErrorCode"]) == ("absent", "16101")
    assert media(world, told["RecordingUrl"]).status == 404


def begin(world, sid: str, **fields: str):
    return world.api("POST", f"/Calls/{sid}/Recordings.json", fields)


def test_recording_by_api(world) -> None:
    """Begun in the middle of a call, paused, resumed, stopped; silence takes the place of the pause, or with `skip` nothing."""
    world.said = LOUD
    for pause, seconds in (("silence", 3.0), ("skip", 2.0)):
        sid = world.answered_call(TALK)
        made = begin(world, sid, RecordingStatusCallback="http://gw.test/rec")
        assert made.status == 201
        recording = json.loads(made.body)
        assert (recording["status"], recording["source"], recording["duration"]) == ("in-progress", "StartCallRecordingAPI", None)
        path = f"/Calls/{sid}/Recordings/Twilio.CURRENT.json"
        world.pass_time(1)
        assert json.loads(world.api("POST", path, {"Status": "paused", "PauseBehavior": pause}).body)["status"] == "paused"
        world.pass_time(1)
        assert json.loads(world.api("POST", path, {"Status": "in-progress"}).body)["status"] == "in-progress"
        world.pass_time(1)
        assert json.loads(world.api("POST", path, {"Status": "stopped"}).body)["status"] == "processing"
        world.pass_time(1.1)
        assert shape(media(world, world.told("/rec")[-1]["RecordingUrl"]).body) == (1, pytest.approx(seconds, abs=0.1))
        assert world.status(sid) == "in-progress"
        assert world.api("POST", path, {"Status": "stopped"}).status == 404


def test_recording_wants_a_call_in_progress(world) -> None:
    """Before the answer and after the end a recording cannot begin (21220); unknown words are refused."""
    sid = json.loads(world.place().body)["sid"]
    assert json.loads(begin(world, sid).body)["code"] == 21220
    talking = world.answered_call(TALK)
    assert json.loads(begin(world, talking, Trim="maybe").body)["code"] == 20001
    assert json.loads(begin(world, talking, Language="en").body)["code"] == 20001


@pytest.mark.parametrize(("track", "loud"), [("inbound", True), ("outbound", False), ("both", True)])
def test_tracks(world, track: str, loud: bool) -> None:
    """`inbound` holds the person, `outbound` what Twilio played, `both` the two."""
    world.said = LOUD
    sid = world.answered_call(TALK)
    begin(world, sid, RecordingTrack=track, RecordingStatusCallback="http://gw.test/rec")
    world.pass_time(1)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(1.1)
    body = media(world, world.told("/rec")[-1]["RecordingUrl"]).body
    assert (max(body[44:]) > 0) is loud


def test_delete_and_account_list(world) -> None:
    """The account lists all recordings, by call if asked; one that runs cannot be deleted; a deleted one is gone."""
    world.said = LOUD
    sid = recorded(world)
    world.pass_time(1)
    (one,) = world.shown(f"/Recordings.json?CallSid={sid}")["recordings"]
    assert one["media_url"].endswith(one["sid"])
    assert world.shown("/Recordings.json?CallSid=CAother")["recordings"] == []
    path = f"/Recordings/{one['sid']}.json"
    assert world.api("DELETE", path).status == 400
    world.phone(sid, "ended", cause="normal", by="phone")
    assert world.api("DELETE", path).status == 204
    assert world.api("GET", path).status == 404
    world.pass_time(2)
    assert world.told("/rec") == []


def test_mp3_is_refused_loudly(world) -> None:
    """The lab has no MP3 encoder, and says so."""
    world.said = LOUD
    sid = recorded(world)
    world.pass_time(1)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(1.1)
    assert media(world, world.told("/rec")[-1]["RecordingUrl"] + ".mp3").status == 404
    assert "MP3" in world.refused[-1]["detail"]


# --- the verb ------------------------------------------------------------------------------------------------------

RECORD = (
    '<Record action="http://gw.test/message" maxLength="5" timeout="2" finishOnKey="#" '
    'recordingStatusCallback="http://gw.test/rec"/>'
)
BEHIND = "<Redirect>http://gw.test/behind</Redirect>"


def recording_call(world) -> str:
    """A call that has heard the beep and is being recorded."""
    world.said = LOUD
    sid: str = world.answered_call(response(RECORD + BEHIND))
    world.pass_time(0.6)
    return sid


def test_beep_and_length(world) -> None:
    """A beep, then the person is recorded for at most maxLength; the action gets where and how long."""
    recording_call(world)
    assert b"".join(world.heard[:20]).strip(b"\xff")
    world.pass_time(4.5)
    assert world.asked[-1][0] == "/answer"
    world.pass_time(0.6)
    path, fields = world.asked[-1]
    assert (path, fields["RecordingDuration"], fields["CallStatus"]) == ("/message", "5", "in-progress")
    assert "Digits" not in fields
    world.pass_time(1.1)
    assert world.told("/rec")[-1]["RecordingSource"] == "RecordVerb"
    assert shape(media(world, fields["RecordingUrl"]).body) == (1, 5.0)


def test_finish_key(world) -> None:
    """A finish key ends it and is told; another key does not."""
    sid = recording_call(world)
    world.pass_time(2)
    world.phone(sid, "digit", digit="1")
    assert world.asked[-1][0] == "/answer"
    world.phone(sid, "digit", digit="#")
    path, fields = world.asked[-1]
    assert (path, fields["Digits"], fields["RecordingDuration"]) == ("/message", "#", "2")


def test_silence_ends_it(world) -> None:
    """`timeout` seconds of silence end the recording."""
    recording_call(world)
    world.pass_time(1)
    world.said = QUIET
    world.pass_time(1.9)
    assert world.asked[-1][0] == "/answer"
    world.pass_time(0.2)
    assert world.asked[-1][0] == "/message"


def test_an_empty_message_goes_on(world) -> None:
    """If nothing was said, the action is not asked: the document goes on."""
    world.said = QUIET
    world.answered_call(response(RECORD + BEHIND))
    world.pass_time(2.7)
    assert world.asked[-1][0] == "/behind"


def test_hang_up_ends_it(world) -> None:
    """A person who hangs up leaves a message too: the action gets Digits=hangup, and its answer means nothing."""
    sid = recording_call(world)
    world.pass_time(2)
    world.phone(sid, "ended", cause="normal", by="phone")
    (fields,) = world.told("/message")
    assert (fields["Digits"], fields["CallStatus"]) == ("hangup", "completed")
    assert world.told("/status")[-1]["RecordingSid"] == fields["RecordingSid"]


def test_no_beep_and_no_action(world) -> None:
    """playBeep=false is silent; without action the document's own URL is asked."""
    world.said = LOUD
    sid = world.answered_call(response('<Record playBeep="false" maxLength="2"/>'))
    world.pass_time(1)
    assert not b"".join(world.heard).strip(b"\xff")
    world.phone(sid, "digit", digit="5")
    path, fields = world.asked[-1]
    assert (path, fields["Digits"]) == ("/answer", "5")


def test_recording_beside_a_document(world) -> None:
    """`<Start><Recording>` records the rest of the call, in two channels, while the document goes on."""
    world.said = LOUD
    recording = '<Start><Recording recordingStatusCallback="http://gw.test/rec"/></Start>'
    sid = world.answered_call(response(recording + END))
    world.pass_time(2)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(1.1)
    (told,) = world.told("/rec")
    assert (told["RecordingChannels"], told["RecordingDuration"], told["CallSid"]) == ("2", "2", sid)
