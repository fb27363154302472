"""Calls from phones to numbers of the simulated account: who is asked, when it is answered, and how it ends."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.lab.contract import Incoming, OpenSocket

ANSWER, NEWS = "https://gw.example.com/inbound", "https://gw.example.com/news"
SOCKET = {"type": "websocket", "uri": "wss://gw.example.com/media", "content-type": "audio/l16;rate=8000"}
CONNECT = {"action": "connect", "endpoint": [SOCKET]}
POST = {"address": ANSWER, "http_method": "POST"}


@pytest.fixture
def line(stage: Any) -> Any:
    """A stage whose first number is answered by the application."""
    stage.configure(answer_url=POST, event_url=NEWS)
    return stage


def test_the_application_is_asked_with_every_field(line: Any) -> None:
    """By POST where it says so, signed, within the documented times; ringing is told before started, then answered."""
    ref = line.incoming()
    webhooks = line.webhooks()
    asked = webhooks[-1]
    assert (asked.url, asked.method, asked.connect_timeout_s, asked.timeout_s) == (ANSWER, "POST", 1.0, 5.0)
    body = json.loads(asked.body)
    assert body.pop("conversation_uuid").startswith("CON-")
    expected = {"from": "15550100001", "to": "15550190031", "uuid": ref, "endpoint_type": "phone"}
    assert body == expected | {"region_url": line.site.base_url}
    told = [json.loads(webhook.body) for webhook in webhooks[:-1]]
    assert [event["status"] for event in told] == ["ringing", "started", "answered"]
    assert len({event["timestamp"] for event in told}) == 1
    assert {event["direction"] for event in told} == {"inbound"}
    assert all(webhook.headers["authorization"].startswith("Bearer ey") for webhook in webhooks)


def test_get_is_the_default(stage: Any) -> None:
    """Without a method the fields stand in the URL."""
    stage.configure(answer_url=ANSWER)
    ref = stage.incoming()
    (asked,) = stage.webhooks()
    assert (asked.method, asked.body) == ("GET", b"")
    assert f"uuid={ref}" in asked.url
    assert "from=15550100001" in asked.url


def test_the_applications_time_limits_are_kept(stage: Any) -> None:
    """Connection and socket time limits of the application replace the defaults."""
    stage.configure(answer_url=POST | {"connection_timeout": 400, "socket_timeout": 2000})
    stage.incoming()
    (asked,) = stage.webhooks()
    assert (asked.connect_timeout_s, asked.timeout_s) == (0.4, 2.0)


def test_a_stream_for_the_caller(line: Any) -> None:
    """The flow connects a socket, which hears the caller; the caller's end ends everything."""
    ref = line.incoming()
    line.reply(line.asked("inbound"), [CONNECT])
    (opening,) = line.take(OpenSocket)
    assert (opening.carrier_call_id, opening.number) == (ref, "+15550100001")
    line.sim.on_socket_open(line.now, opening.stream)
    line.frames()
    line.tick()
    assert len(line.frames()) == 1
    line.phone(ref, "ended", cause="normal", by="phone")
    assert line.sim.live_calls() == 0
    assert "completed" in line.statuses()
    assert not line.sim.ticking()


def test_the_call_is_in_the_list(line: Any) -> None:
    """An inbound call has a record like any other."""
    ref = line.incoming()
    record = json.loads(line.request("GET", f"/v1/calls/{ref}").body)
    assert (record["direction"], record["status"], record["from"]["number"]) == ("inbound", "answered", "15550100001")


@pytest.mark.parametrize("status", [500, 404, 204])
def test_without_a_flow_the_call_ends(line: Any, status: int) -> None:
    """An answer that is no flow, and no fallback: an error webhook, and the caller is hung up."""
    ref = line.incoming()
    line.reply(line.asked("inbound"), status=status)
    assert line.network.hung_up == [ref]
    assert any(said.startswith("Syntax error in NCCO") for said in line.statuses())


def test_an_empty_flow_ends_the_call(line: Any) -> None:
    """There is no reject in a flow: answered, and over."""
    ref = line.incoming()
    line.reply(line.asked("inbound"), [])
    assert (line.network.answered, line.network.hung_up) == ([ref], [ref])


def test_the_fallback_is_asked_twice(stage: Any) -> None:
    """After two time-outs the fallback gets reason and original; after two failures of its own the call ends."""
    fallback = {"address": "https://gw.example.com/fallback", "http_method": "POST"}
    stage.configure(answer_url=POST, fallback_answer_url=fallback)
    ref = stage.incoming()
    for step in ("inbound", "inbound", "fallback", "fallback"):
        asked = stage.asked(step)
        assert stage.network.hung_up == []
        stage.reply(asked, status=0, failure="reset")
        stage.pass_time(1)
    body = json.loads(asked.body)
    assert (body["reason"], body["original_request"]) == ("Connection closed.", {"url": ANSWER, "type": "answer"})
    assert stage.network.hung_up == [ref]


def test_a_number_of_nobody_is_turned_away(stage: Any) -> None:
    """No application is linked: the caller is refused, nobody is told, and the ledger says why."""
    ref = stage.incoming()
    assert stage.network.refused == [(ref, "declined")]
    assert (stage.webhooks(), stage.sim.live_calls()) == ([], 0)
    assert "linked" in stage.ledger.kinds("refused")[0]["reason"]


def test_numbers_of_others_are_not_in_service(stage: Any) -> None:
    """The network gets no id for them."""
    assert stage.sim.incoming_ref(stage.now, Incoming(to="+15550109999", caller_id="")) is None


def test_a_caller_may_give_up_before_the_answer(make_stage: Callable[..., Any]) -> None:
    """Where the carrier answers with the flow, the caller may be gone before: nothing is answered any more."""
    stage = make_stage(inbound_answered="with_flow")
    stage.configure(answer_url=POST, event_url=NEWS)
    ref = stage.incoming()
    asked = stage.asked("inbound")
    assert stage.network.answered == []
    stage.phone(ref, "ended", cause="canceled", by="phone")
    assert stage.statuses() == ["cancelled", "completed"]
    stage.reply(asked, [CONNECT])
    assert (stage.network.answered, stage.take(OpenSocket), stage.sim.live_calls()) == ([], [], 0)


def test_a_call_that_was_not_answered_is_refused(make_stage: Callable[..., Any]) -> None:
    """Where the carrier answers with the flow, a broken flow turns the caller away unanswered."""
    stage = make_stage(inbound_answered="with_flow")
    stage.configure(answer_url=POST)
    ref = stage.incoming()
    stage.reply(stage.asked("inbound"), status=500)
    assert (stage.network.answered, stage.network.refused) == ([], [(ref, "declined")])


def test_a_reset_keeps_the_applications_urls_and_links(line: Any) -> None:
    """Calls are forgotten, what was set up stays."""
    line.incoming()
    line.sim.reset()
    line.webhooks()
    assert line.sim.live_calls() == 0
    line.incoming()
    assert line.asked("inbound").url == ANSWER


def test_unsigned_callbacks_are_the_applications_choice(stage: Any) -> None:
    """signed_callbacks false takes the token away."""
    own = stage.configure(answer_url=POST)
    voice = {"webhooks": {"answer_url": POST}, "signed_callbacks": False}
    assert stage.account("PUT", f"/v2/applications/{own}", {"name": "x", "capabilities": {"voice": voice}}).status == 200
    stage.incoming()
    (asked,) = stage.webhooks()
    assert "authorization" not in asked.headers
