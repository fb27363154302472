"""A message that Vonage takes in a live call: the flow, against the SDK's models, and the one webhook that tells of it."""

import json
from functools import reduce
from typing import Any

import pytest
from vonage_voice.models import Record, Talk

from carriers.contract import Attempt, Expectation, Handle, HookRequest
from carriers.messages_left import LEAVE, THANKS, MessageLeft
from carriers.vonage import messages
from carriers.vonage.markup import NccoMarkup
from carriers.vonage.simulator_ncco import flow_of
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import CarrierError
from gateway.domain.events import MessageRecorded
from gateway.domain.leg_facts import with_handles
from gateway.domain.records import Leg

ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190031",
    public_url="https://gw.example.com",
    carrier="vonage",
)
FIELDS = {
    "start_time": "2026-11-22T12:00:02Z",
    "recording_url": "https://api-us.nexmo.com/v1/files/f-1",
    "size": 16000,
    "recording_uuid": "r-1",
    "end_time": "2026-11-22T12:00:05Z",
    "conversation_uuid": "CON-1",
    "timestamp": "2026-11-22T12:00:06.000Z",
}
LEG = Leg(
    id="leg_1",
    call_id="call_1",
    carrier="vonage",
    caller_id="+15550190031",
    media_token="t",
    round=1,
    created_at=0.0,
    carrier_data={"conversation_uuid": "CON-1"},
)


def parse(fields: dict[str, Any]) -> tuple[Any, ...]:
    body = json.dumps(fields).encode()
    request = HookRequest(method="POST", url="https://gw.example.com/x", path="recorded", headers={}, body=body, leg_id="leg_1")
    hook = VonageWebhooks("secret").parse(request, 0.0)
    assert hook.expects is Expectation.ACKNOWLEDGEMENT
    return hook.events


def handle(**data: str) -> Handle:
    return Handle(call_id="call_1", leg_id="leg_1", to="", caller_id="", carrier_call_id="u-1", carrier_data=data)


def test_the_flow_is_what_the_sdk_builds_and_the_lab_obeys() -> None:
    """Greeting, tone and recording, whose address comes to the leg's own hook; then thanks, and the end."""
    body = NccoMarkup().message(ATTEMPT).body
    talk, record, thanks = json.loads(body)
    made = Record(format="wav", beepStart=True, endOnSilence=5, endOnKey="#", timeOut=180, eventUrl=[ATTEMPT.hook("recorded")])
    assert record == {**json.loads(made.model_dump_json(by_alias=True, exclude_none=True)), "eventMethod": "POST"}
    assert [talk, thanks] == [json.loads(Talk(text=text).model_dump_json(exclude_none=True)) for text in (LEAVE, THANKS)]
    assert [action["action"] for action in flow_of(body)] == ["talk", "record", "talk"]
    assert [action["text"] for action in flow_of(NccoMarkup().farewell().body)] == [THANKS]


def test_the_webhook_tells_how_to_get_it() -> None:
    """Kept with the leg, since it is told once."""
    (told,) = parse(FIELDS)
    assert isinstance(told, MessageRecorded)
    assert told.names == {"conversation_uuid": "CON-1"}
    message = messages.left(handle(conversation_uuid="CON-1", **told.carrier_data))
    assert message is not None
    assert (message.recording_id, message.seconds, message.carrier_call_id) == ("r-1", 3.0, "u-1")
    assert (message.left_at, message.handle) == (1795348802.0, {"url": FIELDS["recording_url"]})


@pytest.mark.parametrize("changed", [{"recording_url": ""}, {"recording_url": 7}, {"conversation_uuid": ""}], ids=str)
def test_a_webhook_without_a_recording_or_a_conversation_is_no_news(changed: dict[str, Any]) -> None:
    """Nothing is known by it."""
    assert parse({}) == ()
    assert parse({**FIELDS, **changed}) == ()
    assert messages.left(handle(conversation_uuid="CON-1")) is None


def test_another_conversations_recording_is_not_this_legs() -> None:
    """The token vouches for the body, and for no address: posted here once more it would be somebody else's voice."""
    (told,) = parse({**FIELDS, "conversation_uuid": "CON-2"})
    assert messages.left(handle(conversation_uuid="CON-1", **told.carrier_data)) is None
    assert messages.left(handle(**told.carrier_data)) is None
    assert messages.left(handle(conversation_uuid="", **told.carrier_data)) is None


@pytest.mark.parametrize("foreign_last", [True, False], ids=["after-ours", "before-ours"])
def test_another_conversations_recording_does_not_take_the_place_of_ours(*, foreign_last: bool) -> None:
    """Posted here once more, however late or early, it hides nothing of the message that was left."""
    (ours,) = parse(FIELDS)
    foreign = {"conversation_uuid": "CON-2", "recording_url": "https://api-us.nexmo.com/v1/files/f-2", "recording_uuid": "r-2"}
    (theirs,) = parse({**FIELDS, **foreign})
    told = [ours, theirs] if foreign_last else [theirs, ours]
    kept = reduce(with_handles, told, LEG)
    message = messages.left(handle(**kept.carrier_data))
    assert message is not None
    assert (message.recording_id, message.handle) == ("r-1", {"url": FIELDS["recording_url"]})


@pytest.mark.parametrize(
    "url", ["http://api.nexmo.com/v1/files/f", "https://nexmo.com.evil.example/f", "https://evilnexmo.com/f", "", "file:///etc"]
)
def test_our_token_goes_to_the_carriers_own_hosts_alone(url: str) -> None:
    """A webhook's address decides where it is sent."""
    with pytest.raises(CarrierError, match="malformed-recording-url"):
        messages.place(_message(url), "https://api.nexmo.com", "http://127.0.0.1:4011")


def test_a_file_of_the_lab_is_asked_for_there() -> None:
    """Behind another base URL; else at the region that the address names."""
    at_lab = messages.place(_message("http://127.0.0.1:4011/v1/files/f"), "https://api.nexmo.com", "http://127.0.0.1:4011")
    assert at_lab == "https://api.nexmo.com/v1/files/f"
    region = "https://api-us-3.vonage.com/v1/files/f"
    assert messages.place(_message(region), "https://api.nexmo.com", None) == region


def _message(url: str) -> MessageLeft:
    return MessageLeft(recording_id="r", to="", caller="", left_at=0.0, seconds=1.0, handle={"url": url})
