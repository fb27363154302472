"""The sound of voicemails: one WAV file a message, whole on the disk before anything else says that it is there.

All processes that share a store share this directory too, or a message is heard only where it was collected.
"""

import asyncio
import os
import re
from pathlib import Path

from gateway.domain.errors import HoldlineError

_NAME = re.compile(r"vm_[0-9A-Za-z_]{1,64}", re.ASCII)
MB = 1_000_000
LARGEST_BYTES = 50 * MB
"""No message is longer than three minutes; even 48 kHz in two channels is 35 MB of it."""


class NoRoom(HoldlineError):
    """The message would exceed `storage.max_total_mb`."""


class VoicemailFiles:
    """`<folder>/<id>.wav`. The folder is made with the first message. Errors of the disk are OSErrors."""

    def __init__(self, folder: Path, max_total_mb: int) -> None:
        self._folder, self._room = folder, max_total_mb * MB

    async def write(self, voicemail_id: str, wav: bytes) -> None:
        """On the disk when this returns, under its name; after a crash in between, at most a part under another name."""
        await asyncio.to_thread(self._write, self._path(voicemail_id), wav)

    async def read(self, voicemail_id: str) -> bytes | None:
        """None if there is no file."""
        return await asyncio.to_thread(_read, self._path(voicemail_id))

    async def remove(self, voicemail_id: str) -> None:
        """Gone is success."""
        await asyncio.to_thread(self._path(voicemail_id).unlink, missing_ok=True)

    def _path(self, voicemail_id: str) -> Path:
        if not _NAME.fullmatch(voicemail_id):
            raise ValueError(f"{voicemail_id!r} is no voicemail's id")
        return self._folder / f"{voicemail_id}.wav"

    def _write(self, path: Path, wav: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._used(path) + len(wav) > self._room:
            raise NoRoom(f"{self._folder} holds as much as storage.max_total_mb allows")
        # A process id, since two processes may collect the same message: the later rename wins, and both are the same sound.
        part = path.with_suffix(f".part{os.getpid()}")
        with part.open("wb") as file:
            file.write(wav)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(self._folder)

    def _used(self, without: Path) -> int:
        return sum(file.stat().st_size for file in self._folder.glob("*.wav") if file != without)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """The new name too must be on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
