"""One text message at the simulated Telnyx, and the webhooks of its delivery."""

import json
from typing import Any

import pytest
from telnyx.types import MessageSendResponse
from telnyx.types.delivery_update_webhook_event import DeliveryUpdateWebhookEvent

from carriers.contract import HookRequest
from carriers.lab.contract import WebhookReply
from carriers.telnyx.webhooks import TelnyxWebhooks

FROM, TO = "+15550190011", "+15550100001"
HOOK, SPARE = "http://127.0.0.1:1/texts", "http://127.0.0.1:1/spare"


def send(world: Any, **more: Any) -> dict[str, Any]:
    reply = world.ask("POST", "/v2/messages", {"from": FROM, "to": TO, "text": "hello", "webhook_url": HOOK} | more)
    assert reply.status == 200, reply.body
    MessageSendResponse.model_validate_json(reply.body, strict=True)
    data: dict[str, Any] = json.loads(reply.body)["data"]
    return data


@pytest.mark.parametrize(("kind", "status", "errors"), [("delivered", "delivered", 0), ("undelivered", "delivery_failed", 1)])
def test_a_message_goes_its_way(new_world: Any, kind: str, status: str, errors: int) -> None:
    """Queued in the answer, then sent, then final with its outcome; there is no event named for the outcome."""
    world = new_world()
    message = send(world)
    assert (message["to"][0]["status"], world.texts) == ("queued", [message["id"]])
    world.phone(message["id"], kind)
    assert world.told() == ["message.sent", "message.finalized"]
    sent, final = world.payload("message.sent"), world.payload("message.finalized")
    assert (sent["to"][0]["status"], final["to"][0]["status"], len(final["errors"])) == ("sent", status, errors)
    assert world.get(f"/v2/messages/{message['id']}")["completed_at"] == final["completed_at"]
    for hook in world.hooks:
        DeliveryUpdateWebhookEvent.model_validate_json(hook.body, strict=True)


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [("a" * 160, "GSM-7", 1), ("a" * 161, "GSM-7", 2), ("ж" * 70, "UCS-2", 1), ("ж" * 135, "UCS-2", 3)],
)
def test_long_messages_come_in_parts(new_world: Any, text: str, encoding: str, parts: int) -> None:
    """By the alphabet that they need."""
    message = send(new_world(), text=text)
    assert (message["encoding"], message["parts"]) == (encoding, parts)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"to": "555"}, (422, "40310", "/to")),
        ({"from": "+15550190099"}, (400, "40305", "/from")),
        ({"text": ""}, (422, "10004", "/text")),
        ({"media_urls": ["http://x/y"]}, (422, "10015", "/media_urls")),
        ({"messaging_profile_id": "1"}, (422, "10015", "/messaging_profile_id")),
    ],
)
def test_a_message_is_checked(new_world: Any, change: dict[str, Any], expected: tuple[int, str, str]) -> None:
    """Bad numbers have codes of their own; what is not obeyed is refused by name."""
    world = new_world()
    reply = world.ask("POST", "/v2/messages", {"from": FROM, "to": TO, "text": "hello"} | change)
    assert (world.error(reply), world.texts) == (expected, [])


def test_its_webhooks_are_tried_three_times_at_each_url(new_world: Any) -> None:
    """Any 2xx within two seconds is an answer."""
    world = new_world()
    send(world, webhook_failover_url=SPARE)
    first = world.hooks[0]
    assert first.timeout_s == 2.0
    for _ in range(5):
        world.telnyx.on_webhook_reply(world.now, first.id, WebhookReply(status=500))
        world.wake("webhook")
    assert [hook.url for hook in world.hooks] == [HOOK] * 3 + [SPARE] * 3
    world.telnyx.on_webhook_reply(world.now, first.id, WebhookReply(status=202))
    assert [delivery["status"] for delivery in world.get("/v2/webhook_deliveries")] == ["delivered"]


@pytest.mark.knob("telnyx", "message_carrier_status")
@pytest.mark.parametrize("word", ["delivery_failed", "delivery_unconfirmed"])
def test_the_word_of_a_failure_depends_on_the_network(new_world: Any, word: str) -> None:
    """Our reading of the hook does not take a message for a leg, whatever the word."""
    world = new_world(**({} if word == "delivery_failed" else {"message_carrier_status": word}))
    world.phone(send(world)["id"], "undelivered")
    assert world.payload("message.finalized")["to"][0]["status"] == word
    hook = world.hooks[-1]
    request = HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=hook.body)
    assert TelnyxWebhooks(world.credentials["public_key"]).parse(request, world.now).events == ()
