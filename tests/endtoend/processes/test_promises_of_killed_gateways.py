"""Promises across processes that die: none is lost, none is kept twice, and none after it was taken back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

RETRY = {"retry": {"first_s": 1, "factor": 1, "limit_s": 2, "attempts": 3}}


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def alone(world: Any, balancer: Any, *gateways: Any) -> None:
    """The world's own gateway stops; these are all there are, and the first of them is asked."""
    await world.stop()
    balancer.members = [gateway.port for gateway in gateways]
    world._port = gateways[0].port


async def act(world: Any, gateway: Any, method: str, path: str) -> Any:
    return await world.client.request(method, f"{gateway.url}/v1/callbacks/{path}")


def outcome(call: dict[str, Any]) -> str:
    """A phone that hangs up at once may do so before its stream opens."""
    return "completed" if call["reason"] == "no-stream" else str(call["outcome"])


@pytest.mark.parametrize(
    "hook",
    [
        ("gateway.runtime.callbacks:Callbacks._keep", "before"),
        ("gateway.runtime.callbacks:Callbacks._keep", "after"),
    ],
    ids=["with-claims-in-hand", "when-one-is-kept"],
)
async def test_promises_of_a_killed_gateway_are_kept_once(world: Any, balancer: Any, serve: Any, hook: tuple[str, str]) -> None:
    """Ten promises due at once; the gateway that claims them kills itself. Another keeps them all when the leases have run out:
    every phone rings exactly once.
    """
    victim, survivor = await serve(hook=hook), await serve()
    numbers = [world.phone(hangup_after_s=0.2) for _ in range(10)]
    calls = [await world.place(number, not_before=in_s(4)) for number in numbers]
    await alone(world, balancer, survivor, victim)
    ended = await asyncio.gather(*(world.ended(call_id, within_s=40) for call_id in calls))
    assert [outcome(call) for call in ended] == ["completed"] * 10
    assert [len(world.told("dial", number)) for number in numbers] == [1] * 10
    assert [call["callback"] for call in ended] == [None] * 10


async def test_both_gateways_claim_and_none_is_kept_twice(world: Any, balancer: Any, serve: Any) -> None:
    """Thirty promises due at once and two gateways that look for them: every phone rings once."""
    pair = await serve(), await serve()
    numbers = [world.phone(hangup_after_s=0.2) for _ in range(30)]
    calls = [await world.place(number, not_before=in_s(3)) for number in numbers]
    await alone(world, balancer, *pair)
    ended = await asyncio.gather(*(world.ended(call_id, within_s=40) for call_id in calls))
    assert [outcome(call) for call in ended] == ["completed"] * 30
    assert [len(world.told("dial", number)) for number in numbers] == [1] * 30


async def test_a_retry_survives_the_gateway_that_made_it(world: Any, balancer: Any, serve: Any) -> None:
    """It dies right after the write that ends the first call: the call that follows is in it, and another gateway keeps it."""
    victim = await serve(hook=("gateway.runtime.calls:Calls._tell_of_follow", "before"), callbacks=RETRY)
    await alone(world, balancer, victim)
    number = world.phone(behavior="busy")
    call_id = await world.place(number, retry_on=["busy"])
    await victim.died()
    world.lab.phones.put(number, answer_after_s=0.2, hangup_after_s=0.2)
    survivor = await serve(callbacks=RETRY)
    world._port = survivor.port
    balancer.members = [survivor.port]
    first = await world.ended(call_id)
    assert (first["outcome"], first["retried_as"] is not None) == ("busy", True)
    again = await world.ended(first["retried_as"], within_s=30)
    assert (again["outcome"], again["retry_of"]) == ("completed", call_id)
    assert len(world.told("dial", number)) == 2


async def test_of_run_and_cancel_at_two_gateways_one_is_done(world: Any, balancer: Any, serve: Any) -> None:
    """Ten promises for tomorrow; each is run at one gateway and taken back at the other in the same moment: one of the two is
    told that the other was first, and the phone rings only where it was run.
    """
    one, other = await serve(), await serve()
    numbers = [world.phone(hangup_after_s=0.2) for _ in range(10)]
    calls = [await world.place(number, not_before=in_s(86_400)) for number in numbers]
    await alone(world, balancer, one, other)
    answers = await asyncio.gather(
        *(
            act(world, gateway, method, f"cb_{call_id}{under}")
            for call_id in calls
            for gateway, method, under in ((one, "POST", "/run"), (other, "DELETE", ""))
        )
    )
    ran = [answer.status_code == 202 for answer in answers[::2]]
    taken_back = [answer.status_code == 200 for answer in answers[1::2]]
    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    assert [first != second for first, second in zip(ran, taken_back, strict=True)] == [True] * 10
    ended = await asyncio.gather(*(world.ended(call_id, within_s=30) for call_id in calls))
    assert [outcome(call) for call in ended] == ["completed" if kept else "canceled" for kept in ran]
    assert [len(world.told("dial", number)) for number in numbers] == [int(kept) for kept in ran]
