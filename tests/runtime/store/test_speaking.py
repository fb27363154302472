"""Whatever goes wrong on the way to the server is one error to everybody else, and a defect of ours stays what it is."""

import asyncio
import socket

import pytest
import uvloop
from redis.exceptions import BusyLoadingError, ResponseError

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.store.connection import speaking
from gateway.runtime.store.redis_store import RedisStore


@pytest.mark.parametrize(
    "error", [BusyLoadingError("loading"), ResponseError("OOM"), ConnectionResetError("reset"), TimeoutError("no answer")]
)
def test_the_servers_and_the_wires_errors_are_one(error: Exception) -> None:
    """The text says which it was."""
    with pytest.raises(StoreUnavailable, match=type(error).__name__), speaking():
        raise error


def test_a_defect_of_ours_is_none_of_them() -> None:
    """Nothing that is no failure of the way is taken for one."""
    with pytest.raises(RuntimeError, match="of ours"), speaking():
        raise RuntimeError("a defect of ours")


def test_a_connection_that_was_reset_before_we_wrote() -> None:
    """On uvloop, which the gateway runs on, writing to it is a RuntimeError: it means that the store is away, too."""

    async def write_to_what_is_gone() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.transport.abort()
            await asyncio.sleep(0)
            with speaking():
                writer.writelines([b"PING"])

    with pytest.raises(StoreUnavailable, match="handler is closed"):
        uvloop.run(write_to_what_is_gone())


def test_a_ping_on_it_says_no() -> None:
    """Whoever asks whether the store is there is told, and never gets an error."""

    async def ping_what_is_gone() -> bool:
        store = RedisStore.connect("redis://127.0.0.1:1")

        async def gone(*_given: object, **_named: object) -> None:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

        store._client.set = gone  # type: ignore[method-assign]
        answer = await store.ping()
        await store.aclose()
        return answer

    assert uvloop.run(ping_what_is_gone()) is False
