"""Promises of the store in memory, with the same results as `redis_promises.py` in every case."""

import math
from collections import Counter
from typing import TYPE_CHECKING

from gateway.domain.outcome import Priority
from gateway.runtime.store.memory_queues import DueSet, Outbox
from gateway.runtime.store.memory_records import StoredCall
from gateway.runtime.store.plan import Plan, PlannedPromise, open_index
from gateway.runtime.store.promise_contract import (
    BURST_S,
    COUNTED,
    HEAD_START_S,
    LONGEST_CONTEXT,
    OpenPromises,
    PromiseClaim,
    Taken,
)

PACE = ":promises"
"""Beside the carriers in the table of what is free when; no carrier's name has a colon."""
_ALMOST = 1e-6
"""Of a promise: what rounding may cost at the time at which it may just be handed out."""


class Promises:
    """One line for each call that holds an open promise."""

    def __init__(self) -> None:
        self.queues: dict[Priority, DueSet] = {priority: DueSet() for priority in Priority}
        self.items: dict[str, PlannedPromise] = {}
        self.tokens: dict[str, str] = {}
        """Of those that are in somebody's hands."""

    def mirror(self, call_id: str, promise: PlannedPromise | None) -> None:
        """Follow `call.promise`; the same promise keeps its lease and its haste."""
        known = self.items.get(call_id)
        if promise is None:
            self.remove(call_id)
        elif known is None or known.body != promise.body:
            self.remove(call_id)
            self.items[call_id] = promise
            self.queue(call_id).put(call_id, promise.due)

    def remove(self, call_id: str) -> None:
        """Kept, broken, or its call is gone."""
        if call_id in self.items:
            self.queue(call_id).drop(call_id)
            del self.items[call_id]
        self.tokens.pop(call_id, None)

    def queue(self, call_id: str) -> DueSet:
        """In which it waits."""
        return self.queues[self.items[call_id].priority]

    def first(self) -> float | None:
        """When the earliest is due."""
        return min((first for queue in self.queues.values() if (first := queue.first()) is not None), default=None)

    def due(self, clock: float, limit: int) -> list[str]:
        """Whose turn it is, in order."""
        waiting = [
            (score - HEAD_START_S[priority], call_id)
            for priority, queue in self.queues.items()
            for call_id in queue.due(clock, limit)
            if (score := queue.score(call_id)) is not None
        ]
        return [call_id for _, call_id in sorted(waiting)][: max(limit, 0)]

    def hasten(self, clock: float, reasons: frozenset[str], limit: int) -> int:
        """Make the earliest of those that wait due now; a leased one is in somebody's hands already."""
        later = sorted((score, member) for queue in self.queues.values() for score, member in queue if score > clock)
        waiting = (member for _, member in later if member not in self.tokens)
        chosen = [member for member in waiting if self.items[member].reason in reasons][: max(limit, 0)]
        for member in chosen:
            self.queue(member).put(member, clock)
        return len(chosen)


class MemoryPromises:
    """See `gateway.runtime.store.promise_contract.PromiseStore`; a part of `MemoryStore`."""

    if TYPE_CHECKING:
        clock: float
        calls: dict[str, StoredCall]
        ended: DueSet
        outbox: Outbox
        next_free: dict[str, float]

    def __init__(self) -> None:
        self.promises = Promises()
        self.slots: dict[str, str] = {}
        """Which call is the one open promise to a number for a purpose."""

    async def claim_promises(
        self, now: float, lease_s: float, limit: int, per_second: float | None = None
    ) -> tuple[PromiseClaim, ...]:
        clock = max(self.clock, now)
        due = self.promises.due(clock, limit)
        chosen = due if per_second is None else due[: self._pace(clock, len(due), per_second)]
        self.clock = clock if chosen else self.clock
        return tuple(self._claimed(call_id, clock + lease_s) for call_id in chosen)

    async def hasten_promises(self, now: float, reasons: frozenset[str], limit: int) -> int:
        clock = max(self.clock, now)
        hastened = self.promises.hasten(clock, reasons, limit)
        self.clock = clock if hastened else self.clock
        return hastened

    async def open_promises(self) -> OpenPromises:
        held = Counter(name for stored in self.calls.values() for name in stored.indexes)
        counts = {(state, purpose): held[open_index(state, purpose)] for state, purpose in COUNTED}
        return OpenPromises(counts=counts, first_due=self.promises.first())

    async def keep_last_context(self, call_id: str, context: str) -> bool:
        return self._keep_last(call_id, context)

    async def last_context(self, call_id: str) -> str | None:
        stored = self.calls.get(call_id)
        return stored.last_context if stored else None

    def _claimed(self, call_id: str, until: float) -> PromiseClaim:
        self.outbox.tokens += 1
        token = self.promises.tokens[call_id] = str(self.outbox.tokens)
        self.promises.queue(call_id).put(call_id, until)
        return PromiseClaim(call_id=call_id, token=token)

    def _pace(self, clock: float, wanted: int, per_second: float) -> int:
        """How many may be handed out now; they are counted."""
        burst = max(1.0, per_second * BURST_S)
        since = max(self.next_free.get(PACE, 0.0), clock - burst / per_second)
        allowed = min(wanted, math.floor((clock - since) * per_second + _ALMOST))
        if allowed > 0:
            self.next_free[PACE] = since + allowed / per_second
        return max(allowed, 0)

    def _keep_last(self, call_id: str, context: str) -> bool:
        stored = self.calls.get(call_id)
        if stored is None or len(context.encode()) > LONGEST_CONTEXT:
            return False
        stored.last_context = context
        return True

    def _promised_by(self, planned: Plan) -> Taken | None:
        for wanted in (planned, planned.follow):
            holder = self._holder(wanted.slot) if wanted is not None and wanted.slot is not None else None
            if wanted is None or holder is None or wanted.promise is None or wanted.shared or not wanted.holds:
                continue  # only what would wait is refused: who is being dialled, and was succeeded by another, goes on
            if not self._gives_way(holder, wanted, planned):
                return Taken(holder=holder, wanted=wanted.call_id)
        return None

    def _gives_way(self, holder: str, wanted: Plan, writing: Plan) -> bool:
        if holder == wanted.call_id or (holder == writing.call_id and not writing.holds):
            return True
        return wanted.succeeds and holder not in self.promises.items

    def _write_slot(self, planned: Plan) -> None:
        if planned.slot is None:
            return
        if planned.holds:
            holder = self._holder(planned.slot)
            if holder is None or self._gives_way(holder, planned, planned):
                self.slots[planned.slot] = planned.call_id
        elif self.slots.get(planned.slot) == planned.call_id:
            del self.slots[planned.slot]

    def _holder(self, slot: str) -> str | None:
        """A call that has ended, or is gone, holds nothing: an older version may have ended it and not known."""
        holder = self.slots.get(slot)
        return holder if holder in self.calls and self.ended.score(holder) is None else None
