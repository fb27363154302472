"""A dial in doubt that is sent once more: by one worker, within the carrier's limits, and never twice."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Attempt, Capabilities, LegAtCarrier, Placed, Sighting
from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.events import LegProgressed
from gateway.domain.outcome import Knowledge, LegPhase
from gateway.domain.verdict import next_carrier
from gateway.domain.window import Window

LOST = Placed(knowledge=Knowledge.UNKNOWN, verdict=next_carrier("connection-lost"))
TAKEN = Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id="a-first")
UNLISTED = Sighting(state=LegAtCarrier.MISSING)


@pytest.fixture
async def doubt(rig: Any) -> Any:
    """Carrier a ignores repeats, has lost its answer to the dial, and lists nothing."""
    rig.a.capabilities = Capabilities(lookup_settles_s=2.0, resends_safely=True)
    rig.a.answers.extend([LOST, TAKEN])
    rig.a.sightings.extend([UNLISTED] * 100)
    await rig.accept()
    return rig


async def test_the_second_is_the_first_in_every_word(doubt: Any) -> None:
    """The same attempt, byte for byte of meaning, and its answer names the call."""
    await doubt.wait(1)
    first, second = doubt.a.posts
    assert first == second
    leg = await doubt.leg()
    assert (leg.phase, leg.carrier_call_id) == (LegPhase.ACCEPTED, "a-first")
    assert (await doubt.told()).count("dial-resending") == 1


async def test_there_is_no_third(doubt: Any) -> None:
    """The second is lost as well: the leg is looked for, condemned, and the next carrier asked."""
    doubt.a.answers.clear()
    doubt.a.answers.extend([LOST, LOST])
    await doubt.wait(60)
    assert (len(doubt.a.posts), len(doubt.b.posts)) == (2, 1)
    assert (await doubt.call()).legs[0].phase is LegPhase.CONDEMNED


async def test_a_process_that_dies_over_it_leaves_it_to_the_look_ups(doubt: Any) -> None:
    """The command is found again by another process, which sends nothing: nobody knows whether it was sent."""

    async def die(_attempt: Attempt) -> None:
        if doubt.a.posts:
            raise asyncio.CancelledError

    doubt.a.before_post = die
    await doubt.wait(1)
    assert (await doubt.leg()).resent_by is not None
    doubt.a.before_post = None
    doubt.restart()
    await doubt.wait(60)
    assert (len(doubt.a.posts), len(doubt.b.posts)) == (1, 1)
    assert (await doubt.call()).legs[0].phase is LegPhase.CONDEMNED


async def test_the_carriers_own_word_shuts_the_line(doubt: Any) -> None:
    """A webhook proves the call in the last moment: nothing more is sent."""

    async def proven(_attempt: Attempt) -> None:
        if len(doubt.a.posts) == 1:
            await doubt.report(LegProgressed(carrier_call_id="a-first"))

    doubt.a.before_post = proven
    await doubt.wait(1)
    assert len(doubt.a.posts) == 1
    assert (await doubt.leg()).phase is LegPhase.ACCEPTED


async def test_it_waits_for_its_carriers_pace(new_rig: Any) -> None:
    """A repeat is a dial to whoever counts dials: half a call a second is half a call a second."""
    rig = new_rig(pace=0.5)
    times: list[float] = []

    async def note(_attempt: Attempt) -> None:
        times.append(rig.clock.time)

    rig.a.capabilities = Capabilities(lookup_settles_s=2.0, resends_safely=True)
    rig.a.answers.extend([LOST, TAKEN])
    rig.a.sightings.extend([UNLISTED] * 100)
    rig.a.after_post = note
    await rig.accept()
    await rig.wait(20)
    assert len(times) == 2
    assert times[1] - times[0] >= 2.0


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
async def test_a_carrier_in_trouble_is_left_alone(doubt: Any, state: BreakerState) -> None:
    """Behind a breaker that is not closed nothing is sent again."""

    async def trip(_attempt: Attempt) -> None:
        before = await doubt.store.breaker("a")
        broken: Breaker = replace(before, state=state, open_until=doubt.clock.time + 60, epoch=before.epoch + 1)
        assert await doubt.store.swap_breaker("a", before.version, broken)

    doubt.a.after_post = trip
    await doubt.wait(5)
    assert len(doubt.a.posts) == 1


async def test_nothing_is_sent_again_once_the_window_has_closed(rig: Any) -> None:
    """The window closes between the dial and its repeat: the person's phone is not rung by that any more."""
    rig.a.capabilities = Capabilities(lookup_settles_s=2.0, resends_safely=True)
    rig.a.answers.extend([LOST, TAKEN])
    rig.a.sightings.extend([UNLISTED] * 100)
    closes = (rig.clock.time // 60 + 2) * 60

    async def dawdle(_attempt: Attempt) -> None:
        rig.clock.time = closes + 1

    rig.clock.time, rig.a.after_post = closes - 2, dawdle
    opens, closed = (datetime.fromtimestamp(at, UTC) for at in (closes - 3600, closes))
    await rig.accept(window=Window(timezone="UTC", opens=f"{opens:%H:%M}", closes=f"{closed:%H:%M}"))
    await rig.wait(10)
    assert len(rig.a.posts) == 1


async def test_a_call_that_the_repeat_made_after_all_is_ended(doubt: Any) -> None:
    """The carrier's promise did not hold: the call that is not the leg's is hung up, by its own id."""
    ended: list[str] = []

    async def hang_up(handle: Any) -> None:
        ended.append(handle.carrier_call_id)

    async def proven(_attempt: Attempt) -> None:
        if len(doubt.a.posts) == 2:
            await doubt.report(LegProgressed(carrier_call_id="a-other"))

    doubt.a.hang_up, doubt.a.after_post = hang_up, proven
    await doubt.wait(1)
    assert ended == ["a-first"]
    assert (await doubt.leg()).carrier_call_id == "a-other"
