"""Carriers taken out of service by hand, and people logged in to the console, said to both stores."""

from gateway.domain.hand import Hand, ServiceState
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, Committed, ConsoleSession, Denied, DialPermit, Store

NOW = 1_763_800_000.123456
DRAINING = Hand(state=ServiceState.DRAINING, at=NOW, by="ops")


def a_dial(version: int = 0) -> Change:
    """A write that needs a permit of one carrier."""
    call = Call(id="call_1", to="+15550100001", session_id="s", created_at=NOW, expires_at=NOW + 60, version=version)
    permit = DialPermit(
        carrier="alpha", leg_id="leg_1", calls_per_second=100.0, concurrent_calls=9, holds_until=NOW + 60, breaker_epoch=0
    )
    return Change(call=call, permit=permit)


async def test_without_a_decision_a_carrier_is_in_service(store: Store) -> None:
    """Nobody has to enable what nobody disabled."""
    assert await store.hand("alpha") == Hand(state=ServiceState.ACTIVE)


async def test_a_decision_is_kept_until_the_next(store: Store) -> None:
    """State, time and name come back as they were written; one carrier's decision is not another's."""
    await store.set_hand("alpha", DRAINING)
    assert await store.hand("alpha") == DRAINING
    assert await store.hand("beta") == Hand()
    await store.set_hand("alpha", Hand(at=NOW + 1, by="ops"))
    assert (await store.hand("alpha")).in_service


async def test_no_permit_is_given_out_of_service(store: Store) -> None:
    """A dial that was routed before the decision is refused in its own write, and is let through after the next one."""
    await store.set_hand("alpha", DRAINING)
    assert await store.commit(a_dial(), NOW) == Denied(why="out of service", retry_at=NOW)
    assert await store.load("call_1") is None
    await store.set_hand("alpha", Hand(at=NOW + 1, by="ops"))
    assert isinstance(await store.commit(a_dial(), NOW), Committed)


async def test_a_session_lives_until_its_time_or_its_end(store: Store) -> None:
    """It is found before it expires, not at that moment, and not after it was dropped."""
    session = ConsoleSession(id="abc", key_hash="0" * 64, expires_at=NOW + 10)
    await store.put_session(session, NOW)
    assert await store.session("abc", NOW + 9.9) == session
    assert await store.session("abc", NOW + 10) is None
    assert await store.session("abd", NOW) is None
    await store.drop_session("abc")
    assert await store.session("abc", NOW) is None
