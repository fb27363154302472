"""Both stores are driven with the same random steps; every result and the whole content must be equal after each."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace
from redis.asyncio import Redis

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.commands import AnyCommand, HangUp, Route, Timer
from gateway.domain.hand import Hand, ServiceState
from gateway.domain.outcome import CallStatus, Direction, Outcome, Priority
from gateway.domain.records import Call, Leg, MediaCounters, Promise
from gateway.runtime.store.contract import (
    CallFilter,
    Change,
    Claim,
    ConsoleSession,
    DialPermit,
    HookMark,
    IdempotencyRecord,
    Lease,
    LogEntry,
    Process,
    Store,
)
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.redis_store import RedisStore
from gateway.runtime.store.voicemail_contract import Voicemail

START = 1_763_800_000.123456
FEED_KEPT = 5
_EXAMPLES = count()

call_ids = st.sampled_from(["call_a", "call_b", "call_ü", "call_{c}"])
leg_ids = st.sampled_from(["leg_1", "leg_2", "leg_3"])
carriers = st.sampled_from(["twilio", "telnyx"])
reasons = st.sampled_from(["no-carrier", "scheduled", ""])
keys = st.sampled_from(["k 1", "k:2", "{k}3"])
offsets = st.sampled_from([-1.0, 0.0, 0.1, 1 / 3, 1.0, 7.0, 61.5])
leases = st.sampled_from([0.0, 0.5, 5.0])
limits = st.integers(0, 4)
to_numbers = st.sampled_from(["+15550100001", "+15550100002"])


@st.composite
def legs(draw: st.DrawFn, call_id: str) -> tuple[Leg, ...]:
    return tuple(
        Leg(
            id=leg_id,
            call_id=call_id,
            carrier=draw(carriers),
            caller_id="+15550190001",
            media_token="token",
            round=1,
            created_at=START,
        )
        for leg_id in draw(st.lists(leg_ids, max_size=2, unique=True))
    )


@st.composite
def promises(draw: st.DrawFn, now: float) -> Promise:
    return Promise(id=draw(st.sampled_from(["p1", "p2"])), due_at=now + draw(offsets), reason=draw(reasons))


@st.composite
def calls(draw: st.DrawFn, now: float) -> Call:
    call_id = draw(call_ids)
    status = draw(st.sampled_from([CallStatus.ENDED, CallStatus.ENDED, *CallStatus]))
    ended = status is CallStatus.ENDED
    return Call(
        id=call_id,
        to=draw(to_numbers),
        session_id="ses",
        created_at=START + draw(st.sampled_from([0.0, 0.25, 1.0])),
        expires_at=START + 3600,
        direction=draw(st.sampled_from(Direction)),
        metadata=draw(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=1)),
        status=status,
        outcome=draw(st.sampled_from([Outcome.COMPLETED, Outcome.BUSY])) if ended else None,
        ended_at=draw(st.one_of(st.none(), offsets.map(lambda offset: now + offset))) if ended else None,
        promise=draw(st.one_of(st.none(), promises(now))),
        promised_at=draw(st.sampled_from([None, START])),
        answered_at=draw(st.sampled_from([None, None, START])),
        purpose=draw(st.sampled_from(["", "callback"])),
        priority=draw(st.sampled_from(Priority)),
        duplicate=draw(st.sampled_from([False, False, False, True])),
        legs=draw(legs(call_id)),
    )


@st.composite
def permits(draw: st.DrawFn, now: float, breakers: dict[str, Breaker]) -> DialPermit:
    carrier = draw(carriers)
    known = breakers.get(carrier, Breaker())
    stale = draw(st.sampled_from([0, 0, 0, 0, 1]))
    probe = Breaker(state=BreakerState.HALF_OPEN, epoch=known.epoch + 1, probe_at=now) if draw(st.booleans()) else None
    return DialPermit(
        carrier=carrier,
        leg_id=draw(leg_ids),
        calls_per_second=draw(st.sampled_from([0.3, 7.0, 7.0, 1e6])),
        concurrent_calls=draw(st.sampled_from([0, 1, 2, 2])),
        holds_until=now + draw(st.sampled_from([0.05, 0.5, 20.0])),
        breaker_epoch=known.epoch + stale,
        probe=probe,
        breaker_version=known.version + stale,
    )


@st.composite
def commands(draw: st.DrawFn, call_id: str, now: float) -> AnyCommand:
    kind = draw(st.sampled_from([Route, HangUp, Timer]))
    due = now + draw(offsets) if draw(st.booleans()) else 0.0
    return Timer(call_id=call_id, due=due, name="ring") if kind is Timer else kind(call_id=call_id, due=due)


entries = st.builds(
    LogEntry,
    id=st.text("abc", min_size=1, max_size=3),
    call_id=call_ids,
    at=st.just(START),
    kind=st.just("leg-ringing"),
    data=st.dictionaries(
        st.sampled_from(["a", "b"]), st.one_of(st.floats(0, 1), st.lists(st.integers(), max_size=2)), max_size=2
    ),
)
records = st.builds(
    IdempotencyRecord,
    key=keys,
    fingerprint=st.sampled_from(["f1", "f2"]),
    call_id=call_ids,
    request=st.just({"to": "+15550100001"}),
)
processes = st.builds(
    Process, id=st.sampled_from(["p1", "p2", "p3"]), address=st.sampled_from(["", "http://p"]), draining=st.booleans()
)
command_ids = st.lists(st.sampled_from(["c1", "c2", "c3", "c4", "c5"]), max_size=3, unique=True)
filters = st.builds(
    CallFilter,
    status=st.one_of(st.none(), st.sampled_from([str(status) for status in CallStatus])),
    outcome=st.one_of(st.none(), st.sampled_from(["completed", "busy"])),
    carrier=st.one_of(st.none(), carriers),
    to=st.one_of(st.none(), to_numbers),
    direction=st.one_of(st.none(), st.sampled_from(["inbound", "outbound"])),
    purpose=st.sampled_from([None, None, "callback"]),
    callback=st.sampled_from([None, None, "any", "waiting", "running", "over"]),
)


class BothStores(RuleBasedStateMachine):
    """The memory store is the model, and also what simulations rest on: it must be right in every case."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.client = Redis.from_url(url, protocol=2)
        self.tag = f"{{differential-{next(_EXAMPLES)}}}"
        self.memory = MemoryStore(feed_kept=FEED_KEPT)
        self.redis = RedisStore(self.client, self.tag, feed_kept=FEED_KEPT)
        self.now = START
        self.claims: list[Claim] = []
        self.promises: list[tuple[str, str]] = []

    def both(self, step: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
        expected = self.loop.run_until_complete(step(self.memory))
        assert expected == self.loop.run_until_complete(step(self.redis))
        return expected

    @invariant()
    def same_content(self) -> None:
        self.both(lambda store: store.dump())

    @rule(seconds=st.sampled_from([-3.0, -0.2, 0.05, 1 / 3, 1.0, 10.0, 49 * 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        self._commit(data)

    @rule(data=st.data())
    def commit_a_dial(self, data: st.DataObject) -> None:
        released = tuple(data.draw(st.lists(st.tuples(carriers, leg_ids), max_size=1)))
        self._commit(data, permit=data.draw(permits(self.now, self.memory.breakers)), released=released)

    @rule(data=st.data(), key=keys, answer=st.binary(max_size=4), lasts=offsets)
    def commit_a_webhook(self, data: st.DataObject, key: str, answer: bytes, lasts: float) -> None:
        self._commit(data, mark=HookMark(key=key, answer=answer, expires_at=self.now + lasts))

    @rule(data=st.data(), record=records)
    def commit_a_request(self, data: st.DataObject, record: IdempotencyRecord) -> None:
        self._commit(data, idempotency=record)

    @rule(data=st.data())
    def commit_a_claimed_command(self, data: st.DataObject) -> None:
        held = [(claim.command_id, claim.token) for claim in self.claims[-5:]]
        self._commit(data, done=data.draw(st.sampled_from([*reversed(held), ("c1", ""), ("c1", "1")])))

    @rule(data=st.data())
    def commit_a_kept_promise(self, data: st.DataObject) -> None:
        call_id, token = data.draw(st.sampled_from([*self.promises[:-6:-1], ("call_a", ""), ("call_a", "1")]))
        self._commit(data, call_id, kept=token)

    @rule(data=st.data(), call_id=call_ids)
    def commit_an_end_that_is_followed(self, data: st.DataObject, call_id: str) -> None:
        follow = data.draw(calls(self.now).filter(lambda call: call.id != call_id))
        accepted = Change(
            call=follow,
            entries=tuple(data.draw(st.lists(entries, max_size=2))),
            commands=(Route(call_id=follow.id),),
            command_ids=("c9",),
        )
        self._commit(data, call_id, follow=accepted)
        self.both(lambda store: store.load(follow.id))

    def _commit(self, data: st.DataObject, call_id: str = "", **rest: Any) -> None:
        call = data.draw(calls(self.now))
        call = replace(call, id=call_id) if call_id else call
        stored = self.memory.calls.get(call.id)
        behind = data.draw(st.sampled_from([0] * 9 + [1]))
        ids = tuple(data.draw(command_ids))
        change = Change(
            call=replace(call, version=max(0, (stored.version if stored else 0) - behind)),
            entries=tuple(data.draw(st.lists(entries, max_size=3))),
            command_ids=ids,
            commands=tuple(data.draw(commands(call.id, self.now)) for _ in ids),
            succeeds=data.draw(st.sampled_from([False, False, True])),
            lease=data.draw(st.sampled_from([None, None, None, self.memory.session_leases.token(call.id), 1])),
            **rest,
        )
        self.both(lambda store: store.commit(change, self.now))
        self.both(lambda store: store.load(call.id))
        self.both(lambda store: store.entries(call.id))
        self.both(lambda store: store.next_due())

    @rule(lease=leases, limit=limits, holder=st.sampled_from(["", "p1", "p1", "p2"]))
    def claim(self, lease: float, limit: int, holder: str) -> None:
        self.claims += self.both(lambda store: store.claim(self.now, lease, limit, holder))

    @rule(process=processes, lives=leases)
    def beat(self, process: Process, lives: float) -> None:
        self.both(lambda store: store.beat(process, self.now, lives))

    @rule(process=processes)
    def retire(self, process: Process) -> None:
        self.both(lambda store: store.retire(process.id, self.now))

    @rule(call_id=call_ids, process=processes, behind=st.sampled_from([0, 0, 0, 1]))
    def take_lease(self, call_id: str, process: Process, behind: int) -> None:
        over = self.memory.session_leases.token(call_id) - behind
        self.both(lambda store: store.take_lease(call_id, process, over))
        self.both(lambda store: store.leases((call_id, "call_9")))
        self.both(lambda store: store.leased(process.id))

    @rule(call_id=call_ids, behind=st.sampled_from([0, 0, 1]), context=st.none() | st.text(max_size=3), over=st.booleans())
    def keep_context(self, call_id: str, behind: int, context: str | None, over: bool) -> None:
        lease = Lease(call_id=call_id, token=max(1, self.memory.session_leases.token(call_id) - behind))
        if over or context is None:
            self.both(lambda store: store.give_up_lease(lease, context))
        else:
            self.both(lambda store: store.keep_context(lease, context))
        self.both(lambda store: store.context(call_id))

    @rule(offered=st.sampled_from(["s1", "s2"]))
    def shared_secret(self, offered: str) -> None:
        self.both(lambda store: store.shared_secret(offered))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), due=offsets)
    def defer(self, data: st.DataObject, due: float) -> None:
        claim = data.draw(st.sampled_from(self.claims[-6:]))
        self.both(lambda store: store.defer(claim, self.now + due))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims[-6:]))
        self.both(lambda store: store.done(claim))

    @rule(lease=leases, limit=limits, per_second=st.sampled_from([None, None, 0.3, 1.0, 7.0]))
    def claim_promises(self, lease: float, limit: int, per_second: float | None) -> None:
        claims = self.both(lambda store: store.claim_promises(self.now, lease, limit, per_second))
        self.promises += [(claim.call_id, claim.token) for claim in claims]

    @rule(call_id=call_ids, context=st.sampled_from(["{}", "ü", "x" * 5000]))
    def keep_last_context(self, call_id: str, context: str) -> None:
        self.both(lambda store: store.keep_last_context(call_id, context))
        self.both(lambda store: store.last_context(call_id))

    @rule(wanted=st.frozensets(reasons), limit=limits)
    def hasten(self, wanted: frozenset[str], limit: int) -> None:
        self.both(lambda store: store.hasten_promises(self.now, wanted, limit))

    @rule(carrier=carriers, expected=st.integers(0, 2), epoch=st.integers(0, 1))
    def swap_breaker(self, carrier: str, expected: int, epoch: int) -> None:
        breaker = Breaker(epoch=epoch, samples=((START + 1 / 3, True),), reason="failures")
        self.both(lambda store: store.swap_breaker(carrier, expected, breaker))
        self.both(lambda store: store.breaker(carrier))

    @rule(carrier=carriers, state=st.sampled_from([ServiceState.ACTIVE, ServiceState.ACTIVE, *ServiceState]))
    def set_hand(self, carrier: str, state: ServiceState) -> None:
        hand = Hand(state=state, at=self.now, by="ops")
        self.both(lambda store: store.set_hand(carrier, hand))
        self.both(lambda store: store.hand(carrier))

    @rule(key=keys, lasts=offsets)
    def put_session(self, key: str, lasts: float) -> None:
        session = ConsoleSession(id=key, key_hash="0" * 64, expires_at=self.now + lasts)
        self.both(lambda store: store.put_session(session, self.now))
        self.both(lambda store: store.session(key, self.now))

    @rule(key=keys)
    def drop_session(self, key: str) -> None:
        self.both(lambda store: store.drop_session(key))
        self.both(lambda store: store.session(key, self.now))

    @rule(call_id=call_ids, leg_id=leg_ids, frames=st.integers(0, 9), lease=st.sampled_from([None, 0, 1, 2]))
    def media(self, call_id: str, leg_id: str, frames: int, lease: int | None) -> None:
        counters = MediaCounters(frames_in=frames, mos_estimated=frames / 3)
        self.both(lambda store: store.put_media(call_id, leg_id, counters, lease))
        self.both(lambda store: store.media(call_id))

    @rule(name=st.sampled_from(["vm_1", "vm_2", "vm_ü", "vm_4"]), left=offsets, seconds=st.floats(0, 9))
    def put_voicemail(self, name: str, left: float, seconds: float) -> None:
        message = Voicemail(
            id=name, carrier="twilio", left_at=self.now + left, collected_at=self.now, seconds=seconds, reason="gateway-down"
        )
        self.both(lambda store: store.knows_voicemail(name, self.now))
        self.both(lambda store: store.put_voicemail(message, self.now))
        self.both(lambda store: store.voicemail(name))

    @rule(name=st.sampled_from(["vm_1", "vm_2", "vm_ü", "vm_4"]), later=st.sampled_from([0.0, 91 * 86_400.0]))
    def drop_voicemail(self, name: str, later: float) -> None:
        owner = self.memory.open_recordings.get(name, "") if later else ""
        self.both(lambda store: store.drop_voicemail(name, self.now, owner=owner))
        self.both(lambda store: store.knows_voicemail(name, self.now + later))

    @rule(name=st.sampled_from(["vm_1", "vm_2", "vm_3"]), left=offsets, owner=st.sampled_from(["p1", "p2"]))
    def begin_recording(self, name: str, left: float, owner: str) -> None:
        at = self.now + left
        message = Voicemail(
            id=name, carrier="twilio", left_at=at, collected_at=at, seconds=0, reason="routed", status="recording"
        )
        self.both(lambda store: store.begin_recording(message, owner, self.now))
        self.both(lambda store: store.recordings())

    @rule(name=st.sampled_from(["vm_1", "vm_2", "vm_3"]), owner=st.sampled_from(["", "p1", "p2"]))
    def end_recording(self, name: str, owner: str) -> None:
        begun = self.both(lambda store: store.voicemail(name))
        if begun is not None:
            over = replace(begun, status="kept", seconds=2.5, ended_by="hung-up")
            self.both(lambda store: store.end_recording(over, owner))
            self.both(lambda store: store.recordings())

    @rule(name=st.sampled_from(["vm_1", "vm_2", "vm_3"]), owner=st.sampled_from(["p1", "p2"]), behind=st.booleans())
    def reopen_recording(self, name: str, owner: str, behind: bool) -> None:
        begun = self.both(lambda store: store.voicemail(name))
        if begun is not None:
            over = replace(begun, seconds=9.0) if behind else begun
            again = replace(begun, status="recording", seconds=0.0, ended_by="", part=begun.part + 1)
            self.both(lambda store: store.reopen_recording(again, owner, over=over))
            self.both(lambda store: store.recordings())

    @rule(offered=st.sampled_from(["", "mark-1", "mark-2"]))
    def storage_mark(self, offered: str) -> None:
        self.both(lambda store: store.storage_mark(offered))

    @rule(limit=limits, before=offsets)
    def page_through_voicemails(self, limit: int, before: float) -> None:
        cursor: str | None = None
        for _ in range(4):
            cursor = self.both(_voicemails(limit, cursor)).next
            if cursor is None:
                break
        self.both(lambda store: store.oldest_voicemails(self.now + before, limit))

    @rule(carrier=carriers, lasts=leases)
    def take_collection(self, carrier: str, lasts: float) -> None:
        self.both(lambda store: store.take_collection(carrier, self.now, lasts))

    @rule(carrier=carriers, since=offsets)
    def end_collection(self, carrier: str, since: float) -> None:
        self.both(lambda store: store.end_collection(carrier, self.now + since))

    @rule(before=offsets, limit=limits)
    def purge(self, before: float, limit: int) -> None:
        self.both(lambda store: store.purge(self.now + before, limit))

    @rule(wanted=filters, limit=st.integers(0, 2))
    def page_through(self, wanted: CallFilter, limit: int) -> None:
        cursor: str | None = None
        for _ in range(6):
            cursor = self.both(_listing(wanted, limit, cursor)).next
            if cursor is None:
                break

    @rule(call_id=call_ids, key=keys, carrier=carriers, after=st.integers(-1, 12), limit=limits)
    def look(self, call_id: str, key: str, carrier: str, after: int, limit: int) -> None:
        self.both(lambda store: store.load(call_id))
        self.both(lambda store: store.entries(call_id))
        self.both(lambda store: store.idempotency(key))
        self.both(lambda store: store.hook_answer(key))
        self.both(lambda store: store.feed(after, limit))
        self.both(lambda store: store.feed_end())
        self.both(lambda store: store.live_legs(carrier, self.now))
        self.both(lambda store: store.hand(carrier))
        self.both(lambda store: store.session(key, self.now))
        self.both(lambda store: store.next_due())
        self.both(lambda store: store.open_promises())
        self.both(lambda store: store.next_fence())

    def teardown(self) -> None:
        self.loop.run_until_complete(self._clean())
        self.loop.close()

    async def _clean(self) -> None:
        async for key in self.client.scan_iter(match=f"{self.tag}:*", count=1000):
            await self.client.unlink(key)
        await self.redis.aclose()


def _voicemails(limit: int, cursor: str | None) -> Callable[[Store], Coroutine[Any, Any, Any]]:
    return lambda store: store.list_voicemails(limit, cursor)


def _listing(wanted: CallFilter, limit: int, cursor: str | None) -> Callable[[Store], Coroutine[Any, Any, Any]]:
    return lambda store: store.list_calls(wanted, limit, cursor)


def test_both_stores_agree_after_every_step(store_url: str) -> None:
    """Whatever is done to them, memory and Redis give the same results and hold the same content."""
    chosen = settings(max_examples=35, stateful_step_count=30, deadline=None, database=None, print_blob=True)
    run_state_machine_as_test(lambda: BothStores(store_url), settings=chosen)  # type: ignore[arg-type] # any factory will do
