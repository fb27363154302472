"""Webhooks that never come, come late, twice, in disorder or unsigned: the call ends, once, in bounded time."""

import asyncio
from typing import Any

DISORDER: list[dict[str, Any]] = [
    {"kind": "webhooks_twice"},
    {"kind": "webhooks_late", "s": 0.7},
    {"kind": "webhooks_shuffled", "s": 0.4},
]


async def test_webhooks_in_any_order_make_the_same_call(new_world: Any) -> None:
    """Twice, late or shuffled: one ring, one answer, one bridge, completed, and every repeat is answered like the first."""
    world = await new_world(stream_start_s=5.0)

    async def carried(carrier: str, fault: str, number: str) -> None:
        call_id = await world.place(number, carriers=[carrier], agent="echo")
        await world.hears(number, 0.2)
        world.lab.phones.hang_up(number)
        call = await world.ended(call_id)
        assert call["outcome"] == "completed", (carrier, fault, call)
        assert world.rang(number) == world.dialled(number) == [carrier]
        assert len(world.told("answer", number)) == len(world.told("bridge", number)) == 1

    plans = []
    for carrier in world.carriers:
        numbers = [world.phone(answer_after_s=0.5) for _ in DISORDER]
        world.fault(carrier, *({**fault, "prefix": number} for fault, number in zip(DISORDER, numbers, strict=True)))
        plans += [(carrier, fault["kind"], number) for fault, number in zip(DISORDER, numbers, strict=True)]
    await asyncio.gather(*(carried(*plan) for plan in plans))
    hooks = world.lab.ledger.entries("webhook")
    assert {entry.more["status"] for entry in hooks} <= {200, 204}
    assert any("copy" in entry.more for entry in hooks)


async def test_a_call_whose_webhooks_never_count_still_ends(new_world: Any) -> None:
    """Lost or unsigned: the carrier is asked instead, the call ends within a bound, and no other carrier rings the phone."""
    world = await new_world(silent_after_s=1.5)

    async def ends(carrier: str, behavior: str, number: str) -> None:
        others = [name for name in world.carriers if name != carrier]
        call_id = await world.place(number, carriers=[carrier, *others], ring_timeout_s=5)
        call = await world.ended(call_id, within_s=40)
        assert world.dialled(number) == world.rang(number) == [carrier], (carrier, call)
        if behavior == "no_answer":
            assert call["outcome"] == "no_answer", (carrier, call)
        else:
            assert call["outcome"] in {"completed", "failed", "dropped"}, (carrier, call)
            assert call["answered_at"] is not None or call["outcome"] == "failed", (carrier, call)

    plans = []
    for carrier in world.carriers:
        cases = [(kind, behavior) for kind in ("webhooks_lost", "webhooks_unsigned") for behavior in ("answer", "no_answer")]
        numbers = [world.phone(behavior=behavior, answer_after_s=0.5, hangup_after_s=1.0) for _, behavior in cases]
        world.fault(carrier, *({"kind": kind, "prefix": number} for (kind, _), number in zip(cases, numbers, strict=True)))
        plans += [(carrier, behavior, number) for (_, behavior), number in zip(cases, numbers, strict=True)]
    await asyncio.gather(*(ends(*plan) for plan in plans))


STREAM_FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "refused": ({"kind": "stream_refused"}, {"failed"}),
    "cut": ({"kind": "stream_cut", "after_s": 0.5}, {"failed", "dropped", "completed"}),
}


async def test_a_call_whose_stream_fails_ends_in_time(world: Any) -> None:
    """No stream, or one that breaks: nobody is left in silence, the call ends, and no other carrier is dialled."""

    async def ends(carrier: str, name: str, number: str) -> None:
        call_id = await world.place(number, carriers=[carrier, *(other for other in world.carriers if other != carrier)])
        call = await world.ended(call_id, within_s=25)
        await world.lab.until("hangup", number=number)
        assert world.dialled(number) == [carrier]
        assert call["outcome"] in STREAM_FAULTS[name][1], (carrier, name, call)

    plans = []
    for carrier in world.carriers:
        numbers = {name: world.phone() for name in STREAM_FAULTS}
        world.fault(carrier, *({**STREAM_FAULTS[name][0], "prefix": number} for name, number in numbers.items()))
        plans += [(carrier, name, number) for name, number in numbers.items()]
    await asyncio.gather(*(ends(*plan) for plan in plans))
