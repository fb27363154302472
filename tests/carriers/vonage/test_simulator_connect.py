"""Flows that connect people: phones and sockets in one conversation, conferences, and what one's end means for the others."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.lab.contract import CloseSocket, OpenSocket
from carriers.lab.sound import SILENCE, to_linear, to_mulaw, to_wav, tone

HOOK = "https://gw.example.com/"
NUMBER = "15550190031"
OTHER = {"type": "phone", "number": "15550100002"}
CALL = {"action": "connect", "from": NUMBER, "endpoint": [OTHER], "eventUrl": [f"{HOOK}other"]}
ASKING = CALL | {"eventType": "synchronous"}
SOCKET = {"type": "websocket", "uri": "wss://gw.example.com/media", "content-type": "audio/l16;rate=8000"}
STREAM = {"action": "connect", "endpoint": [SOCKET]}
AFTER = {"action": "notify", "payload": {}, "eventUrl": [f"{HOOK}after"]}
ROOM = {"action": "conversation", "name": "room"}
LOUD, LOUDER = b"\x10" * 160, b"\x30" * 160


def dialled(stage: Any) -> str:
    """The uuid of the last leg that was dialled."""
    stage.pass_time(0.1)
    return str(stage.network.dials[-1]["ref"])


def connected(stage: Any, action: dict[str, Any] | None = None, *rest: dict[str, Any]) -> tuple[str, str]:
    """Two phones that talk: who was called first, and whom the flow called."""
    ref = stage.answered_with([action or CALL, *rest])
    other = dialled(stage)
    stage.phone(other, "ringing")
    stage.phone(other, "answered")
    return ref, other


def statuses(stage: Any, step: str) -> list[str]:
    return [json.loads(hook.body)["status"] for hook in stage.webhooks() if hook.url.endswith(f"/{step}")]


# --- two phones --------------------------------------------------------------------------------------------------


def test_a_flow_calls_another_phone(stage: Any) -> None:
    """With our number, as a leg of its own that tells its own URL, in the same conversation."""
    ref = stage.answered_with([CALL | {"timeout": 20}])
    other = dialled(stage)
    assert stage.network.dials[-1] == {"ref": other, "to": "+15550100002", "caller_id": f"+{NUMBER}"}
    stage.phone(other, "ringing")
    stage.phone(other, "answered")
    told = [json.loads(hook.body) for hook in stage.webhooks() if hook.url.endswith("/other")]
    assert [event["status"] for event in told] == ["started", "ringing", "answered"]
    record = json.loads(stage.request("GET", f"/v1/calls/{ref}").body)
    assert {event["conversation_uuid"] for event in told} == {record["conversation_uuid"]}
    (joined,) = stage.ledger.kinds("joined")
    assert (joined["carrier_call_id"], joined["with"]) == (other, ref)


def test_both_hear_each_other(stage: Any) -> None:
    """Bit by bit, and nobody hears themselves."""
    ref, other = connected(stage)
    stage.network.voices = {ref: LOUD, other: LOUDER}
    stage.network.heard_by.clear()
    stage.tick(times=3)
    assert stage.network.heard_by[ref][-1] == LOUDER
    assert stage.network.heard_by[other][-1] == LOUD
    assert stage.sim.ticking()


def test_when_the_called_one_hangs_up_the_flow_goes_on(stage: Any) -> None:
    """The next action comes; without one the call is over."""
    ref, other = connected(stage, CALL, AFTER)
    stage.webhooks()
    stage.phone(other, "ended", cause="normal", by="phone")
    webhooks = stage.webhooks()
    assert [hook.url for hook in webhooks] == [f"{HOOK}other", f"{HOOK}after"]
    stage.reply(webhooks[1], status=204)
    assert stage.network.hung_up == [ref]


def test_when_the_first_one_hangs_up_the_other_is_hung_up(stage: Any) -> None:
    """Nobody is left to talk to."""
    ref, other = connected(stage)
    stage.phone(ref, "ended", cause="normal", by="phone")
    assert stage.network.hung_up == [other]
    stage.phone(other, "ended", cause="normal", by="carrier")
    assert stage.sim.live_calls() == 0


def test_when_the_first_one_hangs_up_the_ringing_stops(stage: Any) -> None:
    """A phone that rings for nobody is cancelled."""
    ref = stage.answered_with([CALL])
    other = dialled(stage)
    stage.phone(other, "ringing")
    stage.phone(ref, "ended", cause="normal", by="phone")
    assert stage.network.hung_up == [other]
    stage.webhooks()
    stage.phone(other, "ended", cause="canceled", by="carrier")
    assert statuses(stage, "other") == ["cancelled", "completed"]


@pytest.mark.parametrize(
    ("cause", "told"), [("busy", "busy"), ("declined", "rejected"), ("no_answer", "unanswered"), ("invalid", "failed")]
)
def test_a_synchronous_connect_asks_what_to_do_after_a_failure(stage: Any, cause: str, told: str) -> None:
    """The failure is told in a request that is sent again if need be, and a flow in its answer is obeyed."""
    ref = stage.answered_with([ASKING, AFTER])
    stage.phone(dialled(stage), "ended", cause=cause, by="phone")
    asked = next(hook for hook in stage.webhooks() if b'"status":"%s"' % told.encode() in hook.body)
    stage.reply(asked, status=503)
    stage.pass_time(1)
    again = stage.asked("other")
    assert (again.attempt, json.loads(again.body)["status"]) == (2, told)
    stage.reply(again, [])
    assert stage.network.hung_up == [ref]


def test_a_plain_connect_goes_on_after_a_failure(stage: Any) -> None:
    """An answer to its event is no flow."""
    stage.answered_with([CALL, AFTER])
    stage.phone(dialled(stage), "ended", cause="busy", by="phone")
    hooks = stage.webhooks()
    assert [json.loads(hook.body).get("status") for hook in hooks][-3:] == ["busy", "completed", None]
    stage.reply(hooks[-3], [])
    assert stage.network.hung_up == []


def test_the_ringing_has_its_time_limit(stage: Any) -> None:
    """`timeout` of the action, and the carrier's own word for it."""
    stage.answered_with([ASKING | {"timeout": 5}])
    other = dialled(stage)
    stage.phone(other, "ringing")
    stage.pass_time(5.1)
    assert stage.network.hung_up == [other]
    stage.webhooks()
    stage.phone(other, "ended", cause="canceled", by="carrier")
    assert statuses(stage, "other") == ["timeout", "completed"]


def test_a_foreign_caller_id_is_restricted_but_the_first_ones_own_is_not(stage: Any) -> None:
    """Beside our numbers a flow may show the number of whoever is on the line."""
    stage.answered_with([CALL | {"from": "15550109999"}, AFTER])
    stage.pass_time(0.1)
    assert "rejected" in [body.get("status") for body in stage.bodies()]
    assert len(stage.network.dials) == 1
    stage.configure(answer_url={"address": f"{HOOK}inbound", "http_method": "POST"})
    stage.incoming("+15550100007")
    stage.reply(stage.asked("inbound"), [CALL | {"from": "15550100007"}])
    stage.pass_time(0.1)
    assert stage.network.dials[-1]["caller_id"] == "+15550100007"


def test_without_from_the_caller_id_is_withheld(stage: Any) -> None:
    """Nobody's number is shown."""
    stage.answered_with([{"action": "connect", "endpoint": [OTHER]}])
    dialled(stage)
    assert stage.network.dials[-1]["caller_id"] == ""


def test_keys_are_sent_when_the_called_one_answers(stage: Any) -> None:
    """dtmfAnswer, with its pauses, to the called phone alone."""
    _, other = connected(stage, CALL | {"endpoint": [OTHER | {"dtmfAnswer": "1p2"}]})
    stage.pass_time(0.6)
    assert stage.network.keys == [(other, "1"), (other, "2")]


def test_the_called_one_hears_a_flow_of_its_own_first(stage: Any) -> None:
    """onAnswer: until it is over the two do not hear each other."""
    whisper = OTHER | {"onAnswer": {"url": f"{HOOK}whisper"}}
    ref, other = connected(stage, CALL | {"endpoint": [whisper]})
    asked = stage.asked("whisper")
    assert asked.method == "GET"
    stage.network.voices = {ref: LOUD, other: LOUD}
    stage.tick(times=2)
    assert stage.ledger.kinds("joined") == []
    stage.reply(asked, [{"action": "talk", "text": "Hello"}])
    stage.tick(times=17)
    assert len(stage.ledger.kinds("joined")) == 1
    stage.network.heard_by.clear()
    stage.tick(times=2)
    assert stage.network.heard_by[ref][-1] == LOUD
    assert stage.network.hung_up == []


def test_connecting_by_the_request_counts_for_the_pace(stage: Any) -> None:
    """Three dials a second, connects included."""
    ref = stage.place()
    stage.place()
    stage.place()
    stage.answer_phone(ref)
    stage.reply(stage.asked("answer"), [CALL, AFTER])
    assert "over the pace" in stage.ledger.kinds("refused")[0]["reason"]
    assert len(stage.network.dials) == 3


@pytest.mark.parametrize("given", ["https://gw.example.com/ring.wav", ["https://gw.example.com/ring.wav"]])
def test_the_caller_hears_the_ringback_tone_until_the_answer(stage: Any, given: Any) -> None:
    """A file, again and again; then the called party."""
    ref = stage.answered_with([CALL | {"ringbackTone": given}])
    assert stage.fetched(to_wav(tone(440, 0.1))).endswith("/ring.wav")
    other = dialled(stage)
    stage.tick(times=20)
    assert stage.network.heard_by[ref][-1] != SILENCE
    stage.network.voices = {ref: SILENCE, other: SILENCE}
    stage.phone(other, "answered")
    stage.tick(times=2)
    assert stage.network.heard_by[ref][-1] == SILENCE


# --- three and more ----------------------------------------------------------------------------------------------


def three(make_stage: Callable[..., Any]) -> tuple[Any, str, str, str]:
    """A conference: two phones and a socket."""
    stage = make_stage(async_connect_blocks=False)
    ref = stage.answered_with([STREAM, CALL])
    (opening,) = stage.take(OpenSocket)
    stage.sim.on_socket_open(stage.now, opening.stream)
    other = dialled(stage)
    stage.phone(other, "answered")
    stage.network.voices = {ref: LOUD, other: SILENCE}
    stage.frames()
    return stage, ref, other, opening.stream


def test_a_socket_hears_the_sum_of_all_others(make_stage: Callable[..., Any]) -> None:
    """One voice is itself; two are added; nobody hears themselves."""
    stage, ref, other, stream = three(make_stage)
    stage.tick()
    assert to_mulaw(stage.frames()[-1]) == LOUD
    stage.network.voices[other] = LOUD
    stage.tick()
    assert to_mulaw(stage.frames()[-1]) not in {LOUD, SILENCE}
    stage.network.voices = {ref: SILENCE, other: SILENCE}
    stage.tick()
    stage.sim.on_socket_frame(stage.now, stream, to_linear(LOUDER))
    stage.network.heard_by.clear()
    stage.tick()
    assert stage.network.heard_by[ref][0] == stage.network.heard_by[other][0] == LOUDER
    assert to_mulaw(stage.frames()[-1]) == SILENCE


def test_keys_of_everybody_reach_the_socket(make_stage: Callable[..., Any]) -> None:
    """One message each, whoever pressed."""
    stage, ref, other, _ = three(make_stage)
    stage.phone(ref, "digit", digit="1")
    stage.phone(other, "digit", digit="2")
    assert [json.loads(frame)["digit"] for frame in stage.frames()] == ["1", "2"]


def test_two_may_stay_when_the_third_goes(make_stage: Callable[..., Any]) -> None:
    """The phone that was called and the socket talk on; when the phone goes too, the socket closes."""
    stage, ref, other, stream = three(make_stage)
    stage.phone(ref, "ended", cause="normal", by="phone")
    assert (stage.network.hung_up, stage.take(CloseSocket)) == ([], [])
    stage.phone(other, "ended", cause="normal", by="phone")
    assert [close.stream for close in stage.take(CloseSocket)] == [stream]


def test_a_flow_at_its_end_waits_for_company(make_stage: Callable[..., Any]) -> None:
    """The first one is hung up when the last companion has gone."""
    stage, ref, other, stream = three(make_stage)
    stage.phone(other, "ended", cause="normal", by="phone")
    assert stage.network.hung_up == []
    stage.sim.on_socket_closed(stage.now, stream, 1000)
    assert stage.network.hung_up == [ref]


# --- conferences -------------------------------------------------------------------------------------------------


def in_room(stage: Any, **options: Any) -> str:
    ref = stage.answered_with([ROOM | options])
    stage.pass_time(0.5)
    return str(ref)


def test_a_name_is_one_conversation(stage: Any) -> None:
    """Whoever joins is told to be transferred, and hears the others."""
    first, second = in_room(stage), in_room(stage)
    moves = [body for body in stage.bodies() if body.get("type") == "transfer"]
    assert {move["uuid"] for move in moves} <= {first, second}
    stage.network.voices = {first: LOUD, second: LOUDER}
    stage.tick(times=2)
    assert stage.network.heard_by[first][-1] == LOUDER
    stage.phone(first, "ended", cause="normal", by="phone")
    assert stage.network.hung_up == []


def test_a_conference_waits_for_its_moderator(stage: Any) -> None:
    """StartOnEnter false: silence until somebody comes who starts it."""
    first, second = in_room(stage, startOnEnter=False), in_room(stage, startOnEnter=False)
    stage.network.voices = {first: LOUD, second: LOUD}
    stage.tick(times=2)
    assert stage.network.heard_by[first][-1] == SILENCE
    in_room(stage)
    stage.tick(times=2)
    assert stage.network.heard_by[first][-1] != SILENCE


def test_music_sounds_until_the_moderator_comes(stage: Any) -> None:
    """musicOnHoldUrl, without end, for who waits; nothing of it afterwards."""
    first = in_room(stage, startOnEnter=False, musicOnHoldUrl=[f"{HOOK}hold.wav"])
    stage.fetched(to_wav(tone(440, 0.1)))
    stage.tick(times=20)
    assert stage.network.heard_by[first][-1] != SILENCE
    second = in_room(stage)
    stage.network.voices = {first: SILENCE, second: SILENCE}
    stage.tick(times=2)
    assert stage.network.heard_by[first][-1] == SILENCE


def test_a_conference_ends_with_its_moderator(stage: Any) -> None:
    """endOnExit: everybody else is hung up."""
    first, second = in_room(stage), in_room(stage, endOnExit=True)
    stage.phone(second, "ended", cause="normal", by="phone")
    assert stage.network.hung_up == [first]


def test_who_hears_whom_may_be_chosen(stage: Any) -> None:
    """An empty canSpeak is heard by nobody, an empty canHear hears nobody, mute speaks to nobody."""
    first = in_room(stage)
    silent, deaf = in_room(stage, canSpeak=[]), in_room(stage, canHear=[])
    stage.network.voices = {first: SILENCE, silent: LOUD, deaf: SILENCE}
    stage.tick(times=2)
    assert stage.network.heard_by[first][-1] == SILENCE
    stage.network.voices = {first: LOUD, silent: SILENCE, deaf: SILENCE}
    stage.tick(times=2)
    assert (stage.network.heard_by[silent][-1], stage.network.heard_by[deaf][-1]) == (LOUD, SILENCE)


def test_a_call_is_moved_into_another_conversation(stage: Any) -> None:
    """The action `transfer` takes everybody along and ends the flow; an unknown target is told and skipped."""
    first = in_room(stage)
    target = json.loads(stage.request("GET", f"/v1/calls/{first}").body)["conversation_uuid"]
    ref = stage.answered_with([{"action": "transfer", "conversationId": target}, AFTER])
    stage.network.voices = {first: LOUD, ref: LOUDER}
    stage.tick(times=2)
    assert (stage.network.heard_by[first][-1], stage.network.heard_by[ref][-1]) == (LOUDER, LOUD)
    assert not any(hook.url.endswith("/after") for hook in stage.webhooks())
    stage.pass_time(1)
    stage.answered_with([{"action": "transfer", "conversationId": "CON-nobody"}, AFTER])
    assert any(hook.url.endswith("/after") for hook in stage.webhooks())
    assert "CON-nobody" in stage.ledger.kinds("refused")[0]["reason"]


def test_a_conference_has_room_for_fifty(make_stage: Callable[..., Any]) -> None:
    """The fifty-first is told so, and its flow goes on."""
    stage = make_stage(calls_per_second=1000)
    for _ in range(50):
        stage.answered_with([ROOM])
    stage.webhooks()
    stage.answered_with([ROOM, AFTER])
    assert any(hook.url.endswith("/after") for hook in stage.webhooks())
    assert "full" in stage.ledger.kinds("refused")[0]["reason"]


# --- the time limits of a stream -----------------------------------------------------------------------------------


def test_a_stream_that_takes_too_long_to_open_is_unanswered(stage: Any) -> None:
    """`timeout` of the action; a socket that opens later than that is closed already."""
    stage.answered_with([STREAM | {"timeout": 5, "eventType": "synchronous", "eventUrl": [f"{HOOK}stream"]}, AFTER])
    (opening,) = stage.take(OpenSocket)
    stage.webhooks()
    stage.pass_time(5.1)
    assert [(close.stream, close.abrupt) for close in stage.take(CloseSocket)] == [(opening.stream, True)]
    assert json.loads(stage.asked("stream").body)["status"] == "unanswered"
    stage.sim.on_socket_open(stage.now, opening.stream)
    assert stage.frames() == []


def test_a_stream_has_its_length(stage: Any) -> None:
    """`limit` of the action ends it normally, and the flow goes on."""
    _, stream = stage.connected([STREAM | {"limit": 3}, AFTER])
    stage.webhooks()
    stage.pass_time(3.1)
    assert [(close.stream, close.code) for close in stage.take(CloseSocket)] == [(stream, 1000)]
    assert any(hook.url.endswith("/after") for hook in stage.webhooks())
