"""What the simulated Plivo guesses about calls and lists, each told both ways, and what our adapter makes of either."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import Attempt, CarrierSettings, Handle, HookRequest, LegAtCarrier
from carriers.in_memory import Heard, Request
from carriers.lab.contract import RestRequest
from carriers.plivo import PlivoCredentials, verdicts
from carriers.plivo.in_memory import PlivoInMemory
from carriers.plivo.markup import QUICK_RETRIES, PlivoMarkup
from carriers.plivo.webhooks import PlivoWebhooks
from carriers.shot import HttpAnswer
from gateway.domain.events import LegAnswered, LegEnded, LegRinging
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Disposition

OWN_NUMBER, PERSON = "+15550190021", "+15550101000"
HOOKS = "https://gw.example.com/hooks"
WorldWith = Callable[..., Any]


def _carrier(world: Any) -> PlivoInMemory:
    """Our adapter, whose requests the simulator answers at once."""

    def line(request: Request) -> Heard:
        given = RestRequest(
            method=request.method, path=request.path, query=request.query, headers=request.headers, body=request.body
        )
        reply = world.simulator.on_request(world.now, given)
        return Heard(answer=HttpAnswer(status=reply.status, headers=reply.headers, body=reply.body))

    told = world.simulator.credentials()
    credentials = PlivoCredentials(auth_id=told["auth_id"], auth_token=told["auth_token"])
    settings = CarrierSettings(name="plivo", credentials=credentials, base_url=told["base_url"])
    return PlivoInMemory(settings, lambda: world.now, line)


def _attempt(**more: Any) -> Attempt:
    given = {"to": PERSON, "caller_id": OWN_NUMBER, "public_url": "https://gw.example.com", **more}
    return Attempt(call_id="c", leg_id="l", carrier="plivo", media_token="t", **given)


def _handle(ref: str = "", sent_at: float = 0.0) -> Handle:
    return Handle(call_id="c", leg_id="l", to=PERSON, caller_id=OWN_NUMBER, carrier_call_id=ref, sent_at=sent_at)


def _events(world: Any, hook: Any) -> tuple[Any, ...]:
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    headers = {name.lower(): value for name, value in hook.headers.items()}
    request = HookRequest(method=hook.method, url=hook.url, path=hook.url.rpartition("/")[2], headers=headers, body=hook.body)
    webhooks.verify(request, world.now)
    return tuple(webhooks.parse(request, world.now).events)


# --- the way to the phone ----------------------------------------------------------------------------------------


@pytest.mark.knob("plivo", "cps")
@pytest.mark.parametrize(("cps", "at_once"), [(2, 2), (1, 1), (5, 3)])
async def test_pace(world_with: WorldWith, cps: int, at_once: int) -> None:
    """What exceeds the calls per second is accepted all the same, and waits."""
    world = world_with(cps=cps)
    carrier = _carrier(world)
    placed = [await carrier.place(_attempt(), world.now + 5, lambda: True) for _ in range(3)]
    assert [each.knowledge for each in placed] == [Knowledge.ACCEPTED] * 3
    world.run(0.5)
    assert len(world.dialed) == at_once
    world.run(3.0)
    assert len(world.dialed) == 3


@pytest.mark.knob("plivo", "setup_s")
@pytest.mark.parametrize("setup_s", [0.1, 2.0])
async def test_time_from_the_answer_to_the_dial(world_with: WorldWith, setup_s: float) -> None:
    """A call that was accepted and not dialled yet is found as accepted, and can be ended."""
    world = world_with(setup_s=setup_s)
    carrier = _carrier(world)
    placed = await carrier.place(_attempt(), world.now + 5, lambda: True)
    world.run(setup_s - 0.05)
    assert not world.dialed
    assert (await carrier.find(_handle(placed.carrier_call_id))).state is LegAtCarrier.ACCEPTED
    world.run(0.1)
    assert world.dialed == [placed.carrier_call_id]


@pytest.mark.knob("plivo", "reject_after_s")
@pytest.mark.parametrize("after_s", [0.3, 4.0])
def test_time_to_a_failure(world_with: WorldWith, after_s: float) -> None:
    """However late a failure comes, it is read as one before any ring."""
    world = world_with(reject_after_s=after_s)
    world.reject = "5020"
    world.place()
    world.run(after_s)
    assert not world.sent()
    world.run(0.2)
    (ended,) = _events(world, world.sent("Hangup")[0])
    assert isinstance(ended, LegEnded)
    assert (ended.answered, ended.verdict.code) == (False, "5020")


@pytest.mark.knob("plivo", "foreign_caller_id")
@pytest.mark.parametrize(("guess", "knowledge"), [("hangup", Knowledge.ACCEPTED), ("refuse", Knowledge.REFUSED)])
async def test_foreign_caller_id(world_with: WorldWith, guess: str, knowledge: Knowledge) -> None:
    """A caller id that is not the account's is refused at once or fails later: the next carrier is tried either way."""
    world = world_with(foreign_caller_id=guess)
    placed = await _carrier(world).place(_attempt(caller_id="+15550199999"), world.now + 5, lambda: True)
    assert placed.knowledge is knowledge
    world.run(1.0)
    ends = [event for hook in world.sent("Hangup") for event in _events(world, hook)]
    told = [placed.verdict] if placed.verdict else [event.verdict for event in ends]
    assert [verdict.disposition for verdict in told] == [Disposition.NEXT_CARRIER]
    assert [bool(placed.verdict), len(ends)] == ([True, 0] if guess == "refuse" else [False, 1])
    assert not world.dialed


@pytest.mark.knob("plivo", "suspended_status")
@pytest.mark.parametrize("status", [403, 400])
def test_suspended_account(world_with: WorldWith, status: int) -> None:
    """Whatever status a suspended account gets, nothing was placed."""
    reply = world_with(suspended_status=status).simulator.fault_reply("suspended")
    assert reply.status == status
    assert verdicts.api_knowledge(reply.status) is Knowledge.REFUSED


# --- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.knob("plivo", "unanswered_listed_as")
@pytest.mark.parametrize(("guess", "state"), [("live", LegAtCarrier.RINGING), ("queued", LegAtCarrier.ACCEPTED)])
async def test_list_of_a_ringing_call(world_with: WorldWith, guess: str, state: LegAtCarrier) -> None:
    """In whichever list a ringing call stands, it is found."""
    world = world_with(unanswered_listed_as=guess)
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ringing")
    sighting = await _carrier(world).find(_handle(sent_at=world.now - 2))
    assert (sighting.carrier_call_id, sighting.state) == (ref, state)


@pytest.mark.knob("plivo", "listing_lag_s")
@pytest.mark.parametrize(("lag_s", "state"), [(0.0, LegAtCarrier.RINGING), (3.0, LegAtCarrier.MISSING)])
async def test_lag_of_the_live_list(world_with: WorldWith, lag_s: float, state: LegAtCarrier) -> None:
    """A call that is listed late is missing until then, and found after."""
    world = world_with(listing_lag_s=lag_s)
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ringing")
    carrier = _carrier(world)
    assert (await carrier.find(_handle(ref))).state is state
    world.run(3.0)
    assert (await carrier.find(_handle(ref))).state is LegAtCarrier.RINGING


@pytest.mark.knob("plivo", "cdr_lag_s")
@pytest.mark.parametrize(("lag_s", "state"), [(2.0, LegAtCarrier.MISSING), (0.0, LegAtCarrier.ENDED)])
async def test_lag_of_the_finished_list(world_with: WorldWith, lag_s: float, state: LegAtCarrier) -> None:
    """A call that has just ended is in no list for a while, and then among the finished."""
    world = world_with(cdr_lag_s=lag_s)
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ended", cause="busy", by="phone")
    carrier = _carrier(world)
    assert (await carrier.find(_handle(ref))).state is state
    world.run(2.1)
    assert (await carrier.find(_handle(ref))).state is LegAtCarrier.ENDED


@pytest.mark.knob("plivo", "timezone")
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Los_Angeles", "UTC"])
async def test_zone_of_the_account(world_with: WorldWith, zone: str) -> None:
    """In whatever zone times are told, a finished call is found by its numbers and its time."""
    world = world_with(timezone=zone, cdr_lag_s=0.0)
    sent_at = world.now
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ended", cause="busy", by="phone")
    carrier = _carrier(world)
    assert (await carrier.find(_handle(sent_at=sent_at))).carrier_call_id == ref
    assert (await carrier.find(_handle(sent_at=sent_at + 60))).state is LegAtCarrier.MISSING


@pytest.mark.knob("plivo", "cash_credits")
@pytest.mark.parametrize("credit", ["100.00000", "-1.20000"])
async def test_balance(world_with: WorldWith, credit: str) -> None:
    """The probe reads the account whatever its balance."""
    world = world_with(cash_credits=credit)
    health = await _carrier(world).probe()
    assert health.verdict is None
    assert dict(_account(world))["cash_credits"] == credit


def _account(world: Any) -> dict[str, Any]:
    return dict(json.loads(world.request("GET", "").body))


# --- webhooks ----------------------------------------------------------------------------------------------------


@pytest.mark.knob("plivo", "webhook_retry_s")
@pytest.mark.parametrize("pause_s", [0.1, 5.0])
def test_pause_before_a_retry(world_with: WorldWith, pause_s: float) -> None:
    """Whenever the second try comes, it has the key of the first for us."""
    world = world_with(webhook_retry_s=pause_s)
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ringing")
    world.reply(world.sent("Ring")[0], status=0, failure="timeout")
    world.run(pause_s - 0.05)
    assert len(world.sent("Ring")) == 1
    world.run(0.1)
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    tries = [
        HookRequest(
            method="POST",
            url=hook.url,
            path="ring",
            headers={name.lower(): value for name, value in hook.headers.items()},
            body=hook.body,
        )
        for hook in world.sent("Ring")
    ]
    assert len(tries) == 2
    assert len({webhooks.verify(request, world.now).key for request in tries}) == 1


@pytest.mark.knob("plivo", "active_tokens")
@pytest.mark.parametrize(("tokens", "signatures"), [(1, 1), (2, 2)])
def test_several_tokens(world_with: WorldWith, tokens: int, signatures: int) -> None:
    """With several tokens in use a header has several signatures, one of which is enough for us."""
    world = world_with(active_tokens=tokens)
    world.answered()
    hook = world.sent("StartApp")[0]
    assert len(hook.headers["X-Plivo-Signature-V3"].split(",")) == signatures
    assert [type(event) for event in _events(world, hook)] == [LegAnswered]


@pytest.mark.knob("plivo", "ring_told")
@pytest.mark.parametrize(("guess", "events"), [(True, [LegRinging, LegAnswered]), (False, [LegAnswered])])
def test_ringing_may_go_untold(world_with: WorldWith, guess: bool, events: list[type]) -> None:
    """A call may be answered without a word of its ringing."""
    world = world_with(ring_told=guess)
    world.answered()
    assert [type(event) for hook in world.sent() for event in _events(world, hook)] == events


@pytest.mark.knob("plivo", "document_deadline_s")
@pytest.mark.parametrize("deadline_s", [15.0, 40.0])
def test_deadline_of_a_document(world_with: WorldWith, deadline_s: float) -> None:
    """A document without a policy in its URL has as long as told; our URLs say it themselves."""
    world = world_with(document_deadline_s=deadline_s)
    world.answered()
    assert world.sent("StartApp")[0].timeout_s == 2.0 + deadline_s
    world.answered(answer_url=_attempt().hook("answer") + QUICK_RETRIES)
    hook = world.sent("StartApp")[-1]
    assert hook.timeout_s == 7.0
    assert [type(event) for event in _events(world, hook)] == [LegAnswered]


@pytest.mark.knob("plivo", "fallback_on_bad_xml")
@pytest.mark.parametrize(("guess", "asked"), [(True, 2), (False, 1)])
def test_fallback_for_a_bad_document(world_with: WorldWith, guess: bool, asked: int) -> None:
    """Whether a document that cannot be read leads to fallback_url is told both ways; either request is a start to us."""
    world = world_with(fallback_on_bad_xml=guess)
    world.answered(fallback_url=f"{HOOKS}/fallback")
    world.reply(world.sent()[-1], body="<html/>")
    starts = world.sent("StartApp")
    assert len(starts) == asked
    assert all([type(event) for event in _events(world, hook)] == [LegAnswered] for hook in starts)
    if guess:
        world.reply(starts[-1], body=PlivoMarkup().hang_up().body.decode())
    assert world.hung_up


@pytest.mark.knob("plivo", "empty_document_code")
@pytest.mark.parametrize("code", [8011, 7011])
def test_empty_document(world_with: WorldWith, code: int) -> None:
    """With whichever of our own codes an empty document ends the call, it is no failure of the carrier."""
    world = world_with(empty_document_code=code)
    ref = world.answered()
    world.reply(world.sent()[-1], body="")
    world.phone(ref, "ended", cause="normal", by="carrier")
    (hook,) = world.sent("Hangup")
    assert dict(parse_qsl(hook.body.decode()))["HangupCauseCode"] == str(code)
    (ended,) = _events(world, hook)
    assert isinstance(ended, LegEnded)
    assert ended.verdict.attribution == verdicts.terminal("7011", answered=True).verdict.attribution
