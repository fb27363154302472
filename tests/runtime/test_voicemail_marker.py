"""One directory for all gateways of a store: who is let in, and what the others are told."""

import asyncio
from itertools import count
from pathlib import Path

import pytest

from gateway.domain.errors import Misconfigured
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.voicemail_marker import MARKER, claim, look

_numbers = count(1)


def new_mark(prefix: str) -> str:
    return f"{prefix}_{next(_numbers)}"


async def refused(folder: Path, store: MemoryStore) -> str:
    with pytest.raises(Misconfigured) as caught:
        await claim(folder, store, new_mark)
    (problem,) = caught.value.problems
    assert problem.path == "storage.dir"
    assert str(folder) in problem.found
    with pytest.raises(Misconfigured) as seen:
        await look(folder, store)
    assert str(seen.value) == str(caught.value)
    return str(problem)


async def test_the_first_start_marks_the_directory(tmp_path: Path) -> None:
    """Store and directory know the same mark, and every later start is let in."""
    store, folder = MemoryStore(), tmp_path / "deep" / "voicemails"
    await claim(folder, store, new_mark)
    assert (folder / MARKER).read_text().strip() == await store.storage_mark("") != ""
    await claim(folder, store, new_mark)
    assert [file.name for file in folder.iterdir()] == [MARKER]


async def test_many_first_starts_agree(tmp_path: Path) -> None:
    """Whoever is first: nobody is turned away from the directory that all of them share."""
    store = MemoryStore()
    await asyncio.gather(*(claim(tmp_path / "voicemails", store, new_mark) for _ in range(20)))
    assert [file.name for file in (tmp_path / "voicemails").iterdir()] == [MARKER]


async def test_another_directory_is_refused(tmp_path: Path) -> None:
    """An empty one, because a message in it would be heard at one gateway only: the cure names the marker."""
    store = MemoryStore()
    await claim(tmp_path / "a", store, new_mark)
    told = await refused(tmp_path / "b", store)
    assert "same directory" in told
    assert await store.storage_mark("") in told
    (tmp_path / "b" / MARKER).write_text(await store.storage_mark(""))
    await claim(tmp_path / "b", store, new_mark)


async def test_another_stores_directory_is_refused(tmp_path: Path) -> None:
    """Both have their marks already."""
    ours, theirs = MemoryStore(), MemoryStore()
    await claim(tmp_path / "a", ours, new_mark)
    await claim(tmp_path / "b", theirs, new_mark)
    assert "another store" in await refused(tmp_path / "b", ours)


async def test_a_new_store_takes_an_old_directory(tmp_path: Path) -> None:
    """A store that was lost, or begins anew, needs no by-hand work on the directory."""
    await claim(tmp_path, MemoryStore(), new_mark)
    mark, fresh = (tmp_path / MARKER).read_text().strip(), MemoryStore()
    await claim(tmp_path, fresh, new_mark)
    assert await fresh.storage_mark("") == mark


async def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """At the start, and not when somebody wants to leave a message. (A file stands in the way: root may write anywhere.)"""
    (tmp_path / "voicemails").write_text("")
    assert "may write" in await refused_alone(tmp_path / "voicemails")
    assert "may write" in await refused_alone(tmp_path / "voicemails" / "below")


async def refused_alone(folder: Path) -> str:
    with pytest.raises(Misconfigured) as caught:
        await claim(folder, MemoryStore(), new_mark)
    return str(caught.value)


async def test_looking_makes_nothing(tmp_path: Path) -> None:
    """`check` may run before the first start, without a store, and anywhere."""
    folder = tmp_path / "voicemails"
    assert "first start" in await look(folder, MemoryStore())
    assert "when the gateway starts" in await look(folder, None)
    assert not folder.exists()
    store = MemoryStore()
    await claim(folder, store, new_mark)
    assert "this store's" in await look(folder, store)
