"""The store is away for long under two gateway processes that both carry calls: nobody is cut off, and nobody is buried.

Eight seconds, which is longer than a process may be silent; `HOLDLINE_OUTAGE_S=60` makes it the whole minute of the promise.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime.store.embedded import EmbeddedServer

OUTAGE_S = float(os.environ.get("HOLDLINE_OUTAGE_S", "8"))
HOMES = (("twilio", "telnyx"), ("plivo", "vonage"))
"""Whose calls live in the first process, and whose in the second."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A real server of this test's own."""
    async with EmbeddedServer(tmp_path / "store") as found:
        yield found
        await found.ensure_running()


@pytest.fixture
async def world(server: EmbeddedServer, balancer: Any, new_world: Callable[..., Any]) -> Any:
    """On that server; its own gateway is stopped, only processes serve."""
    found = await new_world(public_url=balancer.url, store_url=server.url)
    await found.stop()
    return found


async def posted(world: Any, gateway: Any, **body: Any) -> Any:
    return await world.client.post(f"{gateway.url}/v1/calls", json={"agent": "echo", **body})


async def talking(world: Any, balancer: Any, gateway: Any, carrier: str) -> tuple[str, str]:
    """A person who speaks with the echo agent in this process: they hear something while sound flows both ways."""
    balancer.pinned = gateway.port
    number = world.phone(says="tone")
    answer = await posted(world, gateway, to=number, carriers=[carrier])
    assert answer.status_code == 201, answer.text
    await world.hears(number, within_s=30)
    return number, str(answer.json()["id"])


async def accepted(world: Any, gateway: Any) -> None:
    """The gateway takes new calls again, and carries one to its end."""

    async def look() -> str | None:
        answer = await posted(world, gateway, to=world.phone(hangup_after_s=0.2))
        return str(answer.json()["id"]) if answer.status_code == 201 else None

    call_id = await world.eventually(look, 30.0, lambda: gateway.log[-2000:])
    assert (await world.ended(call_id, within_s=30))["outcome"] == "completed"


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL], ids=["paused", "killed"])
async def test_calls_outlast_the_store(world: Any, serve: Any, balancer: Any, server: EmbeddedServer, how: int) -> None:
    """Every call is heard all the while, new ones are refused, and afterwards each process has what it had."""
    gateways = await asyncio.gather(serve(), serve())
    world._port = gateways[0].port
    talks = [
        await talking(world, balancer, gateway, carrier)
        for gateway, carriers in zip(gateways, HOMES, strict=True)
        for carrier in carriers
    ]
    balancer.pinned = None
    os.kill(server.pid, how)
    until = world.lab.now() + OUTAGE_S
    try:
        while world.lab.now() < until:
            for gateway in gateways:
                refused = await posted(world, gateway, to=world.phone())
                assert refused.status_code == 503, refused.text
                assert int(refused.headers["retry-after"]) > 0
            for number, _ in talks:
                await world.hears(number, world.heard_speech_s(number) + 0.5, within_s=15)
    finally:
        if how == signal.SIGSTOP:
            os.kill(server.pid, signal.SIGCONT)
    await server.ensure_running()
    await asyncio.gather(*(accepted(world, gateway) for gateway in gateways))
    for number, call_id in talks:
        await world.hears(number, world.heard_speech_s(number) + 0.5, within_s=15)
        call = await world.call(call_id)
        assert (call["status"], call["session"]["resumed"]) == ("in_progress", 0)
        world.lab.phones.hang_up(number)
        assert (await world.ended(call_id))["outcome"] == "completed"
        assert len(world.rang(number)) == len(world.told("stream_open", number)) == 1
    for gateway in gateways:
        assert not {"process-dead", "session-lost"} & set(gateway.log.split('"')), gateway.log[-3000:]
