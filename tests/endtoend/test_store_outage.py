"""The store stops for some seconds under two gateways: live calls go on, new ones are refused before they are accepted."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime.store.embedded import EmbeddedServer

OUTAGE_SPEECH_S = 1.5
"""Sound that the person hears while the store is away."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A real server of this test's own."""
    async with EmbeddedServer(tmp_path / "store") as found:
        yield found
        await found.ensure_running()


async def talking(world: Any) -> tuple[str, str]:
    """A person who speaks with the echo agent: they hear something for as long as sound flows both ways."""
    number = world.phone(says="tone")
    call_id = await world.place(number, carriers=["twilio"], agent="echo")
    await world.hears(number)
    return number, call_id


async def outlasts(world: Any, number: str) -> None:
    """What every gateway does without a store."""
    refused = await world.post(world.phone())
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    await world.hears(number, world.heard_speech_s(number) + OUTAGE_SPEECH_S, within_s=30)


async def heals(world: Any, number: str, call_id: str) -> None:
    """The old call is as it was, ends in order, and new ones are made."""
    await world.until(call_id, "in_progress")
    assert not [event for event in await world.events(call_id) if event["kind"] == "session-resumed"]
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert world.rang(number) == ["twilio"]
    after = world.phone(hangup_after_s=0.2)
    assert (await world.ended(await world.place(after), within_s=30))["outcome"] == "completed"


async def test_a_store_that_is_paused(new_world: Callable[..., Any], server: EmbeddedServer) -> None:
    """SIGSTOP for as long as somebody listens to 1.5 s of sound, in which no command is answered; then SIGCONT."""
    world = await new_world(store_url=server.url)
    await world.twin()
    number, call_id = await talking(world)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await outlasts(world, number)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    await heals(world, number, call_id)


async def test_a_store_that_is_killed(new_world: Callable[..., Any], server: EmbeddedServer) -> None:
    """Kill -9, then a new server on the same data: nothing that was accepted is forgotten."""
    world = await new_world(store_url=server.url)
    await world.twin()
    number, call_id = await talking(world)
    os.kill(server.pid, signal.SIGKILL)
    await outlasts(world, number)
    await server.ensure_running()
    await heals(world, number, call_id)
