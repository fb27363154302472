"""What the application's own URLs are told: callers, news of them, and what the one fallback stands in for."""

import json
from typing import Any

import pytest

from carriers.contract import Arrival, Expectation, HookRequest
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import Malformed

PUBLIC = "https://gw.example.com/carriers/vonage"
CALLER = {
    "from": "15550100001",
    "to": "15550190031",
    "uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "conversation_uuid": "CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "endpoint_type": "phone",
    "region_url": "https://api-us-3.vonage.com",
}


def parsed(step: str, fields: dict[str, Any]) -> Arrival | None:
    body = json.dumps(fields).encode()
    request = HookRequest(method="POST", url=f"{PUBLIC}/inbound/{step}", path=step, headers={}, body=body, call_id="", leg_id="")
    return VonageWebhooks("secret").parse_arrival(request, 0.0)


def instead_of(url: str, kind: str) -> dict[str, Any]:
    return {"reason": "Connection closed.", "original_request": {"url": url, "type": kind}}


@pytest.mark.parametrize(
    ("step", "more"), [("answer", {}), ("fallback", instead_of(f"{PUBLIC}/inbound/answer", "answer"))], ids=["answer", "fallback"]
)
def test_a_caller_is_announced(step: str, more: dict[str, Any]) -> None:
    """By the answer URL, or by the fallback when that could not be reached: both want the document."""
    arrival = parsed(step, CALLER | more)
    assert arrival is not None
    assert (arrival.to, arrival.caller_id, arrival.carrier_call_id) == ("+15550190031", "+15550100001", CALLER["uuid"])
    assert (arrival.hook.expects, arrival.carrier_data["region_url"]) == (Expectation.ANSWER_DOCUMENT, CALLER["region_url"])


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({**CALLER, **instead_of(f"{PUBLIC}/hooks/call_1/leg_1/answer", "answer")}, id="a call that we placed"),
        pytest.param(
            {
                "status": "disconnected",
                "uuid": "s",
                "to": "wss://x",
                **instead_of(f"{PUBLIC}/hooks/call_1/leg_1/stream", "event"),
            },
            id="a stream that is lost",
        ),
        pytest.param({"payload": {}, **instead_of(f"{PUBLIC}/hooks/call_1/leg_1/after", "event")}, id="a notify, without a leg"),
        pytest.param({**CALLER, "original_request": "{"}, id="garbled"),
        pytest.param(CALLER, id="nothing that it stands in for"),
    ],
)
def test_a_fallback_for_something_else_is_no_caller(fields: dict[str, Any]) -> None:
    """One fallback serves the whole application: a leg's own questions must not become calls from phones."""
    assert parsed("fallback", fields) is None


def test_a_fallback_by_get_is_read_too() -> None:
    """Its original is JSON in a parameter."""
    original = json.dumps(instead_of(f"{PUBLIC}/inbound/answer", "answer")["original_request"])
    arrival = parsed("fallback", CALLER | {"original_request": original})
    assert arrival is not None
    assert arrival.to == "+15550190031"


def test_an_unknown_url_of_the_application_is_malformed() -> None:
    """Only the steps that we named ourselves."""
    with pytest.raises(Malformed):
        parsed("ring", CALLER)
