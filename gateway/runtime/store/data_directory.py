"""The embedded server's directory: who may use it, who does, and whose files it holds.

    <data>/store/                 0700
        record.json               program, version, and a mark that the database carries too
        running.json              where the server listens, and its pid
        turn.lock                 held for moments: by the gateway that starts, joins or leaves
        gateways.lock             shared: one hold for each gateway that uses the server; whoever can make it exclusive is alone
        server.lock               held by the server process itself, by inheritance: free means dead, whatever a pid says
        server.log, server.pid, appendonlydir/...     the server's own

Locks are `flock`: the kernel gives them back when a process dies, however it dies.
"""

import asyncio
import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.store.program import Program

SOCKET_PATH_BYTES = 100
"""A socket's path fits 107 bytes on Linux and 103 on macOS."""
_POLL_S = 0.01
_DATABASE_FILES = ("appendonlydir", "appendonly.aof", "dump.rdb")


class Record(Struct, frozen=True, kw_only=True):
    """Who wrote the database. `mark` is a key's value in it; `marked` once the server has it on disk."""

    program: str
    version: str
    mark: str
    marked: bool = False


class Running(Struct, frozen=True, kw_only=True):
    """Where the server listens; `pid` is 0 until it answers."""

    socket: str
    pid: int = 0


T = TypeVar("T", Record, Running)


class Lock:
    """One `flock` on a file of its own."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False) -> bool:
        """Take it now, or say that somebody else has it."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def wait(self, deadline: float) -> bool:
        """Take it as soon as it is free; `deadline` is on the monotonic clock."""
        while not self.take():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def close(self) -> None:
        """Give it back, unless a child process inherited it."""
        os.close(self.fd)


class DataDirectory:
    """Paths and small files; makes the directory if need be."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir.resolve() / "store"
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def lock(self, name: str) -> Lock:
        """`turn`, `gateways` or `server`."""
        return Lock(self.path / f"{name}.lock")

    def record(self) -> Record | None:
        """Who wrote the database, or None for a new directory."""
        return self._read("record.json", Record)

    def running(self) -> Running | None:
        """Where a server listens, or did."""
        return self._read("running.json", Running)

    def write(self, content: Record | Running) -> None:
        """Replace the file whole, and have it on disk before going on."""
        target = self.path / f"{type(content).__name__.lower()}.json"
        fresh = target.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
        self._sync()

    def forget_running(self) -> None:
        """The server is gone; its private socket directory too."""
        running = self.running()
        (self.path / "running.json").unlink(missing_ok=True)
        if running is not None:
            _remove_private(Path(running.socket), self.path)

    def socket_path(self) -> Path:
        """In the directory; in a short private one if the path would not fit. A path that was in use before stays."""
        own = self.path / "server.sock"
        if len(os.fsencode(own)) <= SOCKET_PATH_BYTES:
            return own
        known = self.running()
        if known is not None and Path(known.socket).parent.is_dir():
            return Path(known.socket)
        # The system's own temporary directory may be long too (macOS).
        folder = tempfile.mkdtemp(prefix="holdline-")
        if len(os.fsencode(folder)) > SOCKET_PATH_BYTES - len("/server.sock"):
            Path(folder).rmdir()
            folder = tempfile.mkdtemp(prefix="holdline-", dir="/tmp")
        return Path(folder) / "server.sock"

    def admit(self, program: Program) -> Record | None:
        """The record, if this program may open the files here; StoreUnavailable with the cure if not."""
        record = self.record()
        if record is None:
            self._refuse_foreign_files()
            return None
        if record.program != program.name:
            raise self._refused(record, program, f"set store.program to a {record.program} server, or use another data directory")
        if int(record.version.partition(".")[0]) > program.major:
            raise self._refused(record, program, f"install {record.program} {record.version} or newer")
        return record

    def _sync(self) -> None:
        """A renamed file survives a power cut once its directory is on disk."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _refuse_foreign_files(self) -> None:
        found = [name for name in _DATABASE_FILES if (self.path / name).exists()]
        if found:
            raise StoreUnavailable(
                f"{self.path} holds a database ({', '.join(found)}) but no record.json that says who wrote it; "
                "restore record.json from the same backup, or use another data directory"
            )

    def _refused(self, record: Record, program: Program, cure: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.path} was written by {record.program} {record.version}; {program.path} is {program.name} {program.version} "
            f"and might start empty on it; {cure}"
        )

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise StoreUnavailable(f"{self.path / name} is damaged ({error}); restore it from a backup") from error


def _remove_private(socket: Path, own: Path) -> None:
    if socket.parent == own or not socket.parent.name.startswith("holdline-"):
        return
    socket.unlink(missing_ok=True)
    try:
        socket.parent.rmdir()
    except OSError:
        # Not empty or not ours any more: leave it alone.
        return
