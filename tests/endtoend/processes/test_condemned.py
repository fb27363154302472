"""A condemned leg that comes to life while its webhooks reach another gateway than the one that condemned it."""

from typing import Any

import pytest

CARRIERS = ("twilio", "telnyx", "plivo", "vonage")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_it_is_hung_up_within_two_seconds_and_never_heard(world: Any, balancer: Any, carrier: str) -> None:
    """The carrier took the dial, answers nobody, and rings the phone when the call is over: whoever answers is let go.

    The other gateway answers the carrier's question with a hang-up, or has it hung up by command; nothing is bridged. The
    API answers nothing all the while, so that nothing but the answer's own webhook can end it.
    """
    other = await world.twin()
    balancer.members.append(other._port)
    following = next(name for name in CARRIERS if name != carrier)
    number = world.phone(answer_after_s=0.3, hangup_after_s=0.3)
    late, dead = {"kind": "queueing", "s": 22.0 if carrier == "telnyx" else 11.0}, {"kind": "blackhole"}
    world.fault(carrier, {"kind": "drop_after_accept"}, late, {"kind": "webhooks_lost"})
    call_id = await world.place(number, carriers=[carrier, following], agent="echo", ring_timeout_s=60)
    await world.lab.until("dial", carrier=carrier, number=number)
    world.fault(carrier, dead, late, {"kind": "webhooks_lost"})
    call = await world.ended(call_id, within_s=40)
    assert [leg["status"] for leg in call["legs"]] == ["condemned", "ended"]
    assert world.rang(number) == [following]
    world.lab.phones.put(number, answer_after_s=0.3)  # from now on nobody hangs up but the carrier
    world.fault(carrier, dead)
    balancer.pinned = other._port
    await world.lab.until("answer", carrier=carrier, number=number, timeout_s=30)
    if carrier == "telnyx":  # obeys commands alone
        world.fault(carrier)
    await world.lab.until("hangup", carrier=carrier, number=number)
    hangup = world.told("hangup", number, carrier)[0].more
    assert hangup["by"] == "carrier", hangup
    assert hangup["seconds"] <= 2.0, hangup
    assert world.told("bridge", number, carrier) == []
    now = await world.call(call_id)
    assert (now["outcome"], now["legs"][0]["status"], len(now["legs"])) == (call["outcome"], "condemned", 2)
