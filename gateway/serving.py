"""Serves a gateway on its port, and ends it gently: SIGTERM drains, a second signal ends at once."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import uvicorn
from msgspec.structs import replace

from agent.registry import agent_of
from gateway.app import Cast, Gateway, open_gateway
from gateway.config.structs import Config
from gateway.web.media_socket import MESSAGE_LIMIT

_CLOSE_S = 5
_KEEP_ALIVE_S = 75
"""Longer than clients and balancers keep an idle connection (5 to 60 s), so that they close it and not we: a request sent into a
connection that closes at that moment is lost, and a POST is not repeated by itself.
"""
_OF_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Right for gateways on one machine; those on several are told `server.internal_url`."""


class _Server(uvicorn.Server):
    """Leaves signals to us, since SIGTERM must drain first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """The listening socket; OSError if the port is taken. Bound before anything else starts, so that nothing half-starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def served(
    config: Config, listener: socket.socket, lab_url: str | None = None, cast: Cast = agent_of
) -> AsyncIterator[Gateway]:
    """A gateway that answers on the listener from here to the end of the block; `cast` makes its agents."""
    async with open_gateway(_reachable(config, listener), lab_url=lab_url, cast=cast) as gateway:
        server = _Server(_uvicorn_config(gateway))
        task = asyncio.create_task(server.serve(sockets=[listener]), name="gateway-http")
        try:
            while not server.started:
                if task.done():
                    task.result()
                    raise RuntimeError("the HTTP server ended before it started")
                await asyncio.sleep(0.01)
            yield gateway
        finally:
            await gateway.leave()
            server.should_exit = True
            await task


def _reachable(config: Config, listener: socket.socket) -> Config:
    """Where the other gateways find us, if the config does not say: the port is known only now that we listen."""
    if config.server.internal_url is not None:
        return config
    host, port = listener.getsockname()[:2]
    host = _OF_THIS_MACHINE.get(host, host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return replace(config, server=replace(config.server, internal_url=url))


async def serve_until_signal(
    config: Config, listener: socket.socket, on_ready: Callable[[], None] = lambda: None, lab_url: str | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, then drain for `server.drain_for_s`, or until the next signal."""
    first, second = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: (second if first.is_set() else first).set())
    async with served(config, listener, lab_url) as gateway:
        on_ready()
        await first.wait()
        await _first_of(gateway.drain(config.server.drain_for_s), second.wait())


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _uvicorn_config(gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        gateway,
        loop="none",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MESSAGE_LIMIT,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_CLOSE_S,
    )
