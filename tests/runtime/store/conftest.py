"""One embedded server for all tests of this folder; every test has keys of its own under a tag of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.runtime.store.contract import Store
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.redis_store import RedisStore

_TAGS = (f"{{test-{number}}}" for number in count())


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedServer(Path(tmp_path_factory.mktemp("embedded")))
    asyncio.run(_start(server))
    yield server.url
    asyncio.run(server.stop())


async def _start(server: EmbeddedServer) -> None:
    """What survives a crash is tested with servers of their own; this one need not wait for the disk."""
    await server.start()
    async with Redis.from_url(server.url, protocol=2) as client:
        await client.config_set("appendfsync", "everysec")


@pytest.fixture
async def redis_store(store_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore.connect(store_url, next(_TAGS))
    yield store
    await store.aclose()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    chosen: Store = MemoryStore() if request.param == "memory" else request.getfixturevalue("redis_store")
    return chosen
