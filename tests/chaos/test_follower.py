"""Following the ledger of a lab that is elsewhere: every entry once, and who waits is woken."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from carriers.lab.lab import Lab
from gateway.chaos.carriers import CarrierStriker
from gateway.chaos.done import Done
from gateway.chaos.ledger import Follower
from gateway.chaos.plan import CarrierStrike, Plan

PATIENCE_S = 5.0


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab(seed=3) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


def number_of(lab: Lab) -> str:
    return str(lab.credentials(lab.carriers()[0].name)["numbers"][0])


async def test_entries_are_followed(lab: Lab, http: httpx.AsyncClient) -> None:
    """What was there before is left out; what comes is seen once, in order, and wakes who waits for its kind."""
    lab.phones.dial("+15550107001", number_of(lab))
    follower = Follower(http, lab.url)
    await follower.begin()
    following = asyncio.create_task(follower.follow())
    waiting = asyncio.create_task(follower.next("call", PATIENCE_S))
    await asyncio.sleep(0)
    lab.phones.dial("+15550107002", number_of(lab))
    found = await waiting
    assert found is not None
    assert found.number == "+15550107002"
    assert await follower.next("recording", 0.05) is None
    following.cancel()
    await follower.catch_up()
    await follower.catch_up()
    assert follower.entries == lab.ledger.entries()[-len(follower.entries) :]
    assert [entry.number for entry in follower.entries if entry.kind == "call"] == ["+15550107002"]


async def test_carriers_are_killed_and_well_again(lab: Lab, http: httpx.AsyncClient) -> None:
    """A strike's faults are the lab's while it lasts, two at once are both there, and in the end there is none."""
    names = [report.name for report in lab.carriers()]
    done = Done()
    striker = CarrierStriker(http, lab.url, names, done)
    strikes = (
        CarrierStrike(at=0.0, for_s=0.2, carrier=0, kill=True, name="down", faults=({"kind": "down"},)),
        CarrierStrike(at=0.0, for_s=0.1, carrier=0, kill=False, name="late", faults=({"kind": "webhooks_late", "s": 1.0},)),
    )
    began = lab.ledger.totals["fault"]
    await striker.carry_out(Plan(seed=0, seconds=1, strikes=(), carrier_strikes=strikes, wishes=(), callers=()))
    told = [entry.more["faults"] for entry in lab.ledger.entries("fault")][began:]
    assert max(len(faults) for faults in told) == 2
    assert told[-1] == []
    assert (done.carrier_kills, len(done.blows), done.own_kills) == (1, 2, 0)
    assert [wrong for _, wrong in done.troubles[names[0]]] == [True, True, True, False]
    assert striker.failures == []
