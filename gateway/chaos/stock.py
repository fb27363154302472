"""What the store holds when all is over, read through the store's own interface."""

from msgspec import Struct

from gateway.domain.records import Call
from gateway.runtime.store.contract import CallFilter, LogEntry
from gateway.runtime.store.redis_store import RedisStore

_PAGE = 200


class Stock(Struct, kw_only=True):
    """All calls with their logs, and which promises lie in the queue."""

    calls: dict[str, Call] = {}
    entries: dict[str, tuple[LogEntry, ...]] = {}
    promised: frozenset[str] = frozenset()
    """Ids of calls that the promise queue holds."""


async def take_stock(store: RedisStore) -> Stock:
    """Raise StoreUnavailable if it cannot be read."""
    calls = {call.id: call for call in await all_calls(store)}
    entries = {call_id: await store.entries(call_id) for call_id in calls}
    dump = await store.dump()
    return Stock(calls=calls, entries=entries, promised=frozenset(dump.get("promises", {})))


async def all_calls(store: RedisStore) -> list[Call]:
    """Newest first."""
    found: list[Call] = []
    cursor: str | None = None
    while True:
        page = await store.list_calls(CallFilter(), _PAGE, cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found
