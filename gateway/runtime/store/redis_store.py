"""The store in Redis or Valkey: one Lua script for each step that must be atomic, one hash tag for all keys.

What it cannot promise: replication is asynchronous. A failover to a replica forgets what the replica had not received,
after we were told that it was written: a call accepted in the last moments may vanish (with `wait_replicas` an accepted
call has reached that many replicas, and vanishes only if none of those is promoted); a leg's `sending` may be forgotten,
so that its dial is delivered to a second worker and the phone rings twice; tokens, fences and breaker versions may be
given out a second time. `appendfsync always` on one server loses nothing on a crash. Production that must not lose a call
sets `wait_replicas`, and promotes only replicas that are in step (`min-replicas-to-write`).
"""

from typing import Any, Self

from msgspec.structs import replace
from redis.asyncio import Redis

from gateway.domain.breaker import Breaker
from gateway.domain.errors import StoreUnavailable
from gateway.domain.hand import Hand
from gateway.domain.records import Call, MediaCounters
from gateway.runtime.store import codec
from gateway.runtime.store.connection import ANSWER_TIMEOUT_S, close_client, findings, open_client, speaking
from gateway.runtime.store.contract import (
    CallFilter,
    Change,
    Claim,
    CommitResult,
    Committed,
    Conflict,
    ConsoleSession,
    Denied,
    Fenced,
    IdempotencyRecord,
    Lease,
    LogEntry,
    Page,
    Process,
    Pulse,
    Repeated,
    Replayed,
)
from gateway.runtime.store.lua import ScriptRunner
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.notice_plan import planned_notices
from gateway.runtime.store.plan import FEED_KEPT, Plan, plan, wanted_indexes, written
from gateway.runtime.store.promise_contract import Taken
from gateway.runtime.store.redis_dump import dump
from gateway.runtime.store.redis_notices import RedisNotices
from gateway.runtime.store.redis_promises import RedisPromises
from gateway.runtime.store.redis_recordings import RedisRecordings
from gateway.runtime.store.redis_voicemails import RedisVoicemails

DEFAULT_TAG = "{holdline}"
LIST_STEPS = 5_000
"""Calls that one list script looks at before it lets others have the server."""
_LAST_SEQ = 2**63


class RedisStore(RedisRecordings, RedisVoicemails, RedisNotices, RedisPromises):
    """`tag` is the hash tag that all keys begin with, braces included; `wait_replicas` is how many must have an accepted call."""

    def __init__(
        self,
        client: Redis,
        tag: str = DEFAULT_TAG,
        *,
        feed_kept: int = FEED_KEPT,
        wait_replicas: int = 0,
        wait_s: float = 1.0,
    ) -> None:
        if not (tag.startswith("{") and tag.endswith("}") and len(tag) > 2):
            raise ValueError(f"a hash tag stands in braces, like {DEFAULT_TAG}, not {tag!r}")
        self._client, self._tag, self._feed_kept = client, tag, feed_kept
        self._wait_replicas, self._wait_s = wait_replicas, wait_s
        self._scripts = ScriptRunner(client, tag)

    @classmethod
    def connect(cls, url: str, tag: str = DEFAULT_TAG, *, wait_replicas: int = 0, wait_s: float = 1.0) -> Self:
        """To redis://, rediss://, unix:///path or redis+sentinel://; connects with the first command."""
        client = open_client(url, max(ANSWER_TIMEOUT_S, wait_s + 1.0))
        return cls(client, tag, wait_replicas=wait_replicas, wait_s=wait_s)

    async def findings(self) -> tuple[str, ...]:
        """Settings of the server under which our promises do not hold, each with its cure."""
        return await findings(self._client, self._wait_replicas)

    # calls

    async def commit(self, change: Change, now: float) -> CommitResult:
        planned = plan(change, now, self._feed_kept, self.notices_kept, self.dead_kept)
        new = change.call.version == 0
        answer = change.mark.answer if change.mark else b""
        if new and self._wait_replicas:
            reply = await self._commit_and_wait(planned, answer)
        else:
            reply = await self._run("commit", planned, answer)
        match reply:
            case [b"committed"]:
                return Committed(call=written(change))
            case [b"conflict"]:
                return Conflict()
            case [b"fenced"]:
                return Fenced()
            case [b"repeated", answer]:
                return Repeated(answer=answer)
            case [b"replayed", record]:
                return Replayed(record=codec.decode_record(record))
            case [b"taken", holder, wanted]:
                return Taken(holder=holder.decode(), wanted=wanted.decode())
            case [b"denied", why, retry_at]:
                return Denied(why=why.decode(), retry_at=float(retry_at))
        raise StoreUnavailable(f"the commit script answered {reply!r}")

    async def load(self, call_id: str) -> Call | None:
        with speaking():
            body = await self._client.hget(self._key("call", call_id), "body")
        return codec.decode_call(body) if body else None

    async def list_calls(self, wanted: CallFilter, limit: int, cursor: str | None) -> Page:
        limit = max(limit, 1)
        found = await self._walk(wanted_indexes(wanted), limit + 1, cursor)
        items = tuple(codec.decode_call(body) for _, body in found[:limit])
        return Page(items=items, next=found[limit - 1][0] if len(found) > limit else None)

    async def idempotency(self, key: str) -> IdempotencyRecord | None:
        record = await self._run("unexpired", {"kind": "idempotency", "id": key, "field": "record"})
        return codec.decode_record(record) if record else None

    async def hook_answer(self, key: str) -> bytes | None:
        answer: bytes | None = await self._run("unexpired", {"kind": "mark", "id": key, "field": "answer"})
        return answer

    async def purge(self, ended_before: float, limit: int) -> int:
        return int(await self._run("purge", {"ended_before": ended_before, "limit": max(limit, 0)}))

    # the log

    async def entries(self, call_id: str) -> tuple[LogEntry, ...]:
        return await self._lines(self._key("entries", call_id), "-", None)

    async def feed(self, after: int, limit: int) -> tuple[LogEntry, ...]:
        if limit < 1 or after >= _LAST_SEQ:
            return ()
        return await self._lines(self._key("feed"), f"{max(after, 0) + 1}-0", limit)

    async def feed_end(self) -> int:
        with speaking():
            return int(await self._client.get(self._key("feed_end")) or 0)

    # the outbox

    async def claim(self, now: float, lease_s: float, limit: int, holder: str = "") -> tuple[Claim, ...]:
        args = {"now": now, "lease_s": lease_s, "limit": max(limit, 0), "holder": holder}
        reply = await self._run("claim", args)
        claims = (_claim(*reply[at : at + 4]) for at in range(0, len(reply), 4))
        return tuple(claim for claim in claims if claim is not None)

    async def done(self, claim: Claim) -> bool:
        return bool(await self._run("done", {"command_id": claim.command_id, "token": claim.token}))

    async def defer(self, claim: Claim, due: float) -> bool:
        return bool(await self._run("defer", {"command_id": claim.command_id, "token": claim.token, "due": due}))

    async def next_due(self) -> float | None:
        first = await self._run("next_due", {})
        return float(first) if first else None

    # carriers

    async def breaker(self, carrier: str) -> Breaker:
        with speaking():
            body = await self._client.hget(self._key("breaker", carrier), "body")
        return codec.decode_breaker(body) if body else Breaker()

    async def swap_breaker(
        self, carrier: str, expected_version: int, breaker: Breaker, *, notices: tuple[Notice, ...] = ()
    ) -> bool:
        stored = replace(breaker, version=expected_version + 1)
        args: dict[str, Any] = {"carrier": carrier, "expected": expected_version, "epoch": stored.epoch}
        args |= {"body": codec.encode(stored), "notices": planned_notices(notices, self.notices_kept, self.dead_kept)}
        return bool(await self._run("swap_breaker", args))

    async def live_legs(self, carrier: str, now: float) -> int:
        return int(await self._run("live_legs", {"carrier": carrier, "now": now}))

    async def hand(self, carrier: str) -> Hand:
        with speaking():
            body = await self._client.hget(self._key("hand", carrier), "body")
        return codec.decode_hand(body) if body else Hand()

    async def set_hand(self, carrier: str, hand: Hand, *, notices: tuple[Notice, ...] = ()) -> None:
        # `state` stands apart, for the commit script: it holds every permit against it.
        args: dict[str, Any] = {"carrier": carrier, "state": hand.state, "body": codec.encode(hand)}
        await self._run("set_hand", args | {"notices": planned_notices(notices, self.notices_kept, self.dead_kept)})

    # processes, and the sessions that live in them

    async def beat(self, process: Process, now: float, lives_s: float) -> Pulse:
        args = {"id": process.id, "body": codec.encode(process), "now": now, "lives_s": lives_s}
        alive, *bodies = await self._run("beat", args)
        told = [codec.decode_process(body) for body in bodies]
        return Pulse(others=tuple(told[:alive]), dead=tuple(told[alive:]))

    async def retire(self, process_id: str, now: float) -> None:
        await self._run("retire", {"id": process_id, "now": now})

    async def leases(self, call_ids: tuple[str, ...]) -> dict[str, Lease]:
        found = _leases(await self._run("leases", {"call_ids": call_ids})) if call_ids else ()
        return {lease.call_id: lease for lease in found}

    async def leased(self, process_id: str) -> tuple[Lease, ...]:
        return _leases(await self._run("leases", {"owner": process_id}))

    async def take_lease(self, call_id: str, process: Process, over: int) -> Lease | None:
        args = {"call_id": call_id, "owner": process.id, "address": process.address, "over": over}
        token = await self._run("take_lease", args)
        return None if token is None else Lease(call_id=call_id, owner=process.id, address=process.address, token=token)

    async def give_up_lease(self, lease: Lease, context: str | None) -> bool:
        args = {"call_id": lease.call_id, "token": lease.token, "give_up": True}
        return bool(await self._run("keep_context", args if context is None else {**args, "context": context}))

    async def keep_context(self, lease: Lease, context: str) -> bool:
        return bool(await self._run("keep_context", {"call_id": lease.call_id, "token": lease.token, "context": context}))

    async def context(self, call_id: str) -> str | None:
        with speaking():
            kept: Any = await self._client.hget(self._key("lease", call_id), "context")
        return None if kept is None else str(kept.decode())

    async def shared_secret(self, offered: str) -> str:
        with speaking():
            await self._client.set(self._key("secret"), offered, nx=True)
            kept: Any = await self._client.get(self._key("secret"))
        return str(kept.decode())

    # people at the console

    async def put_session(self, session: ConsoleSession, now: float) -> None:
        args = {"id": session.id, "now": now, "expires_at": session.expires_at, "body": codec.encode(session)}
        await self._run("put_session", args)

    async def session(self, session_id: str, now: float) -> ConsoleSession | None:
        args = {"kind": "session", "id": session_id, "field": "body", "now": now}
        body = await self._run("unexpired", args)
        return codec.decode_session(body) if body else None

    async def drop_session(self, session_id: str) -> None:
        with speaking():
            await self._client.delete(self._key("session", session_id))

    # small things

    async def next_fence(self) -> int:
        with speaking():
            return int(await self._client.incr(self._key("fence")))

    async def put_media(self, call_id: str, leg_id: str, counters: MediaCounters, lease: int | None = None) -> bool:
        args = {"call_id": call_id, "leg_id": leg_id, "body": codec.encode(counters)}
        return bool(await self._run("put_media", args if lease is None else {**args, "lease": lease}))

    async def media(self, call_id: str) -> dict[str, MediaCounters]:
        with speaking():
            stored: dict[Any, Any] = await self._client.hgetall(self._key("media", call_id))
        return {leg_id.decode(): codec.decode_media(body) for leg_id, body in stored.items()}

    async def ping(self) -> bool:
        """Writes: a replica, a full disk and a full memory all answer a mere PING."""
        try:
            with speaking():
                await self._client.set(self._key("ping"), b"")
        except StoreUnavailable:
            return False
        return True

    async def dump(self) -> dict[str, Any]:
        with speaking():
            return await dump(self._client, self._tag)

    async def aclose(self) -> None:
        await close_client(self._client)

    def _key(self, kind: str, name: str | None = None) -> str:
        return f"{self._tag}:{kind}" if name is None else f"{self._tag}:{kind}:{name}"

    async def _run(self, name: str, args: Plan | dict[str, Any], blob: bytes = b"") -> Any:
        with speaking():
            return await self._scripts.run(name, args, blob)

    async def _commit_and_wait(self, planned: Plan, answer: bytes) -> Any:
        """Too few replicas: not accepted, though it is written here. The client asks again with its key, and waits again."""
        with speaking():
            reply, reached = await self._scripts.run_and_wait("commit", planned, answer, self._wait_replicas, self._wait_s)
        if reached < self._wait_replicas:
            raise StoreUnavailable(f"{reached} of {self._wait_replicas} replicas have the call after {self._wait_s:g} s")
        return reply

    async def _walk(self, names: tuple[str, ...], limit: int, cursor: str | None) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        while True:
            args = {"names": names, "limit": limit - len(found), "steps": LIST_STEPS}
            reply = await self._run("list_calls", args if cursor is None else {**args, "before": cursor})
            found += [(reply[at].decode(), reply[at + 1]) for at in range(1, len(reply), 2)]
            if not reply[0]:
                return found
            cursor = reply[0].decode()

    async def _lines(self, key: str, start: str, limit: int | None) -> tuple[LogEntry, ...]:
        with speaking():
            lines: Any = await self._client.xrange(key, start, "+", count=limit)
        return tuple(codec.decode_entry(int(line_id.partition(b"-")[0]), fields[b"body"]) for line_id, fields in lines)


def _claim(command_id: bytes, token: bytes, deliveries: int, body: bytes) -> Claim | None:
    command = codec.decode_command(body)
    if command is None:
        return None
    return Claim(command_id=command_id.decode(), token=token.decode(), deliveries=deliveries, command=command)


def _leases(reply: list[bytes]) -> tuple[Lease, ...]:
    rows = (reply[at : at + 4] for at in range(0, len(reply), 4))
    return tuple(
        Lease(call_id=call_id.decode(), owner=owner.decode(), address=address.decode(), token=int(token))
        for call_id, owner, address, token in rows
    )
