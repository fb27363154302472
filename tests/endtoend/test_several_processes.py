"""Several gateways on one store, behind a balancer, are one gateway: a call goes on when its socket lands on the wrong one,
and when the one that had it is drained, stopped or killed.
"""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import yaml
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.config.lab import with_lab

KEY = "end-to-end-key-0123456789"
CONFIG = Path(__file__).parents[2] / "config.yaml"
CARRIERS = ("twilio", "telnyx", "plivo", "vonage")


class Balancer:
    """HTTP and WebSockets to the member that the call id in the URL hashes to, or to the next one that listens.

    One request a connection, so that each is balanced by its own URL. `pinned` overrides the hash.
    """

    def __init__(self) -> None:
        self.members: list[int] = []
        self.pinned: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break every connection that is open."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            there = await self._member(head)
            if there is None:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                return
            there[1].write(_one_request(head))
            await _both_ways((reader, writer), there)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _member(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        found = re.search(rb"/(call_\w+)/", head.split(b"\r\n", 1)[0])
        start = crc32(found[1]) if found else 0
        order = [self.members[(start + step) % len(self.members)] for step in range(len(self.members))]
        for port in sorted(order, key=lambda port: port != self.pinned):
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
        return None


def _one_request(head: bytes) -> bytes:
    if b"upgrade: websocket" in head.lower():
        return head
    return re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)[:-2] + b"connection: close\r\n\r\n"


async def _both_ways(
    here: tuple[asyncio.StreamReader, asyncio.StreamWriter], there: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Until one side is gone; then the other is, too, as hard."""
    tasks = {asyncio.create_task(_pour(here[0], there[1])), asyncio.create_task(_pour(there[0], here[1]))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        there[1].close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


@pytest.fixture
async def balancer() -> AsyncIterator[Balancer]:
    opened = Balancer()
    await opened.start()
    yield opened
    await opened.aclose()


@pytest.fixture
async def world(balancer: Balancer, new_world: Callable[..., Any]) -> Any:
    """One gateway behind the balancer; `world.twin()` makes another."""
    found = await new_world(public_url=balancer.url)
    balancer.members = [port_of(found)]
    return found


def port_of(world: Any) -> int:
    """Where a gateway listens."""
    return int(world.url.rsplit(":", 1)[1])


async def resumed(world: Any, call_id: str, within_s: float = 10.0) -> None:
    """Wait until another gateway has the session."""

    async def look() -> bool:
        return any(event["kind"] == "session-resumed" for event in await world.events(call_id))

    await world.eventually(look, within_s, lambda: f"{call_id} was not resumed: {world.lab_story()}")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_socket_that_lands_elsewhere_is_carried_to_its_session(world: Any, balancer: Balancer, carrier: str) -> None:
    """The session sits in one gateway, everything of the carrier's comes to the other: both hear each other all the same."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(other)
    number = world.phone(answer_after_s=1.0, says="tone")
    call_id = await world.place(number, carriers=[carrier], agent="echo")
    await world.seat(call_id)
    await world.hears(number, 1.0)
    assert not [event for event in await world.events(call_id) if event["kind"] == "session-resumed"]
    assert f'media_sockets_total{{carrier="{carrier}",result="accepted"}} 1.0' in await world.metrics()
    assert f'media_sockets_total{{carrier="{carrier}",result="accepted"}}' not in await other.metrics()
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"
    assert world.rang(number) == [carrier]


async def test_nobody_else_comes_in_between_the_gateways(world: Any) -> None:
    """The internal paths answer 403 to whoever has not the gateways' own secret."""
    for path in ("/internal/holds/call_1", "/internal/relay/twilio/call_1/leg_1"):
        with pytest.raises(InvalidStatus, match="403"):
            await connect(world.url.replace("http", "ws", 1) + path, proxy=None)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_drained_gateway_leaves_its_calls_to_the_others(world: Any, balancer: Balancer, carrier: str) -> None:
    """The stream is closed when the time is up, the carrier comes back, and the same session speaks from another gateway."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(world)
    number = world.phone()
    call_id = await world.place(number, carriers=[carrier], agent="receptionist")
    await world.hears(number)
    balancer.pinned = port_of(other)
    heard = world.heard_speech_s(number)
    await world.stop()
    await resumed(other, call_id)
    await other.hears(number, heard + 0.3)
    assert (await other.call(call_id))["status"] == "in_progress"
    other.lab.phones.hang_up(number)
    assert (await other.ended(call_id))["outcome"] == "completed"
    assert other.rang(number) == other.dialled(number) == [carrier]


async def test_a_drain_does_not_wait_for_the_calls_of_others(world: Any, balancer: Balancer) -> None:
    """A gateway that accepted a call which lives in another one has nothing to wait for, and the call goes on."""
    other = await world.twin()
    balancer.members.append(port_of(other))
    balancer.pinned = port_of(world)
    number = world.phone()
    call_id = await other.place(number, carriers=["twilio"], agent="receptionist")
    await world.hears(number)
    async with asyncio.timeout(20):
        await other.running.drain(120)
    assert (await world.call(call_id))["status"] == "in_progress"
    world.lab.phones.hang_up(number)
    assert (await world.ended(call_id))["outcome"] == "completed"


# --- real processes ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def process(world: Any, folder: Path, public_url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """`holdline serve` on the world's store and lab, as a process of its own; and the port where it listens."""
    credentials = {report.name: world.lab.credentials(report.name) for report in world.lab.carriers()}
    document = with_lab(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), credentials, public_url)
    document["store"] |= {"url": world.config.store.url, "tag": world.config.store.tag}
    document["dialing"] |= {"stream_start_s": 5}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file), "--port", "0", "--json"]
    with (folder / "log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            *command, env={"HOLDLINE_API_KEY": KEY, "PATH": ""}, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), 30)
        assert line, (folder / "log").read_text(encoding="utf-8")
        yield started, int(json.loads(line)["url"].rsplit(":", 1)[1])
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_killed_gateways_call_goes_on_in_another(world: Any, balancer: Balancer, tmp_path: Path, carrier: str) -> None:
    """Kill -9 in mid-sentence: the carrier asks what to do, or is told to, and the same session goes on with the person; the
    phone rang once.
    """
    async with process(world, tmp_path, balancer.url) as (victim, port):
        balancer.members.append(port)
        balancer.pinned = port
        number = world.phone()
        call_id = await world.place(number, carriers=[carrier], agent="receptionist")
        await world.hears(number, within_s=20)
        heard = world.heard_speech_s(number)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
        await resumed(world, call_id)
        await world.hears(number, heard + 0.3)
        world.lab.phones.hang_up(number)
        assert (await world.ended(call_id))["outcome"] == "completed"
        assert world.rang(number) == world.dialled(number) == [carrier]


async def test_a_paused_gateway_that_wakes_up_speaks_to_nobody(world: Any, balancer: Balancer, tmp_path: Path) -> None:
    """SIGSTOP, and the way to it breaks: the session goes on elsewhere. Woken, it is refused and ends nothing."""
    async with process(world, tmp_path, balancer.url) as (sleeper, port):
        balancer.members.append(port)
        balancer.pinned = port
        number = world.phone()
        call_id = await world.place(number, carriers=["twilio"], agent="receptionist")
        await world.hears(number, within_s=20)
        heard = world.heard_speech_s(number)
        sleeper.send_signal(signal.SIGSTOP)
        balancer.pinned = port_of(world)
        await balancer.cut()
        await resumed(world, call_id)
        sleeper.send_signal(signal.SIGCONT)

        async def fenced() -> bool:
            return b"session-lost" in (tmp_path / "log").read_bytes()

        await world.eventually(fenced, 10.0, lambda: (tmp_path / "log").read_text(encoding="utf-8")[-3000:])
        await world.hears(number, heard + 0.3)
        assert (await world.call(call_id))["status"] == "in_progress"
        world.lab.phones.hang_up(number)
        assert (await world.ended(call_id))["outcome"] == "completed"
        assert world.rang(number) == ["twilio"]
