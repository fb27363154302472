"""The in-memory store's whole content in the neutral shape of `Store.dump`; `redis_dump.py` makes the same from Redis.

Expired keys, marks and places are left out: when their bytes go is each store's own affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gateway.domain.breaker import Breaker
from gateway.runtime.store.codec import encode, plain
from gateway.runtime.store.notice_dump import memory_sections as notice_sections
from gateway.runtime.store.promise_dump import memory_sections as promise_sections

if TYPE_CHECKING:
    from gateway.runtime.store.memory_store import MemoryStore


def dump(store: MemoryStore) -> dict[str, Any]:
    """Plain dicts and lists only; a section without content is absent."""
    sections: dict[str, Any] = {
        "clock": store.clock,
        "calls": {key: {"version": call.version, "body": plain(call.body)} for key, call in store.calls.items()},
        "lists": _lists(store),
        "ended": {call_id: ended_at for ended_at, call_id in store.ended},
        "entries": {key: _lines(call.entries) for key, call in store.calls.items() if call.entries},
        "media": {
            key: {leg_id: plain(body) for leg_id, body in call.media.items()} for key, call in store.calls.items() if call.media
        },
        "keys": {key: sorted(call.keys) for key, call in store.calls.items() if call.keys},
        "commands": _commands(store),
        "feed": _lines(store.lines),
        "feed_end": store.seq,
        "idempotency": _idempotency(store),
        "marks": _marks(store),
        "outbox": _outbox(store),
        "tokens": store.outbox.tokens,
        "places": _places(store),
        "next_free": dict(store.next_free),
        "breakers": {carrier: _breaker(breaker) for carrier, breaker in store.breakers.items()},
        "hands": {carrier: plain(encode(hand)) for carrier, hand in store.hands.items()},
        "sessions": {key: plain(encode(one)) for key, one in store.sessions.items() if one.expires_at > store.clock},
        "voicemails": _voicemails(store),
        "voicemails_gone": {key: until for key, until in store.voicemails_gone.items() if until > store.clock},
        "collections": {key: {"since": one.since, "until": one.until} for key, one in store.collections.items()},
        "recordings": dict(store.open_recordings),
        "storage_mark": store.mark_of_storage,
        "processes": {
            key: {"until": until, "body": plain(encode(process))} for key, (process, until) in store.processes.known.items()
        },
        "held": _held(store),
        "leases": {
            key: {"token": one.token, "owner": one.owner, "address": one.address, "context": one.context}
            for key, one in store.session_leases.items.items()
        },
        "leased": {key: sorted(calls) for key, calls in store.session_leases.leased.items() if calls},
        "secret": store.secret,
        "fence": store.fence,
        **notice_sections(store),
        **promise_sections(store),
    }
    return {name: section for name, section in sections.items() if section}


def _lines(lines: Iterable[tuple[int, str]]) -> list[Any]:
    return [[seq, plain(body)] for seq, body in lines]


def _lists(store: MemoryStore) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for position, call_id in store.positions:
        for name in store.calls[call_id].indexes:
            lists.setdefault(name, []).append(position)
    return lists


def _commands(store: MemoryStore) -> dict[str, list[str]]:
    commands: dict[str, list[str]] = {}
    for command_id, item in sorted(store.outbox.items.items()):
        commands.setdefault(item.call_id, []).append(command_id)
    return commands


def _voicemails(store: MemoryStore) -> dict[str, Any]:
    positions = store.voicemail_positions
    return {key: {"position": positions[key], "body": plain(store.voicemails[positions[key]])} for key in positions}


def _held(store: MemoryStore) -> dict[str, list[str]]:
    held: dict[str, list[str]] = {}
    for command_id, item in sorted(store.outbox.items.items()):
        if item.holder:
            held.setdefault(item.holder, []).append(command_id)
    return held


def _breaker(breaker: Breaker) -> dict[str, Any]:
    return {"version": breaker.version, "epoch": breaker.epoch, "body": plain(encode(breaker))}


def _idempotency(store: MemoryStore) -> dict[str, Any]:
    return {
        key: {"record": plain(bound.record), "call": bound.call_id, "expires_at": bound.expires_at}
        for key, bound in store.bound.items()
        if bound.expires_at is None or bound.expires_at > store.clock
    }


def _marks(store: MemoryStore) -> dict[str, Any]:
    live = (mark for mark in store.marks.values() if mark.expires_at > store.clock)
    return {mark.key: {"answer": mark.answer.hex(), "expires_at": mark.expires_at} for mark in live}


def _outbox(store: MemoryStore) -> dict[str, Any]:
    return {
        key: {
            "due": store.outbox.due.score(key),
            "call": item.call_id,
            "body": plain(item.body),
            "deliveries": item.deliveries,
            "token": item.token,
            "holder": item.holder,
        }
        for key, item in store.outbox.items.items()
    }


def _places(store: MemoryStore) -> dict[str, Any]:
    live = {
        carrier: {leg_id: until for leg_id, until in places.items() if until > store.clock}
        for carrier, places in store.places.items()
    }
    return {carrier: places for carrier, places in live.items() if places}
