"""A user takes a call back or hangs up, and the limits that the carrier itself keeps when we cannot."""

import asyncio
from typing import Any

from carriers.lab.exchange import Exchange


async def test_a_call_that_rings_can_be_taken_back(world: Any) -> None:
    """DELETE while the phone rings: it stops ringing at once, was never answered, and the call is canceled."""

    async def taken_back(carrier: str) -> None:
        number = world.phone(behavior="no_answer")
        call_id = await world.place(number, carriers=[carrier, *(name for name in world.carriers if name != carrier)])
        await world.lab.until("ring", number=number)
        answer = await world.client.delete(f"{world.url}/v1/calls/{call_id}")
        assert answer.status_code == 202, answer.text
        call = await world.ended(call_id)
        assert (call["outcome"], call["answered_at"]) == ("canceled", None), call
        assert world.dialled(number) == [carrier]
        hangup = world.told("hangup", number)[0].more
        assert (hangup["by"], hangup["cause"]) == ("carrier", "canceled")
        assert hangup["answered"] is False

    await asyncio.gather(*map(taken_back, world.carriers))


async def test_a_call_taken_back_while_it_is_being_sent_never_reaches_a_person(world: Any) -> None:
    """DELETE while the carrier has not answered the dial yet: it ends canceled, and nobody can pick up."""

    async def taken_back(carrier: str) -> None:
        number = world.phone(answer_after_s=5)
        world.fault(carrier, {"kind": "slow", "s": 1.0, "prefix": number})
        call_id = await world.place(number, carriers=[carrier, *(name for name in world.carriers if name != carrier)])
        await world.lab.until("dial", number=number)
        assert (await world.client.delete(f"{world.url}/v1/calls/{call_id}")).status_code == 202
        call = await world.ended(call_id)
        assert call["outcome"] == "canceled", call
        assert world.dialled(number) == [carrier]
        await world.lab.until("hangup", number=number)
        assert world.told("answer", number) == []

    await asyncio.gather(*map(taken_back, world.carriers))


async def test_a_call_that_waits_for_a_carrier_is_taken_back_at_once(world: Any) -> None:
    """A scheduled call has no leg: DELETE ends it, its promise is gone, and no carrier that comes back dials it."""
    for carrier in world.carriers:
        world.fault(carrier, {"kind": "down"})
    number = world.phone()
    call_id = await world.place(number)
    await world.until(call_id, "scheduled")
    answer = await world.client.delete(f"{world.url}/v1/calls/{call_id}")
    assert (answer.status_code, answer.json()["outcome"], answer.json()["callback"]) == (202, "canceled", None)
    for carrier in world.carriers:
        world.fault(carrier)
    other = world.phone(hangup_after_s=0.1)
    await world.ended(await world.place(other))
    assert world.dialled(number) == []
    assert (await world.client.delete(f"{world.url}/v1/calls/{call_id}")).status_code == 409


async def test_hanging_up_before_the_answer_cancels_and_after_it_completes(world: Any) -> None:
    """POST hangup: a ringing call is canceled; one in conversation is ended at the carrier and completed."""

    async def hung_up(carrier: str, behavior: str, outcome: str) -> None:
        number = world.phone(behavior=behavior)
        call_id = await world.place(number, carriers=[carrier], agent="echo")
        await world.lab.until("ring", number=number)
        if behavior == "answer":
            await world.hears(number)
        assert (await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")).status_code == 202
        call = await world.ended(call_id)
        assert call["outcome"] == outcome, call
        entry = (await world.lab.until("hangup", number=number))[0]
        assert entry.more["by"] == "carrier"
        assert world.dialled(number) == [carrier]
        assert (await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")).status_code == 409

    fates = [("no_answer", "canceled"), ("answer", "completed")]
    await asyncio.gather(*(hung_up(carrier, *fate) for carrier in world.carriers for fate in fates))


async def test_an_answered_call_cannot_be_taken_back(world: Any) -> None:
    """DELETE in conversation is refused with 409, and the conversation goes on."""
    number = world.phone()
    call_id = await world.place(number, agent="echo")
    await world.hears(number)
    assert (await world.client.delete(f"{world.url}/v1/calls/{call_id}")).status_code == 409
    before = world.heard_speech_s(number)
    await world.hears(number, before + 0.3)
    assert (await world.call(call_id))["status"] == "in_progress"


async def test_the_carrier_itself_ends_a_ring_that_nobody_answers(world: Any) -> None:
    """Gateway gone: every carrier was told the ring time-out with the dial, and gives up by itself."""
    numbers = {carrier: world.phone(behavior="no_answer") for carrier in world.carriers}
    for carrier, number in numbers.items():
        await world.place(number, carriers=[carrier], ring_timeout_s=5)
    for number in numbers.values():
        await world.lab.until("ring", number=number)
    await world.stop()
    for carrier, number in numbers.items():
        await world.lab.until("hangup", number=number, timeout_s=10)
        rang, ended = world.told("ring", number)[0].at, world.told("hangup", number)[0].at
        assert 4 <= ended - rang <= 7, carrier


async def test_every_dial_carries_the_maximum_duration(world: Any, monkeypatch: Any) -> None:
    """What leaves for the carrier holds the duration that was asked for: in every dial's own bytes."""
    bodies: dict[str, list[bytes]] = {carrier: [] for carrier in world.carriers}
    plain = Exchange.on_request

    def listen(exchange: Any, now: float, carrier: str, request: Any) -> Any:
        bodies[carrier].append(request.body)
        return plain(exchange, now, carrier, request)

    monkeypatch.setattr(Exchange, "on_request", listen)
    for carrier in world.carriers:
        number = world.phone(hangup_after_s=0.1)
        await world.ended(await world.place(number, carriers=[carrier], max_duration_s=4321))
    assert {carrier: any(b"4321" in body for body in sent) for carrier, sent in bodies.items()} == dict.fromkeys(bodies, True)


async def test_the_carrier_itself_ends_a_conversation_that_goes_on_too_long(world: Any) -> None:
    """Our hang-ups reach nobody: the call ends all the same, when the duration is over that the carrier was told."""
    carriers = [carrier for carrier in world.carriers if carrier != "telnyx"]  # whose shortest limit is 30 s
    numbers = {carrier: world.phone() for carrier in carriers}
    for carrier, number in numbers.items():
        await world.place(number, carriers=[carrier], agent="echo", max_duration_s=10)
        await world.hears(number)
        world.fault(carrier, {"kind": "blackhole"})
    for carrier, number in numbers.items():
        hangup = (await world.lab.until("hangup", number=number, timeout_s=15))[0].more
        assert 9 <= hangup["seconds"] <= 12, (carrier, hangup)
        assert hangup["by"] == "carrier"
