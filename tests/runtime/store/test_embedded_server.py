"""The embedded server with real processes: what it survives, whom it adopts, and what it refuses to open."""

import asyncio
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, Committed
from gateway.runtime.store.data_directory import SOCKET_PATH_BYTES, DataDirectory
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.store.redis_store import RedisStore

NOW = 1_763_800_000.5


async def write(server: EmbeddedServer, call_id: str) -> None:
    store = RedisStore.connect(server.url)
    call = Call(id=call_id, to="+15550190001", session_id="ses", created_at=NOW, expires_at=NOW + 60)
    result = await store.commit(Change(call=call), NOW)
    await store.aclose()
    assert isinstance(result, Committed)


async def knows(server: EmbeddedServer, call_id: str) -> bool:
    store = RedisStore.connect(server.url)
    call = await store.load(call_id)
    await store.aclose()
    return call is not None


async def gone(server: EmbeddedServer) -> None:
    """Until the server's process has given its lock back; a killed process may stay as a zombie of pid 1."""
    lock = DataDirectory(server.directory.parent).lock("server")
    free = await lock.wait(time.monotonic() + 10.0)
    lock.close()
    assert free


async def test_what_was_acknowledged_survives_kill_9_of_the_server(tmp_path: Path) -> None:
    """Killed without warning after a commit, the server started anew on the directory has the call, on the same socket."""
    async with EmbeddedServer(tmp_path) as server:
        await write(server, "call_1")
        socket, killed = server.socket_path, server.pid
        os.kill(killed, signal.SIGKILL)
        await gone(server)
        await server.ensure_running()
        assert server.pid != killed
        assert server.socket_path == socket
        assert await knows(server, "call_1")


async def test_what_was_acknowledged_survives_a_stop(tmp_path: Path) -> None:
    """A clean stop ends the process and loses nothing."""
    async with EmbeddedServer(tmp_path) as server:
        await write(server, "call_1")
    await gone(server)
    async with EmbeddedServer(tmp_path) as server:
        assert not server.joined
        assert await knows(server, "call_1")


async def test_a_server_left_behind_by_a_killed_gateway_is_adopted(tmp_path: Path) -> None:
    """The next gateway finds the living server, uses it, and as the last one stops it; the first runs as in production."""
    program = """
        import os, signal, sys, uvloop
        from pathlib import Path
        from gateway.runtime.store.embedded import EmbeddedServer
        async def main():
            server = EmbeddedServer(Path(sys.argv[1]))
            await server.start()
            print(server.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        uvloop.run(main())
    """
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), tmp_path, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(gateway.communicate(), 20)
    assert gateway.returncode == -signal.SIGKILL
    async with EmbeddedServer(tmp_path) as server:
        assert server.joined
        assert server.pid == int(told)
        await write(server, "call_1")
    await gone(server)


async def test_a_second_gateway_joins_and_the_last_one_out_stops_the_server(tmp_path: Path) -> None:
    """Both use one process; it lives on when the first leaves, whichever started it."""
    first, second = EmbeddedServer(tmp_path), EmbeddedServer(tmp_path)
    await first.start()
    await second.start()
    assert (first.joined, second.joined) == (False, True)
    assert first.pid == second.pid
    await first.stop()
    await write(second, "call_1")
    await second.stop()
    await gone(second)


async def test_gateways_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    """Of several that start in the same moment exactly one starts the server."""
    gateways = [EmbeddedServer(tmp_path) for _ in range(4)]
    await asyncio.gather(*(gateway.start() for gateway in gateways))
    try:
        assert len({gateway.pid for gateway in gateways}) == 1
        assert sorted(gateway.joined for gateway in gateways) == [False, True, True, True]
    finally:
        await asyncio.gather(*(gateway.stop() for gateway in gateways))


async def test_a_server_that_serves_another_directory_is_not_adopted(tmp_path: Path) -> None:
    """A running.json copied from elsewhere does not lead a gateway to somebody else's data."""
    async with EmbeddedServer(tmp_path / "a") as other:
        here = EmbeddedServer(tmp_path / "b")
        (here.directory / "running.json").write_bytes((other.directory / "running.json").read_bytes())
        async with here:
            assert not here.joined
            assert here.pid != other.pid


@pytest.mark.parametrize(
    ("program", "version", "cure"),
    [("redis", "7.2.4", "store.program"), ("valkey", "99.0.1", "install valkey 99.0.1 or newer")],
)
async def test_files_of_another_program_are_refused_with_the_cure(tmp_path: Path, program: str, version: str, cure: str) -> None:
    """A directory written by another program, or a newer major version, is not opened; the message says what to do."""
    async with EmbeddedServer(tmp_path) as server:
        pass
    path = server.directory / "record.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | {"program": program, "version": version}))
    with pytest.raises(StoreUnavailable, match=cure) as refused:
        await EmbeddedServer(tmp_path).start()
    assert f"{program} {version}" in str(refused.value)


async def test_files_of_an_older_major_version_are_opened_and_recorded(tmp_path: Path) -> None:
    """An upgrade of the server reads the older version's files, and from then on the directory is the newer one's."""
    async with EmbeddedServer(tmp_path) as server:
        await write(server, "call_1")
    path = server.directory / "record.json"
    written = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(written | {"version": "1.0.0"}))
    async with EmbeddedServer(tmp_path) as server:
        assert await knows(server, "call_1")
    assert msgspec.json.decode(path.read_bytes()) == written


async def test_files_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    """A database without our record of who wrote it is left alone."""
    server = EmbeddedServer(tmp_path)
    (server.directory / "dump.rdb").write_bytes(b"REDIS0009")
    with pytest.raises(StoreUnavailable, match=r"no record\.json"):
        await server.start()


async def test_a_server_that_comes_up_empty_is_stopped(tmp_path: Path) -> None:
    """Where the data should be and is not, the gateway does not start as if nothing had ever been there."""
    async with EmbeddedServer(tmp_path) as server:
        await write(server, "call_1")
    (server.directory / "appendonlydir").rename(tmp_path / "lost")
    with pytest.raises(StoreUnavailable, match="without the data"):
        await EmbeddedServer(tmp_path).start()
    await gone(server)


async def test_a_long_path_moves_the_socket_to_a_short_private_one(tmp_path: Path) -> None:
    """Where the socket's path would not fit, it stands in a directory that only we may enter, and goes with the server."""
    deep = tmp_path.joinpath(*["d" * 40] * 3)
    async with EmbeddedServer(deep) as server:
        assert len(os.fsencode(server.socket_path)) <= SOCKET_PATH_BYTES
        assert server.socket_path.parent.stat().st_mode & 0o777 == 0o700
        async with EmbeddedServer(deep) as second:
            assert second.socket_path == server.socket_path
        await write(server, "call_1")
    assert not server.socket_path.parent.exists()


async def test_the_directory_is_private(tmp_path: Path) -> None:
    """Nobody else may enter the directory, nor read a number in it."""
    server = EmbeddedServer(tmp_path)
    assert server.directory.stat().st_mode & 0o777 == 0o700


async def test_a_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    """The error carries the server's own words."""
    async with EmbeddedServer(tmp_path) as server:
        await write(server, "call_1")
    (journal,) = server.directory.glob("appendonlydir/*.incr.aof")
    journal.write_bytes(b"no append-only file\r\n" + journal.read_bytes())
    with pytest.raises(StoreUnavailable, match="Bad file format"):
        await EmbeddedServer(tmp_path).start()


async def test_a_program_that_is_no_server_is_refused(tmp_path: Path) -> None:
    """A wrong `store.program` is named."""
    with pytest.raises(StoreUnavailable, match="neither Valkey nor Redis"):
        await EmbeddedServer(tmp_path, program=sys.executable).start()
    with pytest.raises(StoreUnavailable, match="not there"):
        await EmbeddedServer(tmp_path, program="no-such-server").start()
