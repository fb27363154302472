"""One process of ours: started, killed by signal 9, paused, started again with the same words. Ended by its pid alone."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.domain.errors import HoldlineError

HOLDLINE = (sys.executable, "-m", "gateway.cli")
_LOOK_EVERY_S, _END_S = 0.02, 10.0
_LOG_TAIL = 2_000


class NotStarted(HoldlineError):
    """A process did not come up; says what it said."""


class Member:
    """`ready` is asked until it says yes, or the process has ended; None: the first line of standard output says it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        ready: Callable[[], Awaitable[bool]] | None = None,
        within_s: float = 60.0,
    ) -> None:
        self.name, self._command, self._folder = name, tuple(command), folder
        self._environment, self._ready, self._within_s = dict(environment), ready, within_s
        self._process: asyncio.subprocess.Process | None = None
        self.said = b""
        """The first line of its standard output, in this life."""
        self.lives = 0
        self.paused = False

    @property
    def log(self) -> Path:
        """Standard error of all its lives."""
        return self._folder / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of this life; 0 before the first."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it and wait until it is ready; raise NotStarted if it is not."""
        self.paused = False
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.lives += 1
        if not await self._comes_up(self._process):
            raise NotStarted(f"{self.name} did not start: {self.tail()}")

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM twice: the second ends calls that still live. Then SIGKILL."""
        self.resume()
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.alive:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._end(number), _END_S / 4 if number is signal.SIGTERM else _END_S)

    def pause(self) -> None:
        """SIGSTOP."""
        if self.alive:
            self.paused = True
            self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, if it was paused."""
        if self.paused:
            self.paused = False
            self._send(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self._send(signal.SIGTERM)

    def limit_file_size(self, size: int) -> None:
        """From now on a write beyond `size` bytes of a file fails, as on a full disk."""
        if self.alive:
            with suppress(ProcessLookupError):
                resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))  # type: ignore[attr-defined,unused-ignore]

    async def ended(self, within_s: float) -> bool:
        """Whether it ends by itself in time."""
        if self._process is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), within_s)
        return not self.alive

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-_LOG_TAIL:].decode(errors="replace") if self.log.exists() else ""

    async def _comes_up(self, process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None
        if self._ready is None:
            with suppress(TimeoutError):
                self.said = await asyncio.wait_for(process.stdout.readline(), self._within_s)
            return bool(self.said)
        deadline = time.monotonic() + self._within_s
        while self.alive and time.monotonic() < deadline:
            if await self._ready():
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False

    async def _end(self, number: int) -> None:
        if self._process is not None and self.alive:
            self._send(number)
            await self._process.wait()

    def _send(self, number: int) -> None:
        if self._process is not None and self.alive:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def environment(**more: str) -> dict[str, str]:
    """Of every process: ours, so that it finds the same Python and packages."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **more}
