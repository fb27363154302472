"""The embedded default: a real Valkey of our own, on a unix socket, with `appendfsync always`.

The server is a daemon: it outlives the gateway that started it, on purpose. A gateway that is killed leaves it behind, and
the next one on the same directory adopts it; a second gateway joins it; the last one to leave stops it. Whether a server
lives is read off a lock that its process holds, never off a pid, so there are never two on one directory (two append-only
files that diverge without a word).

A server that meets files it cannot read may start empty instead of failing. Therefore the database carries a mark that
`record.json` knows too: a server that comes up without it is stopped before anybody writes to it.
"""

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.store.connection import findings, open_client, speaking
from gateway.runtime.store.data_directory import DataDirectory, Lock, Record, Running
from gateway.runtime.store.program import Program, find_program

READY_S = 30.0
"""Reading a long append-only file takes its time."""
STOP_S = 10.0
_POLL_S = 0.01
_LOG_SHOWN = 2_000
_MARK_KEY = "holdline:directory"
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")
"""All that the server gets of our environment, which may hold the carriers' secrets."""


class EmbeddedServer:
    """`async with EmbeddedServer(data_dir) as server: RedisStore.connect(server.url)`.

    `program` names another server program than the wheel's: a path, or a name on the PATH. Raises StoreUnavailable, with
    the server's own words, if it cannot be had within `ready_s`.
    """

    def __init__(self, data_dir: Path, *, program: str = "", ready_s: float = READY_S) -> None:
        self._directory = DataDirectory(data_dir)
        self._wanted, self._ready_s = program, ready_s
        self._gateways: Lock | None = None
        self.socket_path = Path()
        self.pid = 0
        self.joined = False
        """Whether the server was running already: another gateway's, or one left behind."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """For `RedisStore.connect`."""
        return f"unix://{self.socket_path}"

    @property
    def directory(self) -> Path:
        """The server's own: log, append-only file, locks."""
        return self._directory.path

    async def start(self) -> None:
        """Join the directory's server, or start it."""
        async with self._turn(self._ready_s):
            self._gateways = self._directory.lock("gateways")
            self._gateways.take(shared=True)
            try:
                await self._ensure()
            except BaseException:
                self._leave()
                raise

    async def ensure_running(self) -> None:
        """Start the server again if it died; on the same socket, so that clients find it by themselves."""
        async with self._turn(self._ready_s):
            await self._ensure()

    async def stop(self) -> None:
        """Leave; the last gateway to leave stops the server."""
        if self._gateways is None:
            return
        try:
            async with self._turn(STOP_S):
                if self._gateways.take():
                    await self._shut_down()
                    self._directory.forget_running()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._gateways is not None:
            self._gateways.close()
            self._gateways = None

    @asynccontextmanager
    async def _turn(self, patience_s: float) -> AsyncIterator[None]:
        """Gateways start, join and leave one at a time."""
        turn = self._directory.lock("turn")
        try:
            if not await turn.wait(time.monotonic() + patience_s):
                raise StoreUnavailable(f"another gateway has been starting or leaving {self.directory} for {patience_s:g} s")
            yield
        finally:
            turn.close()

    async def _ensure(self) -> None:
        deadline = time.monotonic() + self._ready_s
        running = self._directory.running()
        self.joined = running is not None and await self._ready(running, deadline)
        if not self.joined:
            await self._start(deadline)

    async def _start(self, deadline: float) -> None:
        program = await find_program(self._wanted)
        record = self._directory.admit(program) or self._new_record(program)
        running = Running(socket=str(self._directory.socket_path()))
        self._directory.write(running)
        await self._launch(program, running)
        try:
            if not await self._ready(running, deadline):
                raise StoreUnavailable(f"{program.path} ended at once; it said: {self._log()}")
            await self._check_mark(record, program)
            self._directory.write(replace(running, pid=self.pid))
        except BaseException:
            await self._shut_down()
            raise

    def _new_record(self, program: Program) -> Record:
        record = Record(program=program.name, version=program.version, mark=secrets.token_hex(16))
        self._directory.write(record)
        return record

    async def _launch(self, program: Program, running: Running) -> None:
        """Returns when the server has become a daemon; it holds `server.lock` from its first moment to its last."""
        self._keep_old_log()
        lock = self._directory.lock("server")
        # A file and not a pipe: the daemon may inherit the pipe's other end (it does under uvloop), and then it never closes.
        with closing(lock), tempfile.TemporaryFile() as words:
            if not lock.take():
                raise StoreUnavailable(f"a server that cannot be found runs on {self.directory}; stop it ({self._last_pid()})")
            process = await asyncio.create_subprocess_exec(
                program.path,
                *_options(self.directory, running.socket),
                cwd=self.directory,
                env={"LC_ALL": "C"} | {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=words,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(lock.fd,),
                start_new_session=True,
            )
            await process.wait()
            words.seek(0)
            said = words.read()
        if process.returncode != 0:
            raise StoreUnavailable(f"{program.path} did not start: {said.decode(errors='replace')[-_LOG_SHOWN:]}{self._log()}")

    async def _ready(self, running: Running, deadline: float) -> bool:
        """Wait until the server answers; False if none lives. Takes its socket and pid over."""
        client = open_client(f"unix://{running.socket}")
        try:
            while self._alive():
                pid = await self._answer(client)
                if pid:
                    self.socket_path, self.pid = Path(running.socket), pid
                    return True
                if time.monotonic() >= deadline:
                    raise StoreUnavailable(f"the server on {self.directory} does not answer ({self._last_pid()}): {self._log()}")
                await asyncio.sleep(_POLL_S)
            return False
        finally:
            await client.aclose()

    async def _answer(self, client: Redis) -> int:
        """The pid of the server at the socket, if it is ready and works on our directory; 0 otherwise."""
        try:
            with speaking():
                await client.ping()
                folder = str((await client.config_get("dir"))["dir"])
                pid = int((await client.info("server"))["process_id"])
        except StoreUnavailable:
            return 0
        return pid if Path(folder) == self.directory else 0

    async def _check_mark(self, record: Record, program: Program) -> None:
        client = open_client(self.url)
        try:
            with speaking():
                found: Any = await client.get(_MARK_KEY)
                if not record.marked:
                    await client.set(_MARK_KEY, record.mark)
            wrong = await findings(client)
        finally:
            await client.aclose()
        if record.marked and (found is None or found.decode() != record.mark):
            raise StoreUnavailable(
                f"{program.path} came up without the data that {self.directory} holds; nothing was written. Restore the "
                "directory from a backup; if it was emptied on purpose, remove it and start again"
            )
        if wrong:
            raise StoreUnavailable("; ".join(wrong))
        if not record.marked or record.version != program.version:
            self._directory.write(replace(record, marked=True, version=program.version))

    async def _shut_down(self) -> None:
        """Stop the server, whoever started it, and wait until its process is gone."""
        running = self._directory.running()
        if running is None or not self._alive():
            return
        client = open_client(f"unix://{running.socket}")
        try:
            await client.shutdown(nosave=True)
        except (RedisError, OSError):
            # That is its answer: the connection ends. Whether the process does is seen below.
            pass
        finally:
            await client.aclose()
        deadline = time.monotonic() + STOP_S
        while self._alive():
            if time.monotonic() >= deadline:
                raise StoreUnavailable(f"the server on {self.directory} does not stop ({self._last_pid()})")
            await asyncio.sleep(_POLL_S)

    def _alive(self) -> bool:
        lock = self._directory.lock("server")
        try:
            return not lock.take()
        finally:
            lock.close()

    def _last_pid(self) -> str:
        try:
            return f"pid {int((self.directory / 'server.pid').read_text())}"
        except (OSError, ValueError):
            return "pid unknown"

    def _log(self) -> str:
        try:
            return (self.directory / "server.log").read_text(errors="replace")[-_LOG_SHOWN:]
        except OSError:
            return ""

    def _keep_old_log(self) -> None:
        log = self.directory / "server.log"
        if log.exists():
            log.replace(log.with_name("server.log.previous"))


def _options(directory: Path, socket: str) -> tuple[str, ...]:
    options = {
        "port": "0",
        "unixsocket": socket,
        "unixsocketperm": "700",
        "dir": str(directory),
        "daemonize": "yes",
        "pidfile": str(directory / "server.pid"),
        "logfile": str(directory / "server.log"),
        "databases": "1",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }
    return tuple(word for name, value in options.items() for word in (f"--{name}", value))
