"""What only the Redis store has to get right: a server that is gone, slow, forgetful, or set up wrongly."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.store.connection import findings
from gateway.runtime.store.contract import CallFilter, Change, Committed
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.store.redis_store import DEFAULT_TAG, RedisStore

NOW = 1_763_800_000.5


def a_call(call_id: str = "call_1") -> Call:
    return Call(id=call_id, to="+15550190001", session_id="ses", created_at=NOW, expires_at=NOW + 60)


async def test_a_server_that_is_gone_is_one_error_for_every_method(tmp_path: Path) -> None:
    """Nobody above the store has to know redis-py's errors; and once the server is back, so is the store."""
    async with EmbeddedServer(tmp_path) as server:
        store = RedisStore.connect(server.url)
        assert isinstance(await store.commit(Change(call=a_call()), NOW), Committed)
        os.kill(server.pid, signal.SIGKILL)
        for step in (
            lambda: store.commit(Change(call=a_call("call_2")), NOW),
            lambda: store.load("call_1"),
            lambda: store.list_calls(CallFilter(), 10, None),
            lambda: store.claim(NOW, 5.0, 10),
            store.feed_end,
            store.next_fence,
            store.findings,
        ):
            with pytest.raises(StoreUnavailable):
                await step()
        assert await store.ping() is False
        await server.ensure_running()
        assert await store.load("call_1") is not None
        await store.aclose()


async def test_a_server_that_does_not_answer_costs_bounded_time() -> None:
    """A server that takes the connection and then says nothing is unavailable, not a hanging call."""
    left = asyncio.Event()

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    silent = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    store = RedisStore.connect(f"redis://127.0.0.1:{port}")
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(store.load("call_1"), 8)
    await store.aclose()
    await asyncio.wait_for(left.wait(), 5)
    silent.close()


async def test_scripts_are_sent_again_to_a_server_that_forgot_them(redis_store: RedisStore, store_url: str) -> None:
    """A restarted server, or a promoted replica, knows no scripts; the store goes on without an error."""
    await redis_store.commit(Change(call=a_call()), NOW)
    async with Redis.from_url(store_url, protocol=2) as client:
        await client.script_flush()
    assert isinstance(await redis_store.commit(Change(call=a_call("call_2")), NOW), Committed)


async def test_an_accepted_call_waits_for_its_replicas(store_url: str) -> None:
    """Without the replicas asked for a new call is not accepted, while the work on accepted calls goes on."""
    async with Redis.from_url(store_url, protocol=2) as client:
        alone = RedisStore(client, "{alone}")
        accompanied = RedisStore(client, "{alone}", wait_replicas=1, wait_s=0.05)
        written = await alone.commit(Change(call=a_call()), NOW)
        assert isinstance(written, Committed)
        assert isinstance(await accompanied.commit(Change(call=written.call), NOW), Committed)
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            await accompanied.commit(Change(call=a_call("call_2")), NOW)
        assert any("wait_replicas" in finding for finding in await findings(client, 1))


async def test_stores_under_two_tags_do_not_meet(store_url: str) -> None:
    """Two cells can share a server."""
    async with Redis.from_url(store_url, protocol=2) as client:
        one, two = RedisStore(client, "{cell-1}"), RedisStore(client, "{cell-2}")
        await one.commit(Change(call=a_call()), NOW)
        assert await two.load("call_1") is None
        assert await two.dump() == {}


async def test_every_key_stands_under_the_tag(store_url: str, redis_store: RedisStore) -> None:
    """All keys hash to one slot, so that one script may touch any of them on a Cluster-mode server."""
    await redis_store.commit(Change(call=a_call()), NOW)
    async with Redis.from_url(store_url, protocol=2) as client:
        keys = [key async for key in client.scan_iter(count=1000)]
    strangers = [key for key in keys if not key.startswith(b"{") and key != b"holdline:directory"]
    assert strangers == []


async def test_a_tag_without_braces_is_refused(store_url: str) -> None:
    """Without braces the keys would fall apart over a cluster's nodes."""
    with pytest.raises(ValueError, match=r"\{holdline\}"):
        RedisStore.connect(store_url, "holdline")
    assert DEFAULT_TAG == "{holdline}"


async def test_settings_that_may_lose_calls_are_found(tmp_path: Path) -> None:
    """Eviction, a missing append-only file and a lazy fsync are each named with their cure; the embedded server has none."""
    async with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url, protocol=2) as client:
        assert await findings(client) == ()
        await client.config_set("maxmemory-policy", "allkeys-lru")
        await client.config_set("appendfsync", "everysec")
        await client.config_set("appendonly", "no")
        found = " ".join(await findings(client))
    assert all(cure in found for cure in ("noeviction", "appendonly yes", "appendfsync always"))


async def test_a_long_list_is_walked_in_bounded_steps(redis_store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter whose matches are far apart is answered in several short scripts, with the same result."""
    monkeypatch.setattr("gateway.runtime.store.redis_store.LIST_STEPS", 1)
    for number in range(450):
        call = Call(
            id=f"call_{number:03}",
            to="+15550190001" if number % 400 else "+15550190002",
            session_id="ses",
            created_at=NOW + number,
            expires_at=NOW + 9999,
            direction="outbound" if number % 300 else "inbound",  # type: ignore[arg-type]
        )
        await redis_store.commit(Change(call=call), NOW)
    page = await redis_store.list_calls(CallFilter(to="+15550190001", direction="outbound"), 500, None)
    assert len(page.items) == 447
    assert page.next is None
