"""Promises, said to both stores: who may keep them, in what order, how fast, and that there is one for a number and purpose."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.commands import Route
from gateway.domain.outcome import CallbackState, CallStatus, Outcome, Priority
from gateway.domain.records import Call, Promise
from gateway.runtime.store.contract import (
    CallFilter,
    Change,
    Committed,
    Fenced,
    IdempotencyRecord,
    LogEntry,
    Process,
    Store,
)
from gateway.runtime.store.promise_contract import LONGEST_CONTEXT, PromiseClaim, Taken

NOW = 1_763_800_000.123456


def a_promise(call_id: str = "call_1", due: float = 0.0, **given: Any) -> Call:
    plain: dict[str, Any] = {"to": "+15550100001", "session_id": "s", "created_at": NOW, "expires_at": NOW + 3600}
    plain |= {"status": CallStatus.SCHEDULED, "promise": Promise(id=f"cb_{call_id}", due_at=NOW + due), "promised_at": NOW}
    plain |= {"duplicate": True}
    return Call(id=call_id, **(plain | given))


def over(call: Call, outcome: Outcome = Outcome.CANCELED) -> Call:
    return replace(call, status=CallStatus.ENDED, outcome=outcome, promise=None, ended_at=NOW)


async def write(store: Store, call: Call, now: float = NOW, **rest: Any) -> Call:
    result = await store.commit(Change(call=call, **rest), now)
    assert isinstance(result, Committed), result
    return result.call


async def claimed(store: Store, now: float, limit: int = 10, per_second: float | None = None) -> list[str]:
    return [claim.call_id for claim in await store.claim_promises(now, 30.0, limit, per_second)]


# --- fencing -------------------------------------------------------------------------------------------------------


async def test_only_the_newest_claim_keeps_a_promise(store: Store) -> None:
    """The first worker was too slow and its lease ran out: its write is refused, the second one's is taken, once."""
    call = await write(store, a_promise())
    (slow,) = await store.claim_promises(NOW, 30.0, 10)
    (quick,) = await store.claim_promises(NOW + 30, 30.0, 10)
    assert slow.token != quick.token
    dialing = replace(call, status=CallStatus.DIALING, promise=None)
    assert await store.commit(Change(call=dialing, kept=slow.token), NOW + 31) == Fenced()
    kept = await write(store, dialing, NOW + 31, kept=quick.token)
    assert await store.commit(Change(call=kept, kept=quick.token), NOW + 32) == Fenced()


async def test_a_claim_is_dead_once_the_promise_is_another(store: Store) -> None:
    """Kept by somebody and promised again meanwhile: whoever claimed the first one has nothing to do with the second."""
    call = await write(store, a_promise())
    (claim,) = await store.claim_promises(NOW, 30.0, 10)
    again = await write(store, replace(call, promise=Promise(id="cb", due_at=NOW + 60, attempts=1)))
    running = replace(again, status=CallStatus.DIALING, promise=None)
    assert await store.commit(Change(call=running, kept=claim.token), NOW + 1) == Fenced()


async def test_nothing_is_kept_after_it_was_canceled(store: Store) -> None:
    """The queue has forgotten it, and a worker that had it in hand is fenced."""
    call = await write(store, a_promise())
    (claim,) = await store.claim_promises(NOW, 30.0, 10)
    ended = await write(store, over(call))
    late = replace(ended, status=CallStatus.DIALING, outcome=None)
    assert await store.commit(Change(call=late, kept=claim.token), NOW + 1) == Fenced()
    assert await claimed(store, NOW + 5000) == []


class Workers:
    """Claim and keep promises, each in its own time: some die with what they hold, some are slower than their lease."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.chance, self.now = store, random.Random(seed), NOW
        self.kept: Counter[str] = Counter()
        self.fenced = 0

    async def work(self, turns: int) -> None:
        """One of the workers after another, with whatever it still holds from before."""
        held: list[PromiseClaim] = []
        for _ in range(turns):
            self.now += self.chance.choice([0.0, 0.3, 4.0])
            held += await self.store.claim_promises(self.now, 3.0, self.chance.randint(1, 4))
            fates = [(claim, self.chance.choice(["kept", "died", "dawdles", "dawdles"])) for claim in held]
            held = [claim for claim, fate in fates if fate == "dawdles"]
            for claim in [claim for claim, fate in fates if fate == "kept"]:
                await self._keep(claim)

    async def _keep(self, claim: PromiseClaim) -> None:
        call = await self.store.load(claim.call_id)
        assert call is not None
        result = await self.store.commit(Change(call=over(call, Outcome.COMPLETED), kept=claim.token), self.now)
        self.kept[claim.call_id] += isinstance(result, Committed)
        self.fenced += isinstance(result, Fenced)


@pytest.mark.parametrize("seed", range(12))
async def test_workers_that_die_and_dawdle_keep_each_promise_once(store: Store, seed: int) -> None:
    """Twenty promises: whoever claims, dies or is late, in the end each was kept exactly once, and none is left."""
    for number in range(20):
        await write(store, a_promise(f"call_{number}", due=number / 3))
    workers = Workers(store, seed)
    await workers.work(400)
    assert workers.kept == Counter({f"call_{number}": 1 for number in range(20)})
    assert await store.next_due() is None


async def test_some_of_them_were_late(store: Store) -> None:
    """The worlds of the test above do meet stale claims; else they would prove nothing."""
    for number in range(20):
        await write(store, a_promise(f"call_{number}", due=number / 3))
    workers = Workers(store, 3)
    await workers.work(400)
    assert workers.fenced > 5


# --- order and pace ------------------------------------------------------------------------------------------------


async def test_what_is_urgent_goes_first_and_nothing_waits_for_ever(store: Store) -> None:
    """High before normal before low among those that are due; but what has waited five minutes longer goes before it."""
    for number, priority in enumerate((Priority.LOW, Priority.NORMAL, Priority.HIGH)):
        await write(store, a_promise(f"call_{priority}", due=float(number), priority=priority))
    await write(store, a_promise("call_old", due=-700.0, priority=Priority.LOW))
    assert await claimed(store, NOW + 10, 2) == ["call_old", "call_high"]
    assert await claimed(store, NOW + 10, 9) == ["call_normal", "call_low"]


async def test_a_low_priority_that_is_not_due_is_not_hurried_by_a_high_one(store: Store) -> None:
    """Priority orders what is due, and makes nothing due."""
    await write(store, a_promise(due=60.0, priority=Priority.HIGH))
    assert await claimed(store, NOW + 59) == []
    assert await store.next_due() == NOW + 60


async def test_all_who_ask_share_one_pace(store: Store) -> None:
    """At two a second, of twenty that are due two come at once and then one each half second, whoever asks."""
    for number in range(20):
        await write(store, a_promise(f"call_{number:02}"))
    assert len(await claimed(store, NOW, 10, 2.0)) == 2
    assert await claimed(store, NOW + 0.25, 10, 2.0) == []
    assert await claimed(store, NOW + 0.5, 10, 2.0) == ["call_02"]
    assert len(await claimed(store, NOW + 60, 10, 2.0)) == 2
    assert len(await claimed(store, NOW + 60, 10)) == 10


async def test_a_slow_pace_still_comes_to_its_turn(store: Store) -> None:
    """A tenth of a call a second: the first at once, the next after ten seconds."""
    for number in range(3):
        await write(store, a_promise(f"call_{number}"))
    assert await claimed(store, NOW, 10, 0.1) == ["call_0"]
    assert await claimed(store, NOW + 9, 10, 0.1) == []
    assert await claimed(store, NOW + 10, 10, 0.1) == ["call_1"]


async def test_hastening_leaves_each_in_its_queue(store: Store) -> None:
    """A carrier is back: promises of every priority come due, the urgent ones first."""
    for priority in Priority:
        promise = Promise(id="p", due_at=NOW + 100, reason="no-carrier")
        await write(store, a_promise(f"call_{priority}", priority=priority, promise=promise))
    assert await store.hasten_promises(NOW + 1, frozenset({"no-carrier"}), 10) == 3
    assert await claimed(store, NOW + 1) == ["call_high", "call_normal", "call_low"]


# --- one for a number and purpose ------------------------------------------------------------------------------------


async def test_there_is_one_open_promise_for_a_number_and_purpose(store: Store) -> None:
    """A second one is refused, with nothing written, and told which the first is; another purpose or number is another."""
    record = IdempotencyRecord(key="k", fingerprint="f", call_id="call_2")
    await write(store, a_promise(purpose="callback", duplicate=False))
    second = a_promise("call_2", purpose="callback", duplicate=False)
    assert await store.commit(Change(call=second, idempotency=record), NOW) == Taken(holder="call_1", wanted="call_2")
    assert (await store.load("call_2"), await store.idempotency("k")) == (None, None)
    await write(store, a_promise("call_3", purpose="transactional", duplicate=False))
    await write(store, a_promise("call_4", purpose="callback", to="+15550100002", duplicate=False))


async def test_a_promise_that_is_being_kept_is_still_the_one(store: Store) -> None:
    """While it is dialled; once it has ended, another may be made."""
    call = await write(store, a_promise(duplicate=False))
    call = await write(store, replace(call, status=CallStatus.DIALING, promise=None))
    assert isinstance(await store.commit(Change(call=a_promise("call_2", duplicate=False)), NOW), Taken)
    await write(store, over(call))
    await write(store, a_promise("call_2", duplicate=False))


async def test_a_promise_that_was_answered_leaves_the_number_to_others(store: Store) -> None:
    """Others behind it may be promised a call while one of them is talked to; its end takes nothing from them."""
    call = await write(store, a_promise(duplicate=False))
    call = await write(store, replace(call, status=CallStatus.DIALING, promise=None))
    call = await write(store, replace(call, status=CallStatus.IN_PROGRESS, answered_at=NOW))
    await write(store, a_promise("call_2", duplicate=False))
    third = Change(call=a_promise("call_3", duplicate=False))
    await write(store, over(call))
    assert await store.commit(third, NOW) == Taken(holder="call_2", wanted="call_3")


async def test_a_callback_succeeds_what_is_being_dialled_and_not_what_waits(store: Store) -> None:
    """It is the one from then on: more of them find it, and what is being dialled goes on, but waits no more beside it."""
    first = await write(store, a_promise(duplicate=False))
    second = Change(call=a_promise("call_2", duplicate=False), succeeds=True)
    assert await store.commit(second, NOW) == Taken(holder="call_1", wanted="call_2")
    first = await write(store, replace(first, status=CallStatus.DIALING, promise=None))
    assert isinstance(await store.commit(second, NOW), Committed)
    third = Change(call=a_promise("call_3", duplicate=False), succeeds=True)
    assert await store.commit(third, NOW) == Taken(holder="call_2", wanted="call_3")
    first = await write(store, replace(first, status=CallStatus.RINGING))
    waits_again = replace(first, status=CallStatus.SCHEDULED, promise=Promise(id="cb_call_1", due_at=NOW + 15))
    assert await store.commit(Change(call=waits_again), NOW) == Taken(holder="call_2", wanted="call_1")
    await write(store, over(first))
    assert await store.commit(third, NOW) == Taken(holder="call_2", wanted="call_3")


async def test_a_call_that_never_was_a_promise_stands_in_nobodys_way(store: Store) -> None:
    """Nor does anything stand in its way."""
    await write(store, a_promise(duplicate=False))
    await write(store, a_promise("call_2", status=CallStatus.DIALING, promise=None, promised_at=None, duplicate=False))


async def test_who_asks_for_another_gets_it(store: Store) -> None:
    """`duplicate`: beside the first, which goes on to be the one; a first one that was so asked for is the one too."""
    first = await write(store, a_promise(duplicate=True))
    await write(store, a_promise("call_2", duplicate=True))
    assert await store.commit(Change(call=a_promise("call_3", duplicate=False)), NOW) == Taken(holder="call_1", wanted="call_3")
    await write(store, over(first))
    await write(store, a_promise("call_3", duplicate=False))


async def test_a_purged_call_stands_in_nobodys_way(store: Store) -> None:
    """Whatever wrote its end."""
    await write(store, over(await write(store, a_promise(duplicate=False))))
    assert await store.purge(NOW + 1, 10) == 1
    await write(store, a_promise("call_2", duplicate=False))


async def test_a_thousand_at_once_make_one(store: Store) -> None:
    """Whoever comes first; all others are told which it is."""
    calls = [a_promise(f"call_{number}", duplicate=False) for number in range(1000)]
    results = await asyncio.gather(*(store.commit(Change(call=call), NOW) for call in calls))
    (made,) = [result.call.id for result in results if isinstance(result, Committed)]
    assert {result.holder for result in results if isinstance(result, Taken)} == {made}
    assert sum(isinstance(result, Taken) for result in results) == 999


# --- an end and what follows it --------------------------------------------------------------------------------------


def a_follow(call_id: str = "call_2", **given: Any) -> Change:
    call = a_promise(call_id, due=60.0, **given)
    entry = LogEntry(id="evt", call_id=call_id, at=NOW, kind="call-accepted")
    return Change(call=call, entries=(entry,), commands=(Route(call_id=call_id),), command_ids=("c2",))


async def test_an_end_and_the_call_that_follows_are_one_write(store: Store) -> None:
    """Both are there or neither: promise, log, command and place in the lists."""
    call = await write(store, a_promise())
    stale = Change(call=replace(over(call), version=7), follow=a_follow())
    assert not isinstance(await store.commit(stale, NOW), Committed)
    assert await store.load("call_2") is None
    await write(store, over(call), follow=a_follow())
    follow = await store.load("call_2")
    assert follow is not None
    assert follow.version == 1
    assert [entry.kind for entry in await store.entries("call_2")] == ["call-accepted"]
    assert [claim.command_id for claim in await store.claim(NOW, 5.0, 9)] == ["c2"]
    assert await claimed(store, NOW + 60) == ["call_2"]
    listed = await store.list_calls(CallFilter(callback="waiting"), 9, None)
    assert [one.id for one in listed.items] == ["call_2"]


async def test_a_call_that_follows_is_made_once(store: Store) -> None:
    """One that is there already stays as it stands."""
    follow = await write(store, a_promise("call_2"))
    follow = await write(store, replace(follow, note="older"))
    await write(store, over(await write(store, a_promise())), follow=a_follow())
    assert await store.load("call_2") == follow


async def test_what_follows_a_promise_takes_its_place(store: Store) -> None:
    """The ended call was the one for its number and purpose; the one that follows is it now."""
    call = await write(store, a_promise(duplicate=False))
    await write(store, over(call), follow=a_follow(duplicate=False))
    assert await store.commit(Change(call=a_promise("call_3", duplicate=False)), NOW) == Taken(holder="call_2", wanted="call_3")


async def test_an_end_that_another_promise_leaves_no_room_to_follow_is_not_written(store: Store) -> None:
    """The writer is told, and may end the call alone."""
    await write(store, a_promise("call_0", duplicate=False))
    call = await write(store, a_promise(status=CallStatus.DIALING, promise=None, promised_at=None))
    refused = Change(call=over(call), follow=a_follow(duplicate=False))
    assert await store.commit(refused, NOW) == Taken(holder="call_0", wanted="call_2")
    assert await store.load("call_1") == call
    await write(store, over(call))


# --- lists, and what an agent knew ---------------------------------------------------------------------------------


async def test_promises_are_listed_by_where_they_are(store: Store) -> None:
    """Waiting, running, over; and by number and purpose. What never was a promise is in no such list."""
    waiting = await write(store, a_promise("call_1", purpose="callback"))
    running = await write(store, a_promise("call_2", status=CallStatus.DIALING, promise=None, to="+15550100002"))
    ended = await write(store, over(await write(store, a_promise("call_3"))))
    await write(store, a_promise("call_4", promised_at=None, promise=None, status=CallStatus.DIALING))
    for wanted, expected in (
        (CallFilter(callback="waiting"), [waiting]),
        (CallFilter(callback="running"), [running]),
        (CallFilter(callback="over"), [ended]),
        (CallFilter(callback="any"), [ended, running, waiting]),
        (CallFilter(callback="any", purpose="callback"), [waiting]),
        (CallFilter(callback="any", to="+15550100002"), [running]),
    ):
        assert list((await store.list_calls(wanted, 9, None)).items) == expected


async def test_open_promises_are_counted(store: Store) -> None:
    """By state and purpose, with the time of the first that is due, and the same when they are over."""
    assert (await store.open_promises()).first_due is None
    waiting = await write(store, a_promise("call_1", due=5.0, purpose="callback"))
    await write(store, a_promise("call_2", due=3.0, priority=Priority.LOW))
    await write(store, a_promise("call_3", status=CallStatus.DIALING, promise=None, purpose="emergency"))
    await write(store, a_promise("call_4", due=9.0, purpose="of a later version"))
    await write(store, a_promise("call_5", promised_at=None, promise=None, status=CallStatus.DIALING))
    found = await store.open_promises()
    counted = {(state.value, purpose): count for (state, purpose), count in found.counts.items() if count}
    assert found.first_due == NOW + 3.0
    assert counted == {
        ("waiting", "callback"): 1,
        ("waiting", ""): 1,
        ("running", "emergency"): 1,
        ("waiting", "other"): 1,
    }
    await write(store, over(waiting))
    assert (await store.open_promises()).counts[CallbackState.WAITING, "callback"] == 0


async def test_what_an_agent_knew_last_outlives_its_call(store: Store) -> None:
    """The context that was stored last is kept when the call ends, unless the agent's last word comes in its place."""
    me = Process(id="gw_1")
    call = await write(store, a_promise(status=CallStatus.IN_PROGRESS, promise=None))
    lease = await store.take_lease("call_1", me, 0)
    assert lease is not None
    assert await store.keep_context(lease, '{"step":1}')
    assert await store.last_context("call_1") is None
    await write(store, over(call))
    assert (await store.context("call_1"), await store.last_context("call_1")) == (None, '{"step":1}')
    assert await store.keep_last_context("call_1", '{"step":2}')
    assert await store.last_context("call_1") == '{"step":2}'
    await store.purge(NOW + 1, 10)
    assert await store.last_context("call_1") is None
    assert not await store.keep_last_context("call_1", "{}")


async def test_a_long_context_is_not_kept(store: Store) -> None:
    """Neither from the lease nor as a last word: it is for a prompt, not for an archive."""
    long = "ü" * (LONGEST_CONTEXT // 2) + "x"
    call = await write(store, a_promise(status=CallStatus.IN_PROGRESS, promise=None))
    lease = await store.take_lease("call_1", Process(id="gw_1"), 0)
    assert lease is not None
    await store.keep_context(lease, long)
    await write(store, over(call))
    assert not await store.keep_last_context("call_1", long)
    assert await store.last_context("call_1") is None
    assert await store.keep_last_context("call_1", long[:-1])
