"""The real store without waiting: every command is answered before anybody else can move. For the simulation.

A server of our own, without a file to its name, on a private socket; a blocking client in the shape of the asyncio one.
In virtual time the server's real time does not exist: whatever it takes, the loop stands still meanwhile.
"""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from gateway.runtime.store.program import find_program
from gateway.runtime.store.redis_store import RedisStore

START_TRIES = 100


class Unwaited:
    """The commands that `RedisStore` gives, each an awaitable that never waits."""

    def __init__(self, client: BlockingRedis) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Any command of the client."""
        command = getattr(self._client, name)

        async def answered(*given: Any, **named: Any) -> Any:
            return command(*given, **named)

        return answered


class RealStores:
    """Stores on one server; each tag is a world of its own."""

    def __init__(self, client: BlockingRedis) -> None:
        self._client = client

    @contextmanager
    def store(self, word: str) -> Iterator[RedisStore]:
        """An empty store, forgotten afterwards."""
        self._client.flushall()
        yield RedisStore(cast(Redis, Unwaited(self._client)), f"{{{word}}}")
        self._client.flushall()


@contextmanager
def real_stores() -> Iterator[RealStores]:
    """Start a server, and end it. Raise StoreUnavailable if there is no program for one."""
    program = asyncio.run(find_program())
    folder = Path(tempfile.mkdtemp(prefix="holdline-sim-"))
    socket = folder / "s"
    words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    server = subprocess.Popen([program.path, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    client = BlockingRedis(unix_socket_path=str(socket), protocol=2, retry=Retry(ConstantBackoff(0.05), START_TRIES))
    try:
        client.ping()
        yield RealStores(client)
    finally:
        client.close()
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
