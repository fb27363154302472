"""Whatever a customer sends or answers, the simulated Plivo refuses it and goes on."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from carriers.lab.contract import RestRequest

HUGE = "9" * 5000

DOCUMENTS = [
    "<Wait length='" + HUGE + "'/>",
    "<Wait length='²'/>",
    "<Speak/>" * 5000,
    "<PreAnswer/>" * 5000,
    "<PreAnswer><Speak>.</Speak></PreAnswer>" * 2000,
    "<Record recordSession='true' redirect='false' action='https://gw.example.com/a'/>" * 1000,
    "<GetDigits timeout='0' retries='50'/>" * 50,
    "<GetDigits><Wait length='999999999'/></GetDigits>",
    "<Dial><Number>1</Number></Dial>",
    "<Dial/>",
    "<a>" * 20000 + "</a>" * 20000,
    "<Speak>" + "<s>" * 9000 + "x" + "</s>" * 9000 + "</Speak>",
    "<Play>text</Play>",
    "<DTMF>" + "w" * 90000 + "</DTMF>",
    "<Message src='x' dst='y'>z</Message>",
    "<Stream>wss://gw.example.com/m</Stream>" * 500,
    "<Redirect/>",
    "<Hangup schedule='0'/>" * 500,
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_hostile_documents(world: Any, document: str) -> None:
    """Huge numbers, deep nesting, thousands of elements: the call goes on or ends, and the next one works."""
    world.answered()
    world.obey(document)
    world.tick(0.5)
    world.run(100.0)
    other = world.answered()
    world.obey("<Hangup/>")
    assert other in world.hung_up


QUERIES = [
    {"limit": HUGE},
    {"offset": HUGE},
    {"offset": "-1"},
    {"limit": "0"},
    {"bill_duration__gt": "long"},
    {"end_time__lt": "yesterday"},
    {"end_time": HUGE},
    {"status": "gone"},
    {"subaccount": "SA"},
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("below", ["Call/", "Recording/", "Message/", "Number/", "Application/"])
def test_hostile_queries(world: Any, below: str, query: dict[str, str]) -> None:
    """A filter that is wrong or unknown is 400, with words."""
    reply = world.request("GET", below, **query)
    assert reply.status == 400
    assert json.loads(reply.body)["error"]


VALUES: list[Any] = [None, True, 1.5, -1, [], {}, {"a": {"b": []}}, HUGE, "\x00", "é" * 100, 10**30]
FIELDS = [
    ("Call/", "ring_timeout"),
    ("Call/", "to"),
    ("Call/", "answer_url"),
    ("Call/", "machine_detection"),
    ("Call/", "machine_detection_time"),
    ("Call/", "caller_name"),
    ("Call/", "send_digits"),
    ("Call/", "sip_headers"),
    ("Message/", "dst"),
    ("Message/", "url"),
    ("Application/", "app_name"),
    ("Application/", "answer_url"),
]
USUAL = {
    "Call/": {"from": "+15550190021", "to": "+15550101000", "answer_url": "https://gw.example.com/a"},
    "Message/": {"src": "+15550190021", "dst": "+15550101000", "text": "x"},
    "Application/": {"app_name": "a", "answer_url": "https://gw.example.com/a"},
}


@pytest.mark.parametrize(("below", "name"), FIELDS)
def test_hostile_values(world: Any, below: str, name: str) -> None:
    """Values of any type are taken or refused, and never break anything."""
    for value in VALUES:
        reply = world.request("POST", below, {**USUAL[below], name: value})
        assert reply.status in {201, 202, 400}
    world.run(10.0)


@pytest.mark.parametrize("name", ["digits", "urls", "text", "service_url", "legs", "time_limit", "file_format"])
def test_hostile_values_for_a_live_call(world: Any, name: str) -> None:
    """The same for what is done to a call that goes on."""
    ref = world.answered()
    world.obey("<Wait length='900'/>")
    usual = {"DTMF/": "digits", "Play/": "urls", "Speak/": "text", "Stream/": "service_url", "Record/": "time_limit"}
    for below in ("", *usual):
        for value in VALUES:
            assert world.request("POST", f"Call/{ref}/{below}", {name: value}).status in {202, 400, 404}
    world.tick(0.1)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\xfe", b"null", b'"x"', b"{"])
def test_hostile_bodies(world: Any, body: bytes) -> None:
    """A body that is no JSON object has no fields."""
    account = world.simulator.credentials()["auth_id"]
    for path in (f"/v1/Account/{account}/Call/", f"/v1/Account/{quote('ä')}/Call/", "/", ""):
        reply = world.simulator.on_request(world.now, RestRequest(method="POST", path=path, body=body))
        assert reply.status == 401


@pytest.mark.parametrize(
    "data", ["[" * 60_000, '{"event": []}', '{"event": "playAudio", "media": {"payload": 5}}', "\x00", b"\xff"]
)
def test_hostile_frames(world: Any, data: str | bytes) -> None:
    """A message that makes no sense is written down, and the stream goes on."""
    _, stream = world.streaming()
    world.simulator.on_socket_frame(world.now, stream, data)
    assert len(world.refusals("rejected_frame")) == 1
    world.tick(0.04)
    assert len(world.frames("media")) == 2
