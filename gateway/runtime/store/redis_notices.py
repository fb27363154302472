"""Notices in Redis or Valkey, as a part of `RedisStore`."""

from typing import Any, Protocol

from gateway.runtime.store import codec
from gateway.runtime.store.notice_contract import (
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
from gateway.runtime.store.notice_plan import planned_notices


class _Keeper(Protocol):
    """What this part needs of the store that it is a part of."""

    notices_kept: int
    dead_kept: int

    async def _run(self, name: str, args: Any, blob: bytes = b"") -> Any: ...


class RedisNotices:
    """See `gateway.runtime.store.notice_contract.NoticeStore`."""

    notices_kept = NOTICES_KEPT
    dead_kept = DEAD_KEPT

    async def put_notices(self: _Keeper, notices: tuple[Notice, ...]) -> None:
        await self._run("put_notices", {"notices": planned_notices(notices, self.notices_kept, self.dead_kept)})

    async def claim_notices(
        self: _Keeper, endpoint: str, url_mark: str, now: float, lease_s: float, limit: int
    ) -> tuple[NoticeClaim, ...]:
        args = {"endpoint": endpoint, "url_mark": url_mark, "now": now, "lease_s": lease_s, "limit": max(limit, 0)}
        reply = await self._run("claim_notices", args)
        return tuple(_claim(*reply[at : at + 5]) for at in range(0, len(reply), 5))

    async def settle_notice(self: _Keeper, claim: NoticeClaim, settlement: Settlement, now: float) -> bool:
        args: dict[str, Any] = {
            "endpoint": claim.notice.endpoint,
            "id": claim.notice.id,
            "token": claim.token,
            "now": now,
            "delivered": settlement.delivered,
            "error": settlement.error,
            "pause_s": settlement.pause_s,
            "disable": settlement.disable,
            "dead_kept": self.dead_kept,
            "hastened": HASTENED,
            "long_s": LONG_S,
            "looked_at": LOOKED_AT,
        }
        if settlement.retry_in_s is not None:
            args["retry_in_s"] = settlement.retry_in_s
        return bool(await self._run("settle_notice", args))

    async def endpoint_state(self: _Keeper, endpoint: str) -> EndpointState:
        backlog, dead, oldest, *told = await self._run("endpoint_state", {"endpoint": endpoint})
        known = {name.decode(): value.decode() for name, value in zip(told[::2], told[1::2], strict=True)}
        return EndpointState(
            backlog=backlog,
            dead=dead,
            oldest=codec.decode_notice(oldest) if oldest else None,
            **{name: _READ.get(name, str)(value) for name, value in known.items() if name in EndpointState.__struct_fields__},
        )

    async def enable_endpoint(self: _Keeper, endpoint: str, now: float) -> int:
        return int(await self._run("enable_endpoint", {"endpoint": endpoint, "now": now}))

    async def dead_notices(self: _Keeper, endpoint: str, limit: int, cursor: str | None) -> DeadPage:
        limit = max(limit, 1)
        args: dict[str, Any] = {"endpoint": endpoint, "limit": limit + 1}
        reply = await self._run("dead_notices", args if cursor is None else {**args, "before": cursor})
        rows = [reply[at : at + 5] for at in range(0, len(reply), 5)]
        items = tuple(_dead(*row[1:]) for row in rows[:limit])
        return DeadPage(items=items, next=rows[limit - 1][0].decode() if len(rows) > limit else None)

    async def replay_notices(self: _Keeper, endpoint: str, now: float, limit: int, notice_id: str | None = None) -> int:
        args: dict[str, Any] = {"endpoint": endpoint, "now": now, "limit": max(limit, 0)}
        args |= {"kept": self.notices_kept, "dead_kept": self.dead_kept}
        return int(await self._run("replay_notices", args if notice_id is None else {**args, "id": notice_id}))


_READ: dict[str, Any] = {"delivered": int, "overflowed": int, "forgotten": int, "failures": int} | dict.fromkeys(
    ("delivered_at", "failing_since", "error_at", "paused_until", "disabled_at"), float
)


def _claim(notice_id: bytes, token: bytes, attempts: int, age: bytes, body: bytes) -> NoticeClaim:
    return NoticeClaim(notice=codec.decode_notice(body), token=token.decode(), attempts=attempts, age_s=float(age))


def _dead(attempts: bytes, why: bytes, dead_at: bytes, body: bytes) -> DeadNotice:
    notice = codec.decode_notice(body)
    return DeadNotice(notice=notice, why=why.decode(), attempts=int(attempts), dead_at=float(dead_at))
