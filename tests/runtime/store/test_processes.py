"""Gateway processes in the store: who is alive, what the dead held, and which of them each call's session lives in."""

from gateway.domain.commands import Route
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.records import Call, MediaCounters
from gateway.runtime.store.contract import Change, Committed, Fenced, Lease, Process, Pulse, Store

NOW = 1_763_800_000.123456
ONE, TWO, THREE = (Process(id=f"p{number}", address=f"http://p{number}") for number in (1, 2, 3))


def a_call(version: int = 0, **more: object) -> Call:
    """A call as it stands before its next write."""
    known = {"id": "call_1", "to": "+15550100001", "session_id": "s", "created_at": NOW, "expires_at": NOW + 60}
    return Call(**(known | {"version": version} | more))  # type: ignore[arg-type] # the fields of a call, by their names


async def stored(store: Store) -> None:
    """One call with one command."""
    change = Change(call=a_call(), commands=(Route(call_id="call_1"),), command_ids=("c1",))
    assert isinstance(await store.commit(change, NOW), Committed)


async def test_who_beats_is_alive_to_the_others(store: Store) -> None:
    """Each hears of the others, not of itself, and as they told of themselves last."""
    assert await store.beat(ONE, NOW, 5.0) == Pulse()
    assert await store.beat(TWO, NOW + 1, 5.0) == Pulse(others=(ONE,))
    leaving = Process(id="p1", address="http://p1", draining=True)
    assert await store.beat(leaving, NOW + 2, 5.0) == Pulse(others=(TWO,))
    assert await store.beat(TWO, NOW + 3, 5.0) == Pulse(others=(leaving,))


async def test_a_silent_process_is_dead_until_it_is_buried(store: Store) -> None:
    """It is told as dead to everybody who was there all along, until somebody says that it is no more."""
    await store.beat(ONE, NOW, 5.0)
    await store.beat(TWO, NOW + 4, 5.0)
    assert await store.beat(TWO, NOW + 5, 5.0) == Pulse(dead=(ONE,))
    assert await store.beat(TWO, NOW + 6, 5.0) == Pulse(dead=(ONE,))
    await store.retire("p1", NOW + 6)
    assert await store.beat(TWO, NOW + 7, 5.0) == Pulse()


async def test_who_was_away_itself_calls_nobody_dead(store: Store) -> None:
    """After a minute without a store all have been silent: the first to come back must not take the others for dead."""
    await store.beat(ONE, NOW, 5.0)
    await store.beat(TWO, NOW, 5.0)
    assert await store.beat(ONE, NOW + 60, 5.0) == Pulse()
    assert await store.beat(TWO, NOW + 61, 5.0) == Pulse(others=(ONE,))
    assert await store.beat(ONE, NOW + 62, 5.0) == Pulse(others=(TWO,))


async def test_what_a_dead_process_held_is_due_at_once(store: Store) -> None:
    """Its lease of 15 s is not waited for; the next delivery has a new token, and the old one is worth nothing then."""
    await stored(store)
    await store.beat(ONE, NOW, 5.0)
    await store.beat(TWO, NOW + 4, 5.0)
    (held,) = await store.claim(NOW + 4, 15.0, 10, "p1")
    assert await store.claim(NOW + 4.5, 15.0, 10, "p2") == ()
    await store.beat(TWO, NOW + 6, 5.0)
    (again,) = await store.claim(NOW + 6, 15.0, 10, "p2")
    assert (again.command_id, again.deliveries) == (held.command_id, 2)
    assert not await store.done(held)
    assert await store.done(again)


async def test_what_a_process_gives_back_or_finishes_is_not_freed_with_it(store: Store) -> None:
    """A deferred command waits for its own time, whatever becomes of who deferred it."""
    await stored(store)
    (held,) = await store.claim(NOW, 15.0, 10, "p1")
    assert await store.defer(held, NOW + 30)
    await store.retire("p1", NOW + 1)
    assert await store.claim(NOW + 2, 15.0, 10, "p2") == ()
    assert len(await store.claim(NOW + 30, 15.0, 10, "p2")) == 1


async def test_a_lease_is_taken_over_the_token_that_is_known(store: Store) -> None:
    """Two that race for it: one wins; the next one must name the winner's token, and gets a higher one."""
    await stored(store)
    first = await store.take_lease("call_1", ONE, 0)
    assert first == Lease(call_id="call_1", token=1, owner="p1", address="http://p1")
    assert await store.take_lease("call_1", TWO, 0) is None
    second = await store.take_lease("call_1", TWO, 1)
    assert second == Lease(call_id="call_1", token=2, owner="p2", address="http://p2")
    assert await store.leases(("call_1", "call_9")) == {"call_1": second}
    assert (await store.leased("p1"), await store.leased("p2")) == ((), (second,))
    assert await store.take_lease("call_9", ONE, 0) is None


async def test_no_write_with_an_old_token_is_accepted(store: Store) -> None:
    """Commit, counters, context, giving up: the old owner can do nothing, the new one all."""
    await stored(store)
    old, new = await store.take_lease("call_1", ONE, 0), await store.take_lease("call_1", TWO, 1)
    assert old is not None
    assert new is not None
    for lease, good in ((old, False), (new, True)):
        result = await store.commit(Change(call=a_call(1), lease=lease.token), NOW)
        assert isinstance(result, Committed if good else Fenced)
        assert await store.put_media("call_1", "leg_1", MediaCounters(frames_in=lease.token), lease.token) is good
        assert await store.keep_context(lease, f'{{"of":{lease.token}}}') is good
    assert await store.media("call_1") == {"leg_1": MediaCounters(frames_in=2)}
    assert await store.context("call_1") == '{"of":2}'
    assert not await store.give_up_lease(old, None)


async def test_a_write_for_a_session_that_nobody_leased_is_held_to_that(store: Store) -> None:
    """A process that only prepared an agent (token 0) may speak until somebody takes the lease."""
    await stored(store)
    assert isinstance(await store.commit(Change(call=a_call(1), lease=0), NOW), Committed)
    await store.take_lease("call_1", TWO, 0)
    assert isinstance(await store.commit(Change(call=a_call(2), lease=0), NOW), Fenced)
    assert isinstance(await store.commit(Change(call=a_call(2)), NOW), Committed)


async def test_a_lease_that_was_given_up_leaves_its_context(store: Store) -> None:
    """Nobody owns it, the token still counts, and the next owner finds what the last one kept."""
    await stored(store)
    lease = await store.take_lease("call_1", ONE, 0)
    assert lease is not None
    assert await store.give_up_lease(lease, '{"step":2}')
    assert await store.leases(("call_1",)) == {"call_1": Lease(call_id="call_1", token=1)}
    assert await store.leased("p1") == ()
    assert await store.take_lease("call_1", TWO, 1) is not None
    assert await store.context("call_1") == '{"step":2}'


async def test_with_the_call_the_session_ends(store: Store) -> None:
    """Nothing of it is anybody's work any more, the context is gone, and late words of an old owner are still refused."""
    await stored(store)
    await store.take_lease("call_1", ONE, 0)
    lease = await store.take_lease("call_1", TWO, 1)
    assert lease is not None
    await store.keep_context(lease, "{}")
    ended = a_call(1, status=CallStatus.ENDED, outcome=Outcome.COMPLETED, ended_at=NOW)
    assert isinstance(await store.commit(Change(call=ended, lease=2), NOW), Committed)
    assert await store.leased("p2") == ()
    assert await store.context("call_1") is None
    assert isinstance(await store.commit(Change(call=a_call(2), lease=1), NOW), Fenced)


async def test_all_share_the_secret_that_was_offered_first(store: Store) -> None:
    """Whoever comes later gets it, whatever it offers."""
    assert await store.shared_secret("first") == "first"
    assert await store.shared_secret("second") == "first"
