"""Voicemails of the store in memory, with the same results as `redis_voicemails.py` in every case."""

from msgspec import Struct

from gateway.runtime.store import codec
from gateway.runtime.store.memory_notices import MemoryNotices
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.notice_plan import planned_notices
from gateway.runtime.store.plan import position_of
from gateway.runtime.store.redis_voicemails import page_of
from gateway.runtime.store.voicemail_contract import FORGOTTEN_AFTER_S, Voicemail, VoicemailPage


class Collection(Struct, kw_only=True):
    """Since when the next one looks, and until when somebody is at it (0: nobody)."""

    since: float = 0.0
    until: float = 0.0


class MemoryVoicemails(MemoryNotices):
    """See `gateway.runtime.store.voicemail_contract.VoicemailStore`; a part of `MemoryStore`."""

    clock: float

    def __init__(self) -> None:
        super().__init__()
        self.voicemails: dict[str, str] = {}
        """Bodies by position."""
        self.voicemail_positions: dict[str, str] = {}
        """By id."""
        self.voicemails_gone: dict[str, float] = {}
        """Deleted ones by id, and until when they are known."""
        self.collections: dict[str, Collection] = {}
        self.open_recordings: dict[str, str] = {}
        """Owners by voicemail id."""
        self.mark_of_storage = ""

    async def put_voicemail(self, voicemail: Voicemail, now: float, *, notices: tuple[Notice, ...] = ()) -> bool:
        position, body = position_of(voicemail.left_at, voicemail.id), codec.encode(voicemail)
        planned = planned_notices(notices, self.notices_kept, self.dead_kept)
        if await self.knows_voicemail(voicemail.id, now):
            return False
        self.clock = max(self.clock, now)
        self.voicemails_gone.pop(voicemail.id, None)
        self.voicemail_positions[voicemail.id], self.voicemails[position] = position, body
        self._write_notices(planned)
        return True

    async def voicemail(self, voicemail_id: str) -> Voicemail | None:
        position = self.voicemail_positions.get(voicemail_id)
        return codec.decode_voicemail(self.voicemails[position]) if position else None

    async def knows_voicemail(self, voicemail_id: str, now: float) -> bool:
        gone_until = self.voicemails_gone.get(voicemail_id, 0.0)
        return voicemail_id in self.voicemail_positions or gone_until > max(self.clock, now)

    async def list_voicemails(self, limit: int, cursor: str | None) -> VoicemailPage:
        limit = max(limit, 1)
        older = (position for position in sorted(self.voicemails, reverse=True) if cursor is None or position < cursor)
        found = tuple(codec.decode_voicemail(self.voicemails[position]) for position in older)
        return page_of(found[: limit + 1], limit)

    async def oldest_voicemails(self, left_before: float, limit: int) -> tuple[Voicemail, ...]:
        end = position_of(left_before, "")
        chosen = [position for position in sorted(self.voicemails) if position < end][: max(limit, 0)]
        return tuple(codec.decode_voicemail(self.voicemails[position]) for position in chosen)

    async def drop_voicemail(self, voicemail_id: str, now: float, *, owner: str = "", notices: tuple[Notice, ...] = ()) -> bool:
        planned = planned_notices(notices, self.notices_kept, self.dead_kept)
        position = self.voicemail_positions.get(voicemail_id)
        if position is None or self.open_recordings.get(voicemail_id, "") != owner:
            return False
        del self.voicemail_positions[voicemail_id]
        self.clock = max(self.clock, now)
        del self.voicemails[position]
        self.open_recordings.pop(voicemail_id, None)
        self.voicemails_gone[voicemail_id] = self.clock + FORGOTTEN_AFTER_S
        self._write_notices(planned)
        return True

    async def take_collection(self, carrier: str, now: float, for_s: float) -> float | None:
        clock, found = max(self.clock, now), self.collections.setdefault(carrier, Collection())
        if found.until > clock:
            return None
        self.clock, found.until = clock, clock + for_s
        return found.since

    async def end_collection(self, carrier: str, since: float) -> None:
        found = self.collections.setdefault(carrier, Collection())
        found.since, found.until = max(found.since, since), 0.0
