"""One dial is one POST: the ticket that a worker thread must spend in the line before the request is written.

Three of the four official SDKs send a dial again by themselves. No setting of theirs is trusted here: the transport
below each SDK (`requests_wire`, `httpx_wire`) spends the thread's `Shot` after the connection stands and before the
first byte; a second request in the same dial finds it spent and never leaves. So `fired` means exactly "bytes may have
left", and every failure before it is NotSent without reading any SDK's exceptions.
"""

import threading
from collections.abc import Callable, Mapping

from msgspec import Struct

from gateway.domain.errors import NotSent


class HttpAnswer(Struct, frozen=True, kw_only=True):
    """What came back on the wire, kept because some SDKs drop status and body. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ShotSpent(Exception):
    """An SDK tried to send the same dial again; raised into the SDK, so that the second request never leaves."""


class Shot:
    """The right to send one dial, once, before a deadline, while the gate is open. Shared by a thread and the loop."""

    def __init__(self, deadline: float, gate: Callable[[], bool], clock: Callable[[], float]) -> None:
        self.deadline = deadline
        self.answer: HttpAnswer | None = None
        self._gate, self._clock = gate, clock
        self._lock = threading.Lock()
        self._fired = self._void = False

    @property
    def fired(self) -> bool:
        """Bytes of the request may have left."""
        return self._fired

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - self._clock())

    def fire(self) -> None:
        """Spend the shot; raise NotSent if it is too late or no longer ours, ShotSpent if it was spent before."""
        with self._lock:
            if self._fired:
                raise ShotSpent("this dial has been sent once; it is never sent again")
            if self._void or self._clock() >= self.deadline:
                raise NotSent("deadline-passed")
            if not self._gate():
                raise NotSent("gate-closed")
            self._fired = True

    def call_off(self) -> bool:
        """Make an unspent shot worthless; False if it was spent already (then only the carrier knows)."""
        with self._lock:
            self._void = True
            return not self._fired


_of_thread = threading.local()


def current() -> Shot | None:
    """The shot of this worker thread, None outside a dial."""
    shot: Shot | None = getattr(_of_thread, "shot", None)
    return shot


def load(shot: Shot | None) -> None:
    """Give this worker thread its shot for the dial that follows, or take it away."""
    _of_thread.shot = shot
