"""Requests about a call that is going on: transfer, hang up, mute, play, press; and machine detection, and texts."""

import json
from typing import Any

import pytest

from carriers.lab.contract import CloseSocket, Fetch, Greeting, OpenSocket
from carriers.lab.sound import SILENCE, to_wav, tone

HOOK = "https://gw.example.com/"
OTHER = {"type": "phone", "number": "15550100002"}
CALL = {"action": "connect", "from": "15550190031", "endpoint": [OTHER], "eventUrl": [f"{HOOK}other"]}
AFTER = {"action": "notify", "payload": {}, "eventUrl": [f"{HOOK}after"]}
QUIET = {"action": "wait", "timeout": 600}
LOUD = b"\x10" * 160


def put(stage: Any, uuid: str, body: dict[str, Any], part: str = "") -> Any:
    return stage.request("PUT", f"/v1/calls/{uuid}{part}", body)


def flow(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"action": "transfer", "destination": {"type": "ncco", "ncco": list(actions)}}


# --- moving ------------------------------------------------------------------------------------------------------


def test_the_called_one_can_be_taken_out(stage: Any) -> None:
    """A transfer of the connected leg gives it a flow of its own; the flow that waited for it goes on."""
    stage.answered_with([CALL, AFTER])
    stage.pass_time(0.1)
    other = stage.network.dials[-1]["ref"]
    stage.phone(other, "answered")
    stage.webhooks()
    stage.pass_time(1)
    assert put(stage, other, flow({"action": "talk", "text": "Hello"})).status == 204
    assert any(hook.url.endswith("/after") for hook in stage.webhooks())
    stage.tick(times=20)
    assert stage.network.hung_up == [other]


def test_the_first_one_can_be_taken_away(stage: Any) -> None:
    """Whom it was talking to is left alone, and hung up."""
    ref = stage.answered_with([CALL])
    stage.pass_time(0.1)
    other = stage.network.dials[-1]["ref"]
    stage.phone(other, "answered")
    stage.pass_time(1)
    assert put(stage, ref, flow(QUIET)).status == 204
    assert stage.network.hung_up == [other]


def test_a_transfer_hands_a_person_from_a_stream_to_a_phone(stage: Any) -> None:
    """The handover: the socket closes normally, no `disconnected` is told, the colleague is called and joined."""
    ref, stream = stage.connected()
    stage.webhooks()
    stage.pass_time(1)
    assert put(stage, ref, flow(CALL)).status == 204
    assert [(close.stream, close.code) for close in stage.take(CloseSocket)] == [(stream, 1000)]
    stage.pass_time(0.1)
    other = stage.network.dials[-1]["ref"]
    stage.phone(other, "answered")
    assert "disconnected" not in stage.statuses()
    stage.network.voices = {other: LOUD}
    stage.tick(times=2)
    assert stage.network.heard_by[ref][-1] == LOUD


def test_a_transfer_interrupts_what_is_going_on(stage: Any) -> None:
    """A text, an input, a voicemail: each stops, and the new flow begins."""
    record = {"action": "record", "format": "wav", "endOnKey": "#", "eventUrl": [f"{HOOK}recorded"]}
    ref = stage.answered_with([{"action": "talk", "text": "Hello", "loop": 0}])
    for action in ({"action": "input", "dtmf": {"timeOut": 10}}, record, AFTER):
        stage.tick()
        stage.pass_time(1)
        assert put(stage, ref, flow(action)).status == 204
    assert not stage.sim.ticking()
    urls = [hook.url for hook in stage.webhooks()]
    assert urls.count(f"{HOOK}after") == urls.count(f"{HOOK}recorded") == 1
    stage.pass_time(20)
    assert not any(hook.url.endswith("/event") for hook in stage.webhooks())


def test_hanging_up_the_called_one_goes_on_with_the_flow(stage: Any) -> None:
    """The leg completes by the platform's hand."""
    stage.answered_with([CALL, AFTER])
    stage.pass_time(0.1)
    other = stage.network.dials[-1]["ref"]
    stage.phone(other, "answered")
    stage.webhooks()
    assert put(stage, other, {"action": "hangup"}).status == 204
    stage.phone(other, "ended", cause="normal", by="carrier")
    hooks = stage.webhooks()
    assert [hook.url for hook in hooks] == [f"{HOOK}other", f"{HOOK}after"]
    assert json.loads(hooks[0].body)["disconnected_by"] == "platform"


# --- hearing and speaking ----------------------------------------------------------------------------------------


def test_mute_and_earmuff_of_a_phone(stage: Any) -> None:
    """Muted it is not heard, earmuffed it does not hear, and both can be undone."""
    ref, stream = stage.connected()
    stage.network.voice = LOUD
    stage.frames()
    for action, heard in (("mute", SILENCE), ("unmute", LOUD)):
        stage.pass_time(1)
        assert put(stage, ref, {"action": action}).status == 204
        stage.tick()
        sound = [frame for frame in stage.frames() if isinstance(frame, bytes)]
        assert (max(sound[-1]) == 0) == (heard == SILENCE)
    assert put(stage, ref, {"action": "earmuff"}).status == 204
    stage.sim.on_socket_frame(stage.now, stream, b"\x40" * 320)
    stage.tick()
    assert stage.network.heard[-1] == SILENCE


def test_an_earmuffed_stream_is_paused_and_goes_on(stage: Any) -> None:
    """A message says so, and then no frames come until it is active again; what the customer says is heard."""
    _, stream = stage.connected()
    stage.frames()
    assert put(stage, stream, {"action": "earmuff"}).status == 204
    (update,) = stage.frames()
    assert json.loads(update) == {
        "event": "websocket:media:update",
        "method": "update",
        "content-type": "audio/l16;rate=8000",
        "active": False,
    }
    stage.sim.on_socket_frame(stage.now, stream, b"\x40" * 320)
    stage.tick()
    assert stage.frames() == []
    assert stage.network.heard[-1] != SILENCE
    put(stage, stream, {"action": "unearmuff"})
    stage.tick()
    assert [type(frame) for frame in stage.frames()] == [str, bytes]


def test_what_the_api_plays_covers_the_stream(stage: Any) -> None:
    """The person hears the text, and then the stream again; the stream's clock ran on."""
    ref, stream = stage.connected()
    assert json.loads(put(stage, ref, {"text": "Hello"}, "/talk").body) == {"message": "Talk started", "uuid": ref}
    for _ in range(30):
        stage.sim.on_socket_frame(stage.now, stream, b"\x40" * 320)
    stage.network.heard.clear()
    stage.tick(times=30)
    alike = [frame == stage.network.heard[-1] for frame in stage.network.heard]
    assert alike == [False] * 17 + [True] * 13


def test_playing_can_be_stopped(stage: Any) -> None:
    """A file without end is silent after DELETE."""
    ref, _ = stage.connected()
    body = {"stream_url": [f"{HOOK}hold.wav"], "loop": 0}
    assert json.loads(put(stage, ref, body, "/stream").body)["message"] == "Stream started"
    stage.fetched(to_wav(tone(500, 0.1)))
    stage.tick(times=20)
    assert stage.network.heard[-1] != SILENCE
    stopped = stage.request("DELETE", f"/v1/calls/{ref}/stream")
    assert json.loads(stopped.body) == {"message": "Stream stopped", "uuid": ref}
    stage.tick()
    assert stage.network.heard[-1] == SILENCE


def test_a_text_and_a_file_are_stopped_apart(stage: Any) -> None:
    """DELETE talk leaves the file, DELETE stream the text."""
    ref, _ = stage.connected()
    put(stage, ref, {"text": "Hello", "loop": 0}, "/talk")
    put(stage, ref, {"stream_url": [f"{HOOK}hold.wav"], "loop": 0}, "/stream")
    stage.fetched(to_wav(tone(500, 0.1)))
    stage.tick(times=2)
    assert stage.request("DELETE", f"/v1/calls/{ref}/talk").status == 200
    stage.tick(times=30)
    assert stage.network.heard[-1] != SILENCE
    assert stage.request("DELETE", f"/v1/calls/{ref}/stream").status == 200
    stage.tick()
    assert stage.network.heard[-1] == SILENCE


def test_a_file_that_is_stopped_before_it_comes_is_not_played(stage: Any) -> None:
    """The fetch comes back too late."""
    ref, _ = stage.connected()
    put(stage, ref, {"stream_url": [f"{HOOK}hold.wav"]}, "/stream")
    stage.request("DELETE", f"/v1/calls/{ref}/stream")
    stage.fetched(to_wav(tone(500, 0.1)))
    stage.tick(times=2)
    assert stage.network.heard[-1] == SILENCE


def test_stopping_a_text_of_the_flow_goes_on_with_it(stage: Any) -> None:
    """DELETE talk ends the action that reads it."""
    ref = stage.answered_with([{"action": "talk", "text": "Hello", "loop": 0}, AFTER])
    stage.tick(times=3)
    assert stage.request("DELETE", f"/v1/calls/{ref}/talk").status == 200
    assert stage.asked("after").method == "POST"


@pytest.mark.parametrize(
    ("part", "body", "name"),
    [
        ("/talk", {}, "text"),
        ("/talk", {"text": "x", "pitch": 1}, "pitch"),
        ("/talk", {"text": "x", "loop": -1}, "loop"),
        ("/talk", {"text": "x", "level": 3}, "level"),
        ("/stream", {"stream_url": "https://x"}, "stream_url"),
        ("/stream", {"stream_url": ["ftp://x"]}, "stream_url"),
        ("/dtmf", {"digits": "12a"}, "digits"),
        ("/dtmf", {}, "digits"),
    ],
)
def test_wrong_requests_are_refused_by_parameter(stage: Any, part: str, body: dict[str, Any], name: str) -> None:
    """400 names what is wrong, and nothing is played."""
    ref = stage.answered_with([QUIET])
    reply = put(stage, ref, body, part)
    assert (reply.status, json.loads(reply.body)["invalid_parameters"][0]["name"]) == (400, name)
    assert (stage.take(Fetch), stage.network.keys, stage.sim.ticking()) == ([], [], False)


def test_playing_into_a_stream_is_refused_loudly(stage: Any) -> None:
    """The lab does not simulate it, and says so."""
    _, stream = stage.connected()
    assert put(stage, stream, {"text": "Hello"}, "/talk").status == 400
    assert "websocket leg" in stage.ledger.kinds("refused")[0]["reason"]


@pytest.mark.parametrize("part", ["/talk", "/stream", "/dtmf"])
def test_a_call_that_is_not_answered_has_no_sound(stage: Any, part: str) -> None:
    """404 before the answer and after the end."""
    ref = stage.place()
    assert put(stage, ref, {"text": "x"}, part).status == 404
    put(stage, ref, {"action": "hangup"})
    assert put(stage, ref, {"text": "x"}, part).status == 404


# --- machines ----------------------------------------------------------------------------------------------------

PERSON = Greeting(machine=False, ends_s=0.7)
MACHINE = Greeting(machine=True, ends_s=5.0, beep_s=6.0)
DULL = Greeting(machine=True, ends_s=5.0)


def detected(stage: Any, greeting: Greeting | None, **wish: Any) -> str:
    stage.network.greets = greeting
    ref = stage.place(**wish)
    stage.answer_phone(ref)
    return str(ref)


def advanced(mode: str, behavior: str = "continue") -> dict[str, Any]:
    return {"advanced_machine_detection": {"mode": mode, "behavior": behavior}}


@pytest.mark.parametrize("wish", [advanced("detect"), advanced("detect_beep"), {"machine_detection": "continue"}])
def test_the_flow_waits_for_the_detection(stage: Any, wish: dict[str, Any]) -> None:
    """A person is told from the silence after their word, and only then the flow is asked for."""
    ref = detected(stage, PERSON, **wish)
    assert not any(hook.url.endswith("/answer") for hook in stage.webhooks())
    stage.pass_time(1.3)
    told, asked = stage.webhooks()
    body = json.loads(told.body)
    assert (body["status"], body["call_uuid"], "uuid" in body, "sub_state" in body) == ("human", ref, False, False)
    assert asked.url.endswith("/answer")


def test_the_default_mode_does_not_wait(stage: Any) -> None:
    """The flow is asked for at once, and a beep is told as well."""
    detected(stage, MACHINE, **advanced("default"))
    assert any(hook.url.endswith("/answer") for hook in stage.webhooks())
    stage.pass_time(4.6)
    stage.pass_time(2)
    assert [(body["status"], body.get("sub_state")) for body in stage.bodies()] == [("machine", None), ("machine", "beep_start")]


def test_a_flow_that_waits_for_the_beep(stage: Any) -> None:
    """detect_beep: machine, then the beep, then the flow."""
    ref = detected(stage, MACHINE, **advanced("detect_beep"))
    stage.webhooks()
    stage.pass_time(4.6)
    assert stage.statuses() == ["machine"]
    stage.pass_time(1.5)
    hooks = stage.webhooks()
    assert json.loads(hooks[0].body)["sub_state"] == "beep_start"
    assert hooks[1].url.endswith("/answer")
    assert json.loads(stage.request("GET", f"/v1/calls/{ref}").body)["status"] == "machine"


def test_a_machine_that_never_beeps(stage: Any) -> None:
    """After the time limit it is told so, and the flow begins all the same."""
    detected(stage, DULL, **advanced("detect_beep"))
    stage.pass_time(4.6)
    stage.webhooks()
    stage.pass_time(44.8)
    assert stage.webhooks() == []
    stage.pass_time(0.3)
    hooks = stage.webhooks()
    assert json.loads(hooks[0].body)["sub_state"] == "beep_timeout"
    assert hooks[1].url.endswith("/answer")


@pytest.mark.parametrize("wish", [{"machine_detection": "hangup"}, advanced("detect", "hangup"), advanced("default", "hangup")])
def test_a_machine_is_hung_up(stage: Any, wish: dict[str, Any]) -> None:
    """hangup: told, and ended by the platform; a person stays."""
    ref = detected(stage, MACHINE, **wish)
    stage.pass_time(4.6)
    assert stage.network.hung_up == [ref]
    other = detected(stage, PERSON, **wish)
    stage.pass_time(4.6)
    assert other not in stage.network.hung_up


def test_a_connected_phone_is_detected_too(stage: Any) -> None:
    """The connect action's own wish: the machine is hung up, the person who waited is asked about nothing and goes on."""
    stage.network.greets = MACHINE
    stage.answered_with([CALL | {"machineDetection": "hangup"}, AFTER])
    stage.pass_time(0.1)
    other = stage.network.dials[-1]["ref"]
    stage.phone(other, "answered")
    stage.pass_time(4.6)
    assert stage.network.hung_up == [other]
    stage.phone(other, "ended", cause="normal", by="carrier")
    assert stage.webhooks()[-1].url.endswith("/after")


# --- texts -------------------------------------------------------------------------------------------------------

TEXT = {"channel": "sms", "message_type": "text", "to": "15550100001", "from": "15550190031", "text": "Hello"}


def test_a_text_goes_to_the_phone_and_its_fate_to_the_url(stage: Any) -> None:
    """202, submitted, delivered; to the message's own URL."""
    reply = stage.request("POST", "/v1/messages", TEXT | {"webhook_url": f"{HOOK}texts"})
    uuid = json.loads(reply.body)["message_uuid"]
    assert reply.status == 202
    assert stage.network.texts == [{"ref": uuid, "to": "+15550100001", "caller_id": "+15550190031", "body": "Hello"}]
    stage.phone(uuid, "delivered")
    bodies = stage.bodies()
    assert [body["status"] for body in bodies] == ["submitted", "delivered"]
    assert {body["message_uuid"] for body in bodies} == {uuid}
    (entry,) = stage.ledger.kinds("message")
    assert (entry["number"], entry["carrier_call_id"]) == ("+15550100001", uuid)


def test_the_accounts_key_may_send_too(stage: Any) -> None:
    """Messages take token or key and secret."""
    assert stage.account("POST", "/v1/messages", TEXT).status == 202
    assert stage.request("POST", "/v1/messages", TEXT, token="garbage").status == 401


def test_a_text_that_reaches_nobody_is_rejected_with_a_code(stage: Any) -> None:
    """The error names the code in the carrier's place for it."""
    uuid = json.loads(stage.request("POST", "/v1/messages", TEXT | {"webhook_url": f"{HOOK}texts"}).body)["message_uuid"]
    stage.webhooks()
    stage.phone(uuid, "undelivered")
    (body,) = stage.bodies()
    assert (body["status"], body["error"]["title"], body["error"]["type"].rpartition("#")[2]) == ("rejected", "1260", "1260")


def test_a_foreign_sender_is_rejected(stage: Any) -> None:
    """Accepted by the API, refused on the way, and no phone has it."""
    stage.request("POST", "/v1/messages", TEXT | {"from": "Holdline", "webhook_url": f"{HOOK}texts"})
    (body,) = stage.bodies()
    assert (body["status"], body["error"]["title"], stage.network.texts) == ("rejected", "1120", [])


def test_a_fate_that_nobody_takes_is_told_again(stage: Any) -> None:
    """After 5 s, then 10 s and so on; a 400 is final."""
    stage.request("POST", "/v1/messages", TEXT | {"webhook_url": f"{HOOK}texts"})
    for wait_s in (5.0, 10.0, 20.0):
        stage.reply(stage.asked("texts"), status=500)
        stage.pass_time(wait_s - 0.1)
        assert stage.webhooks() == []
        stage.pass_time(0.2)
    last = stage.asked("texts")
    assert last.attempt == 4
    stage.reply(last, status=400)
    stage.pass_time(100)
    assert stage.webhooks() == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"channel": "whatsapp"}, "channel"),
        ({"message_type": "image"}, "message_type"),
        ({"to": "+15550100001"}, "to"),
        ({"from": "a name that is too long"}, "from"),
        ({"text": ""}, "text"),
        ({"ttl": 60}, "ttl"),
    ],
)
def test_wrong_texts_are_refused_by_name(stage: Any, change: dict[str, Any], name: str) -> None:
    """422 in the shape of the Messages API; what is out of scope is in the ledger."""
    reply = stage.request("POST", "/v1/messages", TEXT | change)
    assert (reply.status, [wrong["name"] for wrong in json.loads(reply.body)["invalid_parameters"]]) == (422, [name])
    assert bool(stage.ledger.kinds("refused")) == (name in {"channel", "message_type", "ttl"})


def test_a_stream_of_the_transfer_is_a_new_one(stage: Any) -> None:
    """After a transfer to another stream the old one is closed before the new one opens."""
    ref, stream = stage.connected()
    stage.pass_time(1)
    socket = {"type": "websocket", "uri": "wss://gw.example.com/again", "content-type": "audio/l16;rate=8000"}
    assert put(stage, ref, flow({"action": "connect", "endpoint": [socket]})).status == 204
    order = [type(effect).__name__ for effect in stage.effects if isinstance(effect, CloseSocket | OpenSocket)]
    assert order == ["CloseSocket", "OpenSocket"]
    assert stream not in {opening.stream for opening in stage.take(OpenSocket)}
