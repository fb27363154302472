"""Calls from phones at the simulated Telnyx: parked, until a command says what becomes of them."""

import json
from typing import Any

import pytest
from telnyx.types.call_initiated_webhook_event import CallInitiatedWebhookEvent

from carriers.contract import HookRequest
from carriers.lab.contract import Incoming, OpenSocket, WebhookReply
from carriers.telnyx.webhooks import TelnyxWebhooks

NOW = 1_795_000_000.0
CALLER, OURS = "+15550100001", ("+15550190011", "+15550190012")


def test_a_call_is_parked_and_told(new_world: Any) -> None:
    """The application hears of it with all that was captured of such calls, signed; the caller hears ringing."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    (hook,) = world.hooks
    event = CallInitiatedWebhookEvent.model_validate_json(hook.body, strict=True)
    payload = world.payload("call.initiated")
    assert (hook.url, event.data is not None) == ("http://127.0.0.1:1/inbound", True)
    assert (
        payload
        | {
            "call_control_id": ref,
            "direction": "incoming",
            "state": "parked",
            "from": CALLER,
            "to": OURS[0],
            "client_state": None,
            "caller_id_name": "Ada",
            "offered_codecs": "PCMU,G729",
            "shaken_stir_attestation": "A",
            "shaken_stir_validated": True,
            "connection_id": world.credentials["connection_id"],
        }
        == payload
    )
    assert (world.answered_calls, world.refused, world.telnyx.live_calls()) == ([], {}, 1)


def test_the_body_of_the_answer_to_a_webhook_is_ignored(new_world: Any) -> None:
    """Whatever the customer replies, only commands are obeyed."""
    world = new_world()
    world.set_application()
    world.arrive()
    world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=200, body=b"<Response><Hangup/></Response>"))
    assert (world.telnyx.live_calls(), world.told()) == (1, ["call.initiated"])


def test_a_call_is_answered_with_a_stream(new_world: Any) -> None:
    """The command joins the caller, says so, opens the stream, and its client_state is in everything that follows."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    reply = world.do(ref, "answer", client_state="bGVn", stream_url="ws://127.0.0.1:1/in", stream_bidirectional_mode="rtp")
    assert (reply, world.answered_calls) == ({"result": "ok"}, [ref])
    assert world.told() == ["call.initiated", "call.answered", "streaming.started"]
    assert world.payload("call.answered")["client_state"] == "bGVn"
    stream = next(world.all(OpenSocket))
    assert (stream.url, stream.number) == ("ws://127.0.0.1:1/in", CALLER)
    world.telnyx.on_socket_open(world.now, stream.stream)
    world.tick()
    assert [frame["event"] for frame in world.frames()] == ["connected", "start", "media"]
    assert (world.frames()[1]["start"]["from"], world.frames()[1]["start"]["to"]) == (CALLER, OURS[0])


@pytest.mark.parametrize("name", ["stream_auth_token", "stream_bidirectional_sampling_rate", "custom_parameters"])
def test_answer_lacks_what_streaming_start_has(new_world: Any, name: str) -> None:
    """Token, rate and parameters of a stream exist in streaming_start only."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    assert world.error(world.command(ref, "answer", **{name: "x"})) == (422, "10015", f"/{name}")
    assert world.refusals() == [f"the lab does not simulate the parameter {name}"]


@pytest.mark.parametrize(
    ("cause", "heard", "words"),
    [
        ("USER_BUSY", "busy", ("user_busy", "callee", "486")),
        ("CALL_REJECTED", "declined", ("call_rejected", "callee", "603")),
        ("NOT_FOUND", "invalid", ("not_found", "callee", "404")),
        ("TEMPORARILY_UNAVAILABLE", "unreachable", ("unspecified", "callee", "480")),
    ],
)
def test_a_call_is_rejected(new_world: Any, cause: str, heard: str, words: tuple[str, str, str]) -> None:
    """Each cause has what the caller hears, and its SIP code in the hang-up."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    world.do(ref, "reject", cause=cause)
    assert (world.refused[ref], world.hangup()) == (heard, words)


def test_commands_that_do_not_fit_are_refused(new_world: Any) -> None:
    """A dialled leg cannot be answered (90102); a parked one cannot talk yet (90034); nothing is answered twice."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    assert world.error(world.command(world.place(), "answer"))[:2] == (422, "90102")
    assert world.error(world.command(ref, "streaming_start", stream_url="ws://127.0.0.1:1/x"))[:2] == (422, "90034")
    assert world.error(world.command(ref, "reject"))[1:] == ("10004", "/cause")
    world.do(ref, "answer")
    assert world.command(ref, "answer").status == world.command(ref, "reject", cause="USER_BUSY").status == 422


@pytest.mark.parametrize(
    ("answered", "event", "words"),
    [
        (True, {"cause": "normal", "by": "phone"}, ("normal_clearing", "caller", "200")),
        (False, {"cause": "canceled", "by": "phone"}, ("originator_cancel", "caller", "487")),
    ],
)
def test_the_caller_ends_it(new_world: Any, answered: bool, event: dict[str, str], words: tuple[str, str, str]) -> None:
    """A caller who hangs up is the `caller` of the hang-up; one who gives up before the answer cancelled."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    if answered:
        world.do(ref, "answer")
    world.phone(ref, "ended", **event)
    assert (world.hangup(), world.telnyx.live_calls()) == (words, 0)


@pytest.mark.parametrize("answered", [True, False])
def test_we_end_it(new_world: Any, answered: bool) -> None:
    """A hang-up of ours is told as the callee's."""
    world = new_world()
    world.set_application()
    ref = world.arrive()
    if answered:
        world.do(ref, "answer")
    world.do(ref, "hangup")
    assert world.hangup()[:2] == ("normal_clearing", "callee")


@pytest.mark.parametrize("commanded", [True, False])
def test_a_call_without_a_first_command_is_given_up(new_world: Any, commanded: bool) -> None:
    """Where the application sets first_command_timeout, a dead customer does not mean endless ringing."""
    world = new_world()
    world.set_application(first_command_timeout=True, first_command_timeout_secs=4)
    ref = world.arrive()
    if commanded:
        world.do(ref, "client_state_update", "PUT", client_state="bGVn")
    world.wake("first")
    assert (world.now - NOW, ref in world.refused) == (4.0, not commanded)


def test_without_a_url_or_a_time_limit_the_caller_just_hears_ringing(new_world: Any) -> None:
    """Nobody is told, nothing ends the call: that is what a forgotten webhook URL looks like."""
    world = new_world()
    world.arrive()
    assert (world.hooks, world.refused, world.telnyx.live_calls()) == ([], {}, 1)


def test_a_number_that_is_bound_to_nothing_is_not_in_service(new_world: Any) -> None:
    """Unbound, or bound to an application that is not active."""
    world = new_world()
    number = world.get("/v2/phone_numbers")[1]["id"]
    assert world.ask("PATCH", f"/v2/phone_numbers/{number}", {"connection_id": ""}).status == 200
    assert world.telnyx.incoming_ref(world.now, Incoming(to=OURS[1], caller_id=CALLER)) is None
    assert world.telnyx.incoming_ref(world.now, Incoming(to=OURS[0], caller_id=CALLER)) is not None
    world.set_application(active=False)
    assert world.telnyx.incoming_ref(world.now, Incoming(to=OURS[0], caller_id=CALLER)) is None


def test_the_channel_limit_of_an_application_turns_callers_away(new_world: Any) -> None:
    """One call too many hears busy, and nobody is told of it."""
    world = new_world()
    world.set_application(inbound={"channel_limit": 1})
    world.arrive()
    second = world.arrive(caller_id="+15550100002")
    assert (world.refused, world.told()) == ({second: "busy"}, ["call.initiated"])


def test_the_limit_of_the_account_turns_callers_away_too(new_world: Any) -> None:
    """Calls of both directions count."""
    world = new_world(concurrent_calls=1)
    world.set_application()
    world.place()
    assert world.refused == {world.arrive(): "busy"}


def test_what_an_application_cannot_be_told_is_refused_by_name(new_world: Any) -> None:
    """Settings that the lab does not obey, inside objects too."""
    world = new_world()
    path = f"/v2/call_control_applications/{world.credentials['connection_id']}"
    plain = {"application_name": "lab", "webhook_event_url": "http://x/y"}
    for more, pointer in (
        ({"inbound": {"sip_subdomain": "x"}}, "/inbound/sip_subdomain"),
        ({"dtmf_type": "Inband"}, "/dtmf_type"),
        ({"inbound": {"channel_limit": "1"}}, "/inbound"),
    ):
        assert world.error(world.ask("PATCH", path, plain | more)) == (422, "10015", pointer)
    assert world.error(world.ask("PATCH", path, {"application_name": "lab"}))[1:] == ("10004", "/webhook_event_url")
    assert len(world.refusals()) == 2


@pytest.mark.knob("telnyx", "withheld_from")
@pytest.mark.parametrize("word", ["anonymous", "Restricted"])
def test_a_withheld_number(new_world: Any, word: str) -> None:
    """Its word is a guess, and our own reading of the event lives with any: no leg of ours is concerned."""
    world = new_world(**({} if word == "anonymous" else {"withheld_from": word}))
    world.set_application()
    world.arrive(caller_id="")
    assert (world.payload("call.initiated")["from"], world.hooks[0].number) == (word, "")
    assert TelnyxWebhooks(world.credentials["public_key"]).parse(as_ours(world.hooks[0]), world.now).events == ()


@pytest.mark.knob("telnyx", "stir_in_webhook")
@pytest.mark.parametrize("shown", [True, False])
def test_attestation_may_be_absent(new_world: Any, shown: bool) -> None:
    """A capture has no STIR/SHAKEN fields where the documents have them; our reading needs none."""
    world = new_world(stir_in_webhook=shown)
    world.set_application()
    world.arrive()
    assert ("shaken_stir_attestation" in world.payload("call.initiated")) is shown
    assert TelnyxWebhooks(world.credentials["public_key"]).parse(as_ours(world.hooks[0]), world.now).events == ()


def as_ours(hook: Any) -> HookRequest:
    return HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=hook.body)


def test_the_flat_webhooks_of_version_1(new_world: Any) -> None:
    """An application of API version 1 is told in the old shape, without `data`."""
    world = new_world()
    world.set_application(webhook_api_version="1")
    ref = world.arrive()
    body = json.loads(world.hooks[0].body)
    assert (sorted(body), body["payload"]["call_control_id"]) == (["created_at", "event_type", "payload", "webhook_id"], ref)
