"""Notices in both stores, driven with the same random steps; every result and the whole content must be equal."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from gateway.domain.breaker import Breaker
from gateway.domain.hand import Hand
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, Store
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.notice_contract import Notice, NoticeClaim, Settlement
from gateway.runtime.store.redis_store import RedisStore
from gateway.runtime.store.voicemail_contract import Voicemail

START = 1_763_800_000.123456
_EXAMPLES = count()

endpoints = st.sampled_from(["shop", "shop", "bank-1"])
marks = st.sampled_from(["url", "url", "other"])
offsets = st.sampled_from([-1.0, 0.0, 0.1, 1 / 3, 7.0])
limits = st.integers(0, 4)
spans = st.sampled_from([0.0, 0.1, 1 / 3, 5.0])
settlements = st.one_of(
    st.just(Settlement(delivered=True)),
    st.builds(
        Settlement,
        retry_in_s=st.none() | spans | st.sampled_from([61.0, 300.0]),
        error=st.sampled_from(["HTTP 500", "time-out: ü"]),
        pause_s=st.sampled_from([0.0, 0.0, 0.0, 0.2]),
        disable=st.sampled_from(["", "", "", "url"]),
    ),
)


class BothStores(RuleBasedStateMachine):
    """Small bounds, so that they are met all the time."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.client = Redis.from_url(url, protocol=2)
        self.tag = f"{{notices-{next(_EXAMPLES)}}}"
        self.memory, self.redis = MemoryStore(), RedisStore(self.client, self.tag)
        for store in (self.memory, self.redis):
            store.notices_kept, store.dead_kept = 4, 3
        self.now = START
        self.claims: list[NoticeClaim] = []
        self.written = 0

    def both(self, step: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
        expected = self.loop.run_until_complete(step(self.memory))
        assert expected == self.loop.run_until_complete(step(self.redis))
        return expected

    @invariant()
    def same_content(self) -> None:
        self.both(lambda store: store.dump())

    @invariant()
    def nothing_is_lost(self) -> None:
        """What was written waits, is dead, was delivered, or is counted among the forgotten; bounds hold."""
        states = [self.both(lambda store, name=name: store.endpoint_state(name)) for name in ("shop", "bank-1")]  # type: ignore[misc]
        assert all(state.backlog <= 4 and state.dead <= 3 for state in states)
        assert sum(state.backlog + state.dead + state.delivered + state.forgotten for state in states) == self.written

    @rule(seconds=st.sampled_from([-3.0, -0.2, 0.05, 1 / 3, 1.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def _drawn(self, data: st.DataObject) -> tuple[Notice, ...]:
        made = []
        for _ in range(data.draw(st.integers(1, 3))):
            self.written += 1
            about = data.draw(st.sampled_from(["call_a", "call_{b}", "c:d"]))
            at = self.now + data.draw(offsets)
            name = data.draw(endpoints)
            made.append(Notice(endpoint=name, id=f"msg_{self.written}", type="t", about=about, at=at, payload='{"é":1}'))
        return tuple(made)

    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        notices = self._drawn(data)
        self.both(lambda store: store.put_notices(notices))
        self.both(lambda store: store.put_notices(notices[:1]) if notices[0].id in _ids(self.memory) else _nothing())

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        stored = self.memory.calls.get("call_a")
        version = stored.version if stored else 0
        call = Call(id="call_a", to="+15550100001", session_id="s", created_at=START, expires_at=START + 60, version=version)
        notices = self._drawn(data)
        self.both(lambda store: store.commit(Change(call=call, notices=notices), self.now))

    @rule(data=st.data(), behind=st.sampled_from([0, 0, 1]))
    def swap_breaker(self, data: st.DataObject, behind: int) -> None:
        expected = self.memory.breakers.get("twilio", Breaker()).version - behind
        before = self.written
        notices = self._drawn(data)
        if not self.both(lambda store: store.swap_breaker("twilio", expected, Breaker(), notices=notices)):
            self.written = before

    @rule(data=st.data())
    def set_hand(self, data: st.DataObject) -> None:
        notices = self._drawn(data)
        self.both(lambda store: store.set_hand("twilio", Hand(at=self.now), notices=notices))

    @rule(data=st.data(), name=st.sampled_from(["vm_1", "vm_2"]), drop=st.booleans())
    def voicemail(self, data: st.DataObject, name: str, drop: bool) -> None:
        before = self.written
        notices = self._drawn(data)
        message = Voicemail(id=name, carrier="twilio", left_at=START, collected_at=START, seconds=1.0, reason="r")
        kept = self.both(
            lambda store: (
                store.drop_voicemail(name, self.now, notices=notices)
                if drop
                else store.put_voicemail(message, self.now, notices=notices)
            )
        )
        if not kept:
            self.written = before

    @rule(data=st.data(), name=st.sampled_from(["vm_1", "vm_2"]), begin=st.booleans(), owner=st.sampled_from(["p1", "p2"]))
    def recording(self, data: st.DataObject, name: str, begin: bool, owner: str) -> None:
        message = Voicemail(id=name, carrier="twilio", left_at=START, collected_at=START, seconds=1.0, reason="r")
        if begin:
            self.both(lambda store: store.begin_recording(message, "p1", self.now))
        before = self.written
        notices = self._drawn(data)
        known, was_open = self.memory.voicemail_positions.get(name), self.memory.open_recordings.get(name)
        self.both(lambda store: store.end_recording(message, owner, notices=notices))
        if not known or was_open != owner:
            self.written = before

    @rule(name=endpoints, mark=marks, lease=spans, limit=limits)
    def claim(self, name: str, mark: str, lease: float, limit: int) -> None:
        self.claims += self.both(lambda store: store.claim_notices(name, mark, self.now, lease, limit))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), settlement=settlements)
    def settle(self, data: st.DataObject, settlement: Settlement) -> None:
        claim = data.draw(st.sampled_from(self.claims[-6:]))
        self.both(lambda store: store.settle_notice(claim, settlement, self.now))

    @rule(name=endpoints)
    def enable(self, name: str) -> None:
        self.both(lambda store: store.enable_endpoint(name, self.now))

    @rule(name=endpoints, limit=limits, which=st.integers(1, 30), one=st.booleans())
    def replay(self, name: str, limit: int, which: int, one: bool) -> None:
        self.both(lambda store: store.replay_notices(name, self.now, limit, f"msg_{which}" if one else None))

    @rule(name=endpoints, limit=limits)
    def page_through_the_dead(self, name: str, limit: int) -> None:
        cursor: str | None = None
        for _ in range(4):
            cursor = self.both(_dead(name, limit, cursor)).next
            if cursor is None:
                break

    def teardown(self) -> None:
        self.loop.run_until_complete(self._clean())
        self.loop.close()

    async def _clean(self) -> None:
        async for key in self.client.scan_iter(match=f"{self.tag}:*", count=1000):
            await self.client.unlink(key)
        await self.redis.aclose()


async def _nothing() -> None:
    """For a notice that is already forgotten: written again, it would be a new one."""


def _ids(memory: MemoryStore) -> set[str]:
    return {notice_id for there in memory.endpoints.values() for notice_id in there.notices}


def _dead(name: str, limit: int, cursor: str | None) -> Callable[[Store], Coroutine[Any, Any, Any]]:
    return lambda store: store.dead_notices(name, limit, cursor)


def test_both_stores_agree_on_notices_after_every_step(store_url: str) -> None:
    """Whatever is done to them, memory and Redis give the same results and hold the same content, and nothing is lost."""
    chosen = settings(max_examples=50, stateful_step_count=30, deadline=None, database=None, print_blob=True)
    run_state_machine_as_test(lambda: BothStores(store_url), settings=chosen)  # type: ignore[arg-type] # any factory will do
