"""Deliveries in time that tests move: what fails comes again, what hangs holds up nobody, what is lost comes back."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from msgspec import Struct

from gateway.domain.errors import StoreUnavailable
from gateway.domain.happenings import Happening
from gateway.domain.records import Call
from gateway.runtime.calls import News
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.notice_contract import BACKLOG_FULL, Notice
from gateway.runtime.user_webhook_deliveries import AT_ONCE, LEASE_S, Deliveries, Endpoint
from gateway.runtime.user_webhook_verdicts import Reply
from gateway.runtime.user_webhooks import UserWebhooks

NOW = 1_795_000_000.0
DAY_S = 86_400.0


class HandClock:
    """Time is what the test says it is; whoever sleeps lets nothing pass."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Got(Struct, frozen=True, kw_only=True):
    """One request that reached an endpoint."""

    at: float
    id: str
    timestamp: int
    n: int


class Place:
    """An endpoint: keeps what comes, and answers as it is told."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.got: list[Got] = []
        self.answer: Callable[[Got], Reply] = lambda _got: Reply(status=200)
        self.hangs: asyncio.Event | None = None

    async def post(self, headers: Mapping[str, str], body: bytes) -> Reply:
        got = Got(
            at=self._clock.time,
            id=headers["webhook-id"],
            timestamp=int(headers["webhook-timestamp"]),
            n=json.loads(body).get("n", 0),
        )
        self.got.append(got)
        if self.hangs is not None:
            await self.hangs.wait()
        return self.answer(got)

    @property
    def numbers(self) -> list[int]:
        return [got.n for got in self.got]


class World:
    """Two endpoints, and one process that delivers."""

    def __init__(self) -> None:
        self.clock, self.store = HandClock(), MemoryStore()
        self.places = {name: Place(self.clock) for name in ("shop", "bank")}
        self.counted: Counter[tuple[str, str]] = Counter()
        self.gauges: dict[tuple[str, str], float] = {}
        self.webhooks = self.process()

    def process(self) -> UserWebhooks:
        """Another one on the same store."""
        endpoints = [
            Endpoint(name=name, url=f"https://{name}/", secrets=(b"k" * 32,), wanted=frozenset(Happening)) for name in self.places
        ]

        async def send(url: str, headers: Mapping[str, str], body: bytes) -> Reply:
            return await self.places[url.split("/")[2]].post(headers, body)

        return UserWebhooks(
            endpoints,
            self.store,
            self.clock,
            send,
            chance=random.Random(1),
            new_id=lambda prefix: prefix,
            count=self._count,
            gauge=self._gauge,
        )

    def _count(self, _name: str, endpoint: str, result: str) -> None:
        self.counted[endpoint, result] += 1

    def _gauge(self, name: str, value: float, endpoint: str) -> None:
        self.gauges[name, endpoint] = value

    async def put(self, *numbers: int, about: str = "", endpoints: tuple[str, ...] = ("shop", "bank")) -> None:
        for n in numbers:
            notices = tuple(
                Notice(
                    endpoint=name, id=f"msg_{n}", type="t", about=about or f"call_{n}", at=self.clock.time, payload=f'{{"n":{n}}}'
                )
                for name in endpoints
            )
            await self.store.put_notices(notices)

    async def settle(self, deliveries: Deliveries) -> None:
        """All that is due at this moment."""
        while await deliveries.work_once():
            await deliveries.idle()

    async def pass_time(self, seconds: float, name: str = "shop") -> None:
        """From one due moment to the next."""
        until, deliveries = self.clock.time + seconds, self.webhooks.deliveries[name]
        await self.settle(deliveries)
        while (due := self.store.endpoints[name].due.first()) is not None and due <= until:
            self.clock.time = max(self.clock.time, due)
            if not await deliveries.work_once():
                break  # disabled or paused
            await deliveries.idle()
            await self.settle(deliveries)
        self.clock.time = until


@pytest.fixture
def world() -> World:
    return World()


async def eventually(look: Callable[[], bool]) -> None:
    """Let other tasks go on until it is so."""
    async with asyncio.timeout(5):
        while not look():  # noqa: ASYNC110 # what is waited for has no event
            await asyncio.sleep(0)


async def test_an_endpoint_that_answers_500_for_a_day_gets_everything_after_it(world: World) -> None:
    """Every try has the same id and a fresh time; what was written meanwhile arrives too; nothing is lost, nothing twice. The
    first that is taken brings the others along, however long they had still to wait.
    """
    shop = world.places["shop"]
    shop.answer = lambda got: Reply(status=500 if got.at < NOW + DAY_S else 200)
    await world.put(1, 2, 3)
    await world.pass_time(DAY_S / 2)
    await world.put(4)
    await world.pass_time(2 * DAY_S)
    tries = [got for got in shop.got if got.n == 1]
    pauses = [round(later.at - earlier.at) for earlier, later in pairwise(tries)]
    wanted = (5, 300, 1800, 7200, 18_000, 36_000)
    assert all(least <= pause <= least * 1.1 + 1 for pause, least in zip(pauses[:-1], wanted, strict=True))
    assert pauses[-1] < 50_400
    taken_at = [got.at for got in shop.got if got.at >= NOW + DAY_S]
    assert max(taken_at) - min(taken_at) < 1.0
    assert {got.id for got in tries} == {"msg_1"}
    assert all(got.timestamp == int(got.at) for got in tries)
    delivered = Counter(got.n for got in shop.got if got.at >= NOW + DAY_S)
    assert delivered == {1: 1, 2: 1, 3: 1, 4: 1}
    state = await world.store.endpoint_state("shop")
    assert (state.backlog, state.dead, state.delivered, state.failures) == (0, 0, 4, 0)


async def test_a_thousand_that_wait_come_at_the_pace_of_the_answers(world: World) -> None:
    """Well again, the endpoint gets two more for each that it takes, until it has them all, and no time need pass."""
    shop = world.places["shop"]
    shop.answer = lambda got: Reply(status=500 if got.at < NOW + 3600 else 200)
    await world.put(*range(1000), endpoints=("shop",))
    await world.pass_time(3600)
    before = len(shop.got)
    shop.hangs = asyncio.Event()
    await world.put(1000, endpoints=("shop",))
    deliveries = world.webhooks.deliveries["shop"]
    running = asyncio.create_task(deliveries.run())
    try:
        await eventually(lambda: len(shop.got) == before + 1)
        shop.hangs.set()
        shop.hangs = asyncio.Event()
        await eventually(lambda: len(shop.got) == before + 3)
        shop.hangs.set()
        shop.hangs = None
        await eventually(lambda: len(shop.got) == before + 1001)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert world.clock.time == NOW + 3600


async def test_what_is_refused_while_others_are_taken_takes_as_long_to_die(world: World) -> None:
    """It is tried once more than else, and not sooner given up: the try that came early is not counted."""
    shop = world.places["shop"]
    shop.answer = lambda got: Reply(status=500 if got.n == 1 else 200)
    await world.put(1, endpoints=("shop",))
    for n in range(2, 40):
        await world.pass_time(3600)
        await world.put(n, endpoints=("shop",))
    (dead,) = (await world.store.dead_notices("shop", 9, None)).items
    assert sum(got.n == 1 for got in shop.got) == 9
    assert dead.dead_at - NOW > 31 * 3600


async def test_the_other_endpoint_notices_nothing_of_it(world: World) -> None:
    """At the moment of the event, while the first has been failing for a day."""
    world.places["shop"].answer = lambda _got: Reply(status=500)
    for n in range(50):
        await world.put(n)
        await world.pass_time(DAY_S / 50)
        await world.settle(world.webhooks.deliveries["bank"])
    assert world.places["bank"].numbers == list(range(50))


async def test_what_is_refused_for_a_day_and_more_is_a_dead_letter_and_can_be_replayed(world: World) -> None:
    """After eight tries; it says why; a replay delivers it under its own id."""
    shop = world.places["shop"]
    shop.answer = lambda _got: Reply(status=503)
    await world.put(1)
    await world.pass_time(3 * DAY_S)
    assert len(shop.got) == 8
    (dead,) = (await world.store.dead_notices("shop", 9, None)).items
    assert (dead.notice.id, dead.why, dead.attempts) == ("msg_1", "HTTP 503", 8)
    assert 31 * 3600 < dead.dead_at - NOW < 36 * 3600
    shop.answer = lambda _got: Reply(status=204)
    assert await world.webhooks.replay("shop") == 1
    await world.pass_time(1)
    assert shop.got[-1].id == "msg_1"
    assert (await world.store.endpoint_state("shop")).dead == 0
    assert world.counted["shop", "failed"] == 7
    assert (world.counted["shop", "dead"], world.counted["shop", "delivered"]) == (1, 1)


async def test_a_calls_notices_arrive_in_their_order_though_the_first_fails(world: World) -> None:
    """The later ones wait for it, and those of other calls do not."""
    shop = world.places["shop"]
    shop.answer = lambda got: Reply(status=500 if got.n == 1 and got.at < NOW + 100 else 200)
    await world.put(1, 2, 3, about="call_a")
    await world.put(9, about="call_b")
    await world.pass_time(1000)
    assert shop.numbers == [1, 9, 1, 1, 2, 3]


async def test_a_line_whose_head_dies_goes_on_within_the_hour(world: World) -> None:
    """Those behind it have a few tries of their own, not days."""
    shop = world.places["shop"]
    shop.answer = lambda got: Reply(status=400)
    await world.put(1, 2, 3, about="call_a")
    await world.pass_time(7 * DAY_S)
    dead = (await world.store.dead_notices("shop", 9, None)).items
    assert [one.notice.id for one in reversed(dead)] == ["msg_1", "msg_2", "msg_3"]
    assert max(one.dead_at for one in dead) < NOW + 2 * DAY_S
    assert min(one.attempts for one in dead) >= 3


async def test_410_stops_everything_until_a_person_enables_it(world: World) -> None:
    """Nothing is sent for days, nothing is lost; then it arrives at once."""
    shop = world.places["shop"]
    shop.answer = lambda _got: Reply(status=410)
    await world.put(1)
    await world.pass_time(1)
    await world.put(2)
    await world.pass_time(5 * DAY_S)
    assert shop.numbers == [1]
    await world.webhooks.look()
    assert world.gauges["user_webhooks_disabled", "shop"] == 1.0
    assert world.gauges["user_webhooks_oldest_seconds", "shop"] == 5 * DAY_S + 1
    shop.answer = lambda _got: Reply(status=200)
    await world.webhooks.enable("shop")
    await world.pass_time(1)
    assert sorted(shop.numbers[1:]) == [1, 2]
    await world.webhooks.look()
    assert (world.gauges["user_webhooks_disabled", "shop"], world.gauges["user_webhooks_waiting", "shop"]) == (0.0, 0.0)


async def test_an_endpoint_that_wants_to_be_left_alone_is(world: World) -> None:
    """429 with Retry-After: no notice of any call before that."""
    shop = world.places["shop"]
    shop.answer = lambda got: Reply(status=429, retry_after="600") if got.at < NOW + 600 else Reply(status=200)
    await world.put(1)
    await world.settle(world.webhooks.deliveries["shop"])
    await world.put(2)
    for _ in range(60):
        world.clock.time += 9.9
        await world.settle(world.webhooks.deliveries["shop"])
    assert shop.numbers == [1]
    world.clock.time = NOW + 601
    await world.settle(world.webhooks.deliveries["shop"])
    assert sorted(shop.numbers[1:]) == [1, 2]


async def test_an_endpoint_that_hangs_takes_no_more_than_its_own_places(world: World) -> None:
    """So many requests at once and no more; the other endpoint has everything meanwhile; when it wakes up it gets the rest."""
    world.store.notices_kept = 1000
    shop, bank = world.places["shop"], world.places["bank"]
    shop.hangs = asyncio.Event()
    running = asyncio.create_task(world.webhooks.run())
    await world.put(*range(200))
    world.webhooks.wake()
    await eventually(lambda: len(bank.got) == 200)
    assert len(shop.got) == AT_ONCE
    shop.hangs.set()
    await eventually(lambda: len(shop.got) == 200)
    assert sorted(shop.numbers) == list(range(200))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_backlog_is_bounded_and_says_so(world: World) -> None:
    """The oldest become dead letters, counted in a gauge; the newest still arrive."""
    world.store.notices_kept, world.store.dead_kept = 100, 30
    await world.webhooks.look()
    await world.put(*range(150), endpoints=("shop",))
    await world.webhooks.look()
    gauges = {name: world.gauges[f"user_webhooks_{name}", "shop"] for name in ("waiting", "dead", "overflowed", "forgotten")}
    assert gauges == {"waiting": 100, "dead": 30, "overflowed": 50, "forgotten": 20}
    assert {dead.why for dead in (await world.store.dead_notices("shop", 99, None)).items} == {BACKLOG_FULL}
    await world.pass_time(1)
    assert sorted(world.places["shop"].numbers) == list(range(50, 150))


async def test_what_a_dead_process_had_in_hand_is_delivered_by_the_next(world: World) -> None:
    """With the same id, after its lease, and not before: at least once."""
    shop = world.places["shop"]
    shop.hangs = asyncio.Event()
    await world.put(1)
    dying = asyncio.create_task(world.webhooks.deliveries["shop"].run())
    await eventually(lambda: len(shop.got) == 1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    shop.hangs = None
    next_one = world.process().deliveries["shop"]
    world.clock.time += LEASE_S - 0.1
    await world.settle(next_one)
    assert len(shop.got) == 1
    world.clock.time += 0.1
    await world.settle(next_one)
    assert [got.id for got in shop.got] == ["msg_1", "msg_1"]
    assert (await world.store.endpoint_state("shop")).backlog == 0


async def test_two_processes_share_the_work(world: World) -> None:
    """Everything arrives once, whoever sends it."""
    other = world.process()
    await world.put(*range(60))
    await asyncio.gather(*(world.settle(one.deliveries["shop"]) for one in (world.webhooks, other)))
    assert sorted(world.places["shop"].numbers) == list(range(60))


async def test_a_process_that_slept_through_its_lease_settles_nothing(world: World) -> None:
    """Another one has delivered it meanwhile; the sleeper's word is dropped, and counted."""
    shop = world.places["shop"]
    shop.hangs = asyncio.Event()
    await world.put(1)
    sleeper = world.webhooks.deliveries["shop"]
    await sleeper.work_once()
    await eventually(lambda: len(shop.got) == 1)
    woken, shop.hangs = shop.hangs, None
    world.clock.time += LEASE_S
    await world.settle(world.process().deliveries["shop"])
    woken.set()
    await sleeper.idle()
    assert (world.counted["shop", "delivered"], world.counted["shop", "unsettled"]) == (1, 1)
    assert (await world.store.endpoint_state("shop")).delivered == 1


async def test_a_store_that_is_away_for_a_moment_does_not_make_it_arrive_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word that it was delivered is said again; deliveries go on when the store is back."""
    settle, claim = world.store.settle_notice, world.store.claim_notices
    monkeypatch.setattr(world.store, "settle_notice", failing(settle, 3))
    await world.put(1)
    await world.pass_time(1)
    assert world.counted == {("shop", "delivered"): 1}
    monkeypatch.setattr(world.store, "claim_notices", failing(claim, 5))
    await world.put(2)
    running = asyncio.create_task(world.webhooks.deliveries["shop"].run())
    await eventually(lambda: world.counted["shop", "delivered"] == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.places["shop"].numbers == [1, 2]


async def test_a_bug_in_the_sending_is_a_failure_like_any_other(world: World) -> None:
    """It is logged, and the notice is tried again."""
    shop = world.places["shop"]

    def broken(got: Got) -> Reply:
        if got.at == NOW:
            raise RuntimeError("nobody foresaw this")
        return Reply(status=200)

    shop.answer = broken
    await world.put(1)
    await world.pass_time(10)
    assert shop.numbers == [1, 1]
    assert (await world.store.endpoint_state("shop")).error == "RuntimeError('nobody foresaw this')"


def failing(step: Callable[..., Awaitable[Any]], times: int) -> Callable[..., Awaitable[Any]]:
    """The store's command, which is not answered so often first."""
    left = [times]

    async def answered(*given: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise StoreUnavailable("away")
        return await step(*given, **named)

    return answered


async def test_news_that_may_have_been_told_wakes_the_deliveries_and_others_do_not(world: World) -> None:
    """A status or a failover; the many small writes of a call's life cost no look at the store."""
    call = Call(id="call_1", to="+15550100001", session_id="s", created_at=NOW, expires_at=NOW)
    awake = world.webhooks.deliveries["shop"].awake
    for kind, data, wakes in (
        ("leg-progressed", {}, False),
        ("timer-fired", {}, False),
        ("route-chosen", {"why": "first"}, False),
        ("route-chosen", {"failover": {"from": "a"}}, True),
        ("call-ended", {}, True),
    ):
        awake.clear()
        entry = LogEntry(id="evt_1", call_id="call_1", at=NOW, kind=kind, data=data)
        await world.webhooks.heed(News(before=None, after=call, entries=(entry,), words=()))
        assert awake.is_set() is wakes, (kind, data)


async def test_a_ping_that_nobody_answers_ends_before_the_person_loses_patience(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error in words."""
    monkeypatch.setattr("gateway.runtime.user_webhooks.PING_S", 0.05)
    world.places["shop"].hangs = asyncio.Event()
    pinged = await world.webhooks.ping("shop")
    assert (pinged.delivered, pinged.status, pinged.error) == (False, None, "no answer within 0.05 s")
