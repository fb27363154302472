"""The store in memory, for simulation and tests: the same results as `RedisStore` in every case, and nothing survives.

One event loop, no await inside a step: every method is atomic by being synchronous. Bodies are kept encoded, as Redis
keeps them, so that nobody can change a stored value through a reference and what does not encode is refused here too.
"""

from bisect import bisect_left, insort
from collections import deque
from itertools import islice
from typing import Any

from msgspec.structs import replace

from gateway.domain.breaker import Breaker
from gateway.domain.hand import Hand
from gateway.domain.records import Call, MediaCounters
from gateway.runtime.store import codec
from gateway.runtime.store.contract import (
    CallFilter,
    Change,
    Claim,
    CommitResult,
    Committed,
    Conflict,
    ConsoleSession,
    Denied,
    Fenced,
    HookMark,
    IdempotencyRecord,
    Lease,
    LogEntry,
    Page,
    Process,
    Pulse,
    Repeated,
    Replayed,
)
from gateway.runtime.store.memory_dump import dump
from gateway.runtime.store.memory_processes import Leases, Processes
from gateway.runtime.store.memory_promises import MemoryPromises
from gateway.runtime.store.memory_queues import DueSet, Outbox
from gateway.runtime.store.memory_recordings import MemoryRecordings
from gateway.runtime.store.memory_records import BoundKey, StoredCall
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.notice_plan import planned_notices
from gateway.runtime.store.plan import FEED_KEPT, Plan, PlannedPermit, plan, wanted_indexes, written


class MemoryStore(MemoryRecordings, MemoryPromises):
    """See the head of this file; `feed_kept` is how many lines of the feed stay readable."""

    def __init__(self, feed_kept: int = FEED_KEPT) -> None:
        super().__init__()
        MemoryPromises.__init__(self)
        self.feed_kept = feed_kept
        self.clock = 0.0
        """The latest `now` of any write."""
        self.calls: dict[str, StoredCall] = {}
        self.positions: list[tuple[str, str]] = []
        """(position, call id), oldest call first."""
        self.ended = DueSet()
        self.lines: deque[tuple[int, str]] = deque(maxlen=feed_kept)
        self.seq = 0
        self.bound: dict[str, BoundKey] = {}
        self.marks: dict[str, HookMark] = {}
        self.outbox = Outbox()
        self.places: dict[str, dict[str, float]] = {}
        self.next_free: dict[str, float] = {}
        self.breakers: dict[str, Breaker] = {}
        self.hands: dict[str, Hand] = {}
        self.sessions: dict[str, ConsoleSession] = {}
        self.processes = Processes()
        self.session_leases = Leases()
        self.secret = ""
        self.fence = 0

    # calls

    async def commit(self, change: Change, now: float) -> CommitResult:
        planned = plan(change, now, self.feed_kept, self.notices_kept, self.dead_kept)
        clock = max(self.clock, now)
        refusal = self._refusal(planned, clock)
        if refusal is not None:
            return refusal
        self.clock = clock
        self._write_call(planned)
        self._write_log(planned)
        self._write_queues(planned)
        self._write_slot(planned)
        self._write_keys(planned)
        if change.mark is not None:
            self.marks[change.mark.key] = change.mark
        self._write_permits(planned)
        self._write_notices(planned.notices)
        self._write_follow(planned.follow)
        return Committed(call=written(change))

    async def load(self, call_id: str) -> Call | None:
        stored = self.calls.get(call_id)
        return codec.decode_call(stored.body) if stored else None

    async def list_calls(self, wanted: CallFilter, limit: int, cursor: str | None) -> Page:
        limit, names = max(limit, 1), set(wanted_indexes(wanted))
        end = len(self.positions) if cursor is None else bisect_left(self.positions, (cursor, ""))
        newest_first = (self.calls[call_id] for _, call_id in reversed(self.positions[:end]))
        found = list(islice((stored for stored in newest_first if names <= set(stored.indexes)), limit + 1))
        items = tuple(codec.decode_call(stored.body) for stored in found[:limit])
        return Page(items=items, next=found[limit - 1].position if len(found) > limit else None)

    async def idempotency(self, key: str) -> IdempotencyRecord | None:
        return self._known_key(key, self.clock)

    async def hook_answer(self, key: str) -> bytes | None:
        return self._known_mark(key, self.clock)

    async def purge(self, ended_before: float, limit: int) -> int:
        self._forget_expired()
        chosen = [call_id for ended_at, call_id in self.ended if ended_at < ended_before][: max(limit, 0)]
        for call_id in chosen:
            stored = self.calls.pop(call_id)
            self._unlist(stored.position)
            self.ended.drop(call_id)
            self.outbox.remove_call(call_id)
            self.promises.remove(call_id)
            self.session_leases.purge(call_id)
        return len(chosen)

    # the log

    async def entries(self, call_id: str) -> tuple[LogEntry, ...]:
        stored = self.calls.get(call_id)
        return tuple(codec.decode_entry(seq, body) for seq, body in stored.entries) if stored else ()

    async def feed(self, after: int, limit: int) -> tuple[LogEntry, ...]:
        known = max(0, after - (self.seq - len(self.lines)))
        newer = islice(self.lines, known, known + max(limit, 0))
        return tuple(codec.decode_entry(seq, body) for seq, body in newer)

    async def feed_end(self) -> int:
        return self.seq

    # the outbox

    async def claim(self, now: float, lease_s: float, limit: int, holder: str = "") -> tuple[Claim, ...]:
        clock = max(self.clock, now)
        due = self.outbox.due.due(clock, limit)
        self.clock = clock if due else self.clock
        claims = (self._take(command_id, clock + lease_s, holder) for command_id in due)
        return tuple(claim for claim in claims if claim is not None)

    async def done(self, claim: Claim) -> bool:
        if not self.outbox.held(claim.command_id, claim.token):
            return False
        self.outbox.remove(claim.command_id)
        return True

    async def defer(self, claim: Claim, due: float) -> bool:
        if not self.outbox.held(claim.command_id, claim.token):
            return False
        self.outbox.give_back(claim.command_id, due)
        return True

    async def next_due(self) -> float | None:
        times = [first for first in (self.outbox.due.first(), self.promises.first()) if first is not None]
        return min(times, default=None)

    # carriers

    async def breaker(self, carrier: str) -> Breaker:
        return self.breakers.get(carrier, Breaker())

    async def swap_breaker(
        self, carrier: str, expected_version: int, breaker: Breaker, *, notices: tuple[Notice, ...] = ()
    ) -> bool:
        planned = planned_notices(notices, self.notices_kept, self.dead_kept)
        if self.breakers.get(carrier, Breaker()).version != expected_version:
            return False
        self.breakers[carrier] = replace(breaker, version=expected_version + 1)
        self._write_notices(planned)
        return True

    async def live_legs(self, carrier: str, now: float) -> int:
        return len(self._taken(carrier, max(self.clock, now)))

    async def hand(self, carrier: str) -> Hand:
        return self.hands.get(carrier, Hand())

    async def set_hand(self, carrier: str, hand: Hand, *, notices: tuple[Notice, ...] = ()) -> None:
        self._write_notices(planned_notices(notices, self.notices_kept, self.dead_kept))
        self.hands[carrier] = hand

    # processes, and the sessions that live in them

    async def beat(self, process: Process, now: float, lives_s: float) -> Pulse:
        self.clock = max(self.clock, now)
        pulse = self.processes.beat(process, self.clock, lives_s)
        for dead in pulse.dead:
            self.outbox.free(dead.id, self.clock)
        return pulse

    async def retire(self, process_id: str, now: float) -> None:
        self.clock = max(self.clock, now)
        self.processes.known.pop(process_id, None)
        self.outbox.free(process_id, self.clock)

    async def leases(self, call_ids: tuple[str, ...]) -> dict[str, Lease]:
        found = (self.session_leases.find(call_id) for call_id in call_ids)
        return {lease.call_id: lease for lease in found if lease is not None}

    async def leased(self, process_id: str) -> tuple[Lease, ...]:
        found = (self.session_leases.find(call_id) for call_id in sorted(self.session_leases.leased.get(process_id, ())))
        return tuple(lease for lease in found if lease is not None)

    async def take_lease(self, call_id: str, process: Process, over: int) -> Lease | None:
        if call_id not in self.calls or self.session_leases.token(call_id) != over:
            return None
        self.session_leases.take(call_id, process, ended=self.ended.score(call_id) is not None)
        return self.session_leases.find(call_id)

    async def give_up_lease(self, lease: Lease, context: str | None) -> bool:
        if not self._keep(lease, context):
            return False
        self.session_leases.give_up(lease.call_id)
        return True

    async def keep_context(self, lease: Lease, context: str) -> bool:
        return self._keep(lease, context)

    async def context(self, call_id: str) -> str | None:
        stored = self.session_leases.items.get(call_id)
        return stored.context if stored else None

    async def shared_secret(self, offered: str) -> str:
        self.secret = self.secret or offered
        return self.secret

    # people at the console

    async def put_session(self, session: ConsoleSession, now: float) -> None:
        self.clock = max(self.clock, now)
        self.sessions[session.id] = session

    async def session(self, session_id: str, now: float) -> ConsoleSession | None:
        found = self.sessions.get(session_id)
        return found if found is not None and found.expires_at > max(self.clock, now) else None

    async def drop_session(self, session_id: str) -> None:
        self.sessions.pop(session_id, None)

    # small things

    async def next_fence(self) -> int:
        self.fence += 1
        return self.fence

    async def put_media(self, call_id: str, leg_id: str, counters: MediaCounters, lease: int | None = None) -> bool:
        if lease is not None and self.session_leases.token(call_id) != lease:
            return False
        stored = self.calls.get(call_id)
        if stored is not None:
            stored.media[leg_id] = codec.encode(counters)
        return True

    async def media(self, call_id: str) -> dict[str, MediaCounters]:
        stored = self.calls.get(call_id)
        return {leg_id: codec.decode_media(body) for leg_id, body in stored.media.items()} if stored else {}

    async def ping(self) -> bool:
        return True

    async def dump(self) -> dict[str, Any]:
        return dump(self)

    async def aclose(self) -> None:
        """Nothing to close."""

    # checks: change nothing

    def _refusal(self, planned: Plan, clock: float) -> CommitResult | None:
        record = self._known_key(planned.key, clock) if planned.key is not None else None
        if record is not None:
            return Replayed(record=record)
        answer = self._known_mark(planned.mark.key, clock) if planned.mark else None
        if answer is not None:
            return Repeated(answer=answer)
        if planned.done_id is not None and not self.outbox.held(planned.done_id, planned.done_token):
            return Fenced()
        if planned.lease is not None and self.session_leases.token(planned.call_id) != planned.lease:
            return Fenced()
        if planned.kept is not None and self.promises.tokens.get(planned.call_id) != planned.kept:
            return Fenced()
        stored = self.calls.get(planned.call_id)
        if planned.expected != (stored.version if stored else 0):
            return Conflict()
        taken = self._promised_by(planned)
        return taken or (self._denial(planned, planned.permit, clock) if planned.permit else None)

    def _denial(self, planned: Plan, permit: PlannedPermit, clock: float) -> Denied | None:
        if not self.hands.get(permit.carrier, Hand()).in_service:
            return Denied(why="out of service", retry_at=clock)
        breaker = self.breakers.get(permit.carrier, Breaker())
        stale = breaker.epoch != permit.epoch if permit.probe is None else breaker.version != permit.version
        if stale:
            return Denied(why="breaker", retry_at=clock)
        others = {leg_id: until for leg_id, until in self._taken(permit.carrier, clock).items() if leg_id != permit.leg_id}
        if len(others) >= permit.concurrent:
            return Denied(why="concurrency", retry_at=min([clock + planned.concurrency_retry_s, *others.values()]))
        next_free = self.next_free.get(permit.carrier, 0.0)
        return Denied(why="pace", retry_at=next_free) if clock < next_free else None

    def _known_key(self, key: str, clock: float) -> IdempotencyRecord | None:
        bound = self.bound.get(key)
        return None if bound is None or bound.expired(clock) else codec.decode_record(bound.record)

    def _known_mark(self, key: str, clock: float) -> bytes | None:
        mark = self.marks.get(key)
        return mark.answer if mark is not None and mark.expires_at > clock else None

    def _taken(self, carrier: str, clock: float) -> dict[str, float]:
        return {leg_id: until for leg_id, until in self.places.get(carrier, {}).items() if until > clock}

    # writes: cannot fail

    def _write_call(self, planned: Plan) -> None:
        stored = self.calls.get(planned.call_id)
        if stored is None:
            stored = StoredCall(version=0, body="", position="", indexes=(), entries=[], media={}, keys=set())
            self.calls[planned.call_id] = stored
        if stored.position != planned.position:
            if stored.position:
                self._unlist(stored.position)
            insort(self.positions, (planned.position, planned.call_id))
        stored.version, stored.body = planned.expected + 1, planned.body
        stored.position, stored.indexes = planned.position, planned.indexes
        self.ended.drop(planned.call_id)
        if planned.ended_at is not None:
            self.ended.put(planned.call_id, planned.ended_at)
            self._keep_last_known(planned.call_id)
            self.session_leases.end(planned.call_id)

    def _write_follow(self, follow: Plan | None) -> None:
        """The call that takes another's place, unless it is there already."""
        if follow is None or follow.call_id in self.calls:
            return
        self._write_call(follow)
        self._write_log(follow)
        self._write_queues(follow)
        self._write_slot(follow)
        self._write_notices(follow.notices)

    def _keep_last_known(self, call_id: str) -> None:
        lease = self.session_leases.items.get(call_id)
        if lease is not None and lease.context is not None:
            self._keep_last(call_id, lease.context)

    def _unlist(self, position: str) -> None:
        del self.positions[bisect_left(self.positions, (position, ""))]

    def _write_log(self, planned: Plan) -> None:
        lines = list(enumerate(planned.entries, self.seq + 1))
        self.seq += len(lines)
        self.calls[planned.call_id].entries.extend(lines)
        self.lines.extend(lines)

    def _write_queues(self, planned: Plan) -> None:
        if planned.done_id is not None:
            self.outbox.remove(planned.done_id)
        for command in planned.commands:
            self.outbox.add(command, planned.call_id, self.clock)
        self.promises.mirror(planned.call_id, planned.promise)

    def _write_keys(self, planned: Plan) -> None:
        keys = self.calls[planned.call_id].keys
        if planned.key is not None:
            self.bound[planned.key] = BoundKey(call_id=planned.call_id, record=planned.record)
            keys.add(planned.key)
        expires_at = None if planned.ended_at is None else planned.ended_at + planned.idempotency_s
        for bound in (self.bound[key] for key in keys if key in self.bound):
            if bound.call_id == planned.call_id and not bound.expired(self.clock):
                bound.expires_at = expires_at

    def _write_permits(self, planned: Plan) -> None:
        for carrier, leg_id in planned.released:
            self.places.get(carrier, {}).pop(leg_id, None)
        permit = planned.permit
        if permit is None:
            return
        self.places.setdefault(permit.carrier, {})[permit.leg_id] = permit.holds_until
        self.next_free[permit.carrier] = self.clock + permit.spacing
        if permit.probe is not None:
            self.breakers[permit.carrier] = codec.decode_breaker(permit.probe)

    def _take(self, command_id: str, until: float, holder: str) -> Claim | None:
        item = self.outbox.take(command_id, until, holder)
        command = codec.decode_command(item.body)
        if command is None:
            return None
        return Claim(command_id=command_id, token=item.token, deliveries=item.deliveries, command=command)

    def _keep(self, lease: Lease, context: str | None) -> bool:
        if self.session_leases.token(lease.call_id) != lease.token:
            return False
        if context is not None and self.ended.score(lease.call_id) is None:
            self.session_leases.items[lease.call_id].context = context
        return True

    def _forget_expired(self) -> None:
        self.bound = {key: bound for key, bound in self.bound.items() if not bound.expired(self.clock)}
        self.marks = {key: mark for key, mark in self.marks.items() if mark.expires_at > self.clock}
        self.sessions = {key: session for key, session in self.sessions.items() if session.expires_at > self.clock}
        self.places = {carrier: self._taken(carrier, self.clock) for carrier in self.places}
