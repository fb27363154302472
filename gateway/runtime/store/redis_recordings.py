"""Messages that are being recorded, in Redis or Valkey, as a part of `RedisStore`."""

from collections.abc import Mapping
from typing import Any, Protocol

from redis.asyncio import Redis

from gateway.runtime.store import codec
from gateway.runtime.store.connection import speaking
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.notice_plan import planned_notices
from gateway.runtime.store.plan import position_of
from gateway.runtime.store.voicemail_contract import Voicemail


class _Keeper(Protocol):
    """What this part needs of the store that it is a part of."""

    _client: Redis
    notices_kept: int
    dead_kept: int

    def _key(self, kind: str, name: str | None = None) -> str: ...

    async def _run(self, name: str, args: Any, blob: bytes = b"") -> Any: ...


class RedisRecordings:
    """See `gateway.runtime.store.recording_contract.RecordingStore`."""

    async def begin_recording(self: _Keeper, voicemail: Voicemail, owner: str, now: float) -> bool:
        position = position_of(voicemail.left_at, voicemail.id)
        args = {"id": voicemail.id, "body": codec.encode(voicemail), "position": position, "owner": owner, "now": now}
        return bool(await self._run("begin_recording", args))

    async def reopen_recording(self: _Keeper, voicemail: Voicemail, owner: str, *, over: Voicemail) -> bool:
        args = {"id": voicemail.id, "body": codec.encode(voicemail), "owner": owner, "over": codec.encode(over)}
        return bool(await self._run("reopen_recording", args))

    async def end_recording(self: _Keeper, voicemail: Voicemail, owner: str, *, notices: tuple[Notice, ...] = ()) -> bool:
        args: dict[str, Any] = {"id": voicemail.id, "body": codec.encode(voicemail), "owner": owner}
        args |= {"notices": planned_notices(notices, self.notices_kept, self.dead_kept)}
        return bool(await self._run("end_recording", args))

    async def recordings(self: _Keeper) -> Mapping[str, str]:
        with speaking():
            found: Any = await self._client.hgetall(self._key("recordings"))
        return {voicemail_id.decode(): owner.decode() for voicemail_id, owner in found.items()}

    async def storage_mark(self: _Keeper, offered: str) -> str:
        with speaking():
            if offered:
                await self._client.set(self._key("storage_mark"), offered, nx=True)
            kept: Any = await self._client.get(self._key("storage_mark"))
        return kept.decode() if kept else ""
