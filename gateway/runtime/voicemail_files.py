"""The sound of voicemails: one file a message.

A message that a carrier took is a WAV file, whole on the disk before anything else says that it is there. One that we
record ourselves is raw mu-law that grows while the person speaks, so that whatever ends us leaves what was said; the WAV
is made when somebody listens.

All processes that share a store share this directory too (voicemail_marker.py).
"""

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar, TypeVarTuple

from gateway.domain.errors import HoldlineError
from gateway.runtime.voicemail_sound import Heard, listen, wav_of

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_NAME = re.compile(r"vm_[0-9A-Za-z_]{1,64}", re.ASCII)
MB = 1_000_000
LARGEST_BYTES = 50 * MB
"""No message at a carrier is longer than three minutes; even 48 kHz in two channels is 35 MB of it."""
_WAV, _RAW = ".wav", ".ulaw"
_THREADS = 16
"""Of our own, for a disk that hangs (a share that is gone) keeps them: the event loop's also look up carriers' addresses."""


class NoRoom(HoldlineError):
    """The message would exceed `storage.max_total_mb`."""


class Growing(Protocol):
    """A message that is being written. Errors of the disk are OSErrors."""

    async def append(self, sound: bytes) -> None:
        """On the disk when this returns. After an error, a part of it may be."""
        ...

    async def close(self) -> None:
        """Nothing more comes. No error: what was appended is on the disk already."""
        ...


class MessageFiles(Protocol):
    """The sound of messages, by their ids. ValueError for an id that is none; errors of the disk are OSErrors."""

    async def write(self, voicemail_id: str, wav: bytes) -> None:
        """On the disk when this returns, under its name; after a crash in between, at most a part under another name."""
        ...

    async def grow(self, voicemail_id: str, part: int = 1) -> Growing:
        """An empty file, on the disk under its name. Each process that goes on with a message writes a part of its own."""
        ...

    async def room(self, needed: int) -> bool:
        """Whether so many bytes more fit, in the disk and in what we may use of it."""
        ...

    async def heard(self, voicemail_id: str) -> Heard | None:
        """What can be told of it without listening; None if there is no file."""
        ...

    async def read(self, voicemail_id: str) -> bytes | None:
        """A WAV file; None if there is none. Of a message that is being recorded, what is there by now."""
        ...

    async def remove(self, voicemail_id: str) -> None:
        """Gone is success."""
        ...


class VoicemailFiles:
    """`MessageFiles` on the disk. The folder is made with the first message."""

    def __init__(self, folder: Path, max_total_mb: int) -> None:
        self._folder, self._most = folder, max_total_mb * MB
        self._threads = ThreadPoolExecutor(_THREADS, "voicemails")

    async def write(self, voicemail_id: str, wav: bytes) -> None:
        await _run(self._threads, self._write, self._path(voicemail_id, _WAV), wav)

    async def grow(self, voicemail_id: str, part: int = 1) -> Growing:
        kind = _RAW if part == 1 else f".{part}{_RAW}"
        return await _run(self._threads, self._grow, self._path(voicemail_id, kind))

    async def room(self, needed: int) -> bool:
        return await _run(self._threads, self._has_room, needed)

    async def heard(self, voicemail_id: str) -> Heard | None:
        return await _run(self._threads, self._heard, voicemail_id)

    async def read(self, voicemail_id: str) -> bytes | None:
        return await _run(self._threads, self._read, voicemail_id)

    async def remove(self, voicemail_id: str) -> None:
        await _run(self._threads, self._remove, self._path(voicemail_id, _WAV))

    def _path(self, voicemail_id: str, kind: str) -> Path:
        if not _NAME.fullmatch(voicemail_id):
            raise ValueError(f"{voicemail_id!r} is no voicemail's id")
        return self._folder / f"{voicemail_id}{kind}"

    def _write(self, path: Path, wav: bytes) -> None:
        self._make_folder()
        if self._used(path) + len(wav) > self._most:
            raise NoRoom(f"{self._folder} holds as much as storage.max_total_mb allows")
        # A process id, since two processes may collect the same message: the later rename wins, and both are the same sound.
        part = path.with_suffix(f".part{os.getpid()}")
        with part.open("wb") as file:
            file.write(wav)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(self._folder)

    def _grow(self, path: Path) -> "_RawFile":
        self._make_folder()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _sync_folder(self._folder)
        return _RawFile(handle, self._threads)

    def _has_room(self, needed: int) -> bool:
        self._make_folder()
        disk = os.statvfs(self._folder)
        return needed <= disk.f_bavail * disk.f_frsize and self._used() + needed <= self._most

    def _heard(self, voicemail_id: str) -> Heard | None:
        wav = self._read(voicemail_id)
        return None if wav is None else listen(wav)

    def _read(self, voicemail_id: str) -> bytes | None:
        wav = _read(self._path(voicemail_id, _WAV))
        if wav is not None:
            return wav
        parts = [sound for path in self._parts(voicemail_id) if (sound := _read(path)) is not None]
        return wav_of(b"".join(parts)) if parts else None

    def _parts(self, voicemail_id: str) -> list[Path]:
        """Of our own recording, in the order in which they were recorded: `vm_1.ulaw`, `vm_1.2.ulaw` ..."""
        later = self._folder.glob(f"{voicemail_id}.*{_RAW}")
        return [self._path(voicemail_id, _RAW), *sorted(later, key=lambda path: (len(path.name), path.name))]

    def _remove(self, wav: Path) -> None:
        for path in (wav, *self._parts(wav.stem)):
            path.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _used(self, without: Path | None = None) -> int:
        files = (file for file in self._folder.iterdir() if file.suffix in {_WAV, _RAW} and file != without)
        return sum(_size(file) for file in files)


class _RawFile:
    """`Growing`."""

    def __init__(self, handle: int, threads: ThreadPoolExecutor) -> None:
        self._handle, self._threads = handle, threads

    async def append(self, sound: bytes) -> None:
        await _run(self._threads, self._append, sound)

    async def close(self) -> None:
        with suppress(OSError):
            await _run(self._threads, os.close, self._handle)

    def _append(self, sound: bytes) -> None:
        left = memoryview(sound)
        while left:
            left = left[os.write(self._handle, left) :]
        os.fsync(self._handle)


async def _run(threads: ThreadPoolExecutor, work: Callable[[*Ts], T], *given: *Ts) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *given)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # deleted while we counted


def _sync_folder(folder: Path) -> None:
    """The new name too must be on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
