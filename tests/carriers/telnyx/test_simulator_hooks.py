"""The simulated Telnyx' webhooks: their shape, signatures and repeats."""

import base64
import json
from typing import Any

import pytest
from telnyx.lib import WebhookVerificationError, verify_webhook_signature
from telnyx.types.call_answered_webhook_event import CallAnsweredWebhookEvent
from telnyx.types.call_hangup_webhook_event import CallHangupWebhookEvent
from telnyx.types.call_initiated_webhook_event import CallInitiatedWebhookEvent
from telnyx.types.call_streaming_failed_webhook_event import CallStreamingFailedWebhookEvent
from telnyx.types.call_streaming_started_webhook_event import CallStreamingStartedWebhookEvent
from telnyx.types.call_streaming_stopped_webhook_event import CallStreamingStoppedWebhookEvent

from carriers.contract import HookRequest
from carriers.lab.contract import (
    Wake,
    WebhookReply,
)
from carriers.telnyx.webhooks import TelnyxWebhooks
from gateway.domain.errors import BadSignature

NOW = 1_795_000_000.0


def test_webhooks_are_what_the_sdks_models_promise(new_world: Any) -> None:
    """Every event is validated by the SDK's own type for it."""
    world = new_world()
    _, stream = world.streaming()
    world.telnyx.on_socket_closed(world.now, stream, 1006)
    world.phone(world.place(), "ended", cause="declined", by="phone")
    models = {
        "call.initiated": CallInitiatedWebhookEvent,
        "call.answered": CallAnsweredWebhookEvent,
        "call.hangup": CallHangupWebhookEvent,
        "streaming.started": CallStreamingStartedWebhookEvent,
        "streaming.failed": CallStreamingFailedWebhookEvent,
        "streaming.stopped": CallStreamingStoppedWebhookEvent,
    }
    assert set(world.told()) == set(models)
    for hook, kind in zip(world.hooks, world.told(), strict=True):
        models[kind].model_validate_json(hook.body, strict=True)


def test_hang_ups_look_like_the_captured_ones(new_world: Any) -> None:
    """Neither state nor direction nor tags, but an end time and statistics as strings."""
    world = new_world()
    ref, _ = world.streaming()
    for _ in range(3):
        world.telnyx.on_tick(world.now)
    world.phone(ref, "ended", cause="normal", by="phone")
    payload = world.payload("call.hangup")
    assert not {"state", "direction", "tags"} & set(payload)
    assert payload["end_time"].endswith("Z")
    assert payload["call_quality_stats"]["inbound"]["packet_count"] == "3"


def test_the_sdk_accepts_the_signatures(new_world: Any) -> None:
    """Telnyx' own validator takes what the simulator signs, and refuses it changed, for another key, or old."""
    import time

    world = new_world(now=time.time())
    world.place()
    hook, key = world.hooks[0], world.credentials["public_key"]
    verify_webhook_signature(hook.body, hook.headers, key)
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(hook.body + b" ", hook.headers, key)
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(hook.body, hook.headers, base64.b64encode(b"\1" * 32).decode())
    old = new_world(now=time.time() - 400)
    old.place()
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(old.hooks[0].body, old.hooks[0].headers, old.credentials["public_key"])


def test_our_own_check_accepts_the_signatures_too(new_world: Any) -> None:
    """What the SDK takes, ours takes; changed or old it is refused by both."""
    world = new_world()
    world.place()
    hook, ours = world.hooks[0], TelnyxWebhooks(world.credentials["public_key"])

    def request(body: bytes) -> HookRequest:
        return HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=body)

    assert ours.verify(request(hook.body), world.now).key == hook.id
    with pytest.raises(BadSignature):
        ours.verify(request(hook.body.replace(b"call.initiated", b"call.answered_")), world.now)
    with pytest.raises(BadSignature):
        ours.verify(request(hook.body), world.now + 301)


def test_a_webhook_that_is_not_answered_with_200_is_repeated(new_world: Any) -> None:
    """Later each time, with the same event id, a higher attempt, and a signature of its own time; then given up."""
    world = new_world(webhook_retries=2)
    world.place()
    first = world.hooks[0]
    for status in (503, 202):
        world.telnyx.on_webhook_reply(world.now, first.id, WebhookReply(status=status))
        world.wake("webhook")
    bodies = [json.loads(hook.body) for hook in world.hooks]
    assert [body["meta"]["attempt"] for body in bodies] == [1, 2, 3] == [hook.attempt for hook in world.hooks]
    assert len({body["data"]["id"] for body in bodies}) == 1
    assert [int(hook.headers["telnyx-timestamp"]) - NOW for hook in world.hooks] == [0, 1, 3]
    world.telnyx.on_webhook_reply(world.now, first.id, WebhookReply(status=0, failure="timeout"))
    assert not any(effect.key.startswith("webhook") for effect in world.all(Wake))


def test_a_webhook_that_is_answered_with_200_is_done(new_world: Any) -> None:
    """One 200, and the event is never sent again."""
    world = new_world()
    world.place()
    world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=200, body=b"<Response/>"))
    assert not any(effect.key.startswith("webhook") for effect in world.all(Wake))


@pytest.mark.parametrize(
    ("own_hook", "knob", "expected"),
    [
        (None, False, ["/primary", "/primary", "/spare"]),
        ("/own", False, ["/own"] * 3),
        ("/own", True, ["/own", "/own", "/spare"]),
    ],
)
def test_the_failover_url_is_used_after_two_failures(
    new_world: Any, own_hook: str | None, knob: bool, expected: list[str]
) -> None:
    """The third attempt goes to the application's failover URL; whether also for a call with a URL of its own is a knob."""
    world = new_world(failover_of_overrides=knob)
    host = "http://127.0.0.1:1"
    world.set_application(webhook_event_url=f"{host}/primary", webhook_event_failover_url=f"{host}/spare")
    world.place(webhook_url=host + own_hook if own_hook else None)
    for _ in range(2):
        world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=500))
        world.wake("webhook")
    assert [hook.url for hook in world.hooks] == [host + path for path in expected]
