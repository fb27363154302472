"""Notices to the user's systems, said to both stores: written with what they tell of, in order, bounded, fenced."""

import math
from typing import Any

import pytest

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.hand import Hand, ServiceState
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, Committed, Conflict, Store
from gateway.runtime.store.notice_contract import BACKLOG_FULL, EndpointState, Notice, NoticeClaim, Settlement
from gateway.runtime.store.voicemail_contract import Voicemail

NOW = 1_763_800_000.123456
LEASE_S = 20.0
URL = "mark-of-the-url"
DELIVERED = Settlement(delivered=True)


def a_notice(name: str, about: str = "call_1", endpoint: str = "shop", at: float = NOW) -> Notice:
    return Notice(endpoint=endpoint, id=f"msg_{name}", type="call.ended", about=about, at=at, payload=f'{{"é":"{name}"}}')


def a_call(version: int = 0) -> Call:
    return Call(id="call_1", to="+15550100001", session_id="s", created_at=NOW, expires_at=NOW + 60, version=version)


async def claimed(store: Store, now: float = NOW, limit: int = 9, endpoint: str = "shop") -> list[NoticeClaim]:
    return list(await store.claim_notices(endpoint, URL, now, LEASE_S, limit))


async def names(store: Store, now: float = NOW, limit: int = 9, endpoint: str = "shop") -> list[str]:
    return [claim.notice.id for claim in await claimed(store, now, limit, endpoint)]


async def test_a_notice_is_written_with_the_change_it_tells_of(store: Store) -> None:
    """A committed change brings its notices; one that is refused brings none."""
    kept, lost = a_notice("kept"), a_notice("lost")
    assert isinstance(await store.commit(Change(call=a_call(), notices=(kept,)), NOW), Committed)
    assert isinstance(await store.commit(Change(call=a_call(), notices=(lost,)), NOW), Conflict)
    (claim,) = await claimed(store)
    assert claim.notice == kept
    assert (claim.attempts, claim.age_s) == (1, 0.0)


@pytest.mark.parametrize("good", [True, False])
async def test_breakers_hands_and_voicemails_bring_notices(store: Store, good: bool) -> None:
    """Each with its own write; a swap that lost, and a message that is known or gone, tell nobody."""
    message = Voicemail(id="vm_1", carrier="twilio", left_at=NOW, collected_at=NOW, seconds=1.0, reason="gateway-down")
    if not good:
        await store.swap_breaker("twilio", 0, Breaker(state=BreakerState.OPEN))
        await store.put_voicemail(message, NOW)
        await store.drop_voicemail("vm_1", NOW)
    await store.swap_breaker("twilio", 0, Breaker(state=BreakerState.OPEN), notices=(a_notice("breaker", "a"),))
    await store.put_voicemail(message, NOW, notices=(a_notice("kept", "b"),))
    await store.drop_voicemail("vm_1", NOW, notices=(a_notice("deleted", "b"),))
    assert (await store.endpoint_state("shop")).backlog == (3 if good else 0)
    hand = Hand(state=ServiceState.DRAINING, at=NOW, by="ops")
    await store.set_hand("twilio", hand, notices=(a_notice("hand", "a"),))
    assert await store.hand("twilio") == hand
    assert (await store.endpoint_state("shop")).backlog == (4 if good else 1)


async def test_what_is_about_one_thing_goes_in_order(store: Store) -> None:
    """Only the head of a line is in somebody's hands; the next is due as soon as it is delivered."""
    await store.put_notices((a_notice("1"), a_notice("2"), a_notice("other", "call_2"), a_notice("3")))
    first, other = await claimed(store)
    assert (first.notice.id, other.notice.id) == ("msg_1", "msg_other")
    assert await names(store) == []
    assert await store.settle_notice(first, DELIVERED, NOW)
    assert await names(store) == ["msg_2"]


async def test_a_line_that_waits_holds_up_no_other(store: Store) -> None:
    """The head that failed comes again after its pause, before those behind it; the other line goes on."""
    await store.put_notices((a_notice("1"), a_notice("2")))
    (first,) = await claimed(store)
    await store.settle_notice(first, Settlement(retry_in_s=5.0, error="HTTP 500"), NOW)
    await store.put_notices((a_notice("other", "call_2"),))
    assert await names(store, NOW + 4.9) == ["msg_other"]
    (again,) = await claimed(store, NOW + 5.0)
    assert (again.notice.id, again.attempts, again.age_s) == ("msg_1", 2, pytest.approx(5.0))


async def test_a_lost_lease_fences_its_worker(store: Store) -> None:
    """After the lease another worker gets it; the first one's word, whatever it is, changes nothing."""
    await store.put_notices((a_notice("1"),))
    (slow,) = await claimed(store)
    assert await names(store, NOW + LEASE_S - 0.1) == []
    (quick,) = await claimed(store, NOW + LEASE_S)
    assert quick.token != slow.token
    for settlement in (DELIVERED, Settlement(retry_in_s=1.0), Settlement(error="gone", disable=URL)):
        assert not await store.settle_notice(slow, settlement, NOW + LEASE_S)
    assert await store.settle_notice(quick, DELIVERED, NOW + LEASE_S)
    assert not await store.settle_notice(quick, DELIVERED, NOW + LEASE_S)
    state = await store.endpoint_state("shop")
    assert (state.backlog, state.delivered, state.failures, state.disabled) == (0, 1, 0, "")


async def test_the_endpoint_says_how_it_stands(store: Store) -> None:
    """Backlog, its oldest, failures in a row and since when; one success ends the row, and the last error stays to be read."""
    assert await store.endpoint_state("shop") == EndpointState()
    await store.put_notices((a_notice("1"), a_notice("2", "call_2")))
    for wait in (0.0, 10.0):
        (first, *_rest) = await claimed(store, NOW + wait, 1)
        await store.settle_notice(first, Settlement(retry_in_s=1000.0, error=f"error {wait:g}"), NOW + wait)
    state = await store.endpoint_state("shop")
    assert (state.backlog, state.failures, state.failing_since, state.error) == (2, 2, NOW, "error 10")
    assert state.oldest == a_notice("1")
    (claim,) = await claimed(store, NOW + 1000)
    await store.settle_notice(claim, DELIVERED, NOW + 1000)
    state = await store.endpoint_state("shop")
    assert (state.backlog, state.failures, state.failing_since, state.delivered_at) == (1, 0, None, NOW + 1000)
    assert (state.error, state.error_at) == ("error 10", NOW + 10)


async def test_a_delivery_hastens_what_waits_long(store: Store) -> None:
    """Two lines each, the soonest first, whose try comes uncounted and once; what waits shortly, or is in hand, is left alone."""
    await store.put_notices(tuple(a_notice(str(number), f"call_{number}") for number in range(6)))
    claims = await claimed(store)
    for claim, wait_s in zip(claims[:4], (50.0, 900.0, 800.0, 700.0), strict=True):
        await store.settle_notice(claim, Settlement(retry_in_s=wait_s, error="HTTP 500"), NOW)
    assert await store.settle_notice(claims[4], DELIVERED, NOW)
    hastened = await claimed(store)
    assert [(claim.notice.id, claim.attempts) for claim in hastened] == [("msg_2", 1), ("msg_3", 1)]
    for claim in hastened:
        await store.settle_notice(claim, Settlement(retry_in_s=300.0, error="HTTP 500"), NOW)
    assert await store.settle_notice(claims[5], DELIVERED, NOW)
    assert await names(store) == ["msg_1"]
    assert [claim.attempts for claim in await claimed(store, NOW + 300)] == [2, 2, 2, 2]


async def test_the_dead_are_listed_and_replayed(store: Store) -> None:
    """No other try makes a dead letter: newest first, in pages; a replayed one is new again, and can be replayed once."""
    await store.put_notices(tuple(a_notice(str(number), f"call_{number}") for number in range(5)))
    for claim in await claimed(store):
        assert await store.settle_notice(claim, Settlement(error="HTTP 500"), NOW + 1)
    first = await store.dead_notices("shop", 2, None)
    second = await store.dead_notices("shop", 2, first.next)
    third = await store.dead_notices("shop", 2, second.next)
    seen = [*first.items, *second.items, *third.items]
    assert [dead.notice.id for dead in seen] == [f"msg_{number}" for number in (4, 3, 2, 1, 0)]
    assert {(dead.why, dead.attempts, dead.dead_at) for dead in seen} == {("HTTP 500", 1, NOW + 1)}
    assert third.next is None
    assert await store.replay_notices("shop", NOW + 100, 9, "msg_3") == 1
    assert await store.replay_notices("shop", NOW + 100, 9, "msg_3") == 0
    (claim,) = await claimed(store, NOW + 100)
    assert (claim.notice, claim.attempts, claim.age_s) == (a_notice("3", "call_3"), 1, 0.0)
    assert await store.replay_notices("shop", NOW + 100, 3) == 3
    assert [dead.notice.id for dead in (await store.dead_notices("shop", 9, None)).items] == ["msg_4"]
    assert await names(store, NOW + 100) == ["msg_0", "msg_1", "msg_2"]


async def test_a_replayed_notice_stands_behind_those_that_wait(store: Store) -> None:
    """It goes to the end of its line, since those before it have been waiting."""
    await store.put_notices((a_notice("1"), a_notice("2")))
    (first,) = await claimed(store)
    await store.settle_notice(first, Settlement(error="HTTP 500"), NOW)
    await store.replay_notices("shop", NOW, 9)
    (second,) = await claimed(store)
    assert second.notice.id == "msg_2"
    await store.settle_notice(second, DELIVERED, NOW)
    assert await names(store) == ["msg_1"]


@pytest.fixture
def small(store: Any) -> Any:
    """A store whose endpoints keep three notices, and two dead ones."""
    store.notices_kept, store.dead_kept = 3, 2
    return store


async def test_a_full_backlog_gives_its_oldest_to_the_dead(small: Any) -> None:
    """The newest stay, the oldest are dead letters, counted, and of those the oldest are forgotten, counted, too."""
    await small.put_notices(tuple(a_notice(str(number), f"call_{number}") for number in range(6)))
    state = await small.endpoint_state("shop")
    assert (state.backlog, state.dead, state.overflowed, state.forgotten) == (3, 2, 3, 1)
    dead = (await small.dead_notices("shop", 9, None)).items
    assert [(one.notice.id, one.why, one.attempts) for one in dead] == [("msg_2", BACKLOG_FULL, 0), ("msg_1", BACKLOG_FULL, 0)]
    assert await names(small) == ["msg_3", "msg_4", "msg_5"]
    assert sorted((await small.dump())["notices"]) == [f"shop:msg_{number}" for number in (1, 2, 3, 4, 5)]


async def test_a_notice_that_overflows_out_of_somebodys_hands_is_fenced(small: Any) -> None:
    """It is a dead letter from then on; the one behind it in its line takes its place at once."""
    await small.put_notices((a_notice("1"), a_notice("2")))
    (claim,) = await claimed(small)
    await small.put_notices((a_notice("3", "call_3"), a_notice("4", "call_4")))
    assert not await small.settle_notice(claim, DELIVERED, NOW)
    assert await names(small) == ["msg_2", "msg_3", "msg_4"]


async def test_endpoints_are_apart(small: Any) -> None:
    """One that is full, paused or disabled is no matter of the other's."""
    await small.put_notices(tuple(a_notice(str(number), f"call_{number}") for number in range(5)))
    await small.put_notices((a_notice("1", endpoint="bank"),))
    (claim, *_rest) = await claimed(small)
    await small.settle_notice(claim, Settlement(retry_in_s=0.0, error="HTTP 410", disable=URL), NOW)
    assert await names(small) == []
    assert await names(small, endpoint="bank") == ["msg_1"]


async def test_a_disabled_endpoint_keeps_its_notices_until_it_is_enabled(store: Store) -> None:
    """Nothing is claimed at the URL that said it is gone; another URL is another endpoint; enabling goes on at once."""
    await store.put_notices((a_notice("1"), a_notice("2", "call_2")))
    first, second = await claimed(store)
    await store.settle_notice(first, Settlement(retry_in_s=3600.0, error="HTTP 410", disable=URL), NOW)
    await store.settle_notice(second, Settlement(retry_in_s=0.0, error="HTTP 410", disable=URL), NOW)
    assert await names(store, NOW + 10) == []
    assert (await store.endpoint_state("shop")).disabled == URL
    assert len(await store.claim_notices("shop", "another-url", NOW + 10, 1.0, 9)) == 1
    assert await store.enable_endpoint("shop", NOW + 10) == 1
    state = await store.endpoint_state("shop")
    assert (state.disabled, state.disabled_at) == ("", None)
    assert await names(store, NOW + 11) == ["msg_1", "msg_2"]


async def test_a_paused_endpoint_is_left_alone_for_so_long(store: Store) -> None:
    """All its lines, and until the pause is over or somebody enables it."""
    await store.put_notices((a_notice("1"), a_notice("2", "call_2")))
    (first,) = await claimed(store, limit=1)
    await store.settle_notice(first, Settlement(retry_in_s=5.0, error="HTTP 429", pause_s=60.0), NOW)
    assert await names(store, NOW + 59.9) == []
    assert await names(store, NOW + 60) == ["msg_2", "msg_1"]


async def test_enabling_leaves_what_is_in_somebodys_hands(store: Store) -> None:
    """Or it would be delivered twice at the same time."""
    await store.put_notices((a_notice("1"),))
    await claimed(store)
    assert await store.enable_endpoint("shop", NOW) == 0
    assert await names(store, NOW + 1) == []


async def test_the_same_notice_again_is_no_second_one(store: Store) -> None:
    """Whether it waits or is dead already."""
    await store.put_notices((a_notice("1"), a_notice("1", "call_2")))
    assert (await store.endpoint_state("shop")).backlog == 1


async def test_a_time_that_is_no_number_is_refused_before_anything_is_written(store: Store) -> None:
    """Neither the call nor the other notice is there afterwards."""
    change = Change(call=a_call(), notices=(a_notice("1"), a_notice("2", at=math.nan)))
    with pytest.raises(ValueError, match="finite"):
        await store.commit(change, NOW)
    assert await store.load("call_1") is None
    assert (await store.endpoint_state("shop")).backlog == 0
