"""A process dies between intent, action and result, by signal 9; another one finds what it left, and resolves it.

The process that is to die is alone with the call when it does; the other one starts when it is dead.
"""

from contextlib import suppress
from typing import Any

import httpx
import pytest

CARRIERS = ("twilio", "telnyx", "plivo", "vonage")
BY_BOTH_MEANS = ("twilio", "telnyx")
"""One that is told by documents, and one by commands: what is tried here is ours; what each carrier's look-up finds is held by
tests/contracts and tests/endtoend/test_ambiguous.py.
"""
DIALER, RECONCILER = "gateway.runtime.dialer:Dialer", "gateway.runtime.reconciler:Reconciler"
ANSWERING, TELNYX = "gateway.runtime.answering:Answering", "carriers.telnyx.api:TelnyxCarrier"


async def dying(world: Any, serve: Any, method: str, when: str) -> Any:
    """A process that dies there, alone."""
    await world.stop()
    return await serve(hook=(method, when))


async def placed(world: Any, gateway: Any, to: str, **body: Any) -> str:
    answer = await world.client.post(f"{gateway.url}/v1/calls", json={"to": to, "agent": "receptionist", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def hears_and_ends(world: Any, number: str, call_id: str) -> dict[str, Any]:
    """The person is talked to after all, hangs up, and the call is completed."""
    await world.hears(number, 0.2, within_s=40)
    assert (await world.call(call_id))["status"] == "in_progress"
    world.lab.phones.hang_up(number)
    ended: dict[str, Any] = await world.ended(call_id)
    assert ended["outcome"] == "completed"
    assert len(world.told("bridge", number)) == 1
    return ended


@pytest.mark.parametrize("carrier", BY_BOTH_MEANS)
async def test_a_dial_that_was_meant_and_not_begun_is_made(world: Any, serve: Any, carrier: str) -> None:
    """Intent stored, nothing sent: another process sends it, once."""
    victim = await dying(world, serve, f"{DIALER}.dial", "before")
    number = world.phone()
    call_id = await placed(world, victim, number, carriers=[carrier])
    await victim.died()
    assert world.dialled(number) == []
    await world.start()
    await hears_and_ends(world, number, call_id)
    assert world.dialled(number) == world.rang(number) == [carrier]


@pytest.mark.parametrize("carrier", BY_BOTH_MEANS)
async def test_a_dial_of_which_nobody_knows_whether_it_left_is_never_made_again_unasked(
    world: Any, serve: Any, carrier: str
) -> None:
    """The right to send was won, and nothing sent: it is looked for, given up, and the next carrier rings the phone, once.

    Telnyx ignores repeats, so there the same dial is sent, as its repeat.
    """
    victim = await dying(world, serve, f"{DIALER}._win", "after")
    following = next(name for name in CARRIERS if name != carrier)
    number = world.phone()
    call_id = await placed(world, victim, number, carriers=[carrier, following])
    await victim.died()
    await world.start()
    ended = await hears_and_ends(world, number, call_id)
    if carrier == "telnyx":
        assert world.dialled(number) == world.rang(number) == ["telnyx"]
    else:
        assert world.dialled(number) == world.rang(number) == [following]
        assert [leg["status"] for leg in ended["legs"]] == ["condemned", "ended"]


@pytest.mark.parametrize("carrier", BY_BOTH_MEANS)
async def test_a_dial_whose_result_was_lost_with_its_process_is_found(world: Any, serve: Any, carrier: str) -> None:
    """Sent, answered, and not written down: the call that rings is adopted, and nobody else is dialled."""
    victim = await dying(world, serve, f"{DIALER}._place", "after")
    following = next(name for name in CARRIERS if name != carrier)
    number = world.phone(answer_after_s=6.0)
    call_id = await placed(world, victim, number, carriers=[carrier, following], ring_timeout_s=40)
    await victim.died()
    await world.start()
    await hears_and_ends(world, number, call_id)
    assert world.dialled(number) == world.rang(number) == [carrier]


@pytest.mark.parametrize(("carrier", "when"), [("plivo", "before"), ("vonage", "after")])
async def test_a_hang_up_is_done_by_whoever_finds_it(world: Any, serve: Any, carrier: str, when: str) -> None:
    """The process dies before it asks the carrier, or before it writes that it has: the person is let go, once, unheard."""
    victim = await dying(world, serve, f"{RECONCILER}._end_at_carrier", when)
    number = world.phone()
    call_id = await placed(world, victim, number, carriers=[carrier])
    await world.hears(number, 0.2, within_s=20)
    with suppress(httpx.TransportError):  # it may be dead before it can say that it has accepted
        answer = await world.client.post(f"{victim.url}/v1/calls/{call_id}/hangup")
        assert answer.status_code == 202, answer.text
    await victim.died()
    await world.start()
    ended = await world.ended(call_id, within_s=30)
    assert (ended["outcome"], ended["session"]["resumed"]) == ("completed", 0)
    await world.lab.until("hangup", number=number)
    assert len(world.told("hangup", number)) == 1
    assert len(world.told("bridge", number)) == len(world.told("stream_open", number)) == 1
    assert world.dialled(number) == world.rang(number) == [carrier]


@pytest.mark.parametrize(("method", "when"), [(f"{ANSWERING}.answer", "before"), (f"{TELNYX}.answer", "after")])
async def test_a_caller_is_answered_by_whoever_finds_them(world: Any, serve: Any, method: str, when: str) -> None:
    """Parked at a carrier that wants a command: the process dies before it gives it, or before it writes that it has."""
    await world.provision()
    victim = await dying(world, serve, method, when)
    caller = world.phone(says="speech")
    world.lab.phones.dial(caller, str(world.lab.credentials("telnyx")["numbers"][0]))
    await victim.died()
    await world.start()
    await world.hears(caller, 0.3, within_s=30)
    (call,) = await world.calls()
    assert (call["direction"], call["status"]) == ("inbound", "in_progress")
    world.lab.phones.hang_up(caller)
    assert (await world.ended(call["id"]))["outcome"] == "completed"
    assert len(world.told("answer", caller)) == len(world.told("bridge", caller)) == 1
