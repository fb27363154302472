"""The simulated Telnyx' REST manners: authentication, validation, pacing, look-ups, all as Telnyx words them."""

import json
from typing import Any

import pytest
from telnyx.types import (
    BalanceRetrieveResponse,
    CallControlApplicationRetrieveResponse,
    CallDialResponse,
    CallEventListResponse,
    CallRetrieveStatusResponse,
    ConnectionListActiveCallsResponse,
)

from carriers.lab.contract import (
    RestRequest,
)

OURS = ("+15550190011", "+15550190012")


def test_a_wrong_key_is_refused_and_a_missing_one_hidden_from(new_world: Any) -> None:
    """401 for a bad key; without any the API answers 404, as Telnyx does."""
    world = new_world()
    assert world.error(world.ask("GET", "/v2/balance", key="KEYwrong")) == (401, "10009", "")
    assert world.error(world.ask("GET", "/v2/balance", key="")) == (404, "10005", "")
    assert world.ask("GET", "/v2/balance").status == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"to": None}, (422, "10004", "/to")),
        ({"from": None}, (422, "10004", "/from")),
        ({"to": "5550100001"}, (422, "10016", "/to")),
        ({"to": "+0123"}, (422, "10016", "/to")),
        ({"from": "anonymous"}, (422, "10016", "/from")),
        ({"connection_id": "1"}, (422, "10015", "/connection_id")),
        ({"client_state": "not base64!"}, (422, "90017", "/client_state")),
        ({"timeout_secs": 4}, (422, "10015", "/timeout_secs")),
        ({"timeout_secs": 601}, (422, "10015", "/timeout_secs")),
        ({"timeout_secs": True}, (422, "10015", "/timeout_secs")),
        ({"time_limit_secs": 14_401}, (422, "10015", "/time_limit_secs")),
        ({"stream_url": "https://x"}, (422, "10015", "/stream_url")),
        ({"stream_url": "wss://" + "x" * 2000}, (422, "10015", "/stream_url")),
        ({"stream_bidirectional_codec": "pcmu"}, (422, "10015", "/stream_bidirectional_codec")),
        ({"webhook_url": "ftp://x"}, (422, "10015", "/webhook_url")),
        ({"record": "record-from-answer"}, (422, "10015", "/record_format")),
        ({"supervisor_role": "barge"}, (422, "10015", "/supervisor_role")),
    ],
)
def test_a_malformed_dial_is_refused_where_it_is_wrong(
    new_world: Any, change: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    """Each bad field gets its code and a pointer to it, rings nobody, and stands in the ledger as a dial all the same."""
    world = new_world()
    assert world.error(world.ask("POST", "/v2/calls", world.wish(**change))) == expected
    assert not world.dialled
    assert [kind for kind, _ in world.entries][-1] == "dial"


@pytest.mark.parametrize("body", [b"garbage", b"[]", b"\xff", b"[" * 100_000])
def test_a_dial_that_is_no_json_object_is_refused(new_world: Any, body: bytes) -> None:
    """Bad input never raises."""
    world = new_world()
    assert world.error(world.ask("POST", "/v2/calls", body))[0] == 400
    assert world.telnyx.is_dial(RestRequest(method="POST", path="/v2/calls", body=body)) is None


def test_what_is_not_simulated_is_refused_loudly(new_world: Any) -> None:
    """An unknown path is named in the answer and in the ledger."""
    world = new_world()
    ref = world.place()
    for method, path in (
        ("POST", f"/v2/calls/{ref}/actions/refer"),
        ("GET", "/v2/conferences"),
        ("DELETE", "/v2/calls"),
        ("GET", "/"),
    ):
        reply = world.ask(method, path)
        assert (reply.status, path.encode() in reply.body) == (501, True)
        assert world.entries[-1][0] == "refused"
        assert world.entries[-1][1]["path"] == path


def test_answers_are_what_the_sdks_models_promise(new_world: Any) -> None:
    """Every answer is validated by the SDK's own types, generated from Telnyx' API description."""
    world = new_world()
    reply = world.ask("POST", "/v2/calls", world.wish(client_state="bGVn"))
    CallDialResponse.model_validate_json(reply.body, strict=True)
    ref = json.loads(reply.body)["data"]["call_control_id"]
    assert json.loads(reply.body)["data"]["is_alive"] is False
    CallRetrieveStatusResponse.model_validate_json(world.ask("GET", f"/v2/calls/{ref}").body, strict=True)
    BalanceRetrieveResponse.model_validate_json(world.ask("GET", "/v2/balance").body, strict=True)
    application = world.ask("GET", f"/v2/call_control_applications/{world.credentials['connection_id']}")
    CallControlApplicationRetrieveResponse.model_validate_json(application.body, strict=True)
    active = json.loads(world.ask("GET", f"/v2/connections/{world.credentials['connection_id']}/active_calls").body)
    assert [ConnectionListActiveCallsResponse.model_validate(item, strict=True).client_state for item in active["data"]] == [
        "bGVn"
    ]
    log = json.loads(world.ask("GET", "/v2/call_events").body)
    assert [CallEventListResponse.model_validate(item, strict=True).name for item in log["data"]] == ["call.initiated"]


def test_a_call_is_known_while_it_lives_and_after(new_world: Any) -> None:
    """The look-up tells life and end, never the cause; the list of active calls forgets what has ended."""
    world = new_world()
    ref = world.place()
    active = f"/v2/connections/{world.credentials['connection_id']}/active_calls"
    assert json.loads(world.ask("GET", f"/v2/calls/{ref}").body)["data"]["is_alive"] is True
    assert len(json.loads(world.ask("GET", active).body)["data"]) == 1
    world.phone(ref, "ended", cause="busy", by="phone")
    data = json.loads(world.ask("GET", f"/v2/calls/{ref}").body)["data"]
    assert (data["is_alive"], "end_time" in data, "hangup_cause" in data) == (False, True, False)
    assert json.loads(world.ask("GET", active).body)["data"] == []
    assert world.error(world.ask("GET", "/v2/calls/v3:none")) == (404, "10005", "")


def test_the_list_of_active_calls_may_lag(new_world: Any) -> None:
    """A knob keeps young calls out of the list, as an eventually consistent index would."""
    world = new_world(active_calls_lag_s=2.0)
    world.place()
    active = f"/v2/connections/{world.credentials['connection_id']}/active_calls"
    assert json.loads(world.ask("GET", active).body)["data"] == []
    world.now += 2
    assert len(json.loads(world.ask("GET", active).body)["data"]) == 1


def test_lists_come_in_pages(new_world: Any) -> None:
    """page[number] and page[size] cut a list, and meta counts it."""
    world = new_world()
    page = json.loads(world.ask("GET", "/v2/phone_numbers", query="page%5Bnumber%5D=2&page%5Bsize%5D=1").body)
    assert [item["phone_number"] for item in page["data"]] == [OURS[1]]
    assert page["meta"] == {"page_number": 2, "page_size": 1, "total_pages": 2, "total_results": 2}


def test_more_than_150_dials_in_five_seconds_are_refused(new_world: Any) -> None:
    """Telnyx refuses with 429/90103 and queues nothing; five seconds later it takes dials again."""
    world = new_world()
    for _ in range(150):
        world.place()
    assert world.error(world.ask("POST", "/v2/calls", world.wish())) == (429, "90103", "")
    world.now += 5.0
    world.place()


@pytest.mark.parametrize(("knob", "status"), [("first_answer", 200), ("refused", 422)])
def test_a_command_id_is_good_for_one_call_a_minute(new_world: Any, knob: str, status: int) -> None:
    """The second dial with the same command_id places nothing, whatever it is answered; after 60 s it is a new one."""
    world = new_world(duplicate_dial=knob)
    first = world.ask("POST", "/v2/calls", world.wish(command_id="leg_1"))
    again = world.ask("POST", "/v2/calls", world.wish(command_id="leg_1"))
    assert (len(world.dialled), again.status) == (1, status)
    assert (again.body == first.body) is (knob == "first_answer")
    assert [kind for kind, _ in world.entries] == ["dial", "dial"]
    world.now += 60
    world.ask("POST", "/v2/calls", world.wish(command_id="leg_1"))
    assert len(world.dialled) == 2


@pytest.mark.parametrize("answer", ["hangup", "refusal"])
def test_too_many_calls_at_once(new_world: Any, answer: str) -> None:
    """By default a dial too many is accepted and hung up with 403 (D1); a knob refuses it at once with 90041."""
    world = new_world(concurrent_calls=1, concurrency_answer=answer)
    world.place()
    reply = world.ask("POST", "/v2/calls", world.wish())
    if answer == "refusal":
        assert world.error(reply) == (403, "90041", "")
    else:
        world.wake("end")
        assert world.hangup() == ("call_rejected", "unknown", "403")
    assert len(world.dialled) == 1


def test_faults_are_worded_as_telnyx_words_them(new_world: Any) -> None:
    """The lab's faults come in Telnyx' envelope, with codes that are strings."""
    world = new_world()
    assert world.error(world.telnyx.fault_reply("auth_error")) == (401, "10009", "")
    assert world.error(world.telnyx.fault_reply("suspended")) == (403, "20012", "")
    limited = world.telnyx.fault_reply("rate_limited")
    assert (world.error(limited), limited.headers["x-ratelimit-remaining"]) == ((429, "10011", ""), "0")
    assert world.error(world.telnyx.fault_reply("http_error", 503)) == (503, "10007", "")
    assert world.error(world.telnyx.fault_reply("http_error", 403, "90043")) == (403, "90043", "")
