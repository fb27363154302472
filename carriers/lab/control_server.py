"""Runs the control surface on uvicorn inside the lab's own loop: no signal handlers, no main loop, no logging set-up."""

import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from litestar import Litestar

GRACE_S = 2
KEEP_ALIVE_S = 75
"""Longer than its clients keep an idle connection: none closes under a request."""


class ControlServer:
    """Bound when it is made, so that the port is known before anything starts; raises OSError if it is taken."""

    def __init__(self, app: "Litestar", host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = uvicorn.Server(config)

    async def start(self) -> None:
        """Listen."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._socket])

    async def aclose(self) -> None:
        """Stop listening, let running requests end, close line sockets."""
        if not self._server.started:
            self._socket.close()
            return
        await self._server.shutdown(sockets=[self._socket])
