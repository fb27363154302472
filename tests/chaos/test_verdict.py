"""The judgement over ledger and store: one call that went well holds, and each way to break a promise is seen."""

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carriers.lab.ledger import Entry
from gateway.chaos.done import Blow, Done
from gateway.chaos.doubles import AGAIN, DARK, WRONG, second_rings
from gateway.chaos.evidence import Scene, evidence_of
from gateway.chaos.ledger import entry_of
from gateway.chaos.logs import Logged
from gateway.chaos.plan import Wish
from gateway.chaos.replay import LIVED, fill, newborn, states
from gateway.chaos.stock import Stock
from gateway.chaos.truth import Truth
from gateway.chaos.verdict import FROM_OUTSIDE, SETTLED, Found, judge
from gateway.domain import call as calls
from gateway.domain.events import (
    CallAccepted,
    CallEvent,
    CancelRequested,
    DialOrphaned,
    DialReported,
    DialSending,
    LegAnswered,
    LegEnded,
    LegFound,
    LegReported,
    LegRinging,
    RouteChosen,
    RouteExhausted,
    TimerFired,
)
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import stop
from gateway.runtime import journal
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.store.memory_store import MemoryStore
from gateway.simulation.history import History
from gateway.simulation.invariants import PROMISES
from gateway.simulation.people import Told
from gateway.simulation.watch import Watch

BEGIN = 1_800_000_000.0
TO = "+15550100001"
POLICY = Policy()
ONE, OTHER = ("red", "ref-1", "leg_1"), ("blue", "ref-2", "leg_2")
"""(carrier, its call, our leg)."""


def story(*events: tuple[float, CallEvent]) -> tuple[Call, tuple[LogEntry, ...]]:
    """What the core makes of these events, and the log of it; times are seconds since the beginning."""
    call = Call(id="call_1", to=TO, session_id="ses_1", created_at=BEGIN, expires_at=BEGIN + 60, metadata={"number": "0"})
    log: list[LogEntry] = []
    numbers = itertools.count(1)
    for at, event in events:
        step = calls.step(call, event, BEGIN + at, POLICY)
        log += journal.lines(event, call, step.call, BEGIN + at, lambda prefix: f"{prefix}_{next(numbers)}")
        call = step.call
    return call, tuple(log)


def routed(leg: tuple[str, str, str]) -> RouteChosen:
    return RouteChosen(
        leg_id=leg[2], carrier=leg[0], caller_id="+15550190001", media_token="token", why="priority 1", breaker_epoch=0
    )


def of(leg: tuple[str, str, str], event: Any) -> LegReported:
    return LegReported(leg_id=leg[2], event=event)


def dialled(leg: tuple[str, str, str], at: float) -> list[tuple[float, CallEvent]]:
    return [(at, routed(leg)), (at + 0.1, of(leg, DialSending(fence=1, deadline=BEGIN + at + 8)))]


def well() -> list[tuple[float, CallEvent]]:
    """Dialled, answered, hung up."""
    return [
        (0.0, CallAccepted()),
        *dialled(ONE, 0.1),
        (0.4, of(ONE, DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id=ONE[1], fence=1))),
        (1.0, of(ONE, LegRinging(carrier_call_id=ONE[1]))),
        (2.0, of(ONE, LegAnswered(carrier_call_id=ONE[1]))),
        (9.0, of(ONE, LegEnded(carrier_call_id=ONE[1], verdict=stop("hangup", Outcome.COMPLETED), answered=True))),
    ]


def entry(at: float, kind: str, leg: tuple[str, str, str], **more: Any) -> Entry:
    return Entry(at=BEGIN + at, kind=kind, carrier=leg[0], number=TO, carrier_call_id=leg[1], more=more)


def hook(at: float, leg: tuple[str, str, str], status: int = 200) -> Entry:
    return entry(at, "webhook", leg, url=f"http://x/carriers/{leg[0]}/hooks/call_1/{leg[2]}/event", status=status)


def talk(leg: tuple[str, str, str], at: float) -> list[Entry]:
    """A dial, a ring, an answer and a bridge until eight seconds later."""
    return [
        entry(at, "dial", leg, status=201),
        entry(at + 0.7, "ring", leg),
        entry(at + 1.7, "answer", leg),
        entry(at + 2.0, "bridge", leg),
        hook(at + 8.0, leg),
        entry(at + 8.0, "hangup", leg, by="phone"),
    ]


def told(call_id: str = "call_1") -> Told:
    return Told(at=BEGIN, wish=0, key="wish-0", call_id=call_id, status=201)


QUIET = Logged(lines=1, errors=(), leaks=())
WISH = Wish(
    at=0.0,
    to=TO,
    phone={},
    patience_s=1.0,
    tries=1,
    also=False,
    another_body=False,
    cancel_after_s=None,
    hang_up_after_s=None,
    on_exhausted="callback",
    not_before_s=None,
)


def violations(
    call: Call,
    log: tuple[LogEntry, ...],
    ledger: Sequence[Entry],
    *,
    clients: Sequence[Told] = (told(),),
    answers: Sequence[tuple[str, str, str]] = (),
    promised: frozenset[str] = frozenset(),
    left_over: Sequence[str] = (),
    crossed: Sequence[str] = (),
    logged: Logged = QUIET,
) -> list[str]:
    """The names of the promises that did not hold."""
    stock = Stock(calls={call.id: call}, entries={call.id: log}, promised=promised)
    truth, done = Truth(ledger, stock.calls), Done(processes=1)
    scene = Scene(
        begin=BEGIN,
        heal_at=BEGIN + 30,
        ended_at=BEGIN + 100,
        policy=POLICY,
        carriers=[{"name": "red", "kind": "red"}, {"name": "blue", "kind": "blue"}],
        wishes=[WISH],
        told=clients,
        taken_back=[],
        answers=answers,
        done=done,
        left_over=left_over,
    )
    evidence = evidence_of(scene, truth, stock)
    found = Found(rings=second_rings(evidence, done), strays=truth.stray, crossed=crossed, listened=1, logged=logged)
    return sorted({violation.partition(":")[0] for violation in judge(evidence, stock, found, ledger).violations})


def test_a_call_that_went_well() -> None:
    """Nothing is found, and the log gives every state that the call was in."""
    call, log = story(*well())
    assert violations(call, log, talk(ONE, 0.3)) == []
    writes = list(states(call, log, POLICY))
    assert [write.after.status.value for write in writes] == ["dialing"] * 4 + ["ringing", "in_progress", "ended"]
    assert writes[-1].after == call


def test_a_call_that_was_acknowledged_and_is_gone() -> None:
    """Invariant 8."""
    call, log = story(*well())
    assert violations(call, log, talk(ONE, 0.3), clients=[told(), told("call_gone")]) == [
        "10 one key, one call",
        "8 nothing acknowledged is forgotten",
    ]


def test_a_person_with_two_bridges() -> None:
    """The second leg was dialled while the first lived, and both were heard."""
    call, log = story(*well())
    both = [*talk(ONE, 0.3), *talk(OTHER, 1.0)]
    found = violations(call, log, sorted(both, key=lambda entry: entry.at))
    assert "no dial without a call" in found
    call, log = story(*well()[:-1])
    second = replace(call, legs=(*call.legs, replace(call.legs[0], id="leg_2", carrier="blue", carrier_call_id="ref-2")))
    found = violations(second, log, sorted(both, key=lambda entry: entry.at))
    assert {"1 bridged once", "2 dialled safely", "7 no zombies"} <= set(found)


def test_a_leg_that_was_posted_twice() -> None:
    """One place, one POST."""
    call, log = story(*well())
    assert violations(call, log, [entry(0.25, "dial", ONE, status=503), *talk(ONE, 0.3)]) == ["4 one place is one POST"]


def test_a_call_that_never_ends() -> None:
    """Neither an outcome nor an open promise; a line that is still open is told too."""
    call, log = story(*well()[:-1])
    assert violations(call, log, talk(ONE, 0.3)) == ["7 no zombies"]
    ended, log = story(*well())
    assert violations(ended, log, talk(ONE, 0.3), left_over=["1 lines of red"]) == ["7 no zombies"]


def test_a_promise_that_no_queue_holds() -> None:
    """A scheduled call must be in the queue; one that is may be open still."""
    call, log = story((0.0, CallAccepted()), (0.2, RouteExhausted(reason="all-carriers-failed", retry_at=BEGIN + 5, passed=())))
    assert violations(call, log, []) == ["7 no zombies", "promises dropped"]
    assert violations(call, log, [], promised=frozenset({"call_1"})) == []


def test_a_call_that_is_not_what_its_log_says() -> None:
    """The stored call was changed by no event."""
    call, log = story(*well())
    assert violations(replace(call, reason="another"), log, talk(ONE, 0.3)) == ["22 everything is explained, and can be replayed"]


def test_an_agent_with_two_sessions_of_one_call() -> None:
    """Whichever process of the agent it was."""
    call, log = story(*well())
    answers = [("11", "call_1", "ses_1"), ("12", "call_1", "ses_2")]
    assert violations(call, log, talk(ONE, 0.3), answers=answers) == ["15 one session, one caller"]


def test_a_phone_that_heard_somebody_else() -> None:
    """A foreign pitch is a violation of its own."""
    call, log = story(*well())
    assert violations(call, log, talk(ONE, 0.3), crossed=["+15550100001 heard 700 Hz"]) == ["bridges crossed"]


def test_a_caller_who_was_connected_and_is_no_call() -> None:
    """The store knows nothing of a caller to whom we spoke."""
    call, log = story(*well())
    who: dict[str, Any] = {"carrier": "red", "number": "+15550109001", "carrier_call_id": "in-1"}
    called = Entry(at=BEGIN + 1, kind="call", more={"to": "+15550190001"}, **who)
    answered = Entry(at=BEGIN + 2, kind="answer", **who)
    assert violations(call, log, [*talk(ONE, 0.3), called, answered]) == []
    stream = Entry(at=BEGIN + 3, kind="stream_open", more={"stream": "s-1", "url": "ws://x"}, **who)
    assert violations(call, log, [*talk(ONE, 0.3), called, stream]) == ["callers who were connected are stored"]


def test_the_labs_own_complaints_count() -> None:
    """A frame that a carrier would drop, or a simulator that raised."""
    call, log = story(*well())
    assert violations(call, log, [*talk(ONE, 0.3), entry(3.0, "rejected_frame", ONE, reason="size")]) == [
        "nothing that carriers would drop"
    ]


def test_logs_that_say_what_they_should_not() -> None:
    """A number in full, and an error that nobody foresaw."""
    call, log = story(*well())
    logged = Logged(lines=9, errors=("gateway1: job-failed: KeyError",), leaks=("gateway1: +15550100001",))
    assert violations(call, log, talk(ONE, 0.3), logged=logged) == [
        "25 no secret and no number in a log",
        "no unforeseen error in a log",
    ]


def test_a_retry_begins_where_its_call_ends() -> None:
    """Both are written at one time; in the order of things the first promise is over before the second one is made."""
    policy = Policy(retry_first_s=4.0)
    call = Call(id="call_1", to=TO, session_id="s", created_at=BEGIN, expires_at=BEGIN + 60, not_before=BEGIN + 1)
    accepted = LogEntry(id="e1", call_id=call.id, at=BEGIN, kind="x", event=msgspec.to_builtins(CallAccepted()))
    canceled = LogEntry(id="e2", call_id=call.id, at=BEGIN + 5, kind="x", event=msgspec.to_builtins(CancelRequested()))
    again = replace(call, id="call_2", not_before=BEGIN + 9)
    retried = replace(accepted, id="e3", call_id=again.id, at=BEGIN + 5)
    watch = Watch(MemoryStore(), lambda: BEGIN, History(lambda: BEGIN))
    logs = {again.id: (retried,), call.id: (accepted, canceled)}
    fill(watch, {again.id: again, call.id: call}, logs, policy)
    assert [(write.after.id, write.after.ended) for write in watch.writes] == [
        ("call_1", False),
        ("call_1", True),
        ("call_2", False),
    ]


# --- phones that ring twice --------------------------------------------------------------------------------------


def dark() -> tuple[Call, tuple[LogEntry, ...]]:
    """The first carrier's answer was lost and it could not be asked; the leg was condemned, the second dialled and answered."""
    return story(
        (0.0, CallAccepted()),
        *dialled(ONE, 0.1),
        (0.5, of(ONE, DialOrphaned())),
        (20.0, TimerFired(leg_id=ONE[2], name="leg")),  # late: nobody could look meanwhile, so there is time for that
        (25.0, TimerFired(leg_id=ONE[2], name="leg")),
        *dialled(OTHER, 25.1),
        (25.4, of(OTHER, DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id=OTHER[1], fence=1))),
        (27.0, of(OTHER, LegAnswered(carrier_call_id=OTHER[1]))),
        (33.0, of(OTHER, LegEnded(carrier_call_id=OTHER[1], verdict=stop("hangup", Outcome.COMPLETED), answered=True))),
    )


def rings(call: Call, log: tuple[LogEntry, ...], ledger: Sequence[Entry], done: Done) -> list[tuple[str, tuple[str, ...]]]:
    stock = Stock(calls={call.id: call}, entries={call.id: log})
    truth = Truth(ledger, stock.calls)
    scene = Scene(
        begin=BEGIN,
        heal_at=BEGIN,
        ended_at=BEGIN + 100,
        policy=POLICY,
        carriers=[],
        wishes=[WISH],
        told=[],
        taken_back=[],
        answers=[],
        done=done,
        left_over=[],
    )
    return [(ring.what, ring.because) for ring in second_rings(evidence_of(scene, truth, stock), done)]


def test_a_second_ring_that_nobody_could_have_known_of() -> None:
    """It is counted with the faults that made it unknowable."""
    call, log = dark()
    done = Done(blows=[Blow(at=BEGIN, until=BEGIN + 7, what="dark", whom="red", kill=True, carrier=True)])
    first = [entry(0.3, "dial", ONE), entry(1.0, "ring", ONE), hook(1.0, ONE, status=0)]
    assert rings(call, log, [*first, *talk(OTHER, 25.2)], done) == [(DARK, ("red: dark",))]


def test_a_second_ring_after_a_known_end() -> None:
    """The first leg had ended when the second was dialled: the person is called again."""
    call, log = story(*well())
    again = replace(call.legs[0], id="leg_2", carrier="blue", carrier_call_id="ref-2", sent_at=BEGIN + 20)
    twice = replace(call, legs=(*call.legs, again))
    assert rings(twice, log, [*talk(ONE, 0.3), *talk(OTHER, 20.0)], Done()) == [(AGAIN, ())]


def test_a_second_ring_after_a_doubt_that_was_cleared() -> None:
    """A dial whose answer was lost, found again and ended is a leg that is known to have ended."""
    call, log = story(
        (0.0, CallAccepted()),
        *dialled(ONE, 0.1),
        (0.5, of(ONE, DialOrphaned())),
        (1.0, of(ONE, LegFound(phase="accepted", carrier_call_id=ONE[1]))),
        (5.0, of(ONE, LegEnded(carrier_call_id=ONE[1], verdict=stop("canceled", Outcome.CANCELED)))),
    )
    again = replace(call.legs[0], id="leg_2", carrier="blue", carrier_call_id="ref-2", sent_at=BEGIN + 20)
    twice = replace(call, legs=(*call.legs, again))
    assert [what for what, _ in rings(twice, log, [*talk(ONE, 0.3), *talk(OTHER, 20.0)], Done())] == [AGAIN]


def test_a_second_ring_without_a_reason() -> None:
    """The first leg lived, and was not in doubt."""
    call, log = story(*well()[:5])
    again = replace(call.legs[0], id="leg_2", carrier="blue", carrier_call_id="ref-2", sent_at=BEGIN + 3)
    twice = replace(call, legs=(*call.legs, again))
    assert [what for what, _ in rings(twice, log, [*talk(ONE, 0.3), *talk(OTHER, 3.0)], Done())] == [WRONG]


# --- the tables --------------------------------------------------------------------------------------------------

BORN = frozenset(
    {"id", "to", "session_id", "created_at", "expires_at", "direction"}
    | {"from_number", "caller_name", "attestation", "language", "agent", "route"}
    | {"carriers", "metadata", "max_duration_s", "ring_timeout_s", "on_exhausted", "not_before"}
    | {"purpose", "note", "priority", "duplicate", "window", "retry_on"}
    | {"retries", "retry_of", "callback_of", "handed_from", "schema"}
)


def test_every_field_of_a_call_is_born_or_lived() -> None:
    """A new field must be told to the replay: does a call have it from its first moment, or does an event set it?"""
    assert frozenset(Call.__struct_fields__) == BORN | frozenset(LIVED)
    call, _ = story(*well())
    assert newborn(call).legs == ()
    assert newborn(call).id == call.id


def test_the_promises_that_are_judged_are_there() -> None:
    """A promise that the simulation gave another name would be judged no more."""
    assert FROM_OUTSIDE | {SETTLED} <= set(PROMISES)


@pytest.mark.parametrize("kind", ["dial", "ring", "webhook"])
def test_an_entry_survives_the_way(kind: str) -> None:
    """What the lab prints is read back as it was."""
    original = entry(1.0, kind, ONE, status=200, url="http://x")
    assert entry_of(original.flat()) == original
