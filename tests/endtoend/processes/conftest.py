"""Several gateways, as processes of their own where a test wants to kill them, behind a small balancer."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import yaml

from gateway.chaos.balancer import both_ways, one_request
from gateway.config.lab import with_lab

KEY = "end-to-end-key-0123456789"
ROOT = Path(__file__).parents[3]
DYING = Path(__file__).with_name("dying.py")


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
        await asyncio.sleep(0)  # what was accepted a moment ago becomes a task, and a transport that can be closed
        await self.cut()
        await asyncio.sleep(0)

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
            there[1].write(one_request(head))
            await both_ways((reader, writer), there)
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


@pytest.fixture
async def balancer() -> AsyncIterator[Balancer]:
    opened = Balancer()
    await opened.start()
    yield opened
    await opened.aclose()


@pytest.fixture
async def world(balancer: Balancer, new_world: Callable[..., Any]) -> Any:
    """One gateway behind the balancer; `world.twin()` makes another, `serve` one that is a process of its own."""
    found = await new_world(public_url=balancer.url)
    balancer.members = [found._port]
    return found


class Served:
    """One `holdline serve`. `hook`: (module:Class.method, before or after) where it kills itself."""

    def __init__(self, warm: Any, folder: Path, document: Mapping[str, Any], hook: tuple[str, str] | None) -> None:
        self._warm, self._folder, self._document = warm, folder, document
        self._hook = (str(DYING), *hook) if hook else None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")

    async def start(self) -> None:
        self._folder.mkdir()
        file = self._folder / "config.yaml"
        file.write_text(yaml.safe_dump(dict(self._document)), encoding="utf-8")
        (self._folder / "log").touch()
        os.mkfifo(self._folder / "out")
        self._out = asyncio.StreamReader()
        out = os.fdopen(os.open(self._folder / "out", os.O_RDONLY | os.O_NONBLOCK))
        arguments = ["serve", "--config", str(file), "--port", "0", "--json"]
        self._pid = self._warm.fork(arguments, {"HOLDLINE_API_KEY": KEY, "PATH": ""}, self._folder, self._hook)
        loop = asyncio.get_running_loop()
        self._pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._out), out)
        line = await asyncio.wait_for(self._out.readline(), 60)
        assert line, self.log
        self.port = int(json.loads(line)["url"].rsplit(":", 1)[1])

    def signal(self, number: int) -> None:
        """To this process alone."""
        os.kill(self._pid, number)

    async def died(self, within_s: float = 20.0) -> None:
        """Wait until it has killed itself."""
        try:
            await asyncio.wait_for(self._out.read(), within_s)  # its end of the pipe closes with it, and not before
        except TimeoutError:
            raise AssertionError(f"it lives on: {self.log[-3000:]}") from None

    async def kill(self) -> None:
        if not self._out.at_eof():
            self.signal(signal.SIGKILL)
        await self._out.read()
        self._pipe.close()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(warm: Any, world: Any, balancer: Balancer, tmp_path: Path) -> AsyncIterator[Serve]:
    """Start a gateway process on the world's store and lab, behind the balancer; all are killed when the test ends."""
    started: list[Served] = []

    async def begin(hook: tuple[str, str] | None = None, **changes: Mapping[str, Any]) -> Served:
        """`changes`: by section of the config; `limits` by carrier."""
        served = Served(warm, tmp_path / f"gateway{len(started)}", _document(world, balancer.url, changes), hook)
        started.append(served)
        await served.start()
        balancer.members.append(served.port)
        return served

    yield begin
    for served in started:
        await served.kill()


def _document(world: Any, public_url: str, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    credentials = {report.name: world.lab.credentials(report.name) for report in world.lab.carriers()}
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    document: dict[str, Any] = with_lab(shipped, credentials, public_url)
    limits = changes.get("limits", {})
    for carrier in document["carriers"]:
        plenty = {"calls_per_second": 1000, "concurrent_calls": 1000}
        carrier["limits"] = plenty | limits.get(carrier["name"], {})
    document["storage"] |= {"dir": world.config.storage.dir}
    document["store"] |= {"url": world.config.store.url, "tag": world.config.store.tag}
    for section, values in changes.items():
        if section != "limits":
            document[section] = document[section] | values if isinstance(values, Mapping) else values
    return document
