"""Each guess about Telnyx' calls, hooks and answers, turned both ways: the adapter lives with either."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import RestReply, Webhook, WebhookReply
from carriers.shot import HttpAnswer
from carriers.telnyx import verdicts
from carriers.telnyx.markup import TelnyxMarkup
from carriers.telnyx.webhooks import TelnyxWebhooks
from gateway.domain.events import LegEnded, LegEvent
from gateway.domain.verdict import Disposition

PERSON = "+15550100001"


def request(hook: Webhook) -> HookRequest:
    return HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=hook.body)


def understood(world: Any, event_type: str) -> tuple[LegEvent, ...]:
    """Our own reading of the last event of this type."""
    found = [hook for hook in world.hooks if json.loads(hook.body)["data"]["event_type"] == event_type]
    return TelnyxWebhooks(world.credentials["public_key"]).parse(request(found[-1]), world.now).events


def end_of(world: Any) -> LegEnded:
    (event,) = understood(world, "call.hangup")
    assert isinstance(event, LegEnded)
    return event


def judged(reply: RestReply) -> str:
    """Why our own reading of a refusal goes on to the next carrier."""
    verdict = verdicts.judge_refusal(HttpAnswer(status=reply.status, headers=reply.headers, body=reply.body)).verdict
    assert verdict is not None
    assert verdict.disposition is Disposition.NEXT_CARRIER
    return verdict.reason


# --- legs --------------------------------------------------------------------------------------------------------


@pytest.mark.knob("telnyx", "reject_after_s")
@pytest.mark.parametrize(("knobs", "reason"), [({}, "not-found-at-once"), ({"reject_after_s": 2.0}, "invalid-number")])
def test_a_refusal_of_telnyx_own_is_known_by_its_haste(new_world: Any, knobs: dict[str, float], reason: str) -> None:
    """Within a second a 404 is Telnyx' own and frees the next carrier; a later one would be taken for the network's."""
    world = new_world(**knobs)
    world.cause = "404"
    world.place()
    world.wake("end")
    assert end_of(world).verdict.reason == reason


@pytest.mark.knob("telnyx", "network_404_after_s")
@pytest.mark.parametrize(("knobs", "reason"), [({}, "invalid-number"), ({"network_404_after_s": 0.5}, "not-found-at-once")])
def test_the_network_takes_its_time_to_say_404(new_world: Any, knobs: dict[str, float], reason: str) -> None:
    """A hasty network costs one more dial at another carrier, and no person is called a wrong number."""
    world = new_world(**knobs)
    world.phone(world.place(), "ended", cause="invalid", by="network")
    world.wake("end")
    assert end_of(world).verdict.reason == reason


@pytest.mark.knob("telnyx", "normal_sip")
@pytest.mark.parametrize("knobs", [{}, {"normal_sip": "503"}])
def test_the_sip_code_of_a_happy_end_says_nothing(new_world: Any, knobs: dict[str, str]) -> None:
    """A conversation that ends with 503 is a conversation that ended."""
    world = new_world(**knobs)
    ref = world.talking()
    world.do(ref, "hangup")
    assert end_of(world).verdict == verdicts.judge_hangup("normal_clearing", "200").verdict


@pytest.mark.knob("telnyx", "stopped_when_unanswered")
@pytest.mark.parametrize("knob", [True, False])
def test_a_stream_that_never_began_is_no_news(new_world: Any, knob: bool) -> None:
    """Whether or not its end is told, the leg's end is the only event."""
    world = new_world(**({} if knob else {"stopped_when_unanswered": False}))
    world.phone(world.place(), "ended", cause="busy", by="phone")
    events = [understood(world, kind) for kind in world.told()]
    assert [len(found) for found in events] == ([1, 0, 1] if knob else [1, 1])


@pytest.mark.knob("telnyx", "caller_written")
@pytest.mark.parametrize(("knobs", "written"), [({}, PERSON), ({"caller_written": "hyphens"}, "+1-555-010-0001")])
def test_numbers_may_be_written_with_hyphens(new_world: Any, knobs: dict[str, str], written: str) -> None:
    """Samples of the documents do; we read the number behind it."""
    world = new_world(**knobs)
    world.set_application()
    world.arrive()
    arrival = TelnyxWebhooks(world.credentials["public_key"]).parse_arrival(request(world.hooks[0]), world.now)
    assert world.payload("call.initiated")["from"] == written
    assert (arrival is not None and arrival.caller_id) == PERSON


@pytest.mark.knob("telnyx", "cost_per_minute")
@pytest.mark.parametrize(("knobs", "total"), [({}, "0.0007"), ({"cost_per_minute": "0.5000"}, "0.0500")])
def test_costs_are_told_where_the_application_wants_them(new_world: Any, knobs: dict[str, str], total: str) -> None:
    """Prices are not published; the event is nothing to a leg of ours."""
    from telnyx.types.call_cost_webhook_event import CallCostWebhookEvent

    world = new_world(**knobs)
    world.set_application(call_cost_in_webhooks=True)
    ref = world.talking()
    world.now += 5
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.told()[-2:] == ["call.hangup", "call.cost"]
    CallCostWebhookEvent.model_validate_json(world.hooks[-1].body, strict=True)
    assert (world.payload("call.cost")["total_cost"], understood(world, "call.cost")) == (total, ())


# --- refusals of dials -------------------------------------------------------------------------------------------


@pytest.mark.knob("telnyx", "concurrency_answer")
@pytest.mark.knob("telnyx", "concurrent_calls")
@pytest.mark.parametrize("knobs", [{}, {"concurrent_calls": 1}, {"concurrent_calls": 1, "concurrency_answer": "refusal"}])
def test_too_many_calls_go_to_another_carrier(new_world: Any, knobs: dict[str, Any]) -> None:
    """By a hang-up after the dial, or by its refusal."""
    world = new_world(**knobs)
    world.place()
    reply = world.ask("POST", "/v2/calls", world.wish())
    if knobs.get("concurrency_answer") == "refusal":
        assert (reply.status, judged(reply)) == (403, "concurrency-limit")
    elif knobs:
        world.wake("end")
        assert end_of(world).verdict.disposition is Disposition.NEXT_CARRIER
    else:
        assert (reply.status, len(understood(world, "call.initiated"))) == (200, 1)


@pytest.mark.knob("telnyx", "limit_status")
@pytest.mark.parametrize(("knobs", "status", "code"), [({}, 403, "90043"), ({"limit_status": 422}, 422, "90043")])
def test_a_limit_may_have_any_status(new_world: Any, knobs: dict[str, int], status: int, code: str) -> None:
    """The code decides: too many calls of an application are a matter of capacity, whatever the HTTP status."""
    world = new_world(concurrency_answer="refusal", **knobs)
    world.set_application(outbound={"channel_limit": 1})
    world.place()
    reply = world.ask("POST", "/v2/calls", world.wish())
    assert (world.error(reply)[:2], judged(reply)) == ((status, code), "concurrency-limit")


@pytest.mark.knob("telnyx", "no_command_cause")
@pytest.mark.knob("telnyx", "parked_hangup_cause")
@pytest.mark.parametrize("knobs", [{}, {"no_command_cause": "unspecified", "parked_hangup_cause": "call_rejected"}])
@pytest.mark.parametrize("ours", [True, False])
def test_a_parked_call_ends_unanswered(new_world: Any, knobs: dict[str, str], ours: bool) -> None:
    """By our hang-up or for want of a command: under any name it is the end of a call that was not answered."""
    world = new_world(**knobs)
    world.set_application(first_command_timeout=True)
    ref = world.arrive()
    if ours:
        world.do(ref, "hangup")
    else:
        world.wake("first")
    arrival = TelnyxWebhooks(world.credentials["public_key"]).parse_arrival(request(world.hooks[-1]), world.now)
    assert arrival is not None
    (event,) = arrival.hook.events
    assert (arrival.carrier_call_id, isinstance(event, LegEnded) and event.answered) == (ref, False)


@pytest.mark.knob("telnyx", "dials_per_5s")
@pytest.mark.parametrize(("knobs", "allowed"), [({}, 150), ({"dials_per_5s": 2}, 2)])
def test_too_many_dials_go_to_another_carrier(new_world: Any, knobs: dict[str, int], allowed: int) -> None:
    """Refused and not queued, whatever the account's rate."""
    world = new_world(**knobs)
    replies = [world.ask("POST", "/v2/calls", world.wish()) for _ in range(allowed + 1)]
    assert [reply.status for reply in replies] == [200] * allowed + [429]
    assert judged(replies[-1]) == "pace-limit"


@pytest.mark.knob("telnyx", "duplicate_dial")
@pytest.mark.parametrize("knobs", [{}, {"duplicate_dial": "refused"}])
def test_a_repeated_dial_is_never_a_second_call(new_world: Any, knobs: dict[str, str]) -> None:
    """Answered as the first, or refused in a way that we would read as our own fault."""
    world = new_world(**knobs)
    first, second = (world.ask("POST", "/v2/calls", world.wish(command_id="leg_1")) for _ in range(2))
    assert len(world.dialled) == 1
    assert judged(second) == "malformed-request" if knobs else second.body == first.body
    assert len(understood(world, "call.initiated")) == 1


# --- webhooks ----------------------------------------------------------------------------------------------------


def repeats(world: Any, answer: Callable[[int], WebhookReply]) -> tuple[list[float], set[str]]:
    """When the first event came again and again, and the keys by which we know it."""
    world.place()
    ours = TelnyxWebhooks(world.credentials["public_key"])
    began, times, keys = world.now, [0.0], {ours.verify(request(world.hooks[0]), world.now).key}
    while True:
        before = len(world.hooks)
        world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, answer(len(times)))
        if not any(effect.key.startswith("webhook") for effect in world.effects if hasattr(effect, "key")):
            return times, keys
        world.wake("webhook")
        assert len(world.hooks) == before + 1
        keys.add(ours.verify(request(world.hooks[-1]), world.now).key)
        times.append(round(world.now - began, 3))


@pytest.mark.knob("telnyx", "webhook_retries")
@pytest.mark.knob("telnyx", "webhook_backoff_s")
@pytest.mark.parametrize(("knobs", "expected"), [({}, [0, 1, 3, 7]), ({"webhook_retries": 1, "webhook_backoff_s": 5.0}, [0, 5])])
def test_repeats_are_known_as_one_event(new_world: Any, knobs: dict[str, float], expected: list[float]) -> None:
    """However many there are, and whenever they come."""
    times, keys = repeats(new_world(**knobs), lambda _attempt: WebhookReply(status=500))
    assert (times, len(keys)) == (expected, 1)


@pytest.mark.knob("telnyx", "webhook_success")
@pytest.mark.parametrize(("knobs", "count"), [({}, 4), ({"webhook_success": "2xx"}, 1)])
def test_what_counts_as_an_answer(new_world: Any, knobs: dict[str, str], count: int) -> None:
    """200 or any 2xx: what our own documents answer is good enough for both."""
    acknowledged = TelnyxMarkup().acknowledge().status
    assert len(repeats(new_world(**knobs), lambda _attempt: WebhookReply(status=acknowledged))[0]) == 1
    assert len(repeats(new_world(**knobs), lambda _attempt: WebhookReply(status=202))[0]) == count


@pytest.mark.knob("telnyx", "webhook_timeout_s")
@pytest.mark.parametrize(("knobs", "seconds"), [({}, 10.0), ({"webhook_timeout_s": 2.0}, 2.0)])
def test_how_long_telnyx_waits_for_us(new_world: Any, knobs: dict[str, float], seconds: float) -> None:
    """Its default is not published; what is repeated after it is known as the same event. An application may say otherwise."""
    world = new_world(**knobs)
    assert len(repeats(world, lambda _attempt: WebhookReply(status=0, failure="timeout"))[1]) == 1
    assert world.hooks[0].timeout_s == seconds
    world.set_application(webhook_timeout_secs=7)
    world.place()
    assert world.hooks[-1].timeout_s == 7.0


@pytest.mark.knob("telnyx", "failover_of_overrides")
@pytest.mark.parametrize("knob", [False, True])
def test_an_event_is_the_same_at_the_failover_url(new_world: Any, knob: bool) -> None:
    """Whether calls with a URL of their own have one is not said."""
    world = new_world(**({"failover_of_overrides": True} if knob else {}))
    world.set_application(webhook_event_failover_url="http://127.0.0.1:1/spare")
    _, keys = repeats(world, lambda _attempt: WebhookReply(status=500))
    assert len(keys) == 1
    assert any(hook.url.endswith("spare") for hook in world.hooks) is knob


def test_retries_by_policy_and_several_urls(new_world: Any) -> None:
    """A call may say per event where it goes, to how many URLs, and when it is repeated."""
    world = new_world()
    urls = ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"]
    world.place(webhook_urls={"call.initiated": urls}, webhook_retries_policies={"call.initiated": {"retries_ms": [250, 500]}})
    assert [hook.url for hook in world.hooks] == urls
    assert len({json.loads(hook.body)["data"]["id"] for hook in world.hooks}) == 1
    began, first = world.now, world.hooks[0].id
    for _ in range(2):
        world.telnyx.on_webhook_reply(world.now, first, WebhookReply(status=500))
        world.wake("webhook")
    assert world.now - began == 0.75
    world.telnyx.on_webhook_reply(world.now, first, WebhookReply(status=500))
    (delivery,) = world.get("/v2/webhook_deliveries", "filter%5Bstatus%5D%5Beq%5D=failed")
    assert [attempt["status"] for attempt in delivery["attempts"]] == ["failed"] * 3


@pytest.mark.parametrize("waits", [[1] * 6, [30_000, 30_001], ["1"], "1"])
def test_policies_have_limits(new_world: Any, waits: Any) -> None:
    """At most five repeats, in sixty seconds altogether."""
    world = new_world()
    wish = world.wish(webhook_retries_policies={"call.hangup": {"retries_ms": waits}})
    assert world.error(world.ask("POST", "/v2/calls", wish)) == (422, "10015", "/webhook_retries_policies")
