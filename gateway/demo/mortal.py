"""The agent that dies in the demo: its parrot in a process of its own, killed as processes are, and started again."""

import asyncio
import os
import socket
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.demo.stage import HOST, StageFailed

READY_S = 20.0
_LOOK_EVERY_S = 0.05
_SCRIPT = (sys.executable, "-c", "import sys; from gateway.demo.parrot import main; main(int(sys.argv[1]))")


class Mortal:
    """`async with Mortal(port, log):` starts nothing yet, and leaves nothing behind."""

    def __init__(self, port: int, log: Path) -> None:
        self.port, self._log = port, log
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.kill()

    async def start(self) -> None:
        """Listen (again); raise StageFailed if it does not."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_SCRIPT,
                str(self.port),
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        began = time.monotonic()
        while not await asyncio.to_thread(self._listens):
            if self._process.returncode is not None or time.monotonic() - began > READY_S:
                raise StageFailed(f"The demo's own agent did not start; see {self._log}")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def kill(self) -> None:
        """End it with SIGKILL; harmless when it is dead."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def calls_from(self, number: str) -> int:
        """How often it has got a call of this person, over all its lives."""
        return self._log.read_text(errors="replace").splitlines().count(number) if self._log.exists() else 0

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0
