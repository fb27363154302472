"""Ports for whoever must come back on the same one after a death."""

import socket
from collections.abc import Iterator
from contextlib import suppress

HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000
"""Below the range from which kernels take the ports of outgoing connections: nobody may slip in while we are away."""


class Ports:
    """Gives each port once. `start` spreads several runs on one machine."""

    def __init__(self, start: int) -> None:
        self._candidates = _around(start)

    def take(self) -> int:
        """One that nobody listens on."""
        return next(port for port in self._candidates if free(port))


def free(port: int) -> bool:
    """Whether somebody could listen there now."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False


def _around(start: int) -> Iterator[int]:
    size = _LAST - _FIRST
    return (_FIRST + (start + step) % size for step in range(size))
