"""All processes that share a store must share the directory of its voicemails: a marker in it carries the store's mark.

The file is made before its mark is offered to the store, so that of several first starts on one directory each finds the
file that the store knows. A directory without a marker, on a store that has a mark, is another directory.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from gateway.domain.errors import Misconfigured, Problem
from gateway.runtime.store.recording_contract import RecordingStore

MARKER = "holdline-voicemails"
_KEY = "storage.dir"
_LIMIT = 200
_SHARED = "all gateways on one store need the same directory, on a disk that all of them see"


async def claim(folder: Path, store: RecordingStore, new_mark: Callable[[str], str]) -> None:
    """At the start: the directory is this store's, and can be written. The first start makes the marker. Misconfigured."""
    known = await store.storage_mark("")
    found = await asyncio.to_thread(_read, folder)
    if not known:
        found = found or await asyncio.to_thread(_make, folder, new_mark("dir"))
        known = await store.storage_mark(found)
    await asyncio.to_thread(_try_writing, folder)
    _compare(folder, found, known)


async def look(folder: Path, store: RecordingStore | None) -> str:
    """What `claim` would find, without making anything, in a few words; `store` None: it cannot be asked now. Misconfigured."""
    found = await asyncio.to_thread(_read, folder)
    await asyncio.to_thread(_try_parent, folder)
    if store is None:
        return f"{folder}, compared with the store when the gateway starts"
    known = await store.storage_mark("")
    if not known:
        return f"{folder}, marked as this store's by the first start"
    _compare(folder, found, known)
    return f"{folder}, which is this store's"


def _compare(folder: Path, found: str, known: str) -> None:
    if found == known:
        return
    if not found:
        said = f"{folder}, which lacks the marker {MARKER} of the directory that this store's gateways use"
        cure = f"mount that one here; if this is it, moved or restored without the file, write `{known}` into {folder / MARKER}"
    else:
        said = f"{folder}, which another store's gateways use"
        cure = "name this store's own; it begins with an empty or a new one"
    raise _refused(said, f"{_SHARED}: {cure}")


def _read(folder: Path) -> str:
    """Empty if there is none."""
    try:
        with (folder / MARKER).open("rb") as file:
            return file.read(_LIMIT).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unusable(folder, error) from error


def _make(folder: Path, mark: str) -> str:
    """Whole under its name or not there at all; the mark of whoever was first."""
    part = _trial(folder, f"{mark}\n")
    try:
        os.link(part, folder / MARKER)
    except FileExistsError:
        return _read(folder)
    except OSError as error:
        raise _unusable(folder, error) from error
    finally:
        part.unlink()
    return mark


def _try_writing(folder: Path) -> None:
    _trial(folder, "").unlink()


def _trial(folder: Path, content: str) -> Path:
    """A file that nobody else has."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f"{MARKER}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise _unusable(folder, error) from error
    return Path(name)


def _try_parent(folder: Path) -> None:
    """Whether the directory can be made, or written, as far as that can be known without doing it."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise _refused(f"{folder}, which cannot be made or written", "allowed: a directory that the gateway may write")


def _unusable(folder: Path, error: OSError) -> Misconfigured:
    return _refused(f"{folder}: {error.strerror or error}", "allowed: a directory that the gateway may write")


def _refused(found: str, cure: str) -> Misconfigured:
    return Misconfigured((Problem(_KEY, found, cure),))
