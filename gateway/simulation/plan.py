"""What a seed means: a world's gateways, carriers, phones and calls, and everything that will go wrong. Pure.

The first half of a world is trouble, the second is quiet: at `heal_at` all faults end, the store is well and every
process runs, so that what still does not come right is a defect and no bad luck.
"""

from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.simulation.agents import Manner
from gateway.simulation.calling import CallerPlan, callers_of
from gateway.simulation.stores import Weather
from gateway.simulation.wishes import promise_of, steering_of

KINDS_AT_MOST = 4
BEGIN = 1_900_000_000.0
"""Unix time of every world's first moment: 17 March 2030, 17:46:40 in Greenwich."""
LADDERS = ("shipped", "another", "message", "promise", "nothing")
DIES = 0.06
"""Share of calls whose agent dies in the middle."""
CALLEES = tuple(f"+1555010{index:04d}" for index in range(1, 13))


class CarrierPlan(Struct, frozen=True, kw_only=True):
    """One carrier of the world's configuration, in order of priority."""

    name: str
    kind: str
    numbers: tuple[str, ...]
    calls_per_second: float
    concurrent_calls: int
    lags: dict[str, float] = {}
    """Knobs of its simulator: how late its look-ups show a call."""


class FaultPlan(Struct, frozen=True, kw_only=True):
    """One fault of one carrier, from `at` for `for_s`; `fault` in the lab's words."""

    at: float
    for_s: float
    carrier: str
    fault: dict[str, Any]


class CallPlan(Struct, frozen=True, kw_only=True):
    """One wish of a client."""

    at: float
    to: str
    key: str
    """Idempotency-Key; empty: none is sent."""
    patience_s: float
    """How long the client waits for an answer before it sends the request again, if it has a key."""
    tries: int
    also: bool = False
    """The client sends the same twice at once."""
    another_body: bool = False
    """... and later the same key with another body."""
    cancel_after_s: float | None = None
    hang_up_after_s: float | None = None
    on_exhausted: str = "callback"
    not_before_s: float | None = None
    manner: Manner = Manner.TALKS
    talk_s: float = 0.0
    promise: dict[str, Any] = {}
    """Further fields of the request: what it says of the call as a promise."""
    steering: tuple[tuple[str, float], ...] = ()
    """(`run` or `take-back`, so long after it was accepted)."""


class MishapPlan(Struct, frozen=True, kw_only=True):
    """Something that happens to a process: `kill`, `freeze` (and thaw), `drain` or a `clock` that steps by `step_s`.

    A kill with `boundaries` waits for so many of the process' next deeds at the store or at a carrier.
    """

    at: float
    process: int
    kind: str
    for_s: float = 0.0
    step_s: float = 0.0
    boundaries: int = 0


class StorePlan(Struct, frozen=True, kw_only=True):
    """A change of the store's weather, from `at` for `for_s`."""

    at: float
    for_s: float
    weather: Weather


class Plan(Struct, frozen=True, kw_only=True):
    """A world."""

    seed: int
    processes: int
    carriers: tuple[CarrierPlan, ...]
    phones: dict[str, dict[str, Any]]
    calls: tuple[CallPlan, ...]
    faults: tuple[FaultPlan, ...]
    mishaps: tuple[MishapPlan, ...]
    store: tuple[StorePlan, ...]
    heal_at: float
    ring_timeout_s: int
    max_duration_s: int
    expires_after_s: float
    forged_hooks: int
    """Webhooks that no carrier sent, replayed ones and sockets without a token."""
    lost_requests: float
    """Share of requests that vanish on the way to a carrier."""
    real_store: bool = False
    callers: tuple[CallerPlan, ...] = ()
    max_live_calls: int = 0
    ladder: str = "shipped"
    """What a person gets whose agent is lost; see `setting.py`."""


class KindPlan(Struct, frozen=True, kw_only=True):
    """What a kind of carrier lets a seed choose from."""

    causes: tuple[str, ...]
    """Reasons of an asynchronous failure."""
    lags: dict[str, tuple[float, ...]]
    """Knob -> how late its look-ups may show a call."""


def plan_of(seed: int, kinds: dict[str, KindPlan], *, real_store: bool = False) -> Plan:
    """`kinds`: what carriers there are."""
    chance = Random(f"plan:{seed}")
    trouble_s = chance.choice((40.0, 70.0, 100.0))
    carriers = _carriers(chance, Random(f"lags:{seed}"), kinds)
    processes = chance.choice((1, 2, 2, 3))
    return Plan(
        seed=seed,
        processes=processes,
        carriers=carriers,
        phones={number: _phone(chance) for number in CALLEES},
        calls=_calls(chance, seed, trouble_s),
        faults=_faults(chance, carriers, kinds, trouble_s),
        mishaps=_mishaps(chance, processes, trouble_s),
        store=_store(chance, trouble_s),
        heal_at=trouble_s,
        ring_timeout_s=chance.choice((10, 20, 30)),
        max_duration_s=chance.choice((30, 60)),
        expires_after_s=chance.choice((45.0, 90.0, 150.0)),
        forged_hooks=chance.choice((0, 2, 6)),
        lost_requests=chance.choice((0.0, 0.0, 0.03, 0.1)),
        real_store=real_store,
        callers=callers_of(seed, [(one.name, number) for one in carriers for number in one.numbers], CALLEES, trouble_s),
        max_live_calls=Random(f"room:{seed}").choice((0,) * 5 + (4,)),
        ladder=Random(f"ladder:{seed}").choice(LADDERS),
    )


def _carriers(chance: Random, lagging: Random, kinds: dict[str, KindPlan]) -> tuple[CarrierPlan, ...]:
    chosen = chance.sample(tuple(kinds), chance.randint(min(2, len(kinds)), min(KINDS_AT_MOST, len(kinds))))
    names = [(kind, kind) for kind in chosen]
    if chance.random() < 0.15:
        names.append((f"{chosen[0]}-two", chosen[0]))
    return tuple(
        CarrierPlan(
            name=name,
            kind=kind,
            numbers=(f"+1555019{index:02d}01", f"+1555019{index:02d}02"),
            calls_per_second=chance.choice((0.5, 1.0, 1.0)),
            concurrent_calls=chance.choice((2, 10, 50)),
            lags={knob: lagging.choice(values) for knob, values in kinds[kind].lags.items()},
        )
        for index, (name, kind) in enumerate(names)
    )


def _phone(chance: Random) -> dict[str, Any]:
    behavior = chance.choice(("answer",) * 16 + ("busy", "no_answer", "decline", "machine", "unreachable", "invalid"))
    talks = chance.choice((None, 2.0, 5.0, 15.0))
    return {
        "behavior": behavior,
        "answer_after_s": chance.choice((0.3, 1.0, 3.0, 9.0, 16.0)),
        "hangup_after_s": talks,
        "says": chance.choice(("speech", "silence", "tone")),
    }


def _calls(chance: Random, seed: int, trouble_s: float) -> tuple[CallPlan, ...]:
    drawn = [_call(chance, trouble_s, index) for index in range(chance.randint(4, 14))]
    promised = [_promised(Random(f"promise:{seed}:{index}"), call) for index, call in enumerate(drawn)]
    return tuple(sorted(promised, key=lambda call: call.at))


def _promised(chance: Random, call: CallPlan) -> CallPlan:
    dies = chance.random() < DIES and call.manner is Manner.TALKS
    return replace(
        call,
        promise=promise_of(chance, BEGIN, call.at),
        steering=steering_of(chance),
        manner=Manner.DIES if dies else call.manner,
        talk_s=chance.choice((0.5, 3.0)) if dies else call.talk_s,
    )


def _call(chance: Random, trouble_s: float, index: int) -> CallPlan:
    key = f"key-{index}" if chance.random() < 0.75 else ""
    return CallPlan(
        at=round(chance.uniform(0.5, trouble_s * 0.8), 3),
        to=chance.choice(CALLEES),
        key=key,
        patience_s=chance.choice((0.05, 0.5, 3.0, 10.0)),
        tries=chance.randint(1, 5) if key else 1,
        also=bool(key) and chance.random() < 0.25,
        another_body=bool(key) and chance.random() < 0.2,
        cancel_after_s=chance.choice((None,) * 40 + (0.01, 0.3, 2.0, 8.0)),
        hang_up_after_s=chance.choice((None,) * 30 + (0.5, 4.0, 12.0)),
        on_exhausted=chance.choice(("callback", "callback", "callback", "fail")),
        not_before_s=chance.choice((None,) * 6 + (5.0, 20.0)),
        manner=chance.choice((Manner.TALKS,) * 30 + (Manner.MUTE, Manner.SLOW, Manner.STUCK, Manner.ABSENT, Manner.BREAKS)),
        talk_s=chance.choice((0.0, 3.0, 8.0)),
    )


def _faults(
    chance: Random, carriers: tuple[CarrierPlan, ...], kinds: dict[str, KindPlan], trouble_s: float
) -> tuple[FaultPlan, ...]:
    found = []
    for _ in range(chance.choice((0, 3, 6, 9, 12, 18))):
        carrier = carriers[min(chance.randrange(len(carriers)), chance.randrange(len(carriers)))]  # the first have most calls
        at = round(chance.uniform(0.0, trouble_s * 0.9), 3)
        for_s = round(min(chance.choice((3.0, 10.0, 30.0, 200.0)), trouble_s - at), 3)
        found.append(FaultPlan(at=at, for_s=for_s, carrier=carrier.name, fault=_fault(chance, kinds[carrier.kind].causes)))
    for _ in range(chance.choice((0, 1, 2, 3))):
        carrier, at = chance.choice(carriers[:2]), round(chance.uniform(0.0, trouble_s * 0.8), 3)
        for_s = round(min(chance.choice((6.0, 11.0, 13.0, 15.0)), trouble_s - at), 3)
        dark = chance.choice(_DARK)
        found += [FaultPlan(at=at, for_s=for_s, carrier=carrier.name, fault=dict(fault)) for fault in dark]
    return tuple(found)


def _fault(chance: Random, causes: tuple[str, ...]) -> dict[str, Any]:
    kind, more = chance.choice(_FAULTS)
    fault = {"kind": kind} | {name: chance.choice(values) for name, values in more.items()}
    if kind == "reject":
        fault["cause"] = chance.choice(causes)
    if kind not in {"down", "flap"}:
        fault["rate"] = chance.choice((0.3, 0.7, 1.0, 1.0))
    if kind in _AIMED and chance.random() < 0.2:
        fault |= chance.choice(({"prefix": "+155501000"}, {"prefix": "+155501001"}, {"region": "US"}))
    return fault


_FAULTS: tuple[tuple[str, dict[str, tuple[Any, ...]]], ...] = (
    ("down", {"drop_calls": (True, False)}),
    ("flap", {"period_s": (1.0, 4.0)}),
    ("blackhole", {}),
    ("slow", {"s": (0.5, 4.0, 7.9, 12.0, 30.0)}),
    ("http_error", {"status": (400, 404, 429, 500, 502, 503)}),
    ("http_error", {"status": (500, 502, 503, 504), "after_placing": (True,)}),
    ("drop_after_accept", {}),
    ("drop_after_accept", {}),
    ("auth_error", {}),
    ("suspended", {}),
    ("rate_limited", {}),
    ("queueing", {"s": (2.0, 8.0, 25.0)}),
    ("reject", {}),
    ("webhooks_lost", {}),
    ("webhooks_late", {"s": (0.5, 3.0, 12.0)}),
    ("webhooks_twice", {}),
    ("webhooks_shuffled", {"s": (0.5, 2.0)}),
    ("webhooks_unsigned", {}),
    ("stream_refused", {}),
    ("stream_cut", {"after_s": (0.0, 1.0, 5.0)}),
    ("stream_silent", {}),
    ("stream_burst", {"every_s": (0.5, 2.0)}),
    ("one_way", {"direction": ("to_person", "from_person")}),
    ("leg_drop", {"after_s": (0.5, 4.0), "webhook": (True, False)}),
)
"""Every kind of fault that the lab has, with the values that a seed chooses from."""
_DARK: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"kind": "drop_after_accept"}, {"kind": "webhooks_late", "s": 9.0}, {"kind": "http_error", "status": 503}),
    ({"kind": "drop_after_accept"}, {"kind": "webhooks_lost"}, {"kind": "blackhole"}),
    ({"kind": "drop_after_accept"}, {"kind": "webhooks_lost"}, {"kind": "rate_limited"}),
    ({"kind": "drop_after_accept"}, {"kind": "webhooks_lost"}),
)
"""A carrier that takes a call and tells of it neither in its answer, nor by webhook, nor, mostly, when it is asked."""
_AIMED = frozenset({"blackhole", "slow", "http_error", "drop_after_accept", "reject", "webhooks_lost", "webhooks_late"})


def _mishaps(chance: Random, processes: int, trouble_s: float) -> tuple[MishapPlan, ...]:
    found = []
    for _ in range(chance.choice((0, 1, 2, 3, 5, 8))):
        kind = chance.choice(("kill", "kill", "kill", "kill", "freeze", "drain", "clock"))
        found.append(
            MishapPlan(
                at=round(chance.uniform(0.5, trouble_s * 0.95), 3),
                process=chance.randrange(processes),
                kind=kind,
                for_s=chance.choice((0.5, 3.0, 12.0, 20.0)) if kind != "freeze" else chance.choice((2.0, 18.0, 30.0)),
                step_s=chance.choice((-60.0, -5.0, -0.5, 0.5, 5.0, 60.0)) if kind == "clock" else 0.0,
                boundaries=chance.choice((0, 1, 2, 3, 5, 8, 13)) if kind == "kill" else 0,
            )
        )
    return tuple(found)


def _store(chance: Random, trouble_s: float) -> tuple[StorePlan, ...]:
    found = []
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        at = round(chance.uniform(1.0, trouble_s * 0.8), 3)
        for_s = round(min(chance.choice((0.5, 3.0, 15.0)), trouble_s - at), 3)
        weather = chance.choice((Weather.SLOW, Weather.REFUSING, Weather.SILENT, Weather.DEAF))
        found.append(StorePlan(at=at, for_s=for_s, weather=weather))
    return tuple(found)
