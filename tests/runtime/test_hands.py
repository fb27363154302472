"""A carrier taken out of service by a person: what becomes of calls, and that nothing but a person undoes it."""

from typing import Any

from gateway.domain.hand import ServiceState
from gateway.domain.outcome import CallStatus
from gateway.runtime.hands import decide


async def test_new_calls_go_round_a_drained_carrier(rig: Any) -> None:
    """The next carrier gets the call, and the log says who was passed over and why."""
    await decide(rig.store, rig.clock, "a", ServiceState.DRAINING, "ops")
    await rig.accept()
    await rig.settle()
    assert (await rig.leg()).carrier == "b"
    chosen = next(entry for entry in await rig.store.entries("call_1") if entry.kind == "route-chosen")
    assert chosen.data["passed"] == ["a: draining by hand"]


async def test_live_calls_stay_where_they_are(rig: Any) -> None:
    """Draining and disabling touch no leg that is under way."""
    await rig.accept()
    await rig.settle()
    before = await rig.call()
    assert before.leg.carrier == "a"
    assert before.leg.live
    await decide(rig.store, rig.clock, "a", ServiceState.DISABLED, "ops")
    await rig.settle()
    assert await rig.call() == before


async def test_with_no_carrier_in_service_a_call_becomes_a_promise(rig: Any) -> None:
    """It is kept for later, and placed as soon as a carrier is put back, without waiting for its turn."""
    for name in ("a", "b"):
        await decide(rig.store, rig.clock, name, ServiceState.DISABLED, "ops")
    await rig.accept()
    await rig.settle()
    assert (await rig.call()).status is CallStatus.SCHEDULED
    await decide(rig.store, rig.clock, "b", ServiceState.ACTIVE, "ops")
    await rig.settle()
    assert (await rig.leg()).carrier == "b"


async def test_a_probe_never_undoes_a_hand(rig: Any) -> None:
    """A health request that is answered well leaves the carrier out of service."""
    await decide(rig.store, rig.clock, "a", ServiceState.DISABLED, "ops")
    assert (await rig.health.ask("a")).verdict is None
    assert (await rig.store.hand("a")).state is ServiceState.DISABLED


async def test_a_hand_that_is_quicker_than_the_dial_wins(rig: Any) -> None:
    """A carrier drained between the choice and the write gets no dial; the next one does, and no time is lost."""
    commit = rig.store.commit

    async def drained_in_between(change: Any, now: float) -> Any:
        if change.permit is not None and change.permit.carrier == "a":
            await decide(rig.store, rig.clock, "a", ServiceState.DRAINING, "ops")
        return await commit(change, now)

    rig.store.commit = drained_in_between
    await rig.accept()
    began = rig.clock.time
    await rig.settle()
    assert (await rig.leg()).carrier == "b"
    assert rig.clock.time == began
    chosen = next(entry for entry in await rig.store.entries("call_1") if entry.kind == "route-chosen")
    assert chosen.data["passed"] == ["a: out of service"]


async def test_the_same_decision_again_changes_nothing(rig: Any) -> None:
    """Who decided first, and when, stays."""
    first = await decide(rig.store, rig.clock, "a", ServiceState.DRAINING, "ops")
    rig.clock.time += 60
    assert await decide(rig.store, rig.clock, "a", ServiceState.DRAINING, "night") == first
    assert await rig.store.hand("a") == first
