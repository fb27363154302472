"""Promises in the neutral shape of `Store.dump`: from memory, and from what was read of Redis' keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.runtime.store.codec import plain

if TYPE_CHECKING:
    from gateway.runtime.store.memory_store import MemoryStore

Sections = dict[str, Any]

_SCORES = ("ZRANGE", "0", "-1", "WITHSCORES")
READS: dict[str, tuple[str, ...]] = {
    "promises": _SCORES,
    "promise": ("HGETALL",),
    "waiting": _SCORES,
    "slots": ("HGETALL",),
}
"""How each kind of key is read."""
_NORMAL = "normal"


def memory_sections(store: MemoryStore) -> Sections:
    """As `redis_sections` has them."""
    promises = store.promises
    return {
        "promises": {
            call_id: {
                "due": promises.queue(call_id).score(call_id),
                "queue": one.priority.value,
                "body": plain(one.body),
                "token": promises.tokens.get(call_id, ""),
            }
            for call_id, one in promises.items.items()
        },
        "waiting": _waiting(store),
        "slots": dict(store.slots),
        "last_contexts": {key: one.last_context for key, one in store.calls.items() if one.last_context},
    }


def redis_sections(raw: Sections) -> Sections:
    """`raw`: contents by kind and name, as `redis_dump.py` reads them."""
    queues = {name or _NORMAL: _scores(pairs) for name, pairs in raw.get("promises", {}).items()}
    stored = raw.get("promise", {})
    listed = {call_id: {"due": due, "queue": name} for name, queue in queues.items() for call_id, due in queue.items()}
    return {
        "promises": {call_id: {**where, **_promise(stored[call_id])} for call_id, where in listed.items()},
        "promise_strays": sorted(stored.keys() ^ listed.keys()),
        "waiting": {name: _scores(pairs) for name, pairs in raw.get("waiting", {}).items()},
        "slots": {slot.decode(): call_id.decode() for slot, call_id in raw.get("slots", {}).get("", {}).items()},
        "last_contexts": {key: kept.decode() for key, one in raw.get("call", {}).items() if (kept := one.get(b"last_context"))},
    }


def _waiting(store: MemoryStore) -> Sections:
    waiting: Sections = {}
    for queue in store.promises.queues.values():
        for score, call_id in queue:
            if call_id not in store.promises.tokens:
                waiting.setdefault(store.promises.items[call_id].reason, {})[call_id] = score
    return waiting


def _promise(stored: dict[bytes, bytes]) -> Sections:
    return {"body": plain(stored[b"body"]), "token": stored[b"token"].decode()}


def _scores(pairs: Any) -> dict[str, float]:
    paired = pairs if pairs and isinstance(pairs[0], tuple) else zip(pairs[::2], pairs[1::2], strict=True)
    return {member.decode(): float(score) for member, score in paired}
