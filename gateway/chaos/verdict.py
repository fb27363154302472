"""Which promises are held against a run, and what else must be so. Pure.

The promises are those of `gateway.simulation.invariants`. Those that need to have watched the store at every write (permits,
fencing tokens, dedupe marks) cannot be judged from outside and are left to the simulation.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from carriers.lab.ledger import Entry
from gateway.chaos.doubles import WRONG, Ring
from gateway.chaos.evidence import settled
from gateway.chaos.logs import Logged
from gateway.chaos.stock import Stock
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.simulation.invariants import PROMISES
from gateway.simulation.invariants.evidence import Checks, Evidence

FROM_OUTSIDE = frozenset(
    {
        "1 bridged once",
        "2 dialled safely",
        "3 condemned legs are never heard",
        "4 one place is one POST",
        "5 no failover after alerting",
        "6 one outcome, absorbing",
        "8 nothing acknowledged is forgotten",
        "9 promises are kept once, or ended",
        "9 one promise for a number and purpose",
        "9 what is taken back is not dialled",
        "9 who was not reached is tried again",
        "11 no dial outside its call's window",
        "10 one key, one call",
        "15 one session, one caller",
        "15 one caller, one call",
        "18 one try per carrier and round, within its limits",
        "22 everything is explained, and can be replayed",
        "26 due calls are made when a carrier is well",
        "no busy waiting",
    }
)
"""Promises that ledger, log and store are enough for."""
SETTLED = "7 no zombies"
"""Judged without the calls whose promise is still open."""


class Found(Struct, frozen=True, kw_only=True):
    """What the judgement rests on beside the evidence."""

    rings: Sequence[Ring]
    strays: Sequence[Entry]
    crossed: Sequence[str]
    """Phones that heard somebody else's call."""
    listened: int
    """Phones whose sound was looked at."""
    logged: Logged


def judge(evidence: Evidence, stock: Stock, found: Found, entries: Sequence[Entry]) -> Checks:
    """Everything that must hold."""
    checks = Checks()
    for name, promise in PROMISES.items():
        if name in FROM_OUTSIDE:
            checks.begin(name)
            promise(evidence, checks)
        elif name == SETTLED:
            checks.begin(name)
            promise(settled(evidence, stock), checks)
    _promises(checks, stock)
    _truth(checks, evidence, found)
    _callers(checks, evidence)
    _lab(checks, entries)
    _logs(checks, found.logged)
    _note_silent(checks, evidence)
    return checks


def _promises(checks: Checks, stock: Stock) -> None:
    """Whoever was ever promised a call has got it by now, or it is over, or the queue holds it."""
    checks.begin("promises dropped")
    for call_id, call in stock.calls.items():
        if any(entry.kind == "call-scheduled" for entry in stock.entries[call_id]):
            held = call.status is not CallStatus.SCHEDULED or call_id in stock.promised
            checks(held, f"call {call_id} is scheduled, and no queue holds its promise")
    for call_id in stock.promised:
        checks(call_id in stock.calls and not stock.calls[call_id].ended, f"a promise of {call_id} lies there, and it has ended")


def _truth(checks: Checks, evidence: Evidence, found: Found) -> None:
    """What phones and carriers tell beside the promises."""
    checks.begin("phones rung twice are explained")
    for ring in found.rings:
        checks(ring.what != WRONG, f"{ring.number} rang through {ring.first} and {ring.second} for {ring.call_id}: {ring.what}")
        checks.note(ring.what)
    checks.begin("bridges crossed")
    for _ in range(found.listened):
        checks(True, "")
    for what in found.crossed:
        checks(False, what)
    checks.begin("no dial without a call")
    for _ in evidence.posts:
        checks(True, "")
    for entry in found.strays:
        checks(False, f"{entry.carrier} was asked to dial {entry.number} at {entry.at:.3f} for no leg of the store")


def _logs(checks: Checks, logged: Logged) -> None:
    """What gateways said while they were killed, cut off and mended."""
    for name, found in (("25 no secret and no number in a log", logged.leaks), ("no unforeseen error in a log", logged.errors)):
        checks.begin(name)
        checks.counts[name] += logged.lines
        for what, count in Counter(found).items():
            checks(False, f"{what} ({count} times)")


def _note_silent(checks: Checks, evidence: Evidence) -> None:
    """A call that is told as completed, and in which nobody heard anybody: no violation, and no success either."""
    heard = {person.call_id for person in evidence.people if person.bridges}
    for call in evidence.calls.values():
        if call.outcome is Outcome.COMPLETED and call.direction is Direction.OUTBOUND and call.id not in heard:
            checks.note("told as completed, though person and agent never heard each other")


def _callers(checks: Checks, evidence: Evidence) -> None:
    """A carrier answers callers itself where we cannot be reached; who got a stream from us has a call in the store."""
    checks.begin("callers who were connected are stored")
    stored = {(leg.carrier, leg.carrier_call_id) for _, leg in evidence.legs}
    for one in evidence.callers:
        if one.streams:
            checks((one.carrier, one.ref) in stored, f"{one.number} had a stream through {one.carrier}, and is no call")


def _lab(checks: Checks, entries: Sequence[Entry]) -> None:
    """What the lab itself complains of."""
    checks.begin("nothing that carriers would drop")
    for entry in entries:
        if entry.kind in {"crash", "rejected_frame"}:
            checks(False, f"{entry.carrier}: {entry.kind} {entry.more}")
        else:
            checks(True, "")
