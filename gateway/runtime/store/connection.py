"""From `store.url` to a client, and what a server must be for our promises to hold.

`redis://`, `rediss://` and `unix://` name one server; `redis+sentinel://host:port,host:port/service?db=0` asks Sentinels
for the primary. The client repeats nothing by itself: a commit whose answer was lost may have been written, and only
the caller, who knows the call's version, can find out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.domain.errors import StoreUnavailable

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 2.0
CONNECTIONS = 32
"""One process awaits few commands at a time; the 33rd waits for a connection instead of opening one."""
OLDEST_SERVER = (6, 2)
_GONE = "the handler is closed"
"""What uvloop says, in a RuntimeError, to who writes to a connection that was reset a moment ago. asyncio's own loop says
nothing there, and the next read is a ConnectionError.
"""


def open_client(url: str, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Redis:
    """A client that has not connected yet."""
    settings = _settings(answer_timeout_s)
    if url.startswith("redis+sentinel://"):
        return _by_sentinel(url, settings)
    pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, timeout=answer_timeout_s, **settings)
    return Redis.from_pool(pool)


async def close_client(client: Redis) -> None:
    """With the clients that ask the Sentinels, which redis-py leaves open."""
    pool = client.connection_pool
    await client.aclose()
    if isinstance(pool, SentinelConnectionPool):
        for asking in pool.sentinel_manager.sentinels:
            await asking.aclose()


@contextmanager
def speaking() -> Iterator[None]:
    """Whatever goes wrong between us and the server is one error to everybody else."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
    except RuntimeError as error:
        if _GONE not in str(error):
            raise
        raise StoreUnavailable(f"ConnectionError: {error}") from error


async def findings(client: Redis, replicas: int = 0) -> tuple[str, ...]:
    """What is wrong with the server's settings, each with its cure; empty if our promises hold. Changes nothing."""
    with speaking():
        info: dict[str, Any] = await client.info("everything")
    checks = (_version(info), _primary(info), _eviction(info), _append_only(info), _replicas(info, replicas))
    return tuple(finding for finding in (*checks, await _fsync(client)) if finding)


def _settings(answer_timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": answer_timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _by_sentinel(url: str, settings: dict[str, Any]) -> Redis:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    database = int(parse_qs(parts.query).get("db", ["0"])[0])
    sentinel = Sentinel([_host(host) for host in hosts.split(",")], **settings)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(
        parts.path.strip("/"), db=database, username=unquote(username) or None, password=unquote(password) or None
    )
    return client


def _host(text: str) -> tuple[str, int]:
    name, _, port = text.rpartition(":")
    return (name, int(port)) if name else (text, 26379)


def _version(info: dict[str, Any]) -> str:
    # Valkey says here which Redis it speaks like: 7.2.4.
    version = str(info.get("redis_version", "0.0"))
    if tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_SERVER:
        return ""
    return f"the server speaks Redis {version}; Holdline needs 6.2 or newer"


def _primary(info: dict[str, Any]) -> str:
    if info.get("role", "master") == "master":
        return ""
    return "the server is a replica and takes no writes; point store.url at the primary, or at Sentinel"


def _eviction(info: dict[str, Any]) -> str:
    policy = info.get("maxmemory_policy")
    if policy == "noeviction":
        return ""
    return f"maxmemory-policy is {policy or 'unknown'}: the server may throw calls away; set it to noeviction"


def _append_only(info: dict[str, Any]) -> str:
    if info.get("aof_enabled") == 1:
        return ""
    return "the append-only file is off: a restart of the server forgets calls; set appendonly yes"


def _replicas(info: dict[str, Any], wanted: int) -> str:
    connected = int(info.get("connected_slaves", 0))
    if connected >= wanted:
        return ""
    return f"store.wait_replicas is {wanted}, but {connected} replicas are connected: no call can be accepted"


async def _fsync(client: Redis) -> str:
    """Managed servers often forbid CONFIG; then there is nothing to say."""
    try:
        policy = (await client.config_get("appendfsync")).get("appendfsync", "always")
    except (RedisError, OSError):
        return ""
    if policy == "always":
        return ""
    return f"appendfsync is {policy}: a crash of the server may forget the last second; set appendfsync always"
