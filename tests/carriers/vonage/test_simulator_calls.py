"""The life of a simulated call, its events and its flow, with the phones played by the test."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.lab.contract import CloseSocket, OpenSocket
from carriers.lab.sound import SILENCE

TALK = {"action": "talk", "text": "Please hold"}
WAIT = {"action": "wait", "timeout": 3}
SOCKET = {"type": "websocket", "uri": "wss://gw.example.com/media", "content-type": "audio/l16;rate=8000"}
CONNECT = {
    "action": "connect",
    "eventType": "synchronous",
    "eventUrl": ["https://gw.example.com/stream"],
    "endpoint": [SOCKET],
}
AFTER = {"action": "notify", "payload": {"leg": "leg_1"}, "eventUrl": ["https://gw.example.com/after"]}


def asked(stage: Any, step: str) -> Any:
    """The one webhook to a step's URL since the last look."""
    (found,) = [webhook for webhook in stage.webhooks() if webhook.url.endswith(f"/{step}")]
    return found


def answered_with(stage: Any, ncco: Any) -> str:
    ref = stage.place()
    stage.answer_phone(ref)
    stage.reply(asked(stage, "answer"), ncco)
    return ref


def hang_up(stage: Any, ref: str) -> int:
    return stage.request("PUT", f"/v1/calls/{ref}", {"action": "hangup"}).status


def test_a_call_is_told_step_by_step(stage: Any) -> None:
    """started, ringing, answered, completed: each signed, to the event URL, with the common fields."""
    ref = stage.place()
    stage.answer_phone(ref)
    webhooks = [webhook for webhook in stage.webhooks() if webhook.url.endswith("/event")]
    bodies = [json.loads(webhook.body) for webhook in webhooks]
    assert [body["status"] for body in bodies] == ["started", "ringing", "answered"]
    assert {(body["uuid"], body["to"], body["from"], body["direction"]) for body in bodies} == {
        (ref, "15550100001", "15550190031", "outbound")
    }
    assert all(webhook.headers["authorization"].startswith("Bearer ey") for webhook in webhooks)
    stage.pass_time(2)
    stage.phone(ref, "ended", cause="normal", by="phone")
    (last,) = [json.loads(webhook.body) for webhook in stage.webhooks()]
    sums = {name: last[name] for name in ("status", "duration", "disconnected_by", "rate")}
    assert sums == {"status": "completed", "duration": "2", "disconnected_by": "user", "rate": "0.00797000"}
    assert stage.sim.live_calls() == 0


def test_the_phone_is_dialled_once_with_plus(stage: Any) -> None:
    """The network speaks E.164 with `+`, the API without."""
    ref = stage.place()
    stage.pass_time(5)
    assert stage.network.dials == [{"ref": ref, "to": "+15550100001", "caller_id": "+15550190031"}]


@pytest.mark.parametrize(
    ("cause", "statuses", "detail"),
    [
        ("busy", ["busy", "completed"], None),
        ("no_answer", ["unanswered", "completed"], "unavailable"),
        ("declined", ["rejected"], "declined"),
        ("unreachable", ["unanswered", "completed"], "unavailable"),
        ("invalid", ["failed", "completed"], "number_out_of_service"),
    ],
)
def test_failures_are_followed_by_completed_except_rejections(
    stage: Any, cause: str, statuses: list[str], detail: str | None
) -> None:
    """The vendor sends `completed` after every end but a rejection, without an answer's sums."""
    ref = stage.place()
    stage.pass_time(1)
    stage.webhooks()
    stage.phone(ref, "ended", cause=cause, by="network")
    bodies = [json.loads(webhook.body) for webhook in stage.webhooks()]
    assert [body["status"] for body in bodies] == statuses
    assert bodies[0].get("detail") == detail
    assert all(body["duration"] == "0" and body["start_time"] is None for body in bodies[1:])
    assert json.loads(stage.request("GET", f"/v1/calls/{ref}").body)["status"] == statuses[0]


def test_the_following_completed_and_the_codes_form_are_knobs(make_stage: Callable[..., Any]) -> None:
    """Both are played both ways, because both were seen or are unverified."""
    stage = make_stage(completed_follows=False, sip_code_as="string")
    ref = stage.place()
    stage.pass_time(1)
    stage.webhooks()
    stage.phone(ref, "ended", cause="busy", by="phone")
    (body,) = [json.loads(webhook.body) for webhook in stage.webhooks()]
    assert (body["status"], body["sip_code"]) == ("busy", "486")


def test_every_reject_cause_fails_before_ringing(stage: Any) -> None:
    """The fault `reject` speaks the carrier's own words, and no phone is dialled."""
    for cause in sorted(stage.sim.causes):
        stage.cause = cause
        stage.place()
        stage.pass_time(1.1)
        bodies = [json.loads(webhook.body) for webhook in stage.webhooks()]
        assert bodies[0]["status"] == "started"
        assert cause in {bodies[1]["status"], bodies[1].get("detail")}
    assert stage.network.dials == []
    assert stage.sim.live_calls() == 0


def test_a_caller_id_of_others_is_restricted(stage: Any) -> None:
    """A `from` that the account does not own is accepted by the API and rejected afterwards."""
    stage.place(**{"from": {"type": "phone", "number": "15550109999"}})
    stage.pass_time(1)
    assert stage.statuses() == ["started", "rejected"]


def test_the_ring_timer_ends_the_ringing(stage: Any) -> None:
    """After ringing_timer the carrier gives up and says `timeout`."""
    ref = stage.place(ringing_timer=20)
    stage.pass_time(0.1)
    stage.phone(ref, "ringing")
    stage.pass_time(19.5)
    assert stage.network.hung_up == []
    stage.pass_time(1)
    assert stage.network.hung_up == [ref]
    stage.webhooks()
    stage.phone(ref, "ended", cause="canceled", by="carrier")
    assert stage.statuses() == ["timeout", "completed"]


def test_the_length_timer_ends_the_call(stage: Any) -> None:
    """After length_timer the carrier hangs up."""
    ref = stage.place(length_timer=5)
    stage.answer_phone(ref)
    stage.reply(asked(stage, "answer"), [WAIT | {"timeout": 100}])
    stage.pass_time(5.1)
    assert stage.network.hung_up == [ref]


def test_a_hang_up_before_the_answer_cancels(stage: Any) -> None:
    """PUT hangup on a ringing leg gives 204 and `cancelled`; on a finished one 404."""
    ref = stage.place()
    stage.pass_time(0.1)
    stage.phone(ref, "ringing")
    assert hang_up(stage, ref) == 204
    assert stage.network.hung_up == [ref]
    stage.webhooks()
    stage.phone(ref, "ended", cause="canceled", by="carrier")
    assert stage.statuses() == ["cancelled", "completed"]
    assert hang_up(stage, ref) == 404


def test_a_hang_up_before_the_dial_rings_nobody(stage: Any) -> None:
    """A call taken back at once never reaches the network."""
    ref = stage.place()
    assert hang_up(stage, ref) == 204
    stage.pass_time(5)
    assert stage.network.dials == []


def test_the_answer_to_a_late_hang_up_is_a_knob(make_stage: Callable[..., Any]) -> None:
    """What a finished call answers is not documented."""
    stage = make_stage(ended_call_status=400)
    ref = stage.place()
    hang_up(stage, ref)
    assert hang_up(stage, ref) == 400


def test_the_flow_is_asked_for_when_the_phone_is_answered(stage: Any) -> None:
    """The answer URL gets the documented fields, within the documented times."""
    ref = stage.place()
    stage.answer_phone(ref)
    webhook = asked(stage, "answer")
    body = json.loads(webhook.body)
    assert (body["uuid"], body["endpoint_type"], body["region_url"]) == (ref, "phone", stage.site.base_url)
    assert (webhook.method, webhook.connect_timeout_s, webhook.timeout_s) == ("POST", 1.0, 5.0)


@pytest.mark.parametrize("method", [None, "GET"])
def test_the_answer_url_is_a_get_unless_asked_otherwise(stage: Any, method: str | None) -> None:
    """GET is the default: the fields stand in the URL."""
    ref = stage.place(answer_method=method)
    stage.answer_phone(ref)
    (webhook,) = [webhook for webhook in stage.webhooks() if webhook.method == "GET"]
    assert f"uuid={ref}" in webhook.url
    assert webhook.body == b""


@pytest.mark.parametrize(("status", "failure"), [(503, ""), (429, ""), (504, ""), (0, "reset"), (0, "timeout"), (0, "connect")])
def test_a_failed_answer_is_asked_for_once_more(stage: Any, status: int, failure: str) -> None:
    """Time-outs, resets and 429, 503, 504 get one retry with the same body; then the call ends."""
    ref = stage.place()
    stage.answer_phone(ref)
    first = asked(stage, "answer")
    stage.reply(first, status=status, failure=failure)
    stage.pass_time(1)
    again = asked(stage, "answer")
    assert (again.body, again.attempt) == (first.body, 2)
    assert again.headers["authorization"] != first.headers["authorization"]
    stage.reply(again, status=status, failure=failure)
    stage.pass_time(5)
    assert stage.network.hung_up == [ref]


@pytest.mark.parametrize("status", [500, 404, 204])
def test_other_answers_are_final(stage: Any, status: int) -> None:
    """A 500 or an empty answer is no flow and is not asked for again: the call ends with an error webhook."""
    ref = stage.place()
    stage.answer_phone(ref)
    stage.reply(asked(stage, "answer"), status=status)
    assert stage.network.hung_up == [ref]
    assert any("NCCO" in said for said in stage.statuses())


def test_a_second_retry_is_a_knob(make_stage: Callable[..., Any]) -> None:
    """The vendor's pages disagree whether there are one or two."""
    stage = make_stage(webhook_retries=2)
    ref = stage.place()
    stage.answer_phone(ref)
    for attempt in (1, 2, 3):
        webhook = asked(stage, "answer")
        assert webhook.attempt == attempt
        stage.reply(webhook, status=503)
        stage.pass_time(1)
    assert stage.network.hung_up == [ref]


def test_the_fallback_url_gets_the_original_and_the_reason(stage: Any) -> None:
    """Where the application has one, it is asked before the call ends."""
    hook = {"address": "https://gw.example.com/fallback", "http_method": "POST"}
    stage.configure(fallback_answer_url=hook)
    ref = stage.place()
    stage.answer_phone(ref)
    stage.reply(asked(stage, "answer"), status=500)
    webhook = asked(stage, "fallback")
    body = json.loads(webhook.body)
    assert body["original_request"] == {"url": "https://gw.example.com/answer", "type": "answer"}
    assert (body["uuid"], body["reason"]) == (ref, "HTTP status 500.")
    stage.reply(webhook, [WAIT])
    assert stage.network.hung_up == []


def test_an_empty_flow_ends_the_call(stage: Any) -> None:
    """There is no hang-up action: nothing left to do is the end."""
    ref = answered_with(stage, [])
    assert stage.network.hung_up == [ref]


def test_timed_actions_run_one_after_the_other(stage: Any) -> None:
    """A talk takes as long as its text, a wait as long as it says; then the call ends."""
    ref = answered_with(stage, [TALK, WAIT])
    stage.tick(times=39)
    assert {frame != SILENCE for frame in stage.network.heard} == {True}
    assert not stage.sim.ticking()
    stage.pass_time(2.9)
    assert stage.network.hung_up == []
    stage.pass_time(0.2)
    assert stage.network.hung_up == [ref]


@pytest.mark.parametrize(
    "action",
    [
        {"action": "record"},
        {"action": "record", "format": "wav", "transcription": {}},
        {"action": "record", "format": "wav", "endOnSilence": 2},
        {"action": "input", "type": ["speech"]},
        {"action": "input", "mode": "asynchronous"},
        {"action": "input", "dtmf": {"maxDigits": 21}},
        {"action": "conversation", "name": "x", "record": True},
        {"action": "conversation", "name": "x", "musicOnHoldUrl": ["x"]},
        {"action": "connect", "endpoint": [{"type": "phone", "number": "+15550100002"}]},
        {"action": "connect", "endpoint": [{"type": "sip", "uri": "sip:a@b.example"}]},
        {"action": "connect", "endpoint": [SOCKET], "ringbackTone": "x"},
        {"action": "connect", "endpoint": [SOCKET], "machineDetection": "hangup"},
        {"action": "talk", "text": "hello", "bargeIn": True},
        {"action": "talk", "text": "hello", "level": 2},
        {"action": "stream", "streamUrl": "https://x"},
        {"action": "notify", "payload": {}, "eventUrl": ["https://x"], "eventMethod": "PUT"},
        {"action": "transfer"},
        {"action": "connect", "endpoint": [SOCKET | {"uri": "https://x"}]},
        {"action": "connect", "endpoint": [SOCKET | {"content-type": "audio/pcmu;rate=8000"}]},
        {"action": "connect", "endpoint": [SOCKET | {"headers": {"a": "b" * 512}}]},
        {"action": "connect", "endpoint": [SOCKET | {"authorization": {"type": "custom"}}]},
        {"action": "notify", "payload": {}},
        {"action": "talk", "text": "x" * 1501},
        "hangup",
    ],
)
def test_a_flow_that_cannot_be_obeyed_is_refused_loudly(stage: Any, action: Any) -> None:
    """The ledger names the action, the error webhook too, and the call ends."""
    ref = answered_with(stage, [action])
    assert stage.network.hung_up == [ref]
    assert "NCCO[0]" in stage.ledger.kinds("refused")[0]["reason"]
    assert any(said.startswith("Syntax error in NCCO") for said in stage.statuses())


def test_a_flow_in_the_request_needs_no_answer_url(stage: Any) -> None:
    """An inline NCCO starts when the phone is answered."""
    ref = stage.place(answer_url=None, answer_method=None, ncco=[CONNECT])
    stage.answer_phone(ref)
    assert len(stage.take(OpenSocket)) == 1


def test_the_streams_progress_is_told_in_its_own_name(stage: Any) -> None:
    """The socket leg has a uuid of its own, and its events go to the connect action's URL."""
    ref, stream = stage.connected()
    bodies = [json.loads(webhook.body) for webhook in stage.webhooks() if webhook.url.endswith("/stream")]
    assert [body["status"] for body in bodies] == ["started", "answered"]
    assert {body["uuid"] for body in bodies} == {stream}
    assert stream != ref
    assert {body["to"] for body in bodies} == {"wss://gw.example.com/media"}


@pytest.mark.parametrize(("status", "told"), [(403, "failed"), (0, "unanswered")])
def test_a_stream_that_cannot_open_is_asked_about(stage: Any, status: int, told: str) -> None:
    """The synchronous event waits for a flow; without one the next action runs."""
    answered_with(stage, [CONNECT, AFTER])
    (opening,) = stage.take(OpenSocket)
    stage.webhooks()
    stage.sim.on_socket_refused(stage.now, opening.stream, status)
    lost = asked(stage, "stream")
    assert json.loads(lost.body)["status"] == told
    stage.reply(lost, status=204)
    assert json.loads(asked(stage, "after").body)["payload"] == {"leg": "leg_1"}


def test_a_lost_stream_can_be_given_a_new_one(stage: Any) -> None:
    """A flow in the answer to `disconnected` replaces the rest."""
    _, stream = stage.connected()
    stage.webhooks()
    stage.sim.on_socket_closed(stage.now, stream, 1006)
    lost = asked(stage, "stream")
    assert json.loads(lost.body)["status"] == "disconnected"
    stage.pass_time(1)
    stage.reply(lost, [CONNECT])
    (again,) = stage.take(OpenSocket)
    assert again.stream != stream


def test_after_the_last_action_the_call_ends(stage: Any) -> None:
    """A lost stream, no new flow, a notify without a flow: completed, by the platform."""
    ref, stream = stage.connected()
    stage.webhooks()
    stage.sim.on_socket_closed(stage.now, stream, 1000)
    stage.reply(asked(stage, "stream"), status=204)
    stage.reply(asked(stage, "after"), status=204)
    assert stage.network.hung_up == [ref]


@pytest.mark.parametrize("replaces", [True, False])
def test_an_empty_flow_in_mid_call_ends_it_either_way(make_stage: Callable[..., Any], replaces: bool) -> None:
    """Whether `[]` replaces the rest or counts as no flow is not documented: both end the call."""
    stage = make_stage(empty_ncco_replaces=replaces)
    ref, stream = stage.connected()
    stage.webhooks()
    stage.sim.on_socket_closed(stage.now, stream, 1000)
    stage.reply(asked(stage, "stream"), [])
    if not replaces:
        stage.reply(asked(stage, "after"), [])
    assert stage.network.hung_up == [ref]


def test_without_synchronous_events_the_flow_just_goes_on(stage: Any) -> None:
    """Then nobody is asked about the lost stream."""
    plain = {name: value for name, value in CONNECT.items() if name != "eventType"}
    answered_with(stage, [plain, AFTER])
    (opening,) = stage.take(OpenSocket)
    stage.webhooks()
    stage.sim.on_socket_refused(stage.now, opening.stream, 500)
    assert asked(stage, "after").method == "POST"


def test_the_person_hanging_up_closes_the_stream(stage: Any) -> None:
    """No message announces it: the socket closes, and both legs complete without a `disconnected`."""
    ref, stream = stage.connected()
    stage.webhooks()
    stage.phone(ref, "ended", cause="normal", by="phone")
    assert [(close.stream, close.code) for close in stage.take(CloseSocket)] == [(stream, 1000)]
    assert stage.statuses() == ["completed", "completed"]
    stage.sim.on_socket_closed(stage.now, stream, 1000)
    assert stage.webhooks() == []


def test_hanging_up_the_socket_leg_goes_on_without_disconnected(stage: Any) -> None:
    """A deliberate end of the stream is not reported as a loss."""
    _, stream = stage.connected()
    stage.webhooks()
    assert hang_up(stage, stream) == 204
    webhooks = stage.webhooks()
    assert [webhook.url.rpartition("/")[2] for webhook in webhooks] == ["stream", "after"]
    assert json.loads(webhooks[0].body)["status"] == "completed"


def test_a_transfer_leaves_the_socket_behind(stage: Any) -> None:
    """A new flow moves the phone to a conversation of its own; the old stream closes."""
    ref, stream = stage.connected()
    stage.webhooks()
    place = {"type": "ncco", "ncco": [CONNECT]}
    stage.pass_time(1)
    assert stage.request("PUT", f"/v1/calls/{ref}", {"action": "transfer", "destination": place}).status == 204
    assert [close.stream for close in stage.take(CloseSocket)] == [stream]
    assert "transfer" in stage.statuses()
    assert len(stage.take(OpenSocket)) == 1


def test_a_transfer_by_url_asks_there(stage: Any) -> None:
    """The new flow is fetched."""
    ref, _ = stage.connected()
    stage.webhooks()
    place = {"type": "ncco", "url": ["https://gw.example.com/next"]}
    assert stage.request("PUT", f"/v1/calls/{ref}", {"action": "transfer", "destination": place}).status == 204
    (webhook,) = [webhook for webhook in stage.webhooks() if webhook.url.startswith("https://gw.example.com/next?")]
    stage.reply(webhook, [WAIT])
    stage.pass_time(3.1)
    assert stage.network.hung_up == [ref]


@pytest.mark.parametrize(
    "place", [None, {"type": "ncco"}, {"type": "ncco", "url": ["x"]}, {"type": "ncco", "ncco": [{"action": "dance"}]}]
)
def test_a_wrong_transfer_changes_nothing(stage: Any, place: Any) -> None:
    """400, and the stream goes on."""
    ref, _ = stage.connected()
    assert stage.request("PUT", f"/v1/calls/{ref}", {"action": "transfer", "destination": place}).status == 400
    assert stage.take(CloseSocket) == []


def test_connects_share_the_pace_of_dials(stage: Any) -> None:
    """Over three a second a connect is skipped with an error webhook, and the flow goes on."""
    ref = stage.place()
    stage.place()
    stage.place()
    stage.answer_phone(ref)
    stage.reply(asked(stage, "answer"), [CONNECT, AFTER])
    webhooks = stage.webhooks()
    assert any(b"Rate limit" in webhook.body for webhook in webhooks)
    assert webhooks[-1].url.endswith("/after")
    assert stage.take(OpenSocket) == []


def test_connects_can_be_free(make_stage: Callable[..., Any]) -> None:
    """The knob turns the sharing off."""
    stage = make_stage(connects_count=False)
    ref = stage.place()
    stage.place()
    stage.place()
    stage.answer_phone(ref)
    stage.reply(asked(stage, "answer"), [CONNECT])
    assert len(stage.take(OpenSocket)) == 1


def test_late_answers_and_timers_change_nothing(stage: Any) -> None:
    """A reply to a call that has ended, an unknown reply and an old timer are ignored."""
    ref = stage.place()
    stage.answer_phone(ref)
    webhook = asked(stage, "answer")
    stage.phone(ref, "ended", cause="normal", by="phone")
    stage.webhooks()
    stage.reply(webhook, [CONNECT])
    stage.reply(webhook, [CONNECT])
    stage.sim.on_timer(stage.now, "action:nobody:1")
    stage.phone("nobody", "answered")
    assert stage.effects == []


def test_reset_forgets_calls_and_keeps_the_account(stage: Any) -> None:
    """After a reset nothing is live, and the same credentials work."""
    before = stage.sim.credentials()
    ref, stream = stage.connected()
    stage.sim.reset()
    assert (stage.sim.live_calls(), stage.sim.credentials()) == (0, before)
    stage.sim.on_socket_frame(stage.now, stream, b"\0" * 320)
    stage.sim.on_tick(stage.now)
    assert stage.request("GET", f"/v1/calls/{ref}").status == 404


def test_one_seed_is_one_story(make_stage: Callable[..., Any]) -> None:
    """Two simulators with the same random numbers say the same, byte for byte."""

    def story() -> list[tuple[str, bytes]]:
        stage = make_stage()
        ref = stage.place()
        stage.answer_phone(ref)
        return [(webhook.id, webhook.body) for webhook in stage.webhooks()]

    assert story() == story()
