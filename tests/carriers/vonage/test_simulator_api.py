"""The simulated Vonage API: who may ask, what it takes, and the words in which it refuses."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from vonage_voice.models import CallInfo, CallList, CreateCallRequest, CreateCallResponse

from carriers.lab.contract import RestReply, RestRequest

NUMBER = "15550190031"
BODY = {
    "to": [{"type": "phone", "number": "15550100001"}],
    "from": {"type": "phone", "number": NUMBER},
    "answer_url": ["https://gw.example.com/answer"],
}


def problem(reply: RestReply) -> str:
    assert reply.content_type == "application/problem+json"
    return str(json.loads(reply.body)["type"]).rpartition("#")[2]


def test_a_call_is_accepted_in_the_sdks_own_words(stage: Any) -> None:
    """The 201 is what the SDK's model of it wants, and the ledger has the dial."""
    reply = stage.request("POST", "/v1/calls", BODY)
    answer = CreateCallResponse(**json.loads(reply.body))
    assert (reply.status, answer.status, answer.direction) == (201, "started", "outbound")
    (dial,) = stage.ledger.kinds("dial")
    assert (dial["number"], dial["carrier_call_id"], dial["status"]) == ("+15550100001", answer.uuid, 201)


@pytest.mark.parametrize("token", ["", "garbage", "eyJhbGciOiJub25lIn0.e30.", pytest.param(None, id="wrong application")])
def test_a_dial_without_the_applications_key_is_refused(stage: Any, token: str | None) -> None:
    """401, no call, and the ledger still shows that somebody tried."""
    bearer = stage.token(application_id="another") if token is None else token
    reply = stage.request("POST", "/v1/calls", BODY, token=bearer or " ")
    assert (reply.status, problem(reply), stage.sim.live_calls()) == (401, "unauthorized", 0)
    assert [dial["status"] for dial in stage.ledger.kinds("dial")] == [401]


def test_an_expired_token_is_refused_by_name(stage: Any) -> None:
    """A clock that runs wrong can be told from a wrong key."""
    assert problem(stage.request("POST", "/v1/calls", BODY, token=stage.token(exp=int(stage.now) - 1))) == "jwt-expired"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"to": None}, "to"),
        ({"to": [{"type": "phone", "number": "+15550100001"}]}, "to"),
        ({"to": [{"type": "phone", "number": "12"}]}, "to"),
        ({"to": [{"type": "sip", "uri": "sip:a@b.example"}]}, "to"),
        ({"from": {"type": "phone", "number": "0"}}, "from"),
        ({"answer_url": None}, "answer_url"),
        ({"ncco": []}, "answer_url"),
        ({"answer_url": ["ftp://x"]}, "answer_url"),
        ({"event_url": "https://not-a-list"}, "event_url"),
        ({"answer_method": "PUT"}, "answer_method"),
        ({"ringing_timer": 121}, "ringing_timer"),
        ({"ringing_timer": 0}, "ringing_timer"),
        ({"length_timer": 86401}, "length_timer"),
        ({"machine_detection": "maybe"}, "machine_detection"),
        ({"advanced_machine_detection": {"mode": "guess"}}, "advanced_machine_detection.mode"),
        ({"advanced_machine_detection": {"beep_timeout": 5}}, "advanced_machine_detection.beep_timeout"),
        ({"advanced_machine_detection": "hangup"}, "advanced_machine_detection"),
        ({"random_from_number": True}, "random_from_number"),
        ({"from": None, "random_from_number": True}, "random_from_number"),
        ({"to": [{"type": "phone", "number": "15550100001", "dtmfAnswer": "x"}]}, "to"),
        ({"to": [{"type": "phone", "number": "15550100001", "shaken": "x"}]}, "to"),
        ({"record": True}, "record"),
    ],
)
def test_wrong_requests_are_refused_by_parameter(stage: Any, change: dict[str, Any], name: str) -> None:
    """400 names what is wrong, and nothing is dialled."""
    body = {key: value for key, value in {**BODY, **change}.items() if value is not None}
    reply = stage.request("POST", "/v1/calls", body)
    assert (reply.status, problem(reply)) == (400, "invalid-params")
    assert name in [parameter["name"] for parameter in json.loads(reply.body)["invalid_parameters"]]
    stage.pass_time(5)
    assert stage.network.dials == []


def test_what_the_sdk_sends_is_taken(stage: Any) -> None:
    """The SDK's request model, serialised as the SDK does it, makes a call."""
    model = CreateCallRequest(
        to=[{"type": "phone", "number": "15550100001"}],
        from_={"type": "phone", "number": NUMBER},
        answer_url=["https://gw.example.com/answer"],
        answer_method="POST",
        event_url=["https://gw.example.com/event"],
        event_method="POST",
        ringing_timer=30,
        length_timer=3600,
    )
    body = json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
    assert stage.request("POST", "/v1/calls", body).status == 201


def test_the_pace_is_refused_not_queued(stage: Any) -> None:
    """A fourth dial within a second gets 429; a second later there is room again."""
    statuses = [stage.request("POST", "/v1/calls", BODY).status for _ in range(4)]
    assert statuses == [201, 201, 201, 429]
    stage.pass_time(1.01)
    assert stage.request("POST", "/v1/calls", BODY).status == 201


def test_the_pace_of_other_requests_is_its_own(stage: Any) -> None:
    """Fifteen look-ups a second pass beside the dials, the sixteenth does not."""
    statuses = [stage.request("GET", "/v1/calls").status for _ in range(16)]
    assert statuses == [200] * 15 + [429]
    assert stage.request("POST", "/v1/calls", BODY).status == 201


def test_one_call_can_be_read(stage: Any) -> None:
    """A call's record is what the SDK's model wants; an unknown one is 404."""
    uuid = stage.place()
    record = json.loads(stage.request("GET", f"/v1/calls/{uuid}").body)
    assert CallInfo(**record).status == "started"
    assert stage.request("GET", "/v1/calls/nobody").status == 404


def test_calls_are_listed_by_time_and_page(stage: Any) -> None:
    """The list is in the SDK's shape, filtered by creation time and cut in pages."""
    first = stage.place()
    stage.pass_time(10)
    second = stage.place()
    stage.pass_time(1)

    def listed(query: str) -> list[str]:
        answer = CallList(**json.loads(stage.request("GET", "/v1/calls", query=query).body))
        return [call.uuid for call in answer.embedded.calls]

    assert listed("") == [first, second]
    assert listed("order=desc") == [second, first]
    assert listed("page_size=1&record_index=1") == [second]
    assert listed("date_start=2026-09-21T14:13:25Z") == [second]
    assert listed("date_end=2026-09-21T14:13:25Z") == [first]
    assert listed("status=completed") == []


def test_a_new_call_takes_a_moment_to_be_listed(make_stage: Callable[..., Any]) -> None:
    """How long is a guess with a knob: the list is empty before, and the single record is not."""
    stage = make_stage(listed_after_s=2.0)
    uuid = stage.place()
    stage.pass_time(1.9)
    assert json.loads(stage.request("GET", "/v1/calls").body)["count"] == 0
    assert stage.request("GET", f"/v1/calls/{uuid}").status == 200
    stage.pass_time(0.2)
    assert json.loads(stage.request("GET", "/v1/calls").body)["count"] == 1


@pytest.mark.parametrize("query", ["page_size=0", "page_size=101", "record_index=x", "date_start=yesterday"])
def test_a_wrong_filter_is_refused(stage: Any, query: str) -> None:
    """Filters are validated, not ignored."""
    assert stage.request("GET", "/v1/calls", query=query).status == 400


def test_the_account_plane_wants_the_accounts_key(stage: Any) -> None:
    """Balance and numbers answer to key and secret, and not to the application's token."""
    own = stage.sim.credentials()
    basic = base64.b64encode(f"{own['api_key']}:{own['api_secret']}".encode()).decode()

    def ask(path: str, authorization: str) -> RestReply:
        headers = {"authorization": authorization}
        return stage.sim.on_request(stage.now, RestRequest(method="GET", path=path, headers=headers))

    assert json.loads(ask("/account/get-balance", f"Basic {basic}").body) == {"value": 25.5, "autoReload": False}
    numbers = json.loads(ask("/account/numbers", f"Basic {basic}").body)
    assert [number["msisdn"] for number in numbers["numbers"]] == ["15550190031", "15550190032"]
    assert ask("/account/get-balance", f"Bearer {stage.token()}").status == 401


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/calls"), ("POST", "/number/buy"), ("PUT", "/v1/calls/u/input/dtmf"), ("GET", "/")]
)
def test_what_is_not_simulated_is_refused_loudly(stage: Any, method: str, path: str) -> None:
    """An unknown path is named in the answer and in the ledger."""
    reply = stage.request(method, path)
    assert reply.status == 404
    assert f"{method} {path}" in json.loads(reply.body)["detail"]
    assert f"{method} {path}" in stage.ledger.kinds("refused")[0]["reason"]


def test_an_unknown_action_on_a_call_is_refused_loudly(stage: Any) -> None:
    """An action that the lab does not know says so instead of pretending."""
    uuid = stage.place()
    assert stage.request("PUT", f"/v1/calls/{uuid}", {"action": "park"}).status == 400
    assert "park" in stage.ledger.kinds("refused")[0]["reason"]


@pytest.mark.parametrize(
    ("path", "body", "number"),
    [
        ("/v1/calls", BODY, "+15550100001"),
        ("/v1/calls", {"to": [{"type": "phone", "number": "+15550100001"}]}, "+15550100001"),
        ("/v1/calls", {"to": []}, None),
        ("/v1/calls", [1], None),
        ("/v1/calls/u", BODY, None),
    ],
)
def test_dials_are_recognised_by_destination(stage: Any, path: str, body: Any, number: str | None) -> None:
    """Faults with a prefix need to know whom a request would call."""
    request = RestRequest(method="POST", path=path, body=json.dumps(body).encode())
    assert stage.sim.is_dial(request) == number


@pytest.mark.parametrize(
    ("kind", "status", "code", "answer", "word"),
    [
        ("auth_error", None, None, 401, "unauthorized"),
        ("suspended", None, None, 403, "account-suspended"),
        ("rate_limited", None, None, 429, "rate-limit"),
        ("http_error", 503, None, 503, "service-unavailable"),
        ("http_error", 500, None, 500, "internal-error"),
        ("http_error", 403, "low-balance", 403, "low-balance"),
    ],
)
def test_faults_speak_the_carriers_language(
    stage: Any, kind: str, status: int | None, code: str | None, answer: int, word: str
) -> None:
    """What the lab puts before the API is worded as the carrier words it."""
    reply = stage.sim.fault_reply(kind, status, code)
    assert (reply.status, problem(reply)) == (answer, word)


def test_the_older_shape_of_errors_is_a_knob(make_stage: Callable[..., Any]) -> None:
    """Which of the two shapes the Voice API speaks is not verified: both can be played."""
    reply = make_stage(error_shape="legacy").request("GET", "/v1/calls", token="garbage")
    assert json.loads(reply.body) == {"type": "UNAUTHORIZED", "error_title": "Unauthorized"}
