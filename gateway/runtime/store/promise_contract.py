"""What the store promises of promises to call: who may keep them, in what order and how fast, and that there is one of a kind."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from gateway.domain.callback import PURPOSES
from gateway.domain.outcome import CallbackState, Priority

HEAD_START_S: Mapping[Priority, float] = {Priority.HIGH: 300.0, Priority.NORMAL: 0.0, Priority.LOW: -300.0}
"""Of promises that are due together, one that is urgent goes before what was due up to five minutes earlier, and one that is
not lets pass what is due up to five minutes later: so each comes to its turn in the end.
"""
BURST_S = 1.0
"""What could have been handed out in this time may be handed out at once."""
OTHER = "other"
"""In counts: any purpose that this version does not know."""
COUNTED = tuple((state, purpose) for state in (CallbackState.WAITING, CallbackState.RUNNING) for purpose in (*PURPOSES, OTHER))
"""What open promises are counted by."""
LONGEST_CONTEXT = 4096
"""Bytes of an agent's last context that are kept with its call; a longer one is not."""


class OpenPromises(Struct, frozen=True, kw_only=True):
    """How many there are, and when the one that has waited longest in the queue was to be kept; None if none waits."""

    counts: Mapping[tuple[CallbackState, str], int]
    """By state (waiting, running) and purpose; every pair is there."""
    first_due: float | None
    """In the future if none is late. What a process has in hand is due when its lease ends."""


class PromiseClaim(Struct, frozen=True, kw_only=True):
    """A promise that this worker may keep until its lease ends."""

    call_id: str
    token: str
    """Fencing: given anew with every claim, and dead once the promise is another; named in `Change.kept`."""


class Taken(Struct, frozen=True, tag=True):
    """Nothing was written: `wanted` (a call of the change) would be a promise, and there is an open one to its number for its
    purpose, which `holder` (a call) is.
    """

    holder: str
    wanted: str


class PromiseStore(Protocol):
    """A part of `gateway.runtime.store.contract.Store`. Every method is one atomic step."""

    async def claim_promises(
        self, now: float, lease_s: float, limit: int, per_second: float | None = None
    ) -> tuple[PromiseClaim, ...]:
        """Promises that are due, by `HEAD_START_S`; each is not handed out again for `lease_s`, unless it is renewed.

        `per_second`: no more than so many, over all who ask; None: as many as are due.
        """
        ...

    async def hasten_promises(self, now: float, reasons: frozenset[str], limit: int) -> int:
        """Make promises with one of these reasons due now; how many."""
        ...

    async def open_promises(self) -> OpenPromises:
        """As they stand; only looks."""
        ...

    async def keep_last_context(self, call_id: str, context: str) -> bool:
        """What the call's agent knew at its end, as JSON; kept as long as the call. False if it is too long, or there is no
        such call.
        """
        ...

    async def last_context(self, call_id: str) -> str | None:
        """What was kept at the call's end; else what was stored last while it lived, once it has ended."""
        ...
