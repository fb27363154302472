"""The adapter through the real SDK against the running lab: one dial is one POST, and every leg is found and ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from carriers.contract import Attempt, Carrier, CarrierSettings, Handle, LegAtCarrier, Placed
from carriers.lab.lab import Lab
from carriers.plivo import KIND, PlivoCredentials
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Disposition, Signal

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON = "+15550101000"
NOBODY = "http://127.0.0.1:9"
"""A customer that does not listen: for calls that are never answered."""


class Bench:
    """A lab with Plivo alone, and our adapter on it."""

    def __init__(self, lab: Lab, carrier: Carrier) -> None:
        self.lab, self.carrier = lab, carrier
        self.caller_id = lab.credentials("plivo")["numbers"][0]

    def attempt(self, **more: Any) -> Attempt:
        given = {"to": PERSON, "caller_id": self.caller_id, "public_url": NOBODY, **more}
        return Attempt(call_id="call_1", leg_id="leg_1", carrier="plivo", media_token="t", **given)

    async def place(self, seconds: float = 5.0, gate: Callable[[], bool] = lambda: True, **more: Any) -> Placed:
        return await self.carrier.place(self.attempt(**more), time.time() + seconds, gate)

    def handle(self, placed: Placed | None = None, sent_at: float = 0.0, to: str = PERSON) -> Handle:
        call_id = placed.carrier_call_id if placed else ""
        return Handle(call_id="call_1", leg_id="leg_1", to=to, caller_id=self.caller_id, carrier_call_id=call_id, sent_at=sent_at)

    def dials(self) -> int:
        return len(self.lab.ledger.entries("dial"))

    async def seen(self, handle: Handle, state: LegAtCarrier) -> Any:
        """Ask until the leg is in this state."""
        async with asyncio.timeout(5.0):
            while (sighting := await self.carrier.find(handle)).state is not state:
                pass
        return sighting


@asynccontextmanager
async def bench_with(credentials: dict[str, str] | None = None, **knobs: Any) -> AsyncIterator[Bench]:
    """Knobs of the simulator, and perhaps credentials other than the lab's."""
    async with Lab(seed=5, kinds=("plivo",), knobs={"plivo": {"setup_s": 0.01, "cdr_lag_s": 0.05, **knobs}}) as lab:
        lab.phones.put(PERSON, behavior="answer", answer_after_s=30)
        told = {**lab.credentials("plivo"), **(credentials or {})}
        own = PlivoCredentials(auth_id=told["auth_id"], auth_token=told["auth_token"])
        carrier = KIND.open(CarrierSettings(name="plivo", credentials=own, base_url=told["base_url"]), time.time)
        try:
            yield Bench(lab, carrier)
        finally:
            await carrier.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bench() -> AsyncIterator[Bench]:
    async with bench_with() as bench:
        yield bench


@pytest_asyncio.fixture(name="bench", loop_scope="module")
async def a_bench(shared_bench: Bench) -> Bench:
    """The same lab for all tests, without calls, faults and memory."""
    shared_bench.lab.reset()
    shared_bench.lab.phones.put(PERSON, behavior="answer", answer_after_s=30)
    return shared_bench


# --- place -------------------------------------------------------------------------------------------------------


async def test_place_is_accepted(bench: Bench) -> None:
    """A 201 is ACCEPTED with the id under which the phone rings; the leg's tag is in the URLs."""
    placed = await bench.place()
    (ring,) = await bench.lab.until("ring")
    (hook, *_) = await bench.lab.until("webhook")
    assert (placed.knowledge, placed.verdict) == (Knowledge.ACCEPTED, None)
    assert placed.carrier_call_id == ring.carrier_call_id
    assert hook.more["url"] == bench.attempt().hook("ring")
    assert bench.dials() == 1


FAILURES = [
    ({"kind": "http_error", "status": 500, "after_placing": True}, {"server-error"}),
    ({"kind": "http_error", "status": 503, "after_placing": True}, {"service-unavailable"}),
    ({"kind": "drop_after_accept"}, {"connection-lost"}),
    # The deadline is the loop's and the socket's at once; whichever notices first words it.
    ({"kind": "slow", "s": 2.0}, {"no-answer-in-time", "connection-lost"}),
]


@pytest.mark.parametrize(("fault", "reasons"), FAILURES)
async def test_one_dial_is_one_post(
    bench: Bench, capsys: pytest.CaptureFixture[str], fault: dict[str, Any], reasons: set[str]
) -> None:
    """An answer that is bad, missing or late leaves the leg UNKNOWN after exactly one POST, which the SDK keeps to itself."""
    bench.lab.set_faults("plivo", [fault])
    placed = await bench.place(seconds=1.0)
    await bench.lab.until("ring")
    assert placed.knowledge is Knowledge.UNKNOWN
    assert placed.verdict is not None
    assert placed.verdict.reason in reasons
    assert bench.dials() == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("fault", "reasons"), FAILURES[:2])
async def test_later_dials_are_one_post_too(bench: Bench, fault: dict[str, Any], reasons: set[str]) -> None:
    """The SDK's retry counter is its own state; no number of failures makes it dial twice."""
    bench.lab.set_faults("plivo", [fault])
    for _ in range(5):
        placed = await bench.place()
        assert placed.verdict is not None
        assert placed.verdict.reason in reasons
    assert bench.dials() == 5


async def test_unknown_is_found(bench: Bench) -> None:
    """A call whose answer was lost is found by its numbers and time, and can be hung up."""
    bench.lab.set_faults("plivo", [{"kind": "drop_after_accept"}])
    sent_at = time.time()
    await bench.place()
    (ring,) = await bench.lab.until("ring")
    sighting = await bench.seen(bench.handle(sent_at=sent_at), LegAtCarrier.RINGING)
    assert sighting.carrier_call_id == ring.carrier_call_id
    await bench.carrier.hang_up(bench.handle(sent_at=sent_at))
    (ended,) = await bench.lab.until("hangup")
    assert ended.more["by"] == "carrier"


@pytest.mark.parametrize("calls_before", [0, 1])
async def test_nothing_listens(bench: Bench, calls_before: int) -> None:
    """A refused connection is NOT_SENT, and a mark against the carrier; one that was kept and reset is no trap."""
    for _ in range(calls_before):
        await bench.place(to="+15550101001")
    bench.lab.ledger.clear()
    bench.lab.set_faults("plivo", [{"kind": "down"}])
    assert (await bench.carrier.probe()).verdict is not None  # by now every kept connection has been reset
    placed = await bench.place()
    assert placed.knowledge is Knowledge.NOT_SENT
    assert placed.verdict is not None
    assert (placed.verdict.reason, placed.verdict.signal) == ("unreachable", Signal.FAILURE)
    assert bench.dials() == 0


async def test_deadline_has_passed(bench: Bench) -> None:
    """A dial whose time is over never leaves."""
    placed = await bench.place(seconds=-1.0)
    assert placed.knowledge is Knowledge.NOT_SENT
    assert placed.verdict is not None
    assert placed.verdict.reason == "deadline-passed"
    assert bench.dials() == 0


async def test_gate_is_closed(bench: Bench) -> None:
    """A dial that is no longer ours never leaves."""
    placed = await bench.place(gate=lambda: False)
    assert placed.knowledge is Knowledge.NOT_SENT
    assert placed.verdict is not None
    assert placed.verdict.reason == "gate-closed"
    assert bench.dials() == 0


async def test_two_dials_at_once(bench: Bench) -> None:
    """Parallel dials are two POSTs with two ids."""
    placed = await asyncio.gather(bench.place(), bench.place(to="+15550101001"))
    assert len({one.carrier_call_id for one in placed} - {""}) == 2
    assert bench.dials() == 2


@pytest.mark.parametrize(
    ("kind", "reason", "signal"),
    [
        ("auth_error", "bad-credentials", Signal.MISCONFIGURED),
        ("suspended", "account-disabled", Signal.MISCONFIGURED),
        ("rate_limited", "rate-limited", Signal.RELEASE),
    ],
)
async def test_refusals(bench: Bench, kind: str, reason: str, signal: Signal) -> None:
    """A 4xx frees the call for the next carrier at once, although the SDK drops its status and body."""
    bench.lab.set_faults("plivo", [{"kind": kind}])
    placed = await bench.place()
    assert placed.knowledge is Knowledge.REFUSED
    assert placed.verdict is not None
    assert (placed.verdict.reason, placed.verdict.signal) == (reason, signal)
    assert placed.verdict.disposition is Disposition.NEXT_CARRIER


async def test_invalid_destination(bench: Bench) -> None:
    """A number that Plivo calls invalid ends the call for all carriers."""
    placed = await bench.place(to="+1")
    assert placed.knowledge is Knowledge.REFUSED
    assert placed.verdict is not None
    assert placed.verdict.outcome is Outcome.INVALID_NUMBER


async def test_what_the_sdk_refuses_is_our_fault(bench: Bench) -> None:
    """What the SDK will not send never reaches the wire, and is no mark against the carrier."""
    placed = await bench.place(to=bench.caller_id)
    assert placed.knowledge is Knowledge.NOT_SENT
    assert placed.verdict is not None
    assert (placed.verdict.reason, placed.verdict.signal) == ("invalid-request", Signal.RELEASE)
    assert bench.dials() == 0


async def test_malformed_credentials() -> None:
    """An auth_id that the SDK does not even try is a configuration fault."""
    async with bench_with({"auth_id": "wrong"}) as bench:
        placed = await bench.place()
        assert placed.knowledge is Knowledge.NOT_SENT
        assert placed.verdict is not None
        assert (placed.verdict.reason, placed.verdict.signal) == ("malformed-credentials", Signal.MISCONFIGURED)


# --- find --------------------------------------------------------------------------------------------------------


async def test_leg_is_found_through_its_life(bench: Bench) -> None:
    """By id a leg is found accepted, ringing, and ended with the carrier's cause."""
    placed = await bench.place()
    handle = bench.handle(placed)
    await bench.seen(handle, LegAtCarrier.RINGING)
    bench.lab.phones.hang_up(PERSON)
    ended = await bench.seen(handle, LegAtCarrier.ENDED)
    assert (ended.verdict.code, ended.verdict.outcome) == ("3020", Outcome.DECLINED)


async def test_queued_leg_is_found_and_taken_back() -> None:
    """What waits for its turn is ACCEPTED, and is cancelled before it ever rings."""
    async with bench_with(cps=1) as bench:
        await bench.place(to="+15550101001")
        placed = await bench.place()
        assert (await bench.carrier.find(bench.handle(placed))).state is LegAtCarrier.ACCEPTED
        assert (await bench.carrier.find(bench.handle())).carrier_call_id == placed.carrier_call_id
        await bench.carrier.hang_up(bench.handle(placed))
        ended = await bench.seen(bench.handle(placed), LegAtCarrier.ENDED)
        assert ended.verdict.outcome is Outcome.CANCELED
        assert not bench.lab.ledger.entries("ring", number=PERSON)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Los_Angeles", "UTC"])
async def test_finished_leg_is_found_by_numbers(zone: str) -> None:
    """A call that is over already is found in whatever zone the account keeps its times."""
    async with bench_with(timezone=zone, cdr_lag_s=0.0) as bench:
        sent_at = time.time()
        placed = await bench.place()
        await bench.lab.until("ring")
        bench.lab.phones.hang_up(PERSON)
        ended = await bench.seen(bench.handle(sent_at=sent_at), LegAtCarrier.ENDED)
        assert ended.carrier_call_id == placed.carrier_call_id


async def test_older_calls_are_not_taken_for_ours(bench: Bench) -> None:
    """A call between the same numbers that began before our POST is somebody else's."""
    await bench.place()
    await bench.lab.until("ring")
    later = bench.handle(sent_at=time.time() + 60)
    assert (await bench.carrier.find(later)).state is LegAtCarrier.MISSING


async def test_calls_of_other_legs_are_neither_found_nor_ended(bench: Bench) -> None:
    """The only live call between these numbers belongs to another leg: a leg without an id is not there."""
    sent_at = time.time()
    placed = await bench.place()
    await bench.lab.until("ring")
    lost = replace(bench.handle(sent_at=sent_at - 20), foreign=(placed.carrier_call_id,))
    assert (await bench.carrier.find(lost)).state is LegAtCarrier.MISSING
    await bench.carrier.hang_up(lost)
    assert (await bench.carrier.find(bench.handle(placed))).state is LegAtCarrier.RINGING


async def test_one_that_two_legs_look_for_is_neithers(bench: Bench) -> None:
    """Neither adopted nor hung up: it may be the other leg's."""
    sent_at = time.time()
    placed = await bench.place()
    await bench.lab.until("ring")
    for deed in (bench.carrier.find, bench.carrier.hang_up):
        with pytest.raises(CarrierError, match="legs that look for one: 2"):
            await deed(replace(bench.handle(sent_at=sent_at), rivals=1))
    assert (await bench.carrier.find(bench.handle(placed))).state is LegAtCarrier.RINGING


@pytest.mark.parametrize("cps", [1, 2])
async def test_two_that_fit_are_none(cps: int) -> None:
    """Where two calls fit, neither is adopted nor hung up: one rings, the other waits its turn or was busy."""
    async with bench_with(cps=cps, cdr_lag_s=0.0) as bench:
        sent_at = time.time()
        await asyncio.gather(bench.place(), bench.place())
        await bench.lab.until("ring", count=cps)
        ended = len(bench.lab.ledger.entries("hangup"))
        for deed in (bench.carrier.find, bench.carrier.hang_up):
            with pytest.raises(CarrierError, match="ambiguous"):
                await deed(bench.handle(sent_at=sent_at))
        assert len(bench.lab.ledger.entries("hangup")) == ended


async def test_other_destinations_are_not_found(bench: Bench) -> None:
    """A call to somebody else is not ours."""
    await bench.place(to="+15550101001")
    await bench.lab.until("ring")
    assert (await bench.carrier.find(bench.handle(sent_at=time.time()))).state is LegAtCarrier.MISSING


@pytest.mark.parametrize(
    ("fault", "reason"), [({"kind": "http_error", "status": 503}, "service-unavailable"), ({"kind": "down"}, "unreachable")]
)
async def test_unanswered_look_up_is_an_error(bench: Bench, fault: dict[str, Any], reason: str) -> None:
    """No answer is not the answer "no"."""
    placed = await bench.place()
    bench.lab.set_faults("plivo", [fault])
    with pytest.raises(CarrierError) as raised:
        await bench.carrier.find(bench.handle(placed))
    assert raised.value.reason == reason


# --- hang up -----------------------------------------------------------------------------------------------------


async def test_hang_up_twice(bench: Bench) -> None:
    """A leg that is gone already is a success."""
    placed = await bench.place()
    await bench.lab.until("ring")
    for _ in range(2):
        await bench.carrier.hang_up(bench.handle(placed))
    assert len(await bench.lab.until("hangup")) == 1


async def test_hang_up_of_nothing(bench: Bench) -> None:
    """A leg without an id that is surely not there needs no hang-up, and ends no other call."""
    await bench.place(to="+15550101001")
    await bench.lab.until("ring")
    await bench.carrier.hang_up(bench.handle(sent_at=time.time() - 60))
    assert not bench.lab.ledger.entries("hangup")
    assert not bench.lab.ledger.entries("refused")


async def test_hang_up_of_what_may_still_turn_up(bench: Bench) -> None:
    """Right after the POST an empty list proves nothing, so the hang-up has to be tried again."""
    with pytest.raises(CarrierError, match="not-listed-yet"):
        await bench.carrier.hang_up(bench.handle(sent_at=time.time()))


@pytest.mark.parametrize("call_id", ["../Number/15550190001", "a/b", " "])
async def test_malformed_ids_never_reach_a_path(bench: Bench, call_id: str) -> None:
    """An id that would change the request's path is refused before it is sent."""
    handle = bench.handle(Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=call_id))
    deeds: tuple[Callable[[Handle], Awaitable[Any]], ...] = (bench.carrier.hang_up, bench.carrier.find)
    for deed in deeds:
        with pytest.raises(CarrierError, match="malformed-call-id"):
            await deed(handle)
    assert not bench.lab.ledger.entries("refused")


# --- probe and check ---------------------------------------------------------------------------------------------


async def test_probe_of_a_healthy_account(bench: Bench) -> None:
    """One request says that the account is well, and how long that took."""
    health = await bench.carrier.probe()
    assert (health.verdict, health.detail) == (None, "prepaid, 100.00000 credits")
    assert 0 < health.seconds < 5


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "auth_error"}, "bad-credentials"),
        ({"kind": "http_error", "status": 502}, "bad-gateway"),
        ({"kind": "down"}, "unreachable"),
    ],
)
async def test_probe_of_a_sick_one(bench: Bench, fault: dict[str, Any], reason: str) -> None:
    """What is wrong comes as a verdict, not as an exception."""
    bench.lab.set_faults("plivo", [fault])
    verdict = (await bench.carrier.probe()).verdict
    assert verdict is not None
    assert verdict.reason == reason


async def test_probe_without_credit() -> None:
    """A prepaid account with nothing on it cannot carry a call, however well its API answers."""
    async with bench_with(cash_credits="0.00000") as bench:
        verdict = (await bench.carrier.probe()).verdict
        assert verdict is not None
        assert (verdict.reason, verdict.signal) == ("out-of-credit", Signal.MISCONFIGURED)


async def test_check_of_a_good_account(bench: Bench) -> None:
    """Credentials, balance and numbers, each with what was found."""
    findings = await bench.carrier.check()
    assert [(finding.what, finding.ok) for finding in findings] == [("credentials", True), ("balance", True), ("numbers", True)]
    assert findings[2].detail == ", ".join(bench.lab.credentials("plivo")["numbers"])


async def test_check_with_wrong_credentials() -> None:
    """The first finding says what is wrong and where the cure is; the rest would only repeat it."""
    async with bench_with({"auth_token": "wrong"}) as bench:
        (finding,) = await bench.carrier.check()
        assert not finding.ok
        assert "auth_token" in finding.cure
