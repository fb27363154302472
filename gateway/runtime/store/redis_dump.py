"""Redis' content under one hash tag in the neutral shape of `Store.dump`: the same that `memory_dump.py` makes.

Every key is found by SCAN, not by what the store believes to have: a key that should be gone, or that nobody knows,
shows. Reads key by key and is not one snapshot.
"""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from gateway.runtime.store.codec import plain
from gateway.runtime.store.notice_dump import READS as NOTICE_READS
from gateway.runtime.store.notice_dump import redis_sections as notice_sections
from gateway.runtime.store.promise_dump import READS as PROMISE_READS
from gateway.runtime.store.promise_dump import redis_sections as promise_sections

Sections = dict[str, Any]


async def dump(client: Redis, tag: str) -> Sections:
    """Plain dicts and lists only; a section without content is absent."""
    pattern = "".join(f"\\{sign}" if sign in "*?[]^\\-" else sign for sign in tag) + ":*"
    keys = sorted([key async for key in client.scan_iter(match=pattern, count=1000)])
    names = [key.decode()[len(tag) + 1 :].partition(":") for key in keys]
    contents = await _contents(client, keys, [kind for kind, _, _ in names])
    raw: Sections = {}
    for (kind, _, name), content in zip(names, contents, strict=True):
        raw.setdefault(kind, {})[name] = content
    return {name: section for name, section in _sections(raw).items() if section}


_SCORES = ("ZRANGE", "0", "-1", "WITHSCORES")
_READS: dict[str, tuple[str, ...]] = {
    "call": ("HGETALL",),
    "list": ("ZRANGE", "0", "-1"),
    "ended": _SCORES,
    "entries": ("XRANGE", "-", "+"),
    "media": ("HGETALL",),
    "keys": ("SMEMBERS",),
    "commands": ("SMEMBERS",),
    "feed": ("XRANGE", "-", "+"),
    "idempotency": ("HGETALL",),
    "mark": ("HGETALL",),
    "outbox": _SCORES,
    "command": ("HGETALL",),
    "places": _SCORES,
    "next_free": ("HGETALL",),
    "breaker": ("HGETALL",),
    "hand": ("HGETALL",),
    "session": ("HGETALL",),
    "voicemail": ("HGETALL",),
    "voicemails": ("ZRANGE", "0", "-1"),
    "collection": ("HGETALL",),
    "recordings": ("HGETALL",),
    "processes": _SCORES,
    "process": ("HGETALL",),
    "held": ("SMEMBERS",),
    "lease": ("HGETALL",),
    "leased": ("SMEMBERS",),
    **NOTICE_READS,
    **PROMISE_READS,
}
"""How each kind of key is read; what is not here is a plain value."""
_PLAIN = frozenset({"clock", "feed_end", "tokens", "fence", "ping", "secret", "storage_mark"})


async def _contents(client: Redis, keys: list[bytes], kinds: list[str]) -> list[Any]:
    async with client.pipeline(transaction=False) as pipe:
        for key, kind in zip(keys, kinds, strict=True):
            command, *rest = _READS.get(kind, ("GET",))
            pipe.execute_command(command, key, *rest)
        contents: list[Any] = await pipe.execute()
    return contents


def _sections(raw: Sections) -> Sections:
    clock = float(_value(raw, "clock"))
    return {
        "clock": clock,
        "calls": _each(raw, "call", lambda call: {"version": int(call[b"version"]), "body": plain(call[b"body"])}),
        "lists": _each(raw, "list", lambda positions: [position.decode() for position in positions]),
        "ended": _only(raw, "ended"),
        "entries": _each(raw, "entries", _lines),
        "media": _each(raw, "media", lambda legs: {leg_id.decode(): plain(body) for leg_id, body in legs.items()}),
        "keys": _each(raw, "keys", _members),
        "commands": _each(raw, "commands", _members),
        "feed": _lines(raw.get("feed", {}).get("", [])),
        "feed_end": int(_value(raw, "feed_end")),
        "idempotency": {key: bound for key, bound in _each(raw, "idempotency", _bound).items() if _fresh(bound, clock)},
        "marks": {key: mark for key, mark in _each(raw, "mark", _mark).items() if _fresh(mark, clock)},
        "outbox": {key: {"due": due, **_command(raw["command"][key])} for key, due in _only(raw, "outbox").items()},
        "strays": sorted(raw.get("command", {}).keys() ^ _only(raw, "outbox").keys()),
        "tokens": int(_value(raw, "tokens")),
        "places": _places(raw, clock),
        "next_free": {name.decode(): float(time) for name, time in raw.get("next_free", {}).get("", {}).items()},
        "breakers": _each(raw, "breaker", _breaker),
        "hands": _each(raw, "hand", lambda stored: plain(stored[b"body"])),
        "sessions": {key: one for key, one in _each(raw, "session", _session).items() if _fresh(one, clock)},
        "voicemails": _voicemails(raw),
        "voicemail_strays": sorted({one["position"] for one in _voicemails(raw).values()} ^ _listed_voicemails(raw)),
        "voicemails_gone": {key: until for key, until in _each(raw, "voicemail", _gone).items() if until > clock},
        "collections": _each(raw, "collection", lambda stored: {name.decode(): float(at) for name, at in stored.items()}),
        "recordings": {key.decode(): owner.decode() for key, owner in raw.get("recordings", {}).get("", {}).items()},
        "storage_mark": raw.get("storage_mark", {}).get("", b"").decode(),
        "processes": _processes(raw),
        "held": _each(raw, "held", _members),
        "leases": _each(raw, "lease", _lease),
        "leased": _each(raw, "leased", _members),
        "secret": raw.get("secret", {}).get("", b"").decode(),
        "fence": int(_value(raw, "fence")),
        **notice_sections(raw),
        **promise_sections(raw),
        "unknown": sorted(raw.keys() - _READS.keys() - _PLAIN),
    }


def _each(raw: Sections, kind: str, read: Callable[[Any], Any]) -> Sections:
    return {name: read(content) for name, content in raw.get(kind, {}).items()}


def _value(raw: Sections, kind: str) -> bytes:
    value: bytes = raw.get(kind, {}).get("", b"0")
    return value


def _only(raw: Sections, kind: str) -> dict[str, float]:
    return _scores(raw.get(kind, {}).get("", []))


def _scores(pairs: Any) -> dict[str, float]:
    return {member.decode(): float(score) for member, score in _paired(pairs)}


def _paired(flat: Any) -> list[tuple[bytes, bytes]]:
    return flat if flat and isinstance(flat[0], tuple) else list(zip(flat[::2], flat[1::2], strict=True))


def _members(members: Any) -> list[str]:
    return sorted(member.decode() for member in members)


def _lines(lines: Any) -> list[Any]:
    return [[int(line_id.partition(b"-")[0]), plain(fields[b"body"])] for line_id, fields in lines]


def _bound(stored: Any) -> Sections:
    expires_at = float(stored[b"expires_at"]) if stored[b"expires_at"] else None
    return {"record": plain(stored[b"record"]), "call": stored[b"call"].decode(), "expires_at": expires_at}


def _mark(stored: Any) -> Sections:
    return {"answer": stored[b"answer"].hex(), "expires_at": float(stored[b"expires_at"])}


def _fresh(record: Sections, clock: float) -> bool:
    return record["expires_at"] is None or record["expires_at"] > clock


def _command(stored: Any) -> Sections:
    return {
        "call": stored[b"call"].decode(),
        "body": plain(stored[b"body"]),
        "deliveries": int(stored[b"deliveries"]),
        "token": stored[b"token"].decode(),
        "holder": stored.get(b"holder", b"").decode(),
    }


def _processes(raw: Sections) -> Sections:
    bodies = raw.get("process", {}).get("", {})
    return {key: {"until": until, "body": plain(bodies[key.encode()])} for key, until in _only(raw, "processes").items()}


def _voicemails(raw: Sections) -> Sections:
    stored = {key: one for key, one in raw.get("voicemail", {}).items() if b"body" in one}
    return {key: {"position": one[b"position"].decode(), "body": plain(one[b"body"])} for key, one in stored.items()}


def _listed_voicemails(raw: Sections) -> set[str]:
    return {position.decode() for position in raw.get("voicemails", {}).get("", [])}


def _gone(stored: Any) -> float:
    return float(stored.get(b"gone_until", 0))


def _lease(stored: Any) -> Sections:
    kept = stored.get(b"context")
    told = {"token": int(stored[b"token"]), "context": None if kept is None else kept.decode()}
    return told | {"owner": stored[b"owner"].decode(), "address": stored[b"address"].decode()}


def _breaker(stored: Any) -> Sections:
    return {"version": int(stored[b"version"]), "epoch": int(stored[b"epoch"]), "body": plain(stored[b"body"])}


def _session(stored: Any) -> Sections:
    session: Sections = plain(stored[b"body"])
    return session


def _places(raw: Sections, clock: float) -> Sections:
    taken = _each(raw, "places", _scores)
    live = {carrier: {leg: until for leg, until in legs.items() if until > clock} for carrier, legs in taken.items()}
    return {carrier: legs for carrier, legs in live.items() if legs}
