"""What the contract says in words, said to both stores."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.commands import Route, Timer
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call, Leg, MediaCounters, Promise
from gateway.runtime.store.contract import (
    CallFilter,
    Change,
    Committed,
    Conflict,
    Denied,
    DialPermit,
    Fenced,
    HookMark,
    IdempotencyRecord,
    LogEntry,
    Repeated,
    Replayed,
    Store,
)

NOW = 1_763_800_000.123456


def a_call(call_id: str = "call_1", **fields: Any) -> Call:
    given: dict[str, Any] = {"to": "+15550190001", "session_id": "ses_1", "created_at": NOW, "expires_at": NOW + 3600}
    return Call(id=call_id, **(given | fields))


def a_leg(leg_id: str, carrier: str) -> Leg:
    return Leg(id=leg_id, call_id="call_1", carrier=carrier, caller_id="+15550100001", media_token="t", round=1, created_at=NOW)


def a_permit(leg_id: str = "leg_1", **fields: Any) -> DialPermit:
    given: dict[str, Any] = {
        "carrier": "twilio",
        "calls_per_second": 1000.0,
        "concurrent_calls": 10,
        "holds_until": NOW + 60,
        "breaker_epoch": 0,
    }
    return DialPermit(leg_id=leg_id, **(given | fields))


def a_record(call_id: str = "call_1", key: str = "key") -> IdempotencyRecord:
    return IdempotencyRecord(key=key, fingerprint="f", call_id=call_id, request={"to": "+15550190001"})


@dataclass
class Desk:
    """Writes calls one after another, as one worker would."""

    store: Store
    calls: dict[str, Call] = field(default_factory=dict)

    async def write(self, call: Call, now: float = NOW, **rest: Any) -> Call:
        version = self.calls[call.id].version if call.id in self.calls else 0
        result = await self.store.commit(Change(call=replace(call, version=version), **rest), now)
        assert isinstance(result, Committed), result
        self.calls[call.id] = result.call
        return result.call


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


async def due(desk: Desk, now: float, lease_s: float, limit: int) -> list[str]:
    """The calls whose promise is handed out."""
    return [claim.call_id for claim in await desk.store.claim_promises(now, lease_s, limit)]


async def test_a_written_call_is_read_back_whole(desk: Desk) -> None:
    """The call that was committed is the call that is loaded, with its version counted up."""
    written = await desk.write(a_call(legs=(a_leg("leg_1", "twilio"),), metadata={"a": "é"}))
    assert written.version == 1
    assert await desk.store.load("call_1") == written
    assert await desk.store.load("call_2") is None


async def test_only_one_of_two_writers_wins(desk: Desk) -> None:
    """A write over a version that somebody else wrote already is a conflict, and leaves nothing behind."""
    await desk.write(a_call())
    late = Change(call=a_call(reason="late"), commands=(Route(call_id="call_1"),), command_ids=("c1",))
    before = await desk.store.dump()
    assert await desk.store.commit(late, NOW) == Conflict()
    assert await desk.store.dump() == before


async def test_a_known_key_answers_with_its_record(desk: Desk) -> None:
    """A second call under the same idempotency key is not made; the first one's record comes back."""
    await desk.write(a_call(), idempotency=a_record())
    again = await desk.store.commit(Change(call=a_call("call_2"), idempotency=a_record("call_2")), NOW)
    assert again == Replayed(record=a_record())
    assert await desk.store.load("call_2") is None
    assert await desk.store.idempotency("key") == a_record()


async def test_a_key_lives_48_hours_beyond_its_call(desk: Desk) -> None:
    """The key of a live call never expires; that of an ended call is free again 48 hours after the end, not earlier."""
    await desk.write(a_call(), idempotency=a_record())
    other = Change(call=a_call("call_2"), idempotency=a_record("call_2"))
    assert isinstance(await desk.store.commit(other, NOW + 10 * 86400), Replayed)
    ended_at = NOW + 10 * 86400
    await desk.write(a_call(status=CallStatus.ENDED, outcome=Outcome.COMPLETED, ended_at=ended_at), ended_at)
    assert isinstance(await desk.store.commit(other, ended_at + 48 * 3600 - 0.001), Replayed)
    assert isinstance(await desk.store.commit(other, ended_at + 48 * 3600), Committed)


async def test_an_expired_key_is_nobody_s_to_change(desk: Desk) -> None:
    """A late write of the old call neither revives its key nor puts an end to the key's new call."""
    ended = a_call(status=CallStatus.ENDED, ended_at=NOW)
    await desk.write(ended, idempotency=a_record())
    after = NOW + 48 * 3600
    await desk.write(a_call("call_9"), after)
    await desk.write(replace(ended, ended_at=after, reason="late"), after)
    assert await desk.store.idempotency("key") is None
    await desk.write(a_call("call_2"), after, idempotency=a_record("call_2"))
    await desk.write(ended, after + 1)
    assert await desk.store.idempotency("key") == a_record("call_2")
    await desk.write(a_call("call_9"), after + 10 * 86400)
    assert await desk.store.idempotency("key") == a_record("call_2")


async def test_a_key_outlives_its_purged_call(desk: Desk) -> None:
    """A client that repeats its request after the call was cleaned away does not cause a second call."""
    await desk.write(a_call(status=CallStatus.ENDED, ended_at=NOW), idempotency=a_record())
    assert await desk.store.purge(NOW + 1, 10) == 1
    again = await desk.store.commit(Change(call=a_call("call_2"), idempotency=a_record("call_2")), NOW + 2)
    assert again == Replayed(record=a_record())


async def test_a_repeated_webhook_gets_its_first_answer_and_changes_nothing(desk: Desk) -> None:
    """The answer comes back byte for byte, even if it is not text."""
    call = await desk.write(a_call(), mark=HookMark(key="twilio:1", answer=b"\x00<Response/>\xff", expires_at=NOW + 900))
    again = Change(call=call, mark=HookMark(key="twilio:1", answer=b"other", expires_at=NOW + 900))
    assert await desk.store.commit(again, NOW + 1) == Repeated(answer=b"\x00<Response/>\xff")
    assert await desk.store.hook_answer("twilio:1") == b"\x00<Response/>\xff"
    assert await desk.store.hook_answer("twilio:2") is None
    assert await desk.store.load("call_1") == call


async def test_a_mark_ends_with_its_time(desk: Desk) -> None:
    """A webhook whose mark has expired counts as new."""
    call = await desk.write(a_call(), mark=HookMark(key="m", answer=b"1", expires_at=NOW + 900))
    again = Change(call=call, mark=HookMark(key="m", answer=b"2", expires_at=NOW + 2000))
    assert isinstance(await desk.store.commit(again, NOW + 900), Committed)
    assert await desk.store.hook_answer("m") == b"2"


async def test_a_lost_claim_can_neither_acknowledge_nor_defer_nor_write(desk: Desk) -> None:
    """Once a lease ran out and another worker has the command, the first worker's token is worth nothing."""
    call = await desk.write(a_call(), commands=(Route(call_id="call_1"),), command_ids=("c1",))
    (slow,) = await desk.store.claim(NOW, 5.0, 10)
    assert await desk.store.claim(NOW + 4.999, 5.0, 10) == ()
    (quick,) = await desk.store.claim(NOW + 5.0, 5.0, 10)
    assert (slow.deliveries, quick.deliveries) == (1, 2)
    assert not await desk.store.done(slow)
    assert not await desk.store.defer(slow, NOW + 9)
    assert await desk.store.commit(Change(call=call, done=(slow.command_id, slow.token)), NOW + 6) == Fenced()
    assert isinstance(await desk.store.commit(Change(call=call, done=(quick.command_id, quick.token)), NOW + 6), Committed)
    assert not await desk.store.done(quick)
    assert await desk.store.next_due() is None


async def test_a_token_is_never_given_twice(desk: Desk) -> None:
    """A stale worker stays stale even when its command's id is used again."""
    await desk.write(a_call(), commands=(Route(call_id="call_1"),), command_ids=("c1",))
    (first,) = await desk.store.claim(NOW, 5.0, 10)
    again = {"commands": (Route(call_id="call_1"),), "command_ids": ("c1",)}
    await desk.write(a_call(), NOW + 1, done=(first.command_id, first.token), **again)
    (second,) = await desk.store.claim(NOW + 1, 5.0, 10)
    assert second.token != first.token
    assert not await desk.store.done(first)


async def test_a_deferred_command_comes_back_when_it_is_due(desk: Desk) -> None:
    """Given back, a command is nobody's until its time, and its former holder may not acknowledge it."""
    await desk.write(a_call(), commands=(Route(call_id="call_1"),), command_ids=("c1",))
    (claim,) = await desk.store.claim(NOW, 5.0, 10)
    assert await desk.store.defer(claim, NOW + 30)
    assert await desk.store.next_due() == NOW + 30
    assert not await desk.store.done(claim)
    assert await desk.store.claim(NOW + 29, 5.0, 10) == ()
    (later,) = await desk.store.claim(NOW + 30, 5.0, 10)
    assert later.command == Route(call_id="call_1")


async def test_commands_are_claimed_in_the_order_in_which_they_fall_due(desk: Desk) -> None:
    """A command without a due time stands where it came, not before everything else."""
    await desk.write(a_call(), commands=(Timer(call_id="call_1", due=NOW + 1, name="ring"),), command_ids=("timer",))
    await desk.write(a_call(), NOW + 2, commands=(Route(call_id="call_1"),), command_ids=("route",))
    claims = await desk.store.claim(NOW + 3, 5.0, 10)
    assert [claim.command_id for claim in claims] == ["timer", "route"]


async def test_a_slow_clock_revives_no_lease(desk: Desk) -> None:
    """A worker whose clock is behind cannot make a running lease seem longer, nor its own end in the past."""
    await desk.write(a_call(), commands=(Route(call_id="call_1"),), command_ids=("c1",))
    assert len(await desk.store.claim(NOW + 100, 5.0, 10)) == 1
    await desk.write(a_call(reason="later"), NOW + 105)
    (claim,) = await desk.store.claim(NOW, 5.0, 10)
    assert claim.deliveries == 2
    assert await desk.store.next_due() == NOW + 110


async def test_time_that_a_worker_acted_on_does_not_go_back(desk: Desk) -> None:
    """Once somebody took a command or a promise at a time, what had ended by then has ended for slower clocks too."""
    await desk.write(a_call(promise=Promise(id="p", due_at=NOW + 20)), permit=a_permit(holds_until=NOW + 10))
    await desk.write(a_call("call_2"), NOW + 1, permit=a_permit("leg_2", holds_until=NOW + 20))
    await desk.write(a_call("call_3"), commands=(Route(call_id="call_3"),), command_ids=("c1",))
    assert await desk.store.live_legs("twilio", NOW) == 2
    assert len(await desk.store.claim(NOW + 10, 5.0, 10)) == 1
    assert await desk.store.live_legs("twilio", NOW) == 1
    assert await due(desk, NOW + 20, 5.0, 10) == ["call_1"]
    assert await desk.store.live_legs("twilio", NOW) == 0


async def test_dials_of_a_carrier_keep_their_distance(desk: Desk) -> None:
    """At two calls a second the next dial is refused until half a second has passed, whoever asks."""
    await desk.write(a_call(), permit=a_permit(calls_per_second=2.0))
    denied = await desk.store.commit(Change(call=a_call("call_2"), permit=a_permit("leg_2", calls_per_second=2.0)), NOW + 0.25)
    assert denied == Denied(why="pace", retry_at=NOW + 0.5)
    other = a_permit("leg_3", carrier="telnyx", calls_per_second=2.0)
    await desk.write(a_call("call_3"), NOW + 0.25, permit=other)
    await desk.write(a_call("call_2"), NOW + 0.5, permit=a_permit("leg_2", calls_per_second=2.0))


async def test_places_are_taken_given_back_and_run_out(desk: Desk) -> None:
    """A carrier's concurrency place is free again when it is released, or at its time if nobody does."""
    await desk.write(a_call(), permit=a_permit("leg_1", concurrent_calls=1))
    second = Change(call=a_call("call_2"), permit=a_permit("leg_2", concurrent_calls=1, holds_until=NOW + 90))
    denied = await desk.store.commit(second, NOW + 1)
    assert denied == Denied(why="concurrency", retry_at=NOW + 2)
    assert await desk.store.live_legs("twilio", NOW + 1) == 1
    await desk.write(a_call(), NOW + 1, released=(("twilio", "leg_1"),))
    assert await desk.store.live_legs("twilio", NOW + 1) == 0
    assert isinstance(await desk.store.commit(second, NOW + 2), Committed)
    assert await desk.store.live_legs("twilio", NOW + 89) == 1
    assert await desk.store.live_legs("twilio", NOW + 90) == 0


async def test_a_permit_of_another_epoch_is_refused(desk: Desk) -> None:
    """A router that saw an older life of the breaker must look again before it dials."""
    assert await desk.store.swap_breaker("twilio", 0, Breaker(state=BreakerState.OPEN, epoch=1))
    assert await desk.store.commit(Change(call=a_call(), permit=a_permit()), NOW) == Denied(why="breaker", retry_at=NOW)
    await desk.write(a_call(), permit=a_permit(breaker_epoch=1))


async def test_a_probe_is_taken_once(desk: Desk) -> None:
    """Of two workers that read the same half-open record, one gets the probe; it is written with the call."""
    probe = Breaker(state=BreakerState.HALF_OPEN, epoch=3, probe_at=NOW)
    await desk.write(a_call(), permit=a_permit(breaker_epoch=3, probe=probe))
    assert await desk.store.breaker("twilio") == replace(probe, version=1)
    rival = Change(call=a_call("call_2"), permit=a_permit("leg_2", breaker_epoch=3, probe=probe))
    assert await desk.store.commit(rival, NOW + 1) == Denied(why="breaker", retry_at=NOW + 1)
    assert await desk.store.load("call_2") is None


async def test_a_breaker_is_swapped_only_over_the_version_that_was_read(store: Store) -> None:
    """Compare-and-set: the loser of two verdicts at once must read again."""
    assert await store.breaker("twilio") == Breaker()
    assert await store.swap_breaker("twilio", 0, Breaker(consecutive=1, samples=((NOW, True),)))
    assert not await store.swap_breaker("twilio", 0, Breaker(consecutive=1))
    assert await store.breaker("twilio") == Breaker(version=1, consecutive=1, samples=((NOW, True),))


async def test_a_promise_is_leased_and_returns_if_it_is_not_kept(desk: Desk) -> None:
    """A due promise is handed out once per lease; only a renewed one comes earlier, and a kept one never again."""
    promise = Promise(id="p1", due_at=NOW + 10, reason="no-carrier")
    await desk.write(a_call(promise=promise))
    assert await desk.store.next_due() == NOW + 10
    assert await due(desk, NOW + 9, 30.0, 10) == []
    assert await due(desk, NOW + 10, 30.0, 10) == ["call_1"]
    await desk.write(a_call(promise=promise, reason="other"), NOW + 11)
    assert await due(desk, NOW + 39, 30.0, 10) == []
    assert await due(desk, NOW + 40, 30.0, 10) == ["call_1"]
    await desk.write(a_call(promise=Promise(id="p2", due_at=NOW + 50)), NOW + 41)
    assert await due(desk, NOW + 50, 30.0, 10) == ["call_1"]
    await desk.write(a_call(), NOW + 51)
    assert await due(desk, NOW + 500, 30.0, 10) == []


async def test_a_carrier_that_is_back_hastens_the_calls_that_wait_for_one(desk: Desk) -> None:
    """Only promises with the reason become due, the earliest first, and not those that a worker has in hand."""
    for number, reason in enumerate(["no-carrier", "no-carrier", "scheduled"], 1):
        await desk.write(a_call(f"call_{number}", promise=Promise(id="p", due_at=NOW + 100 * number, reason=reason)))
    assert await desk.store.hasten_promises(NOW + 1, frozenset({"no-carrier"}), 1) == 1
    assert await due(desk, NOW + 1, 30.0, 10) == ["call_1"]
    assert await desk.store.hasten_promises(NOW + 2, frozenset({"no-carrier"}), 10) == 1
    assert await due(desk, NOW + 2, 30.0, 10) == ["call_2"]


async def test_pages_are_newest_first_and_stable_under_new_calls(desk: Desk) -> None:
    """A call that comes while somebody turns pages neither repeats nor hides an older one; equal times are told apart."""
    for number in range(5):
        await desk.write(a_call(f"call_{number}", created_at=NOW + number // 2))
    first = await desk.store.list_calls(CallFilter(), 2, None)
    await desk.write(a_call("call_new", created_at=NOW + 99))
    second = await desk.store.list_calls(CallFilter(), 2, first.next)
    third = await desk.store.list_calls(CallFilter(), 2, second.next)
    ids = [[call.id for call in page.items] for page in (first, second, third)]
    assert ids == [["call_4", "call_3"], ["call_2", "call_1"], ["call_0"]]
    assert third.next is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(), ["call_c", "call_b", "call_a"]),
        (CallFilter(status="ended"), ["call_c", "call_b"]),
        (CallFilter(outcome="busy"), ["call_c"]),
        (CallFilter(carrier="telnyx"), ["call_b", "call_a"]),
        (CallFilter(to="+15550190002"), ["call_b"]),
        (CallFilter(direction="inbound"), ["call_c"]),
        (CallFilter(status="ended", carrier="telnyx"), ["call_b"]),
        (CallFilter(status="dialing", outcome="busy"), []),
    ],
)
async def test_filters_must_all_match(desk: Desk, wanted: CallFilter, found: list[str]) -> None:
    """Each filter selects by what the call is now; a carrier is that of any leg."""
    ended = {"status": CallStatus.ENDED, "ended_at": NOW}
    await desk.write(a_call("call_a", status=CallStatus.RINGING))
    await desk.write(a_call("call_a", legs=(a_leg("leg_1", "twilio"), a_leg("leg_2", "telnyx"))))
    await desk.write(a_call("call_b", to="+15550190002", legs=(a_leg("leg_3", "telnyx"),)))
    await desk.write(a_call("call_b", to="+15550190002", legs=(a_leg("leg_3", "telnyx"),), outcome=Outcome.COMPLETED, **ended))
    await desk.write(a_call("call_c", direction=Direction.INBOUND, outcome=Outcome.BUSY, **ended))
    page = await desk.store.list_calls(wanted, 10, None)
    assert [call.id for call in page.items] == found
    assert page.next is None


async def test_purge_takes_everything_of_a_call(desk: Desk) -> None:
    """Nothing that belongs to a purged call is left, and calls that ended later or live are untouched."""
    await desk.write(
        a_call(status=CallStatus.ENDED, ended_at=NOW, promise=Promise(id="p", due_at=NOW)),
        entries=(LogEntry(id="e", call_id="call_1", at=NOW, kind="call-ended"),),
        commands=(Route(call_id="call_1"),),
        command_ids=("c1",),
    )
    await desk.store.put_media("call_1", "leg_1", MediaCounters(frames_in=1))
    await desk.write(a_call("call_2", status=CallStatus.ENDED, ended_at=NOW + 5))
    await desk.write(a_call("call_3"))
    assert await desk.store.purge(NOW + 5, 10) == 1
    assert await desk.store.load("call_1") is None
    assert (await desk.store.entries("call_1"), await desk.store.media("call_1")) == ((), {})
    assert await desk.store.next_due() is None
    content = await desk.store.dump()
    assert set(content["calls"]) == {"call_2", "call_3"}
    assert {"entries", "media", "outbox", "promises", "commands", "keys"}.isdisjoint(content)


async def test_purge_takes_no_more_than_it_is_asked_to(desk: Desk) -> None:
    """The oldest ends go first, as many as the limit allows."""
    for number in range(3):
        await desk.write(a_call(f"call_{number}", status=CallStatus.ENDED, ended_at=NOW - number))
    assert await desk.store.purge(NOW + 1, 2) == 2
    assert await desk.store.load("call_0") is not None


async def test_the_feed_numbers_all_lines_and_each_call_keeps_its_own(desk: Desk) -> None:
    """Lines of several calls stand in one numbered feed; a reader goes on after the last number it saw."""
    lines = [LogEntry(id=f"e{number}", call_id="call_1", at=NOW, kind="leg-ringing", data={"n": number}) for number in (1, 2, 3)]
    await desk.write(a_call(), entries=(lines[0], lines[1]))
    await desk.write(a_call("call_2"), entries=(replace(lines[2], call_id="call_2"),))
    assert await desk.store.entries("call_1") == (replace(lines[0], seq=1), replace(lines[1], seq=2))
    assert [entry.seq for entry in await desk.store.feed(1, 10)] == [2, 3]
    assert [entry.seq for entry in await desk.store.feed(0, 2)] == [1, 2]
    assert await desk.store.feed_end() == 3


async def test_the_feed_keeps_the_newest_ten_thousand(desk: Desk) -> None:
    """Older lines leave the feed, while their call keeps them."""
    lines = tuple(LogEntry(id=str(number), call_id="call_1", at=NOW, kind="x") for number in range(10_003))
    await desk.write(a_call(), entries=lines)
    oldest, *_ = await desk.store.feed(0, 1)
    assert oldest.seq == 4
    assert await desk.store.feed_end() == 10_003
    assert len(await desk.store.entries("call_1")) == 10_003


async def test_media_counters_are_kept_per_leg_while_the_call_is(desk: Desk) -> None:
    """The newest counters of a leg stand; those of an unknown call are dropped."""
    await desk.write(a_call())
    await desk.store.put_media("call_1", "leg_1", MediaCounters(frames_in=1))
    await desk.store.put_media("call_1", "leg_1", MediaCounters(frames_in=2, mos_estimated=4.1))
    await desk.store.put_media("call_9", "leg_1", MediaCounters(frames_in=3))
    assert await desk.store.media("call_1") == {"leg_1": MediaCounters(frames_in=2, mos_estimated=4.1)}
    assert await desk.store.media("call_9") == {}


async def test_fences_only_grow(store: Store) -> None:
    """No two workers get the same number."""
    assert [await store.next_fence() for _ in range(3)] == [1, 2, 3]


async def test_a_store_that_answers_says_so(store: Store) -> None:
    """A working store may be written to."""
    assert await store.ping() is True


async def test_what_does_not_encode_is_refused_before_anything_is_written(store: Store) -> None:
    """A write is whole or not at all, also when it is our own mistake."""
    broken = LogEntry(id="e", call_id="call_1", at=NOW, kind="x", data={"object": object()})
    with pytest.raises(TypeError):
        await store.commit(Change(call=a_call(), entries=(broken,)), NOW)
    with pytest.raises(ValueError, match="not finite"):
        await store.commit(Change(call=a_call(promise=Promise(id="p", due_at=float("nan")))), NOW)
    with pytest.raises(ValueError, match="zip"):
        await store.commit(Change(call=a_call(), commands=(Route(call_id="call_1"),)), NOW)
    assert await store.dump() == {}
