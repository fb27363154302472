"""What a seed means: who calls whom, what is killed, paused and cut, and at which moment of a call. Pure.

The same seed, minutes and kills give the same plan. What becomes of it does not repeat: real processes are scheduled by a
real machine.
"""

from enum import StrEnum
from random import Random
from typing import Any

from msgspec import Struct

from gateway.chaos.crossings import pitch
from gateway.chaos.wire import Wire, WireFault

CARRIER_KILLS_EACH = 2
"""So many carriers are killed for each process of ours."""
_QUIET_START_S = 2.0


class Moment(StrEnum):
    """Where in a call it strikes: right after the ledger's next entry of this kind."""

    DIAL = "dial"
    RING = "ring"
    ANSWER = "answer"
    SPEECH = "bridge"
    HANG_UP = "hangup"


class Deed(StrEnum):
    """What is done. Kills are SIGKILL, pauses SIGSTOP and later SIGCONT."""

    KILL_GATEWAY = "kill gateway"
    KILL_ALL_GATEWAYS = "kill all gateways"
    KILL_STORE = "kill store"
    KILL_BALANCER = "kill balancer"
    KILL_AGENT = "kill agent"
    PAUSE_GATEWAY = "pause gateway"
    PAUSE_STORE = "pause store"
    DRAIN_GATEWAY = "drain gateway"
    DISK_FULL = "disk full under the store"
    MEMORY_FULL = "memory full in the store"
    CUT_STORE = "way to the store"
    CUT_CARRIER = "way to a carrier"
    CUT_FRONT = "way from the balancer"


class Strike(Struct, frozen=True, kw_only=True):
    """Armed at `at` (seconds since the beginning), done `delay_s` after its moment, over `for_s` later."""

    at: float
    deed: Deed
    moment: Moment
    delay_s: float
    for_s: float
    place: int
    """Which gateway, where the call at hand does not say."""
    carrier: int = 0
    wire: Wire | None = None


class CarrierStrike(Struct, frozen=True, kw_only=True):
    """A carrier's faults, in the lab's words, from `at` for `for_s`. `kill`: its service is gone; else it only misbehaves."""

    at: float
    for_s: float
    carrier: int
    kill: bool
    name: str
    faults: tuple[dict[str, Any], ...]


class Wish(Struct, frozen=True, kw_only=True):
    """A call that a client wants at `at`, with the phone that is to ring."""

    at: float
    to: str
    phone: dict[str, Any]
    patience_s: float
    tries: int
    also: bool
    another_body: bool
    cancel_after_s: float | None
    hang_up_after_s: float | None
    on_exhausted: str
    not_before_s: float | None
    retry_on: tuple[str, ...] = ()
    take_back_s: float | None = None
    """A promise is taken back so long after it was accepted."""


class Caller(Struct, frozen=True, kw_only=True):
    """A phone that calls one of our numbers at `at`."""

    at: float
    number: str
    carrier: int
    call: dict[str, Any]


class Plan(Struct, frozen=True, kw_only=True):
    """One run."""

    seed: int
    seconds: float
    strikes: tuple[Strike, ...]
    carrier_strikes: tuple[CarrierStrike, ...]
    wishes: tuple[Wish, ...]
    callers: tuple[Caller, ...]


def plan_of(seed: int, *, seconds: float, kills: int, gateways: int, carriers: int, wishes_each_s: float = 1.0) -> Plan:
    """`kills`: of our own processes; of carriers twice as many."""
    chance = Random(f"chaos:{seed}")
    return Plan(
        seed=seed,
        seconds=seconds,
        strikes=_strikes(chance, seconds, kills, gateways, carriers),
        carrier_strikes=_carrier_strikes(chance, seconds, kills * CARRIER_KILLS_EACH, carriers),
        wishes=_wishes(chance, seconds, wishes_each_s),
        callers=_callers(chance, seconds, carriers, wishes_each_s),
    )


def own_kills(plan: Plan) -> int:
    """How many processes of ours it means to kill, a whole house counting as one."""
    return sum(strike.deed in KILLS for strike in plan.strikes)


# --- our own processes -------------------------------------------------------------------------------------------

KILLS = frozenset(
    {Deed.KILL_GATEWAY, Deed.KILL_ALL_GATEWAYS, Deed.KILL_STORE, Deed.KILL_BALANCER, Deed.KILL_AGENT, Deed.DISK_FULL}
)
"""Deeds after which a process is dead. With `appendfsync always` a server whose disk is full ends itself."""
_DECK = (Deed.KILL_GATEWAY,) * 9 + (Deed.KILL_STORE,) * 4 + (Deed.KILL_BALANCER,) * 3 + (Deed.KILL_AGENT,) * 4
_OTHERS = (
    (Deed.PAUSE_GATEWAY,) * 3
    + (Deed.PAUSE_STORE, Deed.DRAIN_GATEWAY, Deed.MEMORY_FULL)
    + (Deed.CUT_STORE,) * 3
    + (Deed.CUT_CARRIER,) * 4
    + (Deed.CUT_FRONT,) * 4
)
_DOWN_S = {
    Deed.KILL_STORE: (0.0, 0.5, 2.0, 5.0),
    Deed.KILL_GATEWAY: (0.0, 0.0, 1.0, 4.0),
    Deed.DISK_FULL: (1.0, 3.0),
    Deed.PAUSE_GATEWAY: (1.0, 4.0, 8.0),
    Deed.PAUSE_STORE: (1.0, 3.0),
    Deed.MEMORY_FULL: (2.0, 5.0),
    Deed.DRAIN_GATEWAY: (2.0,),
}
_WIRES: tuple[Wire, ...] = (
    Wire(kind=WireFault.LATENCY, s=0.05, jitter_s=0.1),
    Wire(kind=WireFault.LATENCY, s=0.4, jitter_s=0.6),
    Wire(kind=WireFault.DOWN),
    Wire(kind=WireFault.BLACK_HOLE),
    Wire(kind=WireFault.BLACK_HOLE),
    Wire(kind=WireFault.RESET),
    Wire(kind=WireFault.HALF_OPEN),
    Wire(kind=WireFault.SLOW_CLOSE, s=2.0),
    Wire(kind=WireFault.BANDWIDTH, bytes_per_s=20_000),
)


def _strikes(chance: Random, seconds: float, kills: int, gateways: int, carriers: int) -> tuple[Strike, ...]:
    deeds = _dealt(chance, _DECK, kills)
    for index in range(15, len(deeds), 25):  # now and then the whole house, or the disk
        deeds[index] = chance.choice((Deed.KILL_ALL_GATEWAYS, Deed.DISK_FULL, Deed.DISK_FULL))
    strikes = [
        _strike(chance, deed, at, gateways, carriers) for deed, at in zip(deeds, _spread(chance, seconds, kills), strict=True)
    ]
    others = max(1, kills * 2 // 5)
    for deed, at in zip(_dealt(chance, _OTHERS, others), _spread(chance, seconds, others), strict=True):
        strikes.append(_strike(chance, deed, at, gateways, carriers))
    return tuple(sorted(strikes, key=lambda strike: strike.at))


def _strike(chance: Random, deed: Deed, at: float, gateways: int, carriers: int) -> Strike:
    moment = chance.choice(tuple(Moment))
    delay_s = round(chance.choice((0.0, 0.0, 0.02, 0.1, 0.4)) * chance.random(), 3)
    cut = deed in {Deed.CUT_STORE, Deed.CUT_CARRIER, Deed.CUT_FRONT}
    return Strike(
        at=at,
        deed=deed,
        moment=moment,
        delay_s=delay_s,
        for_s=chance.choice(_DOWN_S.get(deed, (0.5, 2.0, 4.0) if not cut else (1.0, 3.0, 7.0))),
        place=chance.randrange(gateways),
        carrier=chance.randrange(carriers),
        wire=chance.choice(_WIRES) if cut else None,
    )


def _dealt(chance: Random, deck: tuple[Deed, ...], count: int) -> list[Deed]:
    """Each kind about as often as it stands in the deck, in any order."""
    cards = [deck[index % len(deck)] for index in range(max(count, len(deck)))]
    chance.shuffle(cards)
    return cards[:count]


def _spread(chance: Random, seconds: float, count: int) -> list[float]:
    """Evenly over the run, each shifted a little; the first seconds are left alone."""
    step = (seconds - _QUIET_START_S) / max(1, count)
    return [round(_QUIET_START_S + step * (index + chance.random()), 3) for index in range(count)]


# --- carriers ----------------------------------------------------------------------------------------------------

_DEATHS: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    ("down", ({"kind": "down"},)),
    ("down", ({"kind": "down"},)),
    ("down, calls live on", ({"kind": "down", "drop_calls": False},)),
    ("flapping", ({"kind": "flap", "period_s": 0.7},)),
    ("black hole", ({"kind": "blackhole"},)),
    ("takes and hangs up", ({"kind": "drop_after_accept"},)),
    ("503", ({"kind": "http_error", "status": 503},)),
    ("500 after placing", ({"kind": "http_error", "status": 500, "after_placing": True},)),
    ("answers too late", ({"kind": "slow", "s": 12.0},)),
    ("account suspended", ({"kind": "suspended"},)),
    ("keys refused", ({"kind": "auth_error"},)),
    ("dark", ({"kind": "drop_after_accept"}, {"kind": "webhooks_lost"}, {"kind": "http_error", "status": 503})),
)
_TROUBLES: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    ("rate limited", ({"kind": "rate_limited"},)),
    ("queueing", ({"kind": "queueing", "s": 3.0},)),
    ("webhooks lost", ({"kind": "webhooks_lost"},)),
    ("webhooks late", ({"kind": "webhooks_late", "s": 3.0},)),
    ("webhooks twice", ({"kind": "webhooks_twice"},)),
    ("webhooks shuffled", ({"kind": "webhooks_shuffled", "s": 0.7},)),
    ("webhooks unsigned", ({"kind": "webhooks_unsigned"},)),
    ("streams refused", ({"kind": "stream_refused"},)),
    ("streams cut", ({"kind": "stream_cut", "after_s": 1.0},)),
    ("streams silent", ({"kind": "stream_silent"},)),
    ("legs dropped", ({"kind": "leg_drop", "after_s": 1.0},)),
    ("legs dropped, untold", ({"kind": "leg_drop", "after_s": 1.0, "webhook": False},)),
    ("one way", ({"kind": "one_way", "direction": "to_person"},)),
)


def _carrier_strikes(chance: Random, seconds: float, kills: int, carriers: int) -> tuple[CarrierStrike, ...]:
    found = [_carrier_strike(chance, at, carriers, _DEATHS, kill=True) for at in _spread(chance, seconds, kills)]
    found += [_carrier_strike(chance, at, carriers, _TROUBLES, kill=False) for at in _spread(chance, seconds, kills // 3)]
    return tuple(sorted(found, key=lambda strike: strike.at))


def _carrier_strike(
    chance: Random, at: float, carriers: int, table: tuple[tuple[str, tuple[dict[str, Any], ...]], ...], *, kill: bool
) -> CarrierStrike:
    name, faults = chance.choice(table)
    for_s = chance.choice((1.0, 2.0, 4.0, 7.0))
    return CarrierStrike(at=at, for_s=for_s, carrier=chance.randrange(carriers), kill=kill, name=name, faults=faults)


# --- people ------------------------------------------------------------------------------------------------------

ECHO, OUTSIDE, BUILT_IN, CALLERS = "0123", "4567", "8", "9"
"""The digit after +1555010 says whose a number is: four orders of carriers for two agents, one for the third, callers."""


def number_of(group: str, index: int) -> str:
    """Each call has a phone of its own, so that a second ring is a second dial."""
    return f"+1555010{group}{index % 1000:03d}"


def _wishes(chance: Random, seconds: float, each_s: float) -> tuple[Wish, ...]:
    count = min(999, max(4, int((seconds - 1.0) * each_s)))
    return tuple(
        _wish(chance, index, round(0.5 + (seconds - 1.5) * (index + chance.random()) / count, 3)) for index in range(count)
    )


def _wish(chance: Random, index: int, at: float) -> Wish:
    to = number_of(chance.choice(ECHO * 2 + OUTSIDE * 2 + BUILT_IN * 3), index)
    later = chance.random() < 0.08
    return Wish(
        at=at,
        to=to,
        phone=_phone(chance, to),
        patience_s=chance.choice((0.2, 1.0, 3.0, 5.0)),
        tries=6,
        also=chance.random() < 0.15,
        another_body=chance.random() < 0.1,
        cancel_after_s=chance.choice((None,) * 40 + (0.1, 2.0)),
        hang_up_after_s=chance.choice((None,) * 40 + (1.0, 6.0)),
        on_exhausted=chance.choice(("callback", "callback", "callback", "fail")),
        not_before_s=4.0 if later else None,
        retry_on=chance.choice(((), (), ("busy", "no_answer"))),
        take_back_s=chance.choice((None, 1.0, 3.9)) if later else None,
    )


def _phone(chance: Random, number: str) -> dict[str, Any]:
    behavior = chance.choice(("answer",) * 16 + ("busy", "no_answer", "decline", "machine", "unreachable", "invalid"))
    return {
        "behavior": behavior,
        "answer_after_s": chance.choice((0.3, 1.0, 2.5, 6.0)),
        "hangup_after_s": chance.choice((3.0, 6.0, 12.0)),
        "says": f"tone:{pitch(number)}" if behavior == "answer" else "speech",
    }


def _callers(chance: Random, seconds: float, carriers: int, each_s: float) -> tuple[Caller, ...]:
    count = max(1, int(seconds * each_s / 6))
    return tuple(_caller(chance, index, at, carriers) for index, at in enumerate(_spread(chance, seconds, count)))


def _caller(chance: Random, index: int, at: float, carriers: int) -> Caller:
    number = number_of(CALLERS, index)
    call = {"says": f"tone:{pitch(number)}", "hangup_after_s": chance.choice((3.0, 6.0, 10.0)), "patience_s": 15.0}
    return Caller(at=at, number=number, carrier=chance.randrange(carriers), call=call)
