"""One `place` is one POST, whatever fails: through every real SDK, against the lab, counted by the lab's ledger.

Three of the four SDKs send a dial again by themselves when the answer is a 500, late or missing. The carriers here are
whatever `carriers.registry` finds, so a fifth one is tested without a change.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from carriers.contract import Attempt, Carrier, CarrierSettings, Handle, Kind, LegAtCarrier, Placed, Sighting
from carriers.lab.contract import RestReply
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.registry import kinds
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge

TO = "+15550107001"
OTHER = "+15550107002"
PATIENCE_S = 5.0
LATE_S = 1.0

EVERY_KIND = pytest.mark.parametrize("kind", kinds().values(), ids=kinds())

AMBIGUOUS = pytest.mark.parametrize(
    ("fault", "patience_s"),
    [
        pytest.param({"kind": "http_error", "status": 500, "after_placing": True}, PATIENCE_S, id="answers-500"),
        pytest.param({"kind": "drop_after_accept"}, PATIENCE_S, id="closes-after-taking-it"),
        pytest.param({"kind": "slow", "s": 4 * LATE_S}, LATE_S, id="answers-too-late"),
    ],
)


class Bench:
    """One carrier opened through its SDK, the lab behind it, and a customer who acknowledges every webhook."""

    def __init__(self, kind: Kind, lab: Lab, carrier: Carrier, public_url: str) -> None:
        self.kind, self.lab, self.carrier, self.public_url = kind, lab, carrier, public_url
        self.caller_id = str(lab.credentials(kind.kind)["numbers"][0])
        self.sent_at = 0.0

    async def place(self, leg_id: str = "leg-1", to: str = TO, patience_s: float = PATIENCE_S) -> Placed:
        attempt = Attempt(
            call_id="call-1",
            leg_id=leg_id,
            to=to,
            caller_id=self.caller_id,
            public_url=self.public_url,
            carrier=self.kind.kind,
            media_token="t" * 32,
        )
        self.sent_at = time.time()
        return await self.carrier.place(attempt, self.sent_at + patience_s, lambda: True)

    def handle(self, placed: Placed, leg_id: str = "leg-1") -> Handle:
        return Handle(
            call_id="call-1",
            leg_id=leg_id,
            to=TO,
            caller_id=self.caller_id,
            carrier_call_id=placed.carrier_call_id,
            carrier_data=placed.carrier_data,
            sent_at=self.sent_at,
        )

    async def sighting(self, handle: Handle) -> Sighting:
        """Look until the call is there, at the longest until an empty look-up would count (twice, and a grace)."""
        async with asyncio.timeout(2 * self.kind.capabilities.lookup_settles_s + 5):
            while True:
                found = await self._look(handle)
                if found is not None and found.state is not LegAtCarrier.MISSING:
                    return found
                await asyncio.sleep(0.25)  # between two questions to a carrier, not for something to happen here

    async def _look(self, handle: Handle) -> Sighting | None:
        try:
            return await self.carrier.find(handle)
        except CarrierError:
            return None

    def dials(self) -> int:
        return len(self.lab.ledger.entries("dial"))

    def rings(self, number: str = TO) -> int:
        return len(self.lab.ledger.entries("ring", number=number))


@asynccontextmanager
async def opened(kind: Kind, credentials: dict[str, Any]) -> AsyncIterator[Carrier]:
    known = {name: value for name, value in credentials.items() if name in kind.credentials.__struct_fields__}
    settings = CarrierSettings(
        name=kind.kind, credentials=msgspec.convert(known, kind.credentials), base_url=credentials["base_url"]
    )
    carrier: Carrier = kind.open(settings, time.time)
    try:
        yield carrier
    finally:
        await carrier.aclose()


@pytest.fixture
async def bench(kind: Kind) -> AsyncIterator[Bench]:
    """A phone that rings and is never picked up, so that the webhooks need no document."""
    customer = HttpListener("127.0.0.1")
    customer.start(lambda _request: Answer(reply=RestReply(status=204)))
    try:
        async with Lab(kinds=[kind]) as lab, opened(kind, lab.credentials(kind.kind)) as carrier:
            for number in (TO, OTHER):
                lab.phones.put(number, behavior="no_answer")
            yield Bench(kind, lab, carrier, customer.base_url)
    finally:
        await customer.aclose()


@EVERY_KIND
async def test_a_placed_dial_is_accepted_and_found(bench: Bench) -> None:
    """When all is well the dial is accepted with one POST, the phone rings once, and a look-up sees the call."""
    placed = await bench.place()
    assert placed.knowledge is Knowledge.ACCEPTED
    assert placed.carrier_call_id
    await bench.lab.until("ring", number=TO)
    found = await bench.sighting(bench.handle(placed))
    assert found.state in {LegAtCarrier.ACCEPTED, LegAtCarrier.RINGING}
    assert found.carrier_call_id == placed.carrier_call_id
    assert (bench.dials(), bench.rings()) == (1, 1)


@EVERY_KIND
@AMBIGUOUS
async def test_an_ambiguous_dial_is_sent_once_and_found(bench: Bench, fault: dict[str, Any], patience_s: float) -> None:
    """The carrier took the dial and its answer was lost: Unknown, one POST, at most one ring, and the look-up finds it."""
    bench.lab.set_faults(bench.kind.kind, [fault])
    placed = await bench.place(patience_s=patience_s)
    assert placed.knowledge is Knowledge.UNKNOWN
    assert placed.verdict is not None
    bench.lab.clear_faults(bench.kind.kind)
    await bench.lab.until("ring", number=TO)
    found = await bench.sighting(bench.handle(placed))
    assert found.state in {LegAtCarrier.ACCEPTED, LegAtCarrier.RINGING}
    assert (bench.dials(), bench.rings()) == (1, 1)


@EVERY_KIND
async def test_a_carrier_that_is_down_gets_nothing(bench: Bench) -> None:
    """Nothing listens: NotSent, and the ledger has no dial."""
    bench.lab.set_faults(bench.kind.kind, [{"kind": "down"}])
    placed = await bench.place()
    assert placed.knowledge is Knowledge.NOT_SENT
    assert (bench.dials(), bench.rings()) == (0, 0)


@EVERY_KIND
async def test_a_carrier_that_went_down_after_a_dial_gets_nothing(bench: Bench) -> None:
    """A connection that was kept from an earlier dial is not mistaken for a listening carrier."""
    assert (await bench.place("leg-1")).knowledge is Knowledge.ACCEPTED
    bench.lab.set_faults(bench.kind.kind, [{"kind": "down"}])
    placed = await bench.place("leg-2", OTHER)
    assert placed.knowledge in {Knowledge.NOT_SENT, Knowledge.UNKNOWN}
    assert (bench.dials(), bench.rings(OTHER)) == (1, 0)


@EVERY_KIND
async def test_a_black_hole_is_one_post_and_unknown(bench: Bench) -> None:
    """The request went out and nothing came back: Unknown, one POST, no ring."""
    bench.lab.set_faults(bench.kind.kind, [{"kind": "blackhole"}])
    placed = await bench.place(patience_s=LATE_S)
    assert placed.knowledge is Knowledge.UNKNOWN
    assert (bench.dials(), bench.rings()) == (1, 0)


@EVERY_KIND
@pytest.mark.parametrize("fault", ["auth_error", "suspended", "rate_limited"])
async def test_a_refusal_is_one_post_and_says_so(bench: Bench, fault: str) -> None:
    """The carrier says no before anything rings: Refused with a verdict, one POST, no ring."""
    bench.lab.set_faults(bench.kind.kind, [{"kind": fault}])
    placed = await bench.place()
    assert placed.knowledge is Knowledge.REFUSED
    assert placed.verdict is not None
    assert (bench.dials(), bench.rings()) == (1, 0)


@EVERY_KIND
async def test_two_dials_at_once_are_two_posts(bench: Bench) -> None:
    """Dials of two legs in parallel are two POSTs with two answers, none mixed up."""
    one, two = await asyncio.gather(bench.place("leg-1", TO), bench.place("leg-2", OTHER))
    assert (one.knowledge, two.knowledge) == (Knowledge.ACCEPTED, Knowledge.ACCEPTED)
    rang = await bench.lab.until("ring", count=2)
    assert {entry.number: entry.carrier_call_id for entry in rang} == {TO: one.carrier_call_id, OTHER: two.carrier_call_id}
    assert bench.dials() == 2
