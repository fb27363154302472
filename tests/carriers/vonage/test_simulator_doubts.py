"""What the carrier's documents leave open about caller ids, ends, streams and signed GETs, each told every way."""

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import OpenSocket
from carriers.vonage import verdicts
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import BadSignature
from gateway.domain.events import LegEnded
from gateway.domain.verdict import Disposition

Make = Callable[..., Any]
FOREIGN = {"from": {"type": "phone", "number": "15550109999"}}


def read(stage: Any, webhook: Any, step: str = "event") -> tuple[Any, ...]:
    """What our adapter makes of a webhook."""
    hooks = VonageWebhooks(stage.sim.credentials()["signature_secret"])
    request = HookRequest(
        method=webhook.method,
        url=webhook.url,
        path=step,
        headers=webhook.headers,
        body=webhook.body,
        call_id="call_1",
        leg_id="leg_1",
    )
    hooks.verify(request, stage.now)
    return tuple(hooks.parse(request, stage.now).events)


def ends(stage: Any) -> list[LegEnded]:
    """The ends that our adapter finds in all webhooks since the last look."""
    found = [event for webhook in stage.webhooks() for event in read(stage, webhook)]
    return [event for event in found if isinstance(event, LegEnded)]


# --- caller ids --------------------------------------------------------------------------------------------------


@pytest.mark.knob("vonage", "foreign_caller_id")
@pytest.mark.parametrize(("guess", "detail"), [("restricted", "restricted"), ("invalid_number", "invalid_number")])
def test_a_foreign_caller_id_fails_after_the_201(make_stage: Make, guess: str, detail: str) -> None:
    """The call is accepted, no phone rings, and the end names the carrier's word."""
    stage = make_stage(foreign_caller_id=guess)
    stage.place(**FOREIGN)
    stage.pass_time(0.1)
    (end,) = ends(stage)
    assert (end.verdict.code.split(":")[1], end.answered, stage.network.dials) == (detail, False, [])


@pytest.mark.knob("vonage", "foreign_caller_id")
def test_a_foreign_caller_id_may_be_refused_at_once(make_stage: Make) -> None:
    """403, which our adapter takes to the next carrier; a call with our own number passes."""
    stage = make_stage(foreign_caller_id="refuse")
    own = json.loads(stage.request("POST", "/v1/calls", json_order()).body)
    reply = stage.request("POST", "/v1/calls", json_order(**FOREIGN))
    verdict = verdicts.api_verdict(reply.status, reply.headers, reply.body)
    assert (own["status"], reply.status, verdict.disposition) == ("started", 403, Disposition.NEXT_CARRIER)
    assert [entry["status"] for entry in stage.ledger.kinds("dial")] == [201, 403]


@pytest.mark.knob("vonage", "foreign_caller_id")
def test_a_foreign_caller_id_may_show_nobody(make_stage: Make) -> None:
    """By the older documents the phone rings and is shown no number."""
    stage = make_stage(foreign_caller_id="unknown")
    stage.place(**FOREIGN)
    stage.pass_time(0.1)
    assert [dial["caller_id"] for dial in stage.network.dials] == [""]


def json_order(**changes: Any) -> dict[str, Any]:
    """A create-call request from our own number."""
    own = {"type": "phone", "number": "15550190031"}
    to = [{"type": "phone", "number": "15550100001"}]
    return {"to": to, "from": own, "answer_url": ["https://gw.example.com/answer"], **changes}


# --- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.knob("vonage", "completed_sip_code")
@pytest.mark.parametrize("coded", [True, False])
def test_completed_may_carry_a_sip_code(make_stage: Make, coded: bool) -> None:
    """Of an answered call only, and it is a normal end to our adapter with it or without."""
    stage = make_stage(completed_sip_code=coded)
    ref = stage.place()
    stage.answer_phone(ref)
    stage.webhooks()
    stage.phone(ref, "ended", cause="normal", by="phone")
    (webhook,) = stage.webhooks()
    assert json.loads(webhook.body).get("sip_code") == (200 if coded else None)
    (end,) = read(stage, webhook)
    assert (end.answered, end.verdict.disposition) == (True, Disposition.STOP)


def test_completed_after_a_failure_repeats_no_code(stage: Any) -> None:
    """The code stands in the first terminal event, and is not told again."""
    ref = stage.place()
    stage.pass_time(0.1)
    stage.webhooks()
    stage.phone(ref, "ended", cause="busy", by="phone")
    assert [(body["status"], body.get("sip_code")) for body in stage.bodies()] == [("busy", 486), ("completed", None)]


# --- streams -----------------------------------------------------------------------------------------------------


def opening(stage: Any, **changes: Any) -> str:
    """A call whose flow connects a stream that has not opened; the stream."""
    uri = "wss://gw.example.com/media/call_1/leg_1/secret"
    endpoint = {"type": "websocket", "uri": uri, "content-type": "audio/l16;rate=8000"}
    connect = {"action": "connect", "endpoint": [endpoint], "eventUrl": ["https://gw.example.com/stream"]}
    stage.answered_with([{**connect, **changes}, {"action": "wait", "timeout": 5}])
    stage.webhooks()
    (wish,) = stage.take(OpenSocket)
    return str(wish.stream)


@pytest.mark.knob("vonage", "socket_unreachable_as")
@pytest.mark.parametrize("word", ["unanswered", "failed"])
def test_a_stream_that_reaches_nobody(make_stage: Make, word: str) -> None:
    """Without an HTTP answer it is unanswered, or failed: our adapter notes the word and is asked what to do."""
    stage = make_stage(socket_unreachable_as=word)
    stream = opening(stage, eventType="synchronous")
    stage.sim.on_socket_refused(stage.now, stream, 0)
    webhook = stage.asked("stream")
    assert json.loads(webhook.body)["status"] == word
    (event,) = read(stage, webhook, "stream")
    assert event.carrier_data["stream_end"] == word


@pytest.mark.knob("vonage", "async_failures_told", no_adapter="every connect of ours is synchronous")
@pytest.mark.parametrize("told", [False, True])
def test_a_plain_connect_may_not_hear_of_a_stream_that_never_opened(make_stage: Make, told: bool) -> None:
    """The next action follows; whether an event says why is told both ways."""
    stage = make_stage(async_failures_told=told)
    stage.sim.on_socket_refused(stage.now, opening(stage), 503)
    assert [body["status"] for body in stage.bodies()] == (["failed"] if told else [])
    stage.pass_time(5.1)
    assert len(stage.network.hung_up) == 1


def test_a_plain_connect_hears_of_a_stream_that_was_lost(stage: Any) -> None:
    """`disconnected` is told of every stream that had opened."""
    stream = opening(stage)
    stage.sim.on_socket_open(stage.now, stream)
    stage.webhooks()
    stage.sim.on_socket_closed(stage.now, stream, 1006)
    assert [body["status"] for body in stage.bodies()] == ["disconnected"]


# --- documents and requests ----------------------------------------------------------------------------------------


def test_a_broken_flow_in_the_answer_to_an_event_leads_to_the_fallback(stage: Any) -> None:
    """It is told as an error, and the fallback is asked what to do; without a flow from it the rest goes on."""
    stage.configure(fallback_answer_url={"address": "https://gw.example.com/fallback", "http_method": "POST"})
    stage.answered_with([{"action": "notify", "payload": {}, "eventUrl": ["https://gw.example.com/after"]}])
    stage.reply(stage.asked("after"), [{"action": "nonsense"}])
    told = {webhook.url.rpartition("/")[2]: json.loads(webhook.body) for webhook in stage.webhooks()}
    assert "nonsense" in told["event"]["reason"]
    assert (told["fallback"]["reason"], told["fallback"]["original_request"]["type"]) == ("Invalid NCCO.", "event")
    assert stage.network.hung_up == []


def test_without_a_fallback_a_broken_flow_changes_nothing(stage: Any) -> None:
    """The error is told, and the rest goes on."""
    ref = stage.answered_with([{"action": "notify", "payload": {}, "eventUrl": ["https://gw.example.com/after"]}])
    stage.reply(stage.asked("after"), [{"action": "nonsense"}])
    assert stage.network.hung_up == [ref]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"action": "hangup", "reason_code": "1"}, "reason_code"),
        ({"action": "mute", "destination": {}}, "destination"),
        ({"action": "transfer", "destination": {"type": "ncco", "ncco": [], "extra": 1}}, "destination.extra"),
    ],
)
def test_what_a_change_says_besides_is_refused_by_name(stage: Any, change: dict[str, Any], name: str) -> None:
    """In the answer and in the ledger; the call stays as it is."""
    ref = stage.place()
    stage.answer_phone(ref)
    reply = stage.request("PUT", f"/v1/calls/{ref}", change)
    assert (reply.status, [wrong["name"] for wrong in json.loads(reply.body)["invalid_parameters"]]) == (400, [name])
    assert name in stage.ledger.kinds("refused")[-1]["reason"]
    assert stage.network.hung_up == []


@pytest.mark.knob("vonage", "get_hash_over")
@pytest.mark.parametrize("reading", ["json", "payload"])
def test_the_hash_of_a_get_is_of_the_customers_own_parameters_too(make_stage: Make, reading: str) -> None:
    """All that arrives, in the URL's order; a carrier that hashes its own alone would be refused by our adapter."""
    stage = make_stage(get_hash_over=reading)
    ref = stage.place(answer_url=["https://gw.example.com/answer?t=a%20b"], answer_method="GET")
    stage.answer_phone(ref)
    webhook = next(each for each in stage.webhooks() if each.method == "GET")
    arrived = dict(parse_qsl(urlsplit(webhook.url).query, keep_blank_values=True))
    own = list(arrived)[:1] == ["t"] and arrived["t"] == "a b"
    hashed = hashlib.sha256(json.dumps(arrived, separators=(",", ":")).encode()).hexdigest()
    claims = jwt.decode(webhook.headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False})
    assert (own, claims["payload_hash"] == hashed) == (True, reading == "json")
    hooks = VonageWebhooks(stage.sim.credentials()["signature_secret"])
    request = HookRequest(method="GET", url=webhook.url, path="answer", headers=webhook.headers, body=b"")
    if reading == "json":
        assert hooks.verify(request, stage.now).key
    else:
        with pytest.raises(BadSignature, match="payload-hash"):
            hooks.verify(request, stage.now)
