"""The Redis store on what production has: a replica, a Sentinel, a server in Cluster mode. All on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, Committed
from gateway.runtime.store.program import find_program
from gateway.runtime.store.redis_store import RedisStore

NOW = 1_763_800_000.5
Launch = Callable[..., Awaitable[Redis]]


def a_call(call_id: str) -> Call:
    return Call(id=call_id, to="+15550190001", session_id="ses", created_at=NOW, expires_at=NOW + 60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(answer: Callable[[], Awaitable[bool]], patience_s: float = 15.0) -> None:
    """Ask until it is so; a server that does not answer yet has not said so."""
    async with asyncio.timeout(patience_s):
        while True:
            try:
                if await answer():
                    return
            except (RedisError, OSError):
                pass
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path, port: int, *options: str) -> AsyncIterator[Redis]:
    await asyncio.to_thread(folder.mkdir)
    program = await find_program()
    given = (*options, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--logfile", str(folder / "log"))
    process = await asyncio.create_subprocess_exec(program.path, *given)
    client = Redis(host="127.0.0.1", port=port, protocol=2)
    try:
        await until(client.ping)
        yield client
    finally:
        await client.aclose()
        process.kill()
        await process.wait()


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    async with AsyncExitStack() as stack:

        async def start(port: int, *options: str) -> Redis:
            return await stack.enter_async_context(running(tmp_path / str(port), port, *options))

        yield start


async def test_an_accepted_call_is_on_the_replica(launch: Launch) -> None:
    """Once a new call is accepted with `wait_replicas`, the replica has it; when the replica is gone, none is accepted."""
    main, copy = free_port(), free_port()
    await launch(main, "--repl-diskless-sync-delay", "0")
    replica = await launch(copy, "--replicaof", "127.0.0.1", str(main))

    async def follows() -> bool:
        info: dict[str, Any] = await replica.info("replication")
        return bool(info["master_link_status"] == "up")

    await until(follows)
    store = RedisStore.connect(f"redis://127.0.0.1:{main}", wait_replicas=1, wait_s=5.0)
    assert isinstance(await store.commit(Change(call=a_call("call_1")), NOW), Committed)
    reader = RedisStore.connect(f"redis://127.0.0.1:{copy}")
    assert await reader.load("call_1") is not None
    assert await reader.ping() is False
    with pytest.raises(StoreUnavailable):
        await reader.commit(Change(call=a_call("call_2")), NOW)
    assert any("replica" in finding for finding in await reader.findings())
    await store.aclose()
    await reader.aclose()


async def test_sentinel_names_the_primary(launch: Launch, tmp_path: Path) -> None:
    """A redis+sentinel:// address finds the server that takes writes; an unknown service is unavailable."""
    main, watcher = free_port(), free_port()
    await launch(main)
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor cell 127.0.0.1 {main} 1\n")
    await launch(watcher, str(config), "--sentinel")
    store = RedisStore.connect(f"redis+sentinel://127.0.0.1:{watcher}/cell?db=0")
    assert isinstance(await store.commit(Change(call=a_call("call_1")), NOW), Committed)
    direct = RedisStore.connect(f"redis://127.0.0.1:{main}")
    assert await direct.load("call_1") is not None
    wrong = RedisStore.connect(f"redis+sentinel://127.0.0.1:{watcher}/other")
    with pytest.raises(StoreUnavailable):
        await wrong.load("call_1")
    for opened in (store, direct, wrong):
        await opened.aclose()


async def test_a_server_in_cluster_mode_takes_every_script(launch: Launch) -> None:
    """All keys of a step live in one slot, so a Cluster-mode server runs it."""
    port = free_port()
    server = await launch(port, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    await server.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)  # type: ignore[no-untyped-call]

    async def whole() -> bool:
        info = await server.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
        return bool(info["cluster_state"] == "ok")

    await until(whole)
    store = RedisStore.connect(f"redis://127.0.0.1:{port}")
    assert isinstance(await store.commit(Change(call=a_call("call_1")), NOW), Committed)
    assert await store.load("call_1") is not None
    assert await store.next_due() is None
    await store.aclose()
