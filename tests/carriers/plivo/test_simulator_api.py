"""The simulated REST API: what it takes, what it refuses, and that it refuses aloud what it does not play."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.lab.contract import RestRequest

OWN, PERSON = "+15550190021", "+15550101000"


def _body(**more: Any) -> dict[str, Any]:
    return {"from": OWN, "to": PERSON, "answer_url": "https://gw.example.com/answer", **more}


def _read(reply: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(reply.body)
    return content


def test_call_is_taken(world: Any) -> None:
    """A create-call gets 201, "call fired" and the id of the call, and stands in the ledger."""
    reply = world.request("POST", "Call/", _body())
    assert (reply.status, _read(reply)["message"]) == (201, "call fired")
    assert _read(reply)["request_uuid"] in world.simulator.calls
    assert world.ledger == [("dial", {"carrier": "plivo", "number": PERSON})]


def test_pace_is_queued_and_not_refused(world: Any) -> None:
    """What exceeds two calls a second is accepted as "call queued" and dialled later, two in any second."""
    messages = [_read(world.request("POST", "Call/", _body()))["message"] for _ in range(5)]
    assert messages == ["call fired", "call fired", "call queued", "call queued", "call queued"]
    dialed = []
    for _ in range(3):
        world.run(0.5)
        dialed.append(len(world.dialed))
        world.run(0.5)
    assert dialed == [2, 4, 5]


def test_wrong_credentials(world: Any) -> None:
    """A wrong token gets 401 in plain text, and the dial stands in the ledger all the same."""
    request = RestRequest(method="POST", path="/v1/Account/MAXXXXXXXXXXXXXXXXXX/Call/", body=json.dumps(_body()).encode())
    reply = world.simulator.on_request(world.now, request)
    assert (reply.status, reply.content_type) == (401, "text/plain")
    assert [kind for kind, _ in world.ledger] == ["dial"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"to": ""}, "to parameter is missing"),
        ({"to": "abc"}, "to parameter is invalid"),
        ({"from": "abc"}, "from parameter is invalid"),
        ({"answer_url": "nowhere"}, "answer_url parameter is invalid"),
        ({"ring_timeout": "soon"}, "ring_timeout parameter is invalid"),
    ],
)
def test_bad_fields(world: Any, fields: dict[str, Any], error: str) -> None:
    """What is missing or wrong gets 400 with the parameter's name, and no call."""
    reply = world.request("POST", "Call/", _body(**fields))
    assert (reply.status, _read(reply)["error"]) == (400, error)
    assert not world.simulator.calls


def test_garbage_body(world: Any) -> None:
    """A body that is no JSON object is a call without parameters."""
    reply = world.request("POST", "Call/", ["not", "an", "object"])
    assert (reply.status, _read(reply)["error"]) == (400, "from, to, answer_url parameter is missing")


def test_what_the_sdk_always_sends_is_harmless(world: Any) -> None:
    """The SDK's own defaults are taken; the same parameters with a meaning are refused aloud."""
    defaults = {"machine_detection_time": 5000, "machine_detection_method": "POST", "error_if_parent_not_found": False}
    assert world.request("POST", "Call/", _body(**defaults)).status == 201
    reply = world.request("POST", "Call/", _body(callback_url="https://gw.example.com/later"))
    assert reply.status == 400
    assert "callback_url" in world.refusals("refused")[0]["what"]


def test_foreign_caller_id_fails_later(world: Any) -> None:
    """A caller id that the account does not own is accepted and ends as 3030."""
    ref = world.place(**{"from": "+15550199999"})
    world.run(1.0)
    assert world.simulator.calls[ref].cause == 3030
    assert not world.dialed


def test_foreign_caller_id_refused_at_once(world_with: Callable[..., Any]) -> None:
    """Turned the other way, the API itself refuses it."""
    reply = world_with(foreign_caller_id="refuse").request("POST", "Call/", _body(**{"from": "+15550199999"}))
    assert reply.status == 400
    assert "not associated with your account" in _read(reply)["error"]


def test_lists_follow_the_call(world: Any) -> None:
    """A call is queued, then live, then, after some seconds, a finished record; never in two lists."""
    ref = world.place()
    seen = [_lists(world, ref)]
    world.run(1.0)
    world.phone(ref, "ringing")
    seen.append(_lists(world, ref))
    world.phone(ref, "ended", cause="busy", by="phone")
    seen.append(_lists(world, ref))
    world.run(2.0)
    seen.append(_lists(world, ref))
    assert seen == [["queued"], ["live"], [], [""]]


def _lists(world: Any, ref: str) -> list[str]:
    """The lists that hold the call, both as a list and singly."""
    held = [status for status in ("queued", "live") if ref in _read(world.request("GET", "Call/", status=status))["calls"]]
    finished = [record["call_uuid"] for record in _read(world.request("GET", "Call/"))["objects"]]
    held += [""] if ref in finished else []
    single = [status for status in ("queued", "live") if world.request("GET", f"Call/{ref}/", status=status).status == 200]
    single += [""] if world.request("GET", f"Call/{ref}/").status == 200 else []
    assert held == single
    return held


def test_ringing_listed_as_queued(world_with: Callable[..., Any]) -> None:
    """A carrier that calls every unanswered call queued is played, too."""
    world = world_with(unanswered_listed_as="queued")
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ringing")
    assert _lists(world, ref) == ["queued"]


def test_finished_calls_are_filtered(world: Any) -> None:
    """Numbers and time narrow the list of finished calls; the time is read in the account's zone."""
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ended", cause="busy", by="phone")
    world.run(3.0)
    found = _read(world.request("GET", "Call/", to_number="15550101000", from_number="15550190021"))["objects"]
    assert [(record["call_uuid"], record["hangup_cause_code"]) for record in found] == [(ref, 3010)]
    assert found[0]["end_time"].endswith("+05:30")
    assert not _read(world.request("GET", "Call/", to_number="15550101999"))["objects"]
    assert not _read(world.request("GET", "Call/", end_time__gte="2099-01-01 00:00:00"))["objects"]


def test_hang_up_by_api(world: Any) -> None:
    """DELETE ends a call through the phone network; once it is gone it is 404."""
    ref = world.answered()
    assert world.request("DELETE", f"Call/{ref}/", {"call_uuid": ref}).status == 204
    assert world.hung_up == [ref]
    world.phone(ref, "ended", cause="normal", by="carrier")
    call = world.simulator.calls[ref]
    assert (call.cause, call.source) == (4000, "API Request")
    assert world.request("DELETE", f"Call/{ref}/").status == 404


def test_queued_call_is_taken_back(world: Any) -> None:
    """A call that waits for its turn can be cancelled, and is never dialled."""
    refs = [world.place() for _ in range(3)]
    assert world.request("DELETE", f"Request/{refs[2]}/").status == 204
    world.run(5.0)
    assert world.dialed == refs[:2]
    assert world.simulator.calls[refs[2]].cause == 1000


def test_delete_without_an_id_ends_everything(world: Any) -> None:
    """The trap of the real API: no id means every call, and the ledger says that somebody fell into it."""
    refs = [world.answered(), world.answered()]
    assert world.request("DELETE", "Call/").status == 204
    assert world.hung_up == refs
    assert world.refusals("refused")


@pytest.mark.parametrize(
    ("method", "below"), [("GET", "Conference/"), ("GET", "Powerpack/"), ("POST", "Call"), ("PUT", "Call/"), ("GET", "Call/a/b/")]
)
def test_what_is_not_played_is_refused_aloud(world: Any, method: str, below: str) -> None:
    """Any other path is an error that names it, in the answer and in the ledger."""
    reply = world.request(method, below)
    assert reply.status == 404
    assert below in _read(reply)["error"]
    assert below in world.refusals("refused")[0]["what"]


def test_account_and_numbers(world: Any) -> None:
    """The account tells its balance and zone, the numbers are written without plus."""
    account = _read(world.request("GET", ""))
    assert (account["cash_credits"], account["timezone"]) == ("100.00000", "Asia/Kolkata")
    numbers = [number["number"] for number in _read(world.request("GET", "Number/"))["objects"]]
    assert numbers == ["15550190021", "15550190022"]
    assert world.request("GET", "Number/15550190021/").status == 200
    assert world.request("GET", "Number/15550190099/").status == 404


@pytest.mark.parametrize(
    ("kind", "status", "code", "expected"),
    [
        ("http_error", 503, None, (503, "text/html")),
        ("http_error", 500, "oops", (500, "application/json")),
        ("auth_error", None, None, (401, "text/plain")),
        ("suspended", None, None, (403, "application/json")),
        ("rate_limited", None, None, (429, "application/json")),
    ],
)
def test_faults_speak_the_dialect(world: Any, kind: str, status: int | None, code: str | None, expected: tuple[int, str]) -> None:
    """A fault is worded as the carrier words it."""
    reply = world.simulator.fault_reply(kind, status, code)
    assert (reply.status, reply.content_type) == expected


def test_dials_are_recognised(world: Any) -> None:
    """Only a POST on the call collection is a dial, whoever sends it."""
    path = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Call/"
    body = json.dumps(_body(to="15550101000")).encode()
    assert world.simulator.is_dial(RestRequest(method="POST", path=path, body=body)) == PERSON
    assert world.simulator.is_dial(RestRequest(method="GET", path=path)) is None
    assert world.simulator.is_dial(RestRequest(method="POST", path=path + "uuid/", body=body)) is None
