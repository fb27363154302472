"""One text message in the simulated Plivo, from its acceptance to its report."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from plivo.utils import validate_signature, validate_v3_signature

HOOKS = "https://gw.example.com/hooks"
BODY = {"src": "+15550190021", "dst": "+15550101000", "text": "hello", "url": f"{HOOKS}/text", "type": "sms", "log": "true"}
NO_TEXTS = "no code of ours sends texts"


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _send(world: Any, **more: Any) -> str:
    reply = world.request("POST", "Message/", {**BODY, **more})
    assert reply.status == 202
    told = json.loads(reply.body)
    assert told["message"] == "message(s) queued"
    return str(told["message_uuid"][0])


def _state(world: Any, message: str) -> Any:
    return json.loads(world.request("GET", f"Message/{message}/").body)


def test_text_is_delivered(world: Any) -> None:
    """queued, sent and delivered are reported in order, numbered, and shown."""
    message = _send(world)
    world.run(0.2)
    assert world.texts == [(message, "+15550101000", "hello")]
    world.phone(message, "delivered")
    reports = [_form(hook) for hook in world.sent()]
    assert [form["Status"] for form in reports] == ["queued", "sent", "delivered"]
    assert [form["Sequence"] for form in reports] == ["1", "2", "3"]
    assert {form["MessageUUID"] for form in reports} == {message}
    assert (reports[0]["From"], reports[0]["To"], reports[0]["Units"]) == ("15550190021", "15550101000", "1")
    shown = _state(world, message)
    assert (shown["message_state"], shown["error_code"], shown["total_amount"]) == ("delivered", "000", "0.00550")
    assert world.refusals("message")[0]["carrier_call_id"] == message


def test_text_does_not_arrive(world: Any) -> None:
    """Undelivered comes with a code."""
    message = _send(world)
    world.run(0.2)
    world.phone(message, "undelivered")
    form = _form(world.sent()[-1])
    assert (form["Status"], form["ErrorCode"]) == ("undelivered", "80")


def test_foreign_source(world: Any) -> None:
    """A source that is not the account's fails before it leaves."""
    message = _send(world, src="+15550199999")
    world.run(0.2)
    assert not world.texts
    assert (_state(world, message)["message_state"], _form(world.sent()[-1])["ErrorCode"]) == ("failed", "40")


@pytest.mark.knob("plivo", "delivery_reports", no_adapter=NO_TEXTS)
@pytest.mark.parametrize(("guess", "state"), [(True, "delivered"), (False, "sent")])
def test_reports_are_not_sure(world_with: Callable[..., Any], guess: bool, state: str) -> None:
    """Where the network reports nothing, a text stays sent."""
    world = world_with(delivery_reports=guess)
    message = _send(world)
    world.run(0.2)
    world.phone(message, "delivered")
    assert _state(world, message)["message_state"] == state


@pytest.mark.knob("plivo", "message_signature", no_adapter=NO_TEXTS)
@pytest.mark.parametrize("guess", ["v2", "v3", "both"])
def test_reports_are_signed(world_with: Callable[..., Any], guess: str) -> None:
    """The SDK's validators of either version take what is signed that way."""
    world = world_with(message_signature=guess)
    _send(world)
    (hook,) = world.sent()
    token = world.simulator.credentials()["auth_token"]
    told = hook.headers
    if guess != "v3":
        nonce, signature = told["X-Plivo-Signature-V2-Nonce"], told["X-Plivo-Signature-V2"]
        assert validate_signature(hook.url, nonce, signature, token)
        assert not validate_signature(hook.url + "x", nonce, signature, token)
    if guess != "v2":
        nonce, signature = told["X-Plivo-Signature-V3-Nonce"], told["X-Plivo-Signature-V3"]
        assert validate_v3_signature("POST", hook.url, nonce, token, signature, _form(hook))


@pytest.mark.knob("plivo", "message_send_s", no_adapter=NO_TEXTS)
@pytest.mark.parametrize("guess", [0.1, 5.0])
def test_queue_takes_its_time(world_with: Callable[..., Any], guess: float) -> None:
    """A text waits in the queue before it leaves."""
    world = world_with(message_send_s=guess)
    _send(world)
    world.run(guess - 0.05)
    assert not world.texts
    world.run(0.1)
    assert len(world.texts) == 1


@pytest.mark.parametrize(
    ("more", "status"),
    [({"text": ""}, 400), ({"dst": "abc"}, 400), ({"dst": "1555<1666"}, 400), ({"media_urls": ["x"]}, 400), ({"url": "x"}, 400)],
)
def test_text_that_makes_no_sense(world: Any, more: dict[str, Any], status: int) -> None:
    """Missing or strange parameters are refused, and nothing leaves."""
    assert world.request("POST", "Message/", {**BODY, **more}).status == status
    world.run(1.0)
    assert not world.texts


def test_texts_are_listed(world: Any) -> None:
    """Newest first, filtered by state and number; long ones count in parts."""
    first, second = _send(world), _send(world, text="x" * 200, dst="+15550101001")
    world.run(0.2)
    found = json.loads(world.request("GET", "Message/", message_state="sent").body)["objects"]
    assert [(each["message_uuid"], each["units"]) for each in found] == [(second, 2), (first, 1)]
    assert len(json.loads(world.request("GET", "Message/", to_number="15550101001").body)["objects"]) == 1
    assert world.request("GET", "Message/nobody/").status == 404


def test_text_out_of_a_call(world: Any) -> None:
    """Message sends a text while the document goes on."""
    ref = world.answered()
    world.obey(f"<Message src='15550190021' dst='15550101000' callbackUrl='{HOOKS}/text'>a link</Message><Hangup/>")
    assert world.hung_up == [ref]
    world.run(0.2)
    assert [body for _, _, body in world.texts] == ["a link"]
