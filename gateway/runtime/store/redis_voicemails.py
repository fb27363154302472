"""Voicemails in Redis or Valkey, as a part of `RedisStore`."""

from typing import Any, Protocol

from redis.asyncio import Redis

from gateway.runtime.store import codec
from gateway.runtime.store.connection import speaking
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.notice_plan import planned_notices
from gateway.runtime.store.plan import position_of
from gateway.runtime.store.voicemail_contract import FORGOTTEN_AFTER_S, Voicemail, VoicemailPage


class _Keeper(Protocol):
    """What this part needs of the store that it is a part of."""

    _client: Redis
    notices_kept: int
    dead_kept: int

    def _key(self, kind: str, name: str | None = None) -> str: ...

    async def _run(self, name: str, args: Any, blob: bytes = b"") -> Any: ...


class RedisVoicemails:
    """See `gateway.runtime.store.voicemail_contract.VoicemailStore`."""

    async def put_voicemail(self: _Keeper, voicemail: Voicemail, now: float, *, notices: tuple[Notice, ...] = ()) -> bool:
        position = position_of(voicemail.left_at, voicemail.id)
        args: dict[str, Any] = {"id": voicemail.id, "body": codec.encode(voicemail), "position": position, "now": now}
        args |= {"notices": planned_notices(notices, self.notices_kept, self.dead_kept)}
        return bool(await self._run("put_voicemail", args))

    async def voicemail(self: _Keeper, voicemail_id: str) -> Voicemail | None:
        with speaking():
            body: Any = await self._client.hget(self._key("voicemail", voicemail_id), "body")
        return codec.decode_voicemail(body) if body else None

    async def knows_voicemail(self: _Keeper, voicemail_id: str, now: float) -> bool:
        return bool(await self._run("knows_voicemail", {"id": voicemail_id, "now": now}))

    async def list_voicemails(self: _Keeper, limit: int, cursor: str | None) -> VoicemailPage:
        limit = max(limit, 1)
        args: dict[str, Any] = {"limit": limit + 1, "newest_first": True}
        found = _read(await self._run("list_voicemails", args if cursor is None else {**args, "before": cursor}))
        return page_of(found, limit)

    async def oldest_voicemails(self: _Keeper, left_before: float, limit: int) -> tuple[Voicemail, ...]:
        args = {"limit": max(limit, 0), "newest_first": False, "before": position_of(left_before, "")}
        return _read(await self._run("list_voicemails", args))

    async def drop_voicemail(
        self: _Keeper, voicemail_id: str, now: float, *, owner: str = "", notices: tuple[Notice, ...] = ()
    ) -> bool:
        args: dict[str, Any] = {"id": voicemail_id, "now": now, "owner": owner, "for_s": FORGOTTEN_AFTER_S}
        args |= {"notices": planned_notices(notices, self.notices_kept, self.dead_kept)}
        return bool(await self._run("drop_voicemail", args))

    async def take_collection(self: _Keeper, carrier: str, now: float, for_s: float) -> float | None:
        since = await self._run("take_collection", {"carrier": carrier, "now": now, "for_s": for_s})
        return None if since is None else float(since)

    async def end_collection(self: _Keeper, carrier: str, since: float) -> None:
        await self._run("end_collection", {"carrier": carrier, "since": since})


def page_of(found: tuple[Voicemail, ...], limit: int) -> VoicemailPage:
    """Of one more than fits, so that the last page is known for it."""
    last = found[limit - 1] if len(found) > limit else None
    return VoicemailPage(items=found[:limit], next=position_of(last.left_at, last.id) if last else None)


def _read(bodies: list[bytes]) -> tuple[Voicemail, ...]:
    return tuple(codec.decode_voicemail(body) for body in bodies)
