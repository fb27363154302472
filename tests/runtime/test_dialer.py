"""Routing and dialling over the in-memory store: three writes, one POST, and the way from carrier to carrier."""

import asyncio
from typing import Any

import pytest

from carriers.contract import Attempt, LegAtCarrier, Placed, Sighting
from gateway.domain.breaker import BreakerPolicy, BreakerState
from gateway.domain.events import LegAnswered, LegEnded, LegRinging, StreamOpened
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import Signal, ended_normally, next_carrier, stop
from gateway.runtime.calls import News

DOWN = Placed(knowledge=Knowledge.REFUSED, verdict=next_carrier("service-unavailable"))
UNREACHABLE = Placed(knowledge=Knowledge.NOT_SENT, verdict=next_carrier("unreachable"))


class Killed(asyncio.CancelledError):
    """The process dies here."""


async def die(_attempt: Attempt) -> None:
    raise Killed


async def test_a_dial_is_three_writes_and_one_post(rig: Any) -> None:
    """Intended with its permit, sending before the first byte, and the result: in this order in the call's log."""
    await rig.accept()
    await rig.settle()
    assert await rig.told() == ["call-accepted", "route-chosen", "dial-sending", "dial-reported"]
    (attempt,), leg = rig.a.posts, await rig.leg()
    assert (leg.phase, leg.carrier_call_id, leg.sent_at) == (LegPhase.ACCEPTED, "a-1", rig.clock.time)
    assert (attempt.leg_id, attempt.caller_id, attempt.to) == (leg.id, "+15550190001", "+15550100001")
    assert await rig.store.live_legs("a", rig.clock.time) == 1
    assert rig.b.posts == []


async def test_a_process_that_dies_after_the_intent_leaves_a_dial_that_another_does(rig: Any) -> None:
    """Nothing was sent yet: the next process wins the leg and POSTs once."""
    await rig.accept()
    (route,) = await rig.store.claim(rig.clock.time, 30.0, 1)
    await rig.dialer.route(route)
    rig.restart()
    await rig.settle()
    assert ((await rig.leg()).phase, len(rig.a.posts)) == (LegPhase.ACCEPTED, 1)


async def test_a_call_in_which_nobody_would_talk_rings_no_phone_and_waits(rig: Any) -> None:
    """No carrier is asked while the agent is known to be away; the promise is kept when it is back, with one POST."""
    rig.nobody = "agent bot: breaker-open"
    await rig.accept()
    await rig.settle()
    call = await rig.call()
    assert (call.status, call.promise.reason, call.legs, rig.a.posts) == (CallStatus.SCHEDULED, "no-agent", (), [])
    rig.nobody = ""
    rig.clock.time += rig.policy.retry_every_s
    await rig.callbacks.keep_once()
    await rig.settle()
    assert len(rig.a.posts) == 1


async def test_what_changes_while_an_agent_is_being_tried_is_heeded(rig: Any) -> None:
    """It may take seconds: the call is read anew then, and the agent is told the caller id that it is tried for."""
    await rig.accept()
    tried: list[str | None] = []

    async def slow(call: Call) -> str:
        tried.append(call.from_number)
        rig.clock.time += 3.0
        await rig.calls.cancel(call.id)
        return ""

    rig.dialer._nobody = slow
    await rig.settle()
    assert ((await rig.call()).outcome, rig.a.posts, tried) == (Outcome.CANCELED, [], ["+15550190001"])


async def test_a_dial_goes_on_after_an_agent_was_tried(rig: Any) -> None:
    """The second look finds it ready, and all else as it was."""
    await rig.accept()
    times = iter([3.0, 0.0])

    async def slow(_call: Call) -> str:
        rig.clock.time += next(times)
        return ""

    rig.dialer._nobody = slow
    await rig.settle()
    assert len(rig.a.posts) == 1


@pytest.mark.parametrize("posted", [False, True], ids=["before-the-post", "after-the-post"])
async def test_a_dial_found_sending_is_never_sent_again(rig: Any, posted: bool) -> None:
    """The process dies around its POST: the Dial is delivered again, POSTs nothing, and the leg is looked up instead."""
    await rig.accept()
    setattr(rig.a, "after_post" if posted else "before_post", die)
    await rig.settle()
    assert (await rig.leg()).phase is LegPhase.SENDING
    rig.restart()
    rig.a.after_post = rig.a.before_post = None
    if posted:
        rig.a.sightings.append(Sighting(state=LegAtCarrier.RINGING, carrier_call_id="a-1"))
    await rig.wait(25.0 if not posted else 12.0)
    call = await rig.call()
    assert len(rig.a.posts) == int(posted)
    if posted:
        assert [(leg.phase, leg.carrier_call_id) for leg in call.legs] == [(LegPhase.RINGING, "a-1")]
        assert rig.b.posts == []
    else:
        assert call.legs[0].phase is LegPhase.CONDEMNED
        assert (call.legs[1].carrier, len(rig.b.posts)) == ("b", 1)


async def test_a_dial_delivered_twice_at_once_is_one_post(rig: Any) -> None:
    """Two workers hold the same Dial: one wins `sending`, the other one, who comes while the POST is out, sends nothing."""
    await rig.accept()
    (route,) = await rig.store.claim(rig.clock.time, 30.0, 1)
    await rig.dialer.route(route)
    (first,) = await rig.store.claim(rig.clock.time, 0.0, 1)
    (second,) = await rig.store.claim(rig.clock.time + 0.1, 30.0, 1)
    assert first.command_id == second.command_id

    async def delivered_again(_attempt: Attempt) -> None:
        rig.a.after_post = None
        await rig.dialer.dial(second)

    rig.a.after_post = delivered_again
    await rig.dialer.dial(first)
    assert len(rig.a.posts) == 1
    assert (await rig.told()).count("dial-sending") == 1


async def test_a_call_that_is_taken_back_closes_the_gate_of_its_dial(rig: Any) -> None:
    """Canceled while a thread is about to write the request: nothing leaves, and no other carrier is asked."""
    await rig.accept()

    async def take_back(_attempt: Attempt) -> None:
        await rig.calls.cancel("call_1")

    rig.a.before_post = take_back
    await rig.settle()
    call = await rig.call()
    assert (call.outcome, call.legs[0].knowledge) == (Outcome.CANCELED, Knowledge.NOT_SENT)
    assert rig.a.posts == rig.b.posts == []


async def test_a_cancellation_in_the_very_moment_of_winning_closes_the_gate_too(rig: Any) -> None:
    """Canceled between the write of `sending` and the dial: the gate is closed before it is asked for the first time."""

    async def take_back(news: News) -> None:
        leg = news.after.leg
        if leg is not None and leg.phase is LegPhase.SENDING and not leg.hangup_wanted:
            await rig.calls.cancel("call_1")

    rig.calls.observe(take_back)
    await rig.accept()
    await rig.settle()
    assert (await rig.call()).outcome is Outcome.CANCELED
    assert rig.a.posts == []


@pytest.mark.parametrize("answer", [DOWN, UNREACHABLE], ids=["refused", "not-sent"])
async def test_a_refusal_goes_to_the_next_carrier_with_its_own_caller_id(rig: Any, answer: Placed) -> None:
    """One round, each carrier once, and the log says from where to where and why."""
    rig.a.answers.append(answer)
    await rig.accept()
    await rig.settle()
    call = await rig.call()
    assert [(leg.carrier, leg.caller_id) for leg in call.legs] == [("a", "+15550190001"), ("b", "+15550190011")]
    second = [entry for entry in await rig.store.entries("call_1") if entry.kind == "route-chosen"][1]
    assert second.data["passed"] == ["a: tried in this round"]
    assert second.data["failover"] == {
        "from": "a",
        "to": "b",
        "reason": call.legs[0].verdict.reason,
        "known": str(answer.knowledge),
    }


async def test_a_call_waits_for_its_carriers_pace_then_goes_on_then_is_promised(new_rig: Any) -> None:
    """One dial in ten seconds: the second call waits its patience and takes the next carrier; the third is promised and kept."""
    rig = new_rig(policy=Policy(pace_wait_s=3.0, retry_every_s=15.0), pace=0.1)
    for name in ("call_1", "call_2", "call_3"):
        await rig.accept(name)
    await rig.settle()
    assert [(await rig.call(name)).status for name in ("call_1", "call_2", "call_3")] == [CallStatus.DIALING] * 3
    assert (len(rig.a.posts), len(rig.b.posts)) == (1, 0)
    await rig.wait(2.9)
    assert (len(rig.a.posts), len(rig.b.posts)) == (1, 0)
    await rig.wait(0.2)
    assert (len(rig.a.posts), len(rig.b.posts)) == (1, 1)
    waiting = next(call for call in [await rig.call(name) for name in ("call_2", "call_3")] if not call.legs)
    assert (waiting.status, waiting.promise.reason) == (CallStatus.SCHEDULED, "no-carrier")
    # in ten seconds carrier a may be asked again, sooner than the promise's longest wait
    assert waiting.promise.due_at <= rig.clock.time + 10
    await rig.wait(10.0)
    assert (await rig.leg(waiting.id)).carrier == "a"
    assert (len(rig.a.posts), len(rig.b.posts)) == (2, 1)


async def test_a_gateway_whose_clock_went_back_does_not_ask_for_its_turn_over_and_over(new_rig: Any) -> None:
    """The store's time is a minute ahead of ours, as after a clock's step: a waiting call is held once, not a thousand times."""
    rig = new_rig(policy=Policy(pace_wait_s=5.0), pace=0.5)
    await rig.accept("call_1")
    await rig.settle()
    rig.store.clock = rig.clock.time + 60.0
    rig.store.next_free = {"a": rig.store.clock + 2.0, "b": rig.store.clock + 2.0}
    await rig.accept("call_2")
    await rig.wait(4.0)
    assert (await rig.told("call_2")).count("pace-held") == 1
    await rig.wait(70.0)
    assert [leg.carrier for leg in (await rig.call("call_2")).legs]


async def test_a_full_carrier_is_passed_and_free_again_when_its_call_has_ended(new_rig: Any) -> None:
    """Room for one call each: the second goes to the next carrier, and a place is given back with the end of its leg."""
    rig = new_rig(policy=Policy(pace_wait_s=0.5), room=1)
    await rig.accept("call_1")
    await rig.settle()
    await rig.accept("call_2")
    await rig.wait(1.0)
    assert [(await rig.leg(name)).carrier for name in ("call_1", "call_2")] == ["a", "b"]
    await rig.report(LegEnded(verdict=stop("user-busy", Outcome.BUSY), alerted=True), "call_1")
    assert await rig.store.live_legs("a", rig.clock.time) == 0
    await rig.accept("call_3")
    await rig.wait(0.1)
    assert (await rig.leg("call_3")).carrier == "a"


async def test_no_carrier_is_a_promise_until_it_expires(rig: Any) -> None:
    """Every carrier refuses, round after round: the call is tried again and again, then it expires."""
    for carrier in (rig.a, rig.b):
        carrier.answers.extend([UNREACHABLE] * 100)
    await rig.accept(expires_at=rig.clock.time + 40)
    await rig.settle()
    call = await rig.call()
    assert (call.status, call.promise.reason, len(call.legs)) == (CallStatus.SCHEDULED, "no-carrier", 2)
    await rig.wait(100.0)
    call = await rig.call()
    assert (call.outcome, call.promise) == (Outcome.EXPIRED, None)
    assert [leg.carrier for leg in call.legs] == ["a", "b"] * (len(call.legs) // 2)
    assert len(call.legs) >= 4


async def test_open_breakers_are_passed_and_when_all_are_open_the_least_bad_is_probed(new_rig: Any) -> None:
    """Carrier a's breaker opens: it is passed over. Both open: one call probes each, and the next one waits."""
    rig = new_rig(breaker=BreakerPolicy(consecutive=1, open_s=60.0))
    rig.a.answers.append(DOWN)
    await rig.accept("call_1")
    await rig.wait(0.1)
    assert (await rig.store.breaker("a")).state is BreakerState.OPEN
    await rig.accept("call_2")
    await rig.wait(0.1)
    assert [leg.carrier for leg in (await rig.call("call_2")).legs] == ["b"]
    assert len(rig.a.posts) == 1
    await rig.report(LegEnded(verdict=stop("broken", Outcome.FAILED, signal=Signal.FAILURE)), "call_2")
    assert [(await rig.store.breaker(name)).state for name in ("a", "b")] == [BreakerState.OPEN] * 2
    for name in ("call_3", "call_4", "call_5"):
        await rig.accept(name)
        await rig.wait(0.1)
    legs = [leg for name in ("call_3", "call_4", "call_5") for leg in (await rig.call(name)).legs]
    # one probe at a time for each carrier, and nothing else
    assert [(leg.carrier, leg.probe) for leg in legs] == [("a", True), ("b", True)]
    assert (await rig.call("call_5")).status is CallStatus.SCHEDULED


async def test_a_whole_call_leaves_nothing_behind(rig: Any) -> None:
    """Rings, answers, talks, ends: completed, no place taken, no leg alive, and the breaker has heard one good word."""
    await rig.accept()
    await rig.settle()
    for event in (LegRinging(), LegAnswered(), StreamOpened(), LegEnded(verdict=ended_normally(), answered=True)):
        await rig.report(event)
    await rig.wait(4000.0)
    call = await rig.call()
    assert (call.outcome, call.legs[0].live) == (Outcome.COMPLETED, False)
    assert await rig.store.live_legs("a", rig.clock.time) == 0
    words = [word for news in rig.news for word in news.words]
    assert [(word.carrier, word.signal) for word in words] == [("a", Signal.SUCCESS)]
    assert (len(rig.a.posts), rig.a.hung_up) == (1, [])
    assert await rig.store.next_due() is None or (await rig.store.claim(rig.clock.time + 1e6, 1.0, 9)) == ()
