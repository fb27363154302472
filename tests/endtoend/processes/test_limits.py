"""What is bounded at a carrier is bounded for all gateways together: probes, calls per second, calls at once; by the ledger."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

CLOCKS_S = 0.05
"""What the clocks of lab, store and gateways may differ by: all are this machine's."""


@pytest.fixture
async def two(world: Any, serve: Any) -> Callable[..., Any]:
    """Two gateway processes with these settings, and none beside them."""

    async def begin(**changes: Any) -> tuple[Any, Any]:
        await world.stop()
        one, other = await asyncio.gather(serve(**changes), serve(**changes))
        return one, other

    return begin


async def placed(world: Any, gateway: Any, to: str, **body: Any) -> str:
    """A call that is asked of this gateway."""
    answer = await world.client.post(f"{gateway.url}/v1/calls", json={"to": to, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def asked(world: Any, gateway: Any, path: str) -> dict[str, Any]:
    answer = await world.client.get(f"{gateway.url}{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ended(world: Any, gateway: Any, call_id: str, within_s: float = 30.0) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        call = await asked(world, gateway, f"/v1/calls/{call_id}")
        return call if call["status"] == "ended" else None

    found: dict[str, Any] = await world.eventually(look, within_s, world.lab_story)
    return found


async def burst(world: Any, gateways: tuple[Any, Any], count: int, **body: Any) -> list[dict[str, Any]]:
    """So many calls at once, to either gateway in turn; as they ended, each seen by the other gateway."""
    hangup_after_s = body.pop("hangup_after_s", 0.1)
    numbers = [world.phone(hangup_after_s=hangup_after_s) for _ in range(count)]
    ids = await asyncio.gather(*(placed(world, gateways[at % 2], number, **body) for at, number in enumerate(numbers)))
    calls = await asyncio.gather(*(ended(world, gateways[(at + 1) % 2], call_id) for at, call_id in enumerate(ids)))
    assert [len(world.rang(number)) for number in numbers] == [1] * count
    return list(calls)


def spans(world: Any, carrier: str) -> list[tuple[float, float]]:
    """From dial to end of every call that the carrier took, in order."""
    ends = {entry.carrier_call_id: entry.at for entry in world.lab.ledger.entries("hangup", carrier)}
    dials = [entry for entry in world.lab.ledger.entries("dial", carrier) if entry.carrier_call_id]
    return sorted((entry.at, ends[entry.carrier_call_id]) for entry in dials)


async def test_a_breaker_is_one_for_all_and_lets_one_probe_out(world: Any, two: Any) -> None:
    """Failures seen by one gateway keep the other away; then one call at a time may try, of all calls at both gateways."""
    policy = {"consecutive": 3, "minimum": 1000, "open_s": 2, "successes": 3, "probe_lost_s": 30}
    gateways = await two(breaker=policy, health={"idle_every_s": 60, "failing_every_s": 60})
    bad, good = "twilio", "vonage"
    pair = {"carriers": [bad, good]}
    world.fault(bad, {"kind": "reject", "cause": "503"})
    for at in range(3):
        number = world.phone(hangup_after_s=0.1)
        await ended(world, gateways[1], await placed(world, gateways[at == 0], number, **pair))
    for gateway in gateways:
        items = (await asked(world, gateway, "/v1/carriers"))["items"]
        assert next(item for item in items if item["name"] == bad)["breaker"]["place"]["state"] == "open"
    assert {call["outcome"] for call in await burst(world, gateways, 6, **pair)} == {"completed"}
    before = len(world.lab.ledger.entries("dial", bad))
    assert before == 3
    world.fault(bad)

    async def closed() -> bool:
        await burst(world, gateways, 8, **pair, hangup_after_s=0.4)
        items = (await asked(world, gateways[0], "/v1/carriers"))["items"]
        return bool(next(item for item in items if item["name"] == bad)["breaker"]["place"]["state"] == "closed")

    await world.eventually(closed, 60.0, world.lab_story)
    probes = world.lab.ledger.entries("dial", bad)[before : before + 3]
    answers = {entry.carrier_call_id: entry.at for entry in world.lab.ledger.entries("ring", bad)}
    for one, following in itertools.pairwise(probes):
        assert answers[one.carrier_call_id] <= following.at, world.lab_story()


async def test_calls_per_second_hold_over_both_gateways(world: Any, two: Any) -> None:
    """Ten calls at once at both, a carrier that takes four a second: each further one a quarter of a second later. A machine
    that has other things to do makes them late, which is no matter; early is what none may be.
    """
    gateways = await two(limits={"vonage": {"calls_per_second": 4}}, dialing={"pace_wait_s": 20})
    began = world.lab.now()
    calls = await burst(world, gateways, 10, carriers=["vonage"])
    assert {call["outcome"] for call in calls} == {"completed"}
    dials = sorted(entry.at - began for entry in world.lab.ledger.entries("dial", "vonage"))
    assert len(dials) == 10
    assert [at for nth, at in enumerate(dials) if at < nth * 0.25 - CLOCKS_S] == [], dials


async def test_calls_at_once_hold_over_both_gateways(world: Any, two: Any) -> None:
    """Eight calls at once at both, a carrier with room for two: never three of them live at the same time, and none lost."""
    gateways = await two(limits={"twilio": {"concurrent_calls": 2}}, dialing={"pace_wait_s": 30})
    calls = await burst(world, gateways, 8, carriers=["twilio"], hangup_after_s=0.5)
    assert {call["outcome"] for call in calls} == {"completed"}
    talks = spans(world, "twilio")
    assert len(talks) == 8
    for begin, _ in talks:
        assert sum(one <= begin < other for one, other in talks) <= 2, talks
