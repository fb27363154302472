"""Applications and numbers of the simulated account: what may be set, by whom, and what is refused."""

import base64
import json
from typing import Any

import pytest

from carriers.lab.contract import RestRequest

HOOK = {"address": "https://gw.example.com/a"}
ANSWER = "capabilities.voice.webhooks.answer_url"


def voice(**settings: Any) -> dict[str, Any]:
    return {"name": "x", "capabilities": {"voice": settings}}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "name"),
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "capabilities": []}, "capabilities"),
        ({"name": "x", "capabilities": {"fax": {}}}, "capabilities.fax"),
        (voice(pitch=1), "capabilities.voice.pitch"),
        (voice(webhooks={"ring_url": HOOK}), "capabilities.voice.webhooks.ring_url"),
        (voice(webhooks={"answer_url": {}}), f"{ANSWER}.address"),
        (voice(webhooks={"answer_url": HOOK | {"http_method": "PUT"}}), f"{ANSWER}.http_method"),
        (
            voice(webhooks={"answer_url": HOOK | {"socket_timeout": 5001}}),
            f"{ANSWER}.socket_timeout",
        ),
        (
            voice(webhooks={"event_url": HOOK | {"connection_timeout": 299}}),
            "capabilities.voice.webhooks.event_url.connection_timeout",
        ),
        ({"name": "x", "keys": {"public_key": "nonsense"}}, "keys.public_key"),
    ],
)
def test_wrong_applications_are_refused_by_name(stage: Any, body: dict[str, Any], name: str) -> None:
    """400 says where it is wrong, and nothing is made."""
    reply = stage.account("POST", "/v2/applications", body)
    assert reply.status == 400
    assert [wrong["name"] for wrong in json.loads(reply.body)["invalid_parameters"]] == [name]
    assert json.loads(stage.account("GET", "/v2/applications").body)["total_items"] == 1


def test_an_update_replaces_everything(stage: Any) -> None:
    """What an update does not name is gone."""
    own = stage.configure(answer_url="https://gw.example.com/a")
    body = {"name": "x", "privacy": {"improve_ai": True}}
    updated = json.loads(stage.account("PUT", f"/v2/applications/{own}", body).body)
    assert (updated["capabilities"], updated["privacy"]) == ({}, {"improve_ai": True})


def test_the_event_url_of_the_application_is_the_default(stage: Any) -> None:
    """A call that names no event URL tells its application; one that does, does not."""
    stage.configure(event_url="https://gw.example.com/news")
    stage.place(event_url=None)
    stage.pass_time(0.1)
    assert {webhook.url for webhook in stage.webhooks()} == {"https://gw.example.com/news"}
    stage.place()
    stage.pass_time(0.1)
    assert {webhook.url for webhook in stage.webhooks()} == {"https://gw.example.com/event"}


def test_calls_belong_to_their_application(stage: Any, key: Any) -> None:
    """Another application's token sees none of them."""
    uuid = stage.place()
    stage.pass_time(1)
    made = json.loads(stage.account("POST", "/v2/applications", {"name": "other"}).body)
    token = stage.token(application_id=made["id"])
    assert stage.request("GET", f"/v1/calls/{uuid}", token=token).status == 404
    assert json.loads(stage.request("GET", "/v1/calls", token=token).body)["count"] == 0
    assert stage.request("GET", f"/v1/calls/{uuid}").status == 200


def test_an_application_that_is_deleted_loses_its_numbers_and_its_key(stage: Any) -> None:
    """Its token is nobody's, and its number is free again."""
    made = json.loads(stage.account("POST", "/v2/applications", {"name": "other"}).body)["id"]
    assert stage.account("POST", "/number/update", form=f"country=US&msisdn=15550190031&app_id={made}").status == 200
    assert stage.account("DELETE", f"/v2/applications/{made}").status == 204
    assert stage.request("GET", "/v1/calls", token=stage.token(application_id=made)).status == 401
    numbers = json.loads(stage.account("GET", "/account/numbers").body)["numbers"]
    assert not any("app_id" in number for number in numbers)


def test_the_labs_own_application_stays(stage: Any) -> None:
    """Its key is in everybody's hands: it cannot be deleted."""
    own = stage.sim.credentials()["application_id"]
    assert stage.account("DELETE", f"/v2/applications/{own}").status == 400
    assert stage.account("GET", f"/v2/applications/{own}").status == 200


def test_the_account_plane_refuses_tokens_and_wrong_secrets(stage: Any) -> None:
    """Applications answer to key and secret alone."""
    assert stage.request("GET", "/v2/applications").status == 401
    wrong = base64.b64encode(b"a:b").decode()
    request = RestRequest(method="GET", path="/v2/applications", headers={"authorization": f"Basic {wrong}"})
    assert stage.sim.on_request(stage.now, request).status == 401


@pytest.mark.parametrize(
    ("form", "label"),
    [
        ("country=US&msisdn=15550109999", "method failed"),
        ("country=DE&msisdn=15550190031", "method failed"),
        ("country=US&msisdn=15550190031&app_id=nobody", "method failed"),
        ("country=US&msisdn=15550190031&voiceCallbackType=sip", "voiceCallbackType sip is not simulated"),
        ("country=US&msisdn=15550190031&voiceStatusCallback=https://x", "voiceStatusCallback is not simulated"),
    ],
)
def test_wrong_number_updates_fail_in_the_carriers_words(stage: Any, form: str, label: str) -> None:
    """420 and its label; what is outside of the lab's scope is in the ledger too."""
    reply = stage.account("POST", "/number/update", form=form)
    assert (reply.status, json.loads(reply.body)["error-code-label"]) == (420, label)
    assert ("not simulated" in label) == bool(stage.ledger.kinds("refused"))


def test_a_random_number_is_one_of_the_applications(stage: Any) -> None:
    """random_from_number picks among linked numbers."""
    stage.configure()
    stage.place(**{"from": None, "random_from_number": True})
    stage.pass_time(1)
    assert stage.network.dials[0]["caller_id"] == "+15550190031"


@pytest.mark.parametrize("query", ["colour=red", "search_pattern=9&pattern=1"])
def test_unknown_filters_of_numbers_are_refused(stage: Any, query: str) -> None:
    """Never ignored."""
    assert stage.account("GET", "/account/numbers", query=query).status == 400
