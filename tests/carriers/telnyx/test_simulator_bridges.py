"""Transfers, bridges and linked dials at the simulated Telnyx: who hears whom, and what ends with what."""

import json
from typing import Any

import pytest
from telnyx.types.call_bridged_webhook_event import CallBridgedWebhookEvent

from carriers.contract import HookRequest
from carriers.lab.contract import Fetch
from carriers.lab.sound import to_wav, tone
from carriers.telnyx.webhooks import TelnyxWebhooks
from gateway.domain.events import LegAnswered

FROM, OTHER = "+15550190011", "+15550100002"


def transfer(world: Any, ref: str, **more: Any) -> str:
    """The new leg's id."""
    before = set(world.dialled)
    world.do(ref, "transfer", **({"to": OTHER, "from": FROM} | more))
    (leg,) = set(world.dialled) - before
    return str(leg)


def both(world: Any, **more: Any) -> tuple[str, str]:
    """Two legs that were joined by a transfer."""
    first = world.talking()
    second = transfer(world, first, **more)
    world.phone(second, "answered")
    return first, second


def test_a_transfer_joins_when_it_is_answered(new_world: Any) -> None:
    """The new leg belongs to the same session, tells its own story, and both legs are told of the bridge."""
    world = new_world()
    first = world.talking(client_state="b25l")
    second = transfer(world, first, target_leg_client_state="dHdv", timeout_secs=9)
    assert world.told(second) == ["call.initiated"]
    world.phone(second, "answered")
    assert world.told(second) == ["call.initiated", "call.answered", "call.bridged"]
    assert world.told(first)[-1] == "call.bridged"
    assert [payload["client_state"] for payload in world.payloads("call.bridged")] == ["b25l", "dHdv"]
    assert len({payload["call_session_id"] for payload in world.payloads("call.initiated")}) == 1
    CallBridgedWebhookEvent.model_validate_json(world.hooks[-1].body, strict=True)
    world.tick(2)
    assert world.heard[-2:] == [world.said, world.said]


@pytest.mark.parametrize(("cause", "word"), [("busy", "user_busy"), ("declined", "call_rejected"), ("no_answer", "no_answer")])
def test_a_transfer_that_fails_leaves_the_call_alone(new_world: Any, cause: str, word: str) -> None:
    """The new leg's hang-up tells why; the first can be transferred again."""
    world = new_world()
    first = world.talking()
    second = transfer(world, first)
    world.phone(second, "ended", cause=cause, by="phone")
    assert (world.hangup()[0], world.telnyx.live_calls()) == (word, 1)
    world.phone(transfer(world, first), "answered")
    assert "call.bridged" in world.told(first)


def test_a_transfer_shows_the_number_that_was_called_unless_told_otherwise(new_world: Any) -> None:
    """Of a call that we dialled that is the person's own number, which is no caller id of ours: a late 403."""
    world = new_world()
    first = world.talking()
    world.do(first, "transfer", to=OTHER)
    world.wake("end")
    assert world.hangup() == ("call_rejected", "unknown", "403")
    world.set_application()
    caller = world.arrive()
    world.do(caller, "answer")
    world.do(caller, "transfer", to="+15550100003")
    assert "+15550100003" in world.dialled.values()


@pytest.mark.parametrize("ender", [0, 1])
@pytest.mark.parametrize("parks", [False, True])
def test_who_outlives_a_bridge(new_world: Any, ender: int, parks: bool) -> None:
    """The other leg is hung up; only the first, and only with park_after_unbridge, stays."""
    world = new_world()
    legs = both(world, **({"park_after_unbridge": "self"} if parks else {}))
    world.phone(legs[ender], "ended", cause="normal", by="phone")
    survives = parks and ender == 1
    assert world.telnyx.live_calls() == survives
    assert [leg for leg in legs if "call.hangup" in world.told(leg)] == ([legs[1]] if survives else sorted(legs, key=legs.index))
    if survives:
        world.do(legs[0], "speak", payload="still here", voice="female")


def test_a_caller_who_leaves_before_the_answer_ends_the_transfer(new_world: Any) -> None:
    """The leg that still rings is cancelled."""
    world = new_world()
    first = world.talking()
    second = transfer(world, first)
    world.phone(first, "ended", cause="normal", by="phone")
    ends = {payload["call_control_id"]: payload["hangup_cause"] for payload in world.payloads("call.hangup")}
    assert ends == {first: "normal_clearing", second: "originator_cancel"}


def test_a_file_is_played_before_the_bridge(new_world: Any) -> None:
    """The person who answers hears it alone."""
    world = new_world()
    first = world.talking()
    second = transfer(world, first, audio_url="http://127.0.0.1:1/whisper.wav")
    world.phone(second, "answered")
    assert len(list(world.all(Fetch))) == 1
    world.fetched(body=to_wav(tone(440, 0.04)))
    assert "call.bridged" not in world.told()
    world.tick(2)
    assert world.told().count("call.bridged") == 2


@pytest.mark.parametrize(("muted", "crossed"), [("none", [0, 1]), ("self", [1]), ("opposite", [0]), ("both", [])])
def test_keys_cross_a_bridge(new_world: Any, muted: str, crossed: list[int]) -> None:
    """Unless they are muted; they are told in any case."""
    world = new_world()
    legs = both(world, mute_dtmf=muted)
    for leg in legs:
        world.phone(leg, "digit", digit="5")
    assert world.keys == [(legs[1 - index], "5") for index in crossed]
    assert len(world.payloads("call.dtmf.received")) == 2


def test_a_bridge_by_command(new_world: Any) -> None:
    """Two answered calls; a new bridge ends the old one, unless that is to be prevented."""
    world = new_world()
    first, second, third = world.talking(), world.talking(to=OTHER), world.talking(to="+15550100003")
    world.do(first, "bridge", call_control_id=second)
    refused = world.command(third, "bridge", call_control_id=second, prevent_double_bridge=True)
    assert world.error(refused)[2] == "/call_control_id"
    world.do(third, "bridge", call_control_id=second)
    assert world.told(first)[-1] == "call.hangup"
    assert world.told(third)[-1] == world.told(second)[-1] == "call.bridged"
    assert world.error(world.command(third, "bridge", call_control_id="v3:none"))[1] == "90015"
    assert world.error(world.command(third, "bridge", call_control_id=first))[1] == "90018"
    assert world.error(world.command(third, "bridge", call_control_id=world.place()))[1] == "90034"


def test_a_dial_may_be_linked_to_a_call(new_world: Any) -> None:
    """It shares the session, shows that call's number if it intends to bridge, and is joined when it is answered."""
    world = new_world()
    first = world.talking()
    second = world.place(link_to=first, bridge_intent=True, bridge_on_answer=True, to=OTHER, stream_url=None)
    sessions = {payload["call_session_id"] for payload in world.payloads("call.initiated")}
    world.phone(second, "answered")
    assert (len(sessions), world.told(second)[-1]) == (1, "call.bridged")
    assert world.error(world.ask("POST", "/v2/calls", world.wish(bridge_on_answer=True)))[1:] == ("10004", "/link_to")
    assert world.error(world.ask("POST", "/v2/calls", world.wish(link_to="v3:none")))[1:] == ("90015", "/link_to")


@pytest.mark.knob("telnyx", "transfer_hooks")
@pytest.mark.parametrize(
    ("knob", "url"), [("inherited", "http://127.0.0.1:1/hook"), ("application", "http://127.0.0.1:1/inbound")]
)
def test_where_the_new_leg_is_told_is_a_guess(new_world: Any, knob: str, url: str) -> None:
    """Either URL hears that the leg was answered, and our reading of it is the same; a URL in the command wins."""
    world = new_world(transfer_hooks=knob)
    world.set_application()
    first, second = both(world)
    hook = next(hook for hook in world.hooks if hook.carrier_call_id == second and b"call.answered" in hook.body)
    request = HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=hook.body)
    assert hook.url == url
    assert TelnyxWebhooks(world.credentials["public_key"]).parse(request, world.now).events == (
        LegAnswered(carrier_call_id=second),
    )
    third = transfer(world, first, webhook_url="http://127.0.0.1:1/third")
    assert [json.loads(hook.body)["data"]["event_type"] for hook in world.hooks if hook.url.endswith("third")] == [
        "call.initiated"
    ]
    assert third in world.dialled


@pytest.mark.parametrize(
    ("body", "pointer"), [({"to": "sip:x@y"}, "/to"), ({"to": OTHER, "media_name": "x"}, "/media_name"), ({}, "/to")]
)
def test_a_transfer_is_checked(new_world: Any, body: dict[str, str], pointer: str) -> None:
    """Numbers only; what is not obeyed is refused by name."""
    world = new_world()
    assert world.error(world.command(world.talking(), "transfer", **body))[2] == pointer
