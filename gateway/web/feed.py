"""Server-sent events from the store's log: of the whole gateway, or of one call until it ends.

The store is asked a few times a second, because another gateway may have written what we show. Every event's `id` is its
place in the feed, so that a client that comes back with Last-Event-ID misses nothing (the feed keeps the newest 10,000).
A comment every 15 s keeps proxies from closing a quiet stream, and tells us when the client has gone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.store.contract import LogEntry
from gateway.web.services import Services
from gateway.web.views import event_view

LOOK_EVERY_S = 0.25
HEARTBEAT_S = 15.0
_AT_ONCE = 200


async def _always() -> bool:
    """Whoever came with a key of their own."""
    return True


async def follow_gateway(
    services: Services, after: int, may_go_on: Callable[[], Awaitable[bool]] = _always
) -> AsyncIterator[bytes]:
    """Everything after this `seq`, until this process drains, or the reader may not go on (asked with each heartbeat)."""
    yield b": holdline\n\n"
    heard_at = asked_at = services.clock.now()
    while not services.calls.draining:
        found = await _newer(services, after)
        for entry in found:
            after = entry.seq
            yield message(entry)
        now = services.clock.now()
        if now - asked_at >= HEARTBEAT_S:
            asked_at = now
            if not await may_go_on():
                return
        if found:
            heard_at = now
        elif now - heard_at >= HEARTBEAT_S:
            heard_at = now
            yield b": \n\n"
        if len(found) < _AT_ONCE:
            await services.clock.sleep(LOOK_EVERY_S)


async def follow_call(services: Services, call_id: str, after: int) -> AsyncIterator[bytes]:
    """One call's events after this `seq`; ends when the call has ended and all was told, or this process drains."""
    yield b": holdline\n\n"
    heard_at = services.clock.now()
    while not services.calls.draining:
        # The call is read before its log: what ended before we looked has written its last line before, too.
        ended, found = await _call_news(services, call_id, after)
        for entry in found:
            after = entry.seq
            yield message(entry)
        if ended:
            return
        now = services.clock.now()
        if found or now - heard_at >= HEARTBEAT_S:
            heard_at = now
            yield b"" if found else b": \n\n"
        await services.clock.sleep(LOOK_EVERY_S)


def message(entry: LogEntry) -> bytes:
    """One event on the wire; it has no `event:` line, so that a browser's `onmessage` hears every kind."""
    return b"id: %d\ndata: %s\n\n" % (entry.seq, msgspec.json.encode(event_view(entry)))


async def _newer(services: Services, after: int) -> tuple[LogEntry, ...]:
    """A store that is away for a while is a pause and no end."""
    try:
        return await services.store.feed(after, _AT_ONCE)
    except StoreUnavailable:
        return ()


async def _call_news(services: Services, call_id: str, after: int) -> tuple[bool, tuple[LogEntry, ...]]:
    try:
        call = await services.store.load(call_id)
        entries = await services.store.entries(call_id)
    except StoreUnavailable:
        return False, ()
    return call is None or call.ended, tuple(entry for entry in entries if entry.seq > after)
