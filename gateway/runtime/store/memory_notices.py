"""Notices of the store in memory, with the same results as `redis_notices.py` in every case."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.runtime.store import codec
from gateway.runtime.store.memory_queues import DueSet
from gateway.runtime.store.notice_contract import (
    BACKLOG_FULL,
    DEAD_KEPT,
    HASTENED,
    LONG_S,
    LOOKED_AT,
    NOTICES_KEPT,
    DeadNotice,
    DeadPage,
    EndpointState,
    Notice,
    NoticeClaim,
    Settlement,
)
from gateway.runtime.store.notice_plan import PlannedNotice, planned_notices


class StoredNotice(Struct, kw_only=True):
    """`token` is the newest delivery's, empty while nobody holds it; `dead_at` None while it waits. `hastened`: another try
    was made due once because another notice was delivered.
    """

    body: str
    about: str
    since: float
    attempts: int = 0
    token: str = ""
    hastened: bool = False
    why: str = ""
    dead_at: float | None = None


class StoredEndpoint:
    """One endpoint's notices."""

    def __init__(self) -> None:
        self.notices: dict[str, StoredNotice] = {}
        self.lines: dict[str, list[str]] = {}
        """Ids by what they are about, the head first."""
        self.due = DueSet()
        """Lines, by when their head is due."""
        self.backlog: dict[str, int] = {}
        """Ids in the order of their places."""
        self.dead: dict[str, int] = {}
        self.state = EndpointState()

    def take_out_of_line(self, notice_id: str, clock: float) -> None:
        """What stood behind it is due at once."""
        about = self.notices[notice_id].about
        line = self.lines[about]
        was_first = line[0] == notice_id
        line.remove(notice_id)
        del self.backlog[notice_id]
        if not line:
            del self.lines[about]
            self.due.drop(about)
        elif was_first:
            self.due.put(about, clock)

    def note(self, **facts: Any) -> None:
        """Of the endpoint's own state."""
        self.state = replace(self.state, **facts)


class MemoryNotices:
    """See `gateway.runtime.store.notice_contract.NoticeStore`; a part of `MemoryStore`."""

    clock: float
    notices_kept = NOTICES_KEPT
    dead_kept = DEAD_KEPT

    def __init__(self) -> None:
        self.endpoints: dict[str, StoredEndpoint] = {}
        self.notice_places = self.notice_tokens = 0

    async def put_notices(self, notices: tuple[Notice, ...]) -> None:
        self._write_notices(planned_notices(notices, self.notices_kept, self.dead_kept))

    async def claim_notices(
        self, endpoint: str, url_mark: str, now: float, lease_s: float, limit: int
    ) -> tuple[NoticeClaim, ...]:
        clock, there = max(self.clock, now), self._endpoint(endpoint)
        if (there.state.disabled and there.state.disabled == url_mark) or (there.state.paused_until or 0.0) > clock:
            return ()
        due = there.due.due(clock, limit)
        self.clock = clock if due else self.clock
        return tuple(self._lease_head(there, about, clock, lease_s) for about in due)

    async def settle_notice(self, claim: NoticeClaim, settlement: Settlement, now: float) -> bool:
        there = self._endpoint(claim.notice.endpoint)
        stored = there.notices.get(claim.notice.id)
        if stored is None or not stored.token or stored.token != claim.token:
            return False
        self.clock = max(self.clock, now)
        if settlement.delivered:
            self._delivered(there, claim.notice.id)
        else:
            self._failed(there, claim.notice.id, stored, settlement)
        return True

    async def endpoint_state(self, endpoint: str) -> EndpointState:
        there = self._endpoint(endpoint)
        oldest = next((codec.decode_notice(there.notices[notice_id].body) for notice_id in there.backlog), None)
        return replace(there.state, backlog=len(there.backlog), dead=len(there.dead), oldest=oldest)

    async def enable_endpoint(self, endpoint: str, now: float) -> int:
        self.clock, there = max(self.clock, now), self._endpoint(endpoint)
        there.note(disabled="", disabled_at=None, paused_until=None)
        heads = [(about, there.notices[there.lines[about][0]]) for score, about in there.due if score > self.clock]
        waiting = [about for about, head in heads if not head.token]
        for about in waiting:
            there.due.put(about, self.clock)
        return len(waiting)

    async def dead_notices(self, endpoint: str, limit: int, cursor: str | None) -> DeadPage:
        limit, there = max(limit, 1), self._endpoint(endpoint)
        newest_first = [
            (place, notice_id) for notice_id, place in reversed(there.dead.items()) if cursor is None or place < int(cursor)
        ]
        items = tuple(_dead(there.notices[notice_id]) for _, notice_id in newest_first[:limit])
        return DeadPage(items=items, next=str(newest_first[limit - 1][0]) if len(newest_first) > limit else None)

    async def replay_notices(self, endpoint: str, now: float, limit: int, notice_id: str | None = None) -> int:
        clock, there = max(self.clock, now), self._endpoint(endpoint)
        ids = [notice_id] if notice_id is not None else list(there.dead)[: max(limit, 0)]
        replayed = sum(self._replay(there, each, clock) for each in ids)
        self.clock = clock if replayed else self.clock
        return replayed

    # --- writes: cannot fail -------------------------------------------------------------------------------------

    def _write_notices(self, notices: tuple[PlannedNotice, ...]) -> None:
        for notice in notices:
            there = self._endpoint(notice.endpoint)
            if notice.id not in there.notices:
                clock = max(self.clock, notice.at)
                there.notices[notice.id] = StoredNotice(body=notice.body, about=notice.about, since=clock)
                self._stand_in_line(there, notice.id, notice.about, clock)

    def _endpoint(self, name: str) -> StoredEndpoint:
        return self.endpoints.setdefault(name, StoredEndpoint())

    def _stand_in_line(self, there: StoredEndpoint, notice_id: str, about: str, clock: float) -> None:
        there.lines.setdefault(about, []).append(notice_id)
        if there.due.score(about) is None:
            there.due.put(about, clock)
        there.backlog[notice_id] = self._next_place()
        while len(there.backlog) > self.notices_kept:
            there.note(overflowed=there.state.overflowed + 1)
            self._bury(there, next(iter(there.backlog)), BACKLOG_FULL, clock)

    def _bury(self, there: StoredEndpoint, notice_id: str, why: str, clock: float) -> None:
        there.take_out_of_line(notice_id, clock)
        stored = there.notices[notice_id]
        stored.token, stored.why, stored.dead_at = "", why, clock
        there.dead[notice_id] = self._next_place()
        while len(there.dead) > self.dead_kept:
            oldest = next(iter(there.dead))
            del there.dead[oldest], there.notices[oldest]
            there.note(forgotten=there.state.forgotten + 1)

    def _replay(self, there: StoredEndpoint, notice_id: str, clock: float) -> bool:
        if there.dead.pop(notice_id, None) is None:
            return False
        stored = there.notices[notice_id]
        stored.attempts, stored.since, stored.why, stored.dead_at, stored.hastened = 0, clock, "", None, False
        self._stand_in_line(there, notice_id, stored.about, clock)
        return True

    def _lease_head(self, there: StoredEndpoint, about: str, clock: float, lease_s: float) -> NoticeClaim:
        stored = there.notices[there.lines[about][0]]
        self.notice_tokens += 1
        stored.token, stored.attempts = str(self.notice_tokens), stored.attempts + 1
        there.due.put(about, clock + lease_s)
        notice = codec.decode_notice(stored.body)
        return NoticeClaim(notice=notice, token=stored.token, attempts=stored.attempts, age_s=clock - stored.since)

    def _delivered(self, there: StoredEndpoint, notice_id: str) -> None:
        there.take_out_of_line(notice_id, self.clock)
        del there.notices[notice_id]
        there.note(delivered=there.state.delivered + 1, delivered_at=self.clock, failures=0, failing_since=None)
        self._hasten(there)

    def _hasten(self, there: StoredEndpoint) -> None:
        waiting = [about for score, about in there.due if score > self.clock + LONG_S][:LOOKED_AT]
        heads = [(about, there.notices[there.lines[about][0]]) for about in waiting]
        for about, head in [(about, head) for about, head in heads if not head.token and not head.hastened][:HASTENED]:
            head.hastened, head.attempts = True, head.attempts - 1
            there.due.put(about, self.clock)

    def _failed(self, there: StoredEndpoint, notice_id: str, stored: StoredNotice, settlement: Settlement) -> None:
        since = self.clock if there.state.failing_since is None else there.state.failing_since
        there.note(failures=there.state.failures + 1, failing_since=since, error=settlement.error, error_at=self.clock)
        if settlement.pause_s > 0:
            there.note(paused_until=self.clock + settlement.pause_s)
        if settlement.disable:
            there.note(disabled=settlement.disable, disabled_at=self.clock)
        if settlement.retry_in_s is None:
            self._bury(there, notice_id, settlement.error, self.clock)
        else:
            stored.token = ""
            there.due.put(stored.about, self.clock + settlement.retry_in_s)

    def _next_place(self) -> int:
        self.notice_places += 1
        return self.notice_places


def _dead(stored: StoredNotice) -> DeadNotice:
    assert stored.dead_at is not None
    notice = codec.decode_notice(stored.body)
    return DeadNotice(notice=notice, why=stored.why, attempts=stored.attempts, dead_at=stored.dead_at)
