"""Which socket a leg has: a token binds one, and again, at most three times, when that one is closed or dead. Pure."""

from gateway.domain.records import Leg
from gateway.web.media_socket import MediaSocket

REBINDS = 3
IDLE_S = 1.0
"""A socket that carries nothing for so long may be replaced by another of its leg."""


class Bindings:
    """The live sockets of this process, by leg. How many a leg has had in its life, the leg itself knows (`streams`)."""

    def __init__(self) -> None:
        self._live: dict[str, list[MediaSocket]] = {}

    def refusal(self, leg: Leg, now: float) -> str:
        """Why the leg may not have one more socket; empty if it may."""
        live = self._live.get(leg.id, [])
        if not self._idle(live, now):
            return "already-bound"
        if leg.streams > REBINDS or len(live) > REBINDS:
            return "bound-too-often"
        return ""

    def had_one(self, leg: Leg) -> bool:
        """Whether one more socket would be a rebinding."""
        return leg.streams > 0 or leg.id in self._live

    def add(self, socket: MediaSocket) -> None:
        """Accepted; the leg's own only once its start says so."""
        self._live.setdefault(socket.admitted.leg.id, []).append(socket)

    def remove(self, socket: MediaSocket) -> None:
        """Gone."""
        live = self._live[socket.admitted.leg.id]
        live.remove(socket)
        if not live:
            del self._live[socket.admitted.leg.id]

    def give_way(self, socket: MediaSocket, now: float) -> list[MediaSocket] | None:
        """The others, which the leg's new socket replaces; None if one of them has come to life meanwhile."""
        others = [other for other in self._live[socket.admitted.leg.id] if other is not socket]
        return others if self._idle(others, now) else None

    @staticmethod
    def _idle(sockets: list[MediaSocket], now: float) -> bool:
        return all(now - socket.carried_at >= IDLE_S for socket in sockets)
