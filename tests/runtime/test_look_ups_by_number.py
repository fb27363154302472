"""A leg whose id nobody knows is sought by its numbers: it must never be taken for another leg to the same person."""

import random
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Capabilities, Handle, LegAtCarrier, Sighting
from gateway.domain.commands import AnyCommand, HangUp, Resolve
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.runtime.calls import Calls
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.reconciler import Reconciler
from gateway.runtime.store.contract import Change, Committed
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1000.0
PHONE, OURS = "+15550100001", "+15550190031"


class Still:
    """A clock that stands still; who waits by it goes on at once."""

    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        return


class ByNumbers:
    """A carrier that knows calls by their numbers alone, as Plivo and Vonage do; `live` holds the ids of calls to PHONE."""

    name = "plivo"
    capabilities = Capabilities()

    def __init__(self, *live: str) -> None:
        self.live = list(live)
        self.asked = self.rivals = 0

    async def find(self, handle: Handle) -> Sighting:
        self.asked += 1
        self.rivals = handle.rivals
        known = [handle.carrier_call_id] if handle.carrier_call_id else [i for i in self.live if i not in handle.foreign]
        here = [call_id for call_id in known if call_id in self.live]
        return Sighting(state=LegAtCarrier.ANSWERED, carrier_call_id=here[0]) if here else Sighting(state=LegAtCarrier.MISSING)

    async def hang_up(self, handle: Handle) -> None:
        found = (await self.find(handle)).carrier_call_id
        self.live = [call_id for call_id in self.live if call_id != found]


class Careless(ByNumbers):
    """One that takes no notice of `foreign`: a carrier folder of somebody else's."""

    async def find(self, handle: Handle) -> Sighting:
        return await super().find(replace(handle, foreign=()))


def leg(call_id: str, leg_id: str, phase: LegPhase, **more: Any) -> Leg:
    return Leg(
        id=leg_id,
        call_id=call_id,
        carrier="plivo",
        caller_id=OURS,
        media_token="t",
        round=1,
        created_at=NOW,
        phase=phase,
        sent_at=NOW,
        **more,
    )


def call(call_id: str, *legs: Leg, to: str = PHONE) -> Call:
    return Call(
        id=call_id, to=to, session_id="s", created_at=NOW, expires_at=NOW + 600, status=CallStatus.IN_PROGRESS, legs=tuple(legs)
    )


CONDEMNED = leg("call_1", "leg_lost", LegPhase.CONDEMNED, hangup_wanted=True, hangups=1)
TALKING = leg("call_1", "leg_talking", LegPhase.ANSWERED, carrier_call_id="talking", answered_at=NOW)


class Desk:
    """A store with these calls, and a reconciler over one carrier."""

    def __init__(self, carrier: ByNumbers) -> None:
        self.store, self.carrier = MemoryStore(), carrier
        numbers = count(1)
        calls = Calls(self.store, Still(), lambda prefix: f"{prefix}_{next(numbers)}", Policy())
        member = Member(carrier=carrier, kind="plivo", numbers=(OURS,), calls_per_second=1, concurrent_calls=9)  # type: ignore[arg-type]
        self.reconciler = Reconciler(calls, Fleet([member], "http://gw.test"), Still().sleep, random.Random(1))

    async def keep(self, stored: Call, *commands: AnyCommand) -> None:
        ids = tuple(f"cmd_{command.leg_id}" for command in commands)
        result = await self.store.commit(Change(call=stored, commands=commands, command_ids=ids), NOW)
        assert isinstance(result, Committed)

    async def carry_out(self, handler: Callable[[Any], Awaitable[None]]) -> None:
        for claim in await self.store.claim(NOW, 30.0, 10):
            await handler(claim)

    async def leg(self, call_id: str, leg_id: str) -> Leg:
        stored = await self.store.load(call_id)
        found = stored.find(leg_id) if stored else None
        assert found is not None
        return found


async def test_ending_a_lost_leg_does_not_end_the_call_s_next_one() -> None:
    """The lost leg was never placed, and the same carrier was dialled again later: the person who talks there stays."""
    desk = Desk(ByNumbers("talking"))
    await desk.keep(call("call_1", CONDEMNED, TALKING), HangUp(call_id="call_1", leg_id="leg_lost"))
    await desk.carry_out(desk.reconciler.hang_up)
    assert desk.carrier.live == ["talking"]


async def test_nor_does_it_end_another_call_to_the_same_person() -> None:
    """Two calls to one number: what is known of the one tells it from the other."""
    desk = Desk(ByNumbers("talking"))
    await desk.keep(call("call_2", replace(TALKING, call_id="call_2")))
    await desk.keep(call("call_1", CONDEMNED), HangUp(call_id="call_1", leg_id="leg_lost"))
    await desk.carry_out(desk.reconciler.hang_up)
    assert desk.carrier.live == ["talking"]


async def test_the_lost_leg_itself_is_still_found_and_ended() -> None:
    """What belongs to nobody else between these numbers is the lost leg."""
    desk = Desk(ByNumbers("talking", "lost"))
    await desk.keep(call("call_1", CONDEMNED, TALKING), HangUp(call_id="call_1", leg_id="leg_lost"))
    await desk.carry_out(desk.reconciler.hang_up)
    assert desk.carrier.live == ["talking"]


async def test_a_look_up_does_not_adopt_another_leg_s_call() -> None:
    """An unknown leg is not found in the place of one that is known, even if the carrier's folder says so."""
    desk = Desk(Careless("talking"))
    unknown = leg("call_1", "leg_lost", LegPhase.UNKNOWN, unknown_at=NOW)
    await desk.keep(call("call_2", replace(TALKING, call_id="call_2")))
    await desk.keep(call("call_1", unknown), Resolve(call_id="call_1", leg_id="leg_lost"))
    await desk.carry_out(desk.reconciler.resolve)
    assert (await desk.leg("call_1", "leg_lost")).carrier_call_id == ""


async def test_nothing_is_sought_by_number_while_another_dial_is_on_its_way() -> None:
    """A call to the same person that is just being placed has no id yet: it could be taken for the lost one."""
    desk = Desk(ByNumbers("just-placed"))
    await desk.keep(call("call_2", leg("call_2", "leg_new", LegPhase.SENDING)))
    await desk.keep(call("call_1", CONDEMNED), HangUp(call_id="call_1", leg_id="leg_lost"))
    await desk.carry_out(desk.reconciler.hang_up)
    assert (desk.carrier.live, desk.carrier.asked) == (["just-placed"], 0)


@pytest.mark.parametrize("phase", [LegPhase.UNKNOWN, LegPhase.CONDEMNED])
async def test_the_carrier_is_told_of_other_legs_that_look_for_a_call(phase: LegPhase) -> None:
    """In doubt between the same two numbers, as another call's leg is; one from another number of ours is not."""
    desk = Desk(ByNumbers())
    rival = leg("call_2", "leg_2", phase, unknown_at=NOW)
    await desk.keep(call("call_2", rival, replace(rival, id="leg_3", caller_id="+15550190032")))
    unknown = leg("call_1", "leg_lost", LegPhase.UNKNOWN, unknown_at=NOW)
    await desk.keep(call("call_1", unknown), Resolve(call_id="call_1", leg_id="leg_lost"))
    await desk.carry_out(desk.reconciler.resolve)
    assert desk.carrier.rivals == 1
