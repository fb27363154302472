"""The processes of the demo: the lab and the gateway, each a real `holdline` command with a log of its own.

They are started in sessions of their own, so that a Ctrl-C of the terminal reaches only us, and we end them in order.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.domain.errors import HoldlineError
from gateway.runtime.store.embedded import EmbeddedServer

HOST = "127.0.0.1"
HOLDLINE = (sys.executable, "-m", "gateway.cli")
LAB_READY_S, GATEWAY_READY_S = 30.0, 60.0
"""A cold start on a busy machine: the gateway imports four SDKs."""
_LOOK_EVERY_S = 0.05
_DRAIN_S = 2.0
"""So long a call that still lives may go on; then a second signal ends the gateway at once."""
_STOP_S = 15.0
_LOG_TAIL = 5
_NEWS_S = 0.5


class StageFailed(HoldlineError):
    """A process could not be started, or ended too early; says why and what helps."""


class Stage:
    """`async with Stage(folder, environment):` ends what was started, gateway first, however the block ends."""

    def __init__(self, folder: Path, environment: Mapping[str, str], command: Sequence[str] = HOLDLINE) -> None:
        self.folder, self._command = folder, command
        self._environment = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        self._running: dict[str, Process] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in reversed(self._running.values()):
            await _stop(process)
        await _stop_store(self.folder)

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    async def start(self, name: str, *arguments: str, ready: Callable[[], Awaitable[bool]], within_s: float) -> float:
        """Start `holdline` with these arguments; the seconds until it was ready. Raise StageFailed with the log's end."""
        began = time.monotonic()
        with self.log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[name] = process
        while not await ready():
            self.raise_if_ended()
            if time.monotonic() - began > within_s:
                raise StageFailed(f"The {name} was not ready within {within_s:g} s:{self.tail(name)}")
            await asyncio.sleep(_LOOK_EVERY_S)
        return time.monotonic() - began

    async def one_ended(self) -> None:
        """Wait until one of them ends by itself."""
        waits = [asyncio.ensure_future(process.wait()) for process in self._running.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def settle(self) -> None:
        """After a failure: it takes a moment until we hear that a process is gone."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.one_ended(), _NEWS_S)

    def raise_if_ended(self) -> None:
        """Raise StageFailed if one of them is no more."""
        for name, process in self._running.items():
            if process.returncode is not None:
                raise StageFailed(f"The {name} has ended by itself (exit code {process.returncode}):{self.tail(name)}")

    def tail(self, name: str) -> str:
        """The log's last lines, and where the rest is."""
        lines = self.log(name).read_text(errors="replace").strip().splitlines()[-_LOG_TAIL:]
        return "".join(f"\n  {line}" for line in (*lines, f"(log: {self.log(name)})"))


def free_port(port: int) -> bool:
    """Whether somebody could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def some_free_port(near: int) -> int:
    """The next free one after `near`, or any."""
    return next((port for port in range(near + 1, min(near + 100, 65536)) if free_port(port)), 0) or _any_port()


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def _stop(process: Process) -> None:
    for number, patience_s in ((signal.SIGTERM, _DRAIN_S), (signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
        if process.returncode is not None:
            return
        try:
            process.send_signal(number)
            await asyncio.wait_for(process.wait(), patience_s)
        except (TimeoutError, ProcessLookupError):
            continue


async def _stop_store(data: Path) -> None:
    """A gateway that was killed leaves its store behind, for the next one to adopt; here no next one will come."""
    if (data / "store" / "running.json").exists():
        async with EmbeddedServer(data):
            pass
