"""Messages that are being recorded, in the store in memory, with the same results as `redis_recordings.py` in every case."""

from collections.abc import Mapping

from gateway.runtime.store import codec
from gateway.runtime.store.memory_voicemails import MemoryVoicemails
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.notice_plan import planned_notices
from gateway.runtime.store.plan import position_of
from gateway.runtime.store.voicemail_contract import Voicemail


class MemoryRecordings(MemoryVoicemails):
    """See `gateway.runtime.store.recording_contract.RecordingStore`; a part of `MemoryStore`."""

    async def begin_recording(self, voicemail: Voicemail, owner: str, now: float) -> bool:
        position, body = position_of(voicemail.left_at, voicemail.id), codec.encode(voicemail)
        if await self.knows_voicemail(voicemail.id, now):
            return False
        self.clock = max(self.clock, now)
        self.voicemails_gone.pop(voicemail.id, None)
        self.voicemail_positions[voicemail.id], self.voicemails[position] = position, body
        self.open_recordings[voicemail.id] = owner
        return True

    async def reopen_recording(self, voicemail: Voicemail, owner: str, *, over: Voicemail) -> bool:
        position = self.voicemail_positions.get(voicemail.id)
        if position is None or self.voicemails[position] != codec.encode(over):
            return False
        self.voicemails[position] = codec.encode(voicemail)
        self.open_recordings[voicemail.id] = owner
        return True

    async def end_recording(self, voicemail: Voicemail, owner: str, *, notices: tuple[Notice, ...] = ()) -> bool:
        body, position = codec.encode(voicemail), self.voicemail_positions.get(voicemail.id)
        planned = planned_notices(notices, self.notices_kept, self.dead_kept)
        holder = self.open_recordings.get(voicemail.id)
        if position is None or holder != owner:
            return position is not None and holder is None and self.voicemails[position] == body
        self.voicemails[position] = body
        del self.open_recordings[voicemail.id]
        self._write_notices(planned)
        return True

    async def recordings(self) -> Mapping[str, str]:
        return dict(self.open_recordings)

    async def storage_mark(self, offered: str) -> str:
        self.mark_of_storage = self.mark_of_storage or offered
        return self.mark_of_storage
