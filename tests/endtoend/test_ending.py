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
    """POST hangup: a ringing call is canceled; one in conversation, which DELETE leaves alone, is ended and completed."""

    async def hung_up(carrier: str, behavior: str, outcome: str) -> None:
        number = world.phone(behavior=behavior)
        call_id = await world.place(number, carriers=[carrier], agent="echo")
        await world.lab.until("ring", number=number)
        if behavior == "answer":
            await world.hears(number)
            assert (await world.client.delete(f"{world.url}/v1/calls/{call_id}")).status_code == 409
            await world.hears(number, world.heard_speech_s(number) + 0.2)
        assert (await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")).status_code == 202
        call = await world.ended(call_id)
        assert call["outcome"] == outcome, call
        entry = (await world.lab.until("hangup", number=number))[0]
        assert entry.more["by"] == "carrier"
        assert world.dialled(number) == [carrier]
        assert (await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")).status_code == 409

    fates = [("no_answer", "canceled"), ("answer", "completed")]
    await asyncio.gather(*(hung_up(carrier, *fate) for carrier in world.carriers for fate in fates))


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


async def test_the_carrier_itself_ends_what_we_cannot_end(world: Any) -> None:
    """Our requests reach nobody: a ring that nobody answers, and a talk that goes on too long, end when the dial said."""
    talkers = [carrier for carrier in world.carriers if carrier != "telnyx"]  # whose shortest duration is 30 s
    rings = {carrier: world.phone(behavior="no_answer") for carrier in world.carriers}
    talks = {carrier: world.phone() for carrier in talkers}
    for carrier, number in rings.items():
        await world.place(number, carriers=[carrier], ring_timeout_s=5)
        await world.lab.until("ring", number=number)
    for carrier, number in talks.items():
        await world.place(number, carriers=[carrier], agent="echo", max_duration_s=10)
        await world.hears(number)
    for carrier in world.carriers:
        world.fault(carrier, {"kind": "blackhole"})
    for carrier, number in rings.items():
        ended = (await world.lab.until("hangup", number=number, timeout_s=15))[0]
        assert 4 <= ended.at - world.told("ring", number)[0].at <= 7, carrier
    for carrier, number in talks.items():
        hangup = (await world.lab.until("hangup", number=number, timeout_s=15))[0].more
        assert 9 <= hangup["seconds"] <= 12, (carrier, hangup)
        assert hangup["by"] == "carrier"
