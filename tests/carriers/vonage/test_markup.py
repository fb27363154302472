"""The NCCOs that we answer with."""

import json

from vonage_voice.models import Connect, Notify, WebsocketEndpoint

from carriers.contract import Attempt
from carriers.vonage.markup import NccoMarkup
from carriers.vonage.simulator_ncco import flow_of

ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190031",
    public_url="https://gw.example.com",
    carrier="vonage",
    media_token="secret",
)


def test_connect_brings_the_leg_to_our_socket_and_asks_afterwards() -> None:
    """The stream's end is asked about twice: in the synchronous event, and by the action after it."""
    document = NccoMarkup().connect(ATTEMPT)
    connect, notify = json.loads(document.body)
    assert (document.status, document.content_type) == (200, "application/json")
    assert connect["endpoint"][0]["uri"] == "wss://gw.example.com/carriers/vonage/media/call_1/leg_1/secret"
    assert connect["endpoint"][0]["content-type"] == "audio/l16;rate=8000"
    assert connect["endpoint"][0]["authorization"] == {"type": "vonage"}
    assert (connect["eventType"], connect["eventUrl"]) == ("synchronous", [ATTEMPT.hook("stream")])
    assert (notify["action"], notify["eventUrl"]) == ("notify", [ATTEMPT.hook("after")])


def test_the_sdk_builds_the_same_actions() -> None:
    """The SDK's own models, given the same values, serialise to what we send."""
    connect, notify = json.loads(NccoMarkup().connect(ATTEMPT).body)
    endpoint = connect["endpoint"][0]
    model = Connect(
        endpoint=[
            WebsocketEndpoint(uri=endpoint["uri"], contentType=endpoint["content-type"], authorization=endpoint["authorization"])
        ],
        from_=connect["from"],
        eventType="synchronous",
        eventUrl=connect["eventUrl"],
        eventMethod="POST",
    )
    assert json.loads(model.model_dump_json(by_alias=True, exclude_none=True)) == connect
    told = Notify(payload=notify["payload"], eventUrl=notify["eventUrl"], eventMethod="POST")
    assert json.loads(told.model_dump_json(by_alias=True, exclude_none=True)) == notify


def test_the_simulated_carrier_takes_our_documents() -> None:
    """The lab's carrier, written without them, can carry out both."""
    markup = NccoMarkup()
    assert [action["action"] for action in flow_of(markup.connect(ATTEMPT).body)] == ["connect", "notify"]
    assert flow_of(markup.hang_up().body) == []


def test_an_acknowledgement_can_never_be_taken_for_a_flow() -> None:
    """204 without a body: a JSON array in the answer to an event would be carried out."""
    document = NccoMarkup().acknowledge()
    assert (document.status, document.body) == (204, b"")
