"""Notices in the neutral shape of `Store.dump`: from memory, and from what was read of Redis' keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.runtime.store.codec import plain

if TYPE_CHECKING:
    from gateway.runtime.store.memory_notices import MemoryNotices, StoredEndpoint, StoredNotice

Sections = dict[str, Any]

_SCORES = ("ZRANGE", "0", "-1", "WITHSCORES")
READS: dict[str, tuple[str, ...]] = {
    "notice": ("HGETALL",),
    "line": ("LRANGE", "0", "-1"),
    "lines": _SCORES,
    "backlog": _SCORES,
    "dead": _SCORES,
    "endpoint": ("HGETALL",),
    "notice_places": ("GET",),
    "notice_tokens": ("GET",),
}
"""How each kind of key is read."""
_COUNTS = frozenset({"delivered", "overflowed", "forgotten", "failures"})
_WORDS = frozenset({"error", "disabled"})


def memory_sections(store: MemoryNotices) -> Sections:
    """As `redis_sections` has them."""
    there = store.endpoints.items()
    return {
        "notices": {f"{name}:{key}": _stored(one) for name, end in there for key, one in end.notices.items()},
        "notice_lines": {f"{name}:{about}": ids for name, end in there for about, ids in end.lines.items()},
        "notices_due": _filled({name: {about: score for score, about in end.due} for name, end in there}),
        "backlog": _filled({name: dict(end.backlog) for name, end in there}),
        "dead": _filled({name: dict(end.dead) for name, end in there}),
        "endpoints": _filled({name: _facts(end) for name, end in there}),
        "notice_places": store.notice_places,
        "notice_tokens": store.notice_tokens,
    }


def redis_sections(raw: Sections) -> Sections:
    """`raw`: contents by kind and name, as `redis_dump.py` reads them."""
    return {
        "notices": {name: _read_notice(stored) for name, stored in raw.get("notice", {}).items()},
        "notice_lines": {name: [each.decode() for each in ids] for name, ids in raw.get("line", {}).items()},
        "notices_due": {name: _scores(pairs, float) for name, pairs in raw.get("lines", {}).items()},
        "backlog": {name: _scores(pairs, int) for name, pairs in raw.get("backlog", {}).items()},
        "dead": {name: _scores(pairs, int) for name, pairs in raw.get("dead", {}).items()},
        "endpoints": _filled({name: _read_facts(stored) for name, stored in raw.get("endpoint", {}).items()}),
        "notice_places": int(raw.get("notice_places", {}).get("", 0)),
        "notice_tokens": int(raw.get("notice_tokens", {}).get("", 0)),
    }


def _stored(one: StoredNotice) -> Sections:
    told = {"body": plain(one.body), "about": one.about, "since": one.since, "attempts": one.attempts, "token": one.token}
    told |= {"hastened": one.hastened}
    return told if one.dead_at is None else {**told, "why": one.why, "dead_at": one.dead_at}


def _read_notice(stored: dict[bytes, bytes]) -> Sections:
    told: Sections = {"body": plain(stored[b"body"]), "about": stored[b"about"].decode()}
    told |= {"since": float(stored[b"since"]), "attempts": int(stored[b"attempts"]), "token": stored[b"token"].decode()}
    told |= {"hastened": b"hastened" in stored}
    return told if b"dead_at" not in stored else {**told, "why": stored[b"why"].decode(), "dead_at": float(stored[b"dead_at"])}


def _facts(end: StoredEndpoint) -> Sections:
    names = [name for name in end.state.__struct_fields__ if name not in {"backlog", "oldest", "dead"}]
    return {name: getattr(end.state, name) for name in names if getattr(end.state, name)}


def _read_facts(stored: dict[bytes, bytes]) -> Sections:
    facts = {name.decode(): _fact(name.decode(), value.decode()) for name, value in stored.items()}
    return {name: value for name, value in facts.items() if value}


def _fact(name: str, value: str) -> Any:
    return value if name in _WORDS else int(value) if name in _COUNTS else float(value)


def _scores(pairs: Any, kind: type) -> Sections:
    paired = pairs if pairs and isinstance(pairs[0], tuple) else zip(pairs[::2], pairs[1::2], strict=True)
    return {member.decode(): kind(float(score)) for member, score in paired}


def _filled(sections: Sections) -> Sections:
    return {name: section for name, section in sections.items() if section}
