"""Promises in Redis or Valkey, as a part of `RedisStore`."""

from typing import Any, Protocol

from redis.asyncio import Redis

from gateway.domain.outcome import Priority
from gateway.runtime.store.connection import speaking
from gateway.runtime.store.plan import open_index
from gateway.runtime.store.promise_contract import BURST_S, COUNTED, HEAD_START_S, LONGEST_CONTEXT, OpenPromises, PromiseClaim


class _Keeper(Protocol):
    """What this part needs of the store that it is a part of."""

    _client: Redis

    def _key(self, kind: str, name: str | None = None) -> str: ...

    async def _run(self, name: str, args: Any, blob: bytes = b"") -> Any: ...


class RedisPromises:
    """See `gateway.runtime.store.promise_contract.PromiseStore`."""

    async def claim_promises(
        self: _Keeper, now: float, lease_s: float, limit: int, per_second: float | None = None
    ) -> tuple[PromiseClaim, ...]:
        head_starts = {priority.value: HEAD_START_S[priority] for priority in Priority}
        args: dict[str, Any] = {"now": now, "lease_s": lease_s, "limit": max(limit, 0), "head_starts": head_starts}
        if per_second is not None:
            args |= {"per_second": per_second, "burst": max(1.0, per_second * BURST_S)}
        reply = await self._run("claim_promises", args)
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return tuple(PromiseClaim(call_id=call_id.decode(), token=token.decode()) for call_id, token in pairs)

    async def hasten_promises(self: _Keeper, now: float, reasons: frozenset[str], limit: int) -> int:
        args = {"now": now, "reasons": sorted(reasons), "limit": max(limit, 0)}
        return int(await self._run("hasten_promises", args))

    async def open_promises(self: _Keeper) -> OpenPromises:
        lists = [open_index(state, purpose) for state, purpose in COUNTED]
        reply = await self._run("open_promises", {"lists": lists, "priorities": [one.value for one in Priority]})
        first_due, *lengths = reply
        counts = dict(zip(COUNTED, map(int, lengths), strict=True))
        return OpenPromises(counts=counts, first_due=float(first_due) if first_due else None)

    async def keep_last_context(self: _Keeper, call_id: str, context: str) -> bool:
        if len(context.encode()) > LONGEST_CONTEXT:
            return False
        return bool(await self._run("keep_last_context", {"call_id": call_id, "context": context}))

    async def last_context(self: _Keeper, call_id: str) -> str | None:
        with speaking():
            kept: Any = await self._client.hget(self._key("call", call_id), "last_context")
        return None if kept is None else str(kept.decode())
