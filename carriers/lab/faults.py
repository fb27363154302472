"""The switchboard of one carrier: which faults are on, for how long, for whom, and how often they strike. Pure.

A fault is set as `{"kind": ..., fields}`; every kind takes `rate` (0 to 1), `for_s`, and, where it strikes single calls,
`prefix` (of the other side's number, E.164) and `region` (its country, ISO 3166: "US"). `_FIELDS` is the whole grammar:
what stands there is obeyed, and nothing else is taken.
"""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Any

from msgspec import Struct

from carriers.lab.fields import (
    BadField,
    Rule,
    e164,
    flag,
    number_between,
    one_of,
    optional,
    read_fields,
    text_of,
    whole_between,
)

HOUR = 3600.0


class FaultKind(StrEnum):
    """Every fault of the lab; what each does stands in README.md."""

    DOWN = "down"
    FLAP = "flap"
    BLACKHOLE = "blackhole"
    SLOW = "slow"
    HTTP_ERROR = "http_error"
    DROP_AFTER_ACCEPT = "drop_after_accept"
    AUTH_ERROR = "auth_error"
    SUSPENDED = "suspended"
    RATE_LIMITED = "rate_limited"
    QUEUEING = "queueing"
    REJECT = "reject"
    WEBHOOKS_LOST = "webhooks_lost"
    WEBHOOKS_LATE = "webhooks_late"
    WEBHOOKS_TWICE = "webhooks_twice"
    WEBHOOKS_SHUFFLED = "webhooks_shuffled"
    WEBHOOKS_UNSIGNED = "webhooks_unsigned"
    STREAM_REFUSED = "stream_refused"
    STREAM_CUT = "stream_cut"
    STREAM_SILENT = "stream_silent"
    STREAM_BURST = "stream_burst"
    ONE_WAY = "one_way"
    LEG_DROP = "leg_drop"


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault as it was asked for; fields that its kind does not have keep their default. Times in seconds."""

    kind: FaultKind
    rate: float = 1.0
    for_s: float | None = None
    prefix: str = ""
    region: str = ""
    s: float = 0.0
    status: int = 500
    code: str | None = None
    after_placing: bool = False
    cause: str = ""
    after_s: float = 0.0
    every_s: float = 0.5
    direction: str = ""
    webhook: bool = True
    period_s: float = 0.0
    drop_calls: bool = True

    @property
    def aimed(self) -> bool:
        """Whether it strikes only some destinations."""
        return bool(self.prefix or self.region)

    def hits(self, number: str) -> bool:
        """Whether a call with this number (E.164) is among its targets."""
        if self.prefix and not number.startswith(self.prefix):
            return False
        return not self.region or region_of(number) == self.region


class Fields(Struct, frozen=True):
    """What a kind takes beside rate and for_s."""

    required: dict[str, Rule] = {}
    free: dict[str, Rule] = {}
    aimed: bool = True
    chancy: bool = True
    """Whether `rate` has a meaning; a listener is open or closed."""


_SECONDS = number_between(0, HOUR)
_STATUS = whole_between(400, 599)
_CODE = optional(text_of("".join(map(chr, range(33, 127))), "a carrier's code as a string"))

_FIELDS: dict[FaultKind, Fields] = {
    FaultKind.DOWN: Fields(free={"drop_calls": flag}, aimed=False, chancy=False),
    FaultKind.FLAP: Fields({"period_s": number_between(0.1, HOUR)}, {"drop_calls": flag}, aimed=False, chancy=False),
    FaultKind.BLACKHOLE: Fields(),
    FaultKind.SLOW: Fields({"s": _SECONDS}),
    FaultKind.HTTP_ERROR: Fields(free={"status": _STATUS, "code": _CODE, "after_placing": flag}),
    FaultKind.DROP_AFTER_ACCEPT: Fields(),
    FaultKind.AUTH_ERROR: Fields(),
    FaultKind.SUSPENDED: Fields(),
    FaultKind.RATE_LIMITED: Fields(),
    FaultKind.QUEUEING: Fields({"s": _SECONDS}),
    FaultKind.REJECT: Fields({"cause": str}),
    FaultKind.WEBHOOKS_LOST: Fields(),
    FaultKind.WEBHOOKS_LATE: Fields({"s": _SECONDS}),
    FaultKind.WEBHOOKS_TWICE: Fields(),
    FaultKind.WEBHOOKS_SHUFFLED: Fields(free={"s": _SECONDS}),
    FaultKind.WEBHOOKS_UNSIGNED: Fields(),
    FaultKind.STREAM_REFUSED: Fields(),
    FaultKind.STREAM_CUT: Fields({"after_s": _SECONDS}),
    FaultKind.STREAM_SILENT: Fields(),
    FaultKind.STREAM_BURST: Fields(free={"every_s": number_between(0.04, 60)}),
    FaultKind.ONE_WAY: Fields({"direction": one_of(("to_person", "from_person"))}),
    FaultKind.LEG_DROP: Fields({"after_s": _SECONDS}, {"webhook": flag}),
}
_DEFAULTS: dict[FaultKind, dict[str, Any]] = {FaultKind.WEBHOOKS_SHUFFLED: {"s": 0.5}}


def region_of(number: str) -> str:
    """The country of a number, ISO 3166 ("US"), "" if unknown; by its country code where no plan knows it."""
    import phonenumbers  # here, because only a regional fault needs its 50 ms

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    known = phonenumbers.region_code_for_number(parsed)
    return known or phonenumbers.region_code_for_country_code(parsed.country_code or 0) or ""


def read_faults(data: Any, causes: frozenset[str], codes: frozenset[str] = frozenset()) -> list[Fault]:
    """The faults of one carrier from the user's words; raise BadField naming field and cure. `codes`: its error codes, where
    they are a closed set.
    """
    if not isinstance(data, list):
        raise BadField("faults", 'must be a list of objects with a "kind"')
    words = {"cause": one_of(causes)} | ({"code": optional(one_of(codes))} if codes else {})
    return [_read_fault(item, f"faults[{index}]", words) for index, item in enumerate(data)]


def _read_fault(data: Any, where: str, words: dict[str, Rule]) -> Fault:
    if not isinstance(data, dict):
        raise BadField(where, 'must be an object with a "kind"')
    kinds = one_of(FaultKind)
    kind = FaultKind(read_fields({"kind": data.get("kind")}, {"kind": kinds}, where)["kind"])
    grammar = _FIELDS[kind]
    read = read_fields(data, _rules(grammar, kinds, words), where)
    for name in grammar.required:
        if name not in read:
            raise BadField(f"{where}.{name}", f"{kind} needs it")
    return Fault(**{**_DEFAULTS.get(kind, {}), **read, "kind": kind})


def _rules(grammar: Fields, kinds: Rule, words: dict[str, Rule]) -> dict[str, Rule]:
    rules = {"kind": kinds, "for_s": optional(number_between(0, 30 * 24 * HOUR)), **grammar.required, **grammar.free}
    rules["rate"] = number_between(0, 1) if grammar.chancy else number_between(1, 1)
    rules |= {name: rule for name, rule in words.items() if name in rules}
    if grammar.aimed:
        rules |= {"prefix": _prefix, "region": _region}
    return rules


def _prefix(value: Any) -> str:
    digits = text_of("+0123456789", "the beginning of an E.164 number")(value)
    return e164(digits) if digits else ""


def _region(value: Any) -> str:
    return str(text_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "a country, ISO 3166: US")(value))


class ActiveFault:
    """A fault since it was set, with what it has decided about single calls and streams."""

    def __init__(self, fault: Fault, since: float) -> None:
        self.fault, self.since = fault, since
        self.until = None if fault.for_s is None else since + fault.for_s
        self.decided: dict[str, bool] = {}

    def on(self, now: float) -> bool:
        """Whether it is in force; a flap is down in the first, third, ... period."""
        if self.until is not None and now >= self.until:
            return False
        return self.fault.kind is not FaultKind.FLAP or self._periods(now) % 2 == 0

    def next_flap(self, now: float) -> float:
        """When a flap changes sides next."""
        return self.since + (self._periods(now) + 1) * self.fault.period_s

    def _periods(self, now: float) -> int:
        return int((now - self.since) / self.fault.period_s + 1e-6)


class Switchboard:
    """The faults of one carrier."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._active: list[ActiveFault] = []

    def set(self, now: float, faults: Sequence[Fault]) -> None:
        """Replace all; a for_s begins now."""
        self._active = [ActiveFault(fault, now) for fault in faults]

    def current(self, now: float) -> list[Fault]:
        """What was set and has not expired."""
        return [active.fault for active in self._active if active.until is None or now < active.until]

    def next_change(self, now: float) -> float | None:
        """The unix time at which a fault next begins or ends by itself."""
        live = [active for active in self._active if active.until is None or now < active.until]
        edges = [active.until for active in live if active.until is not None]
        edges += [active.next_flap(now) for active in live if active.fault.kind is FaultKind.FLAP]
        return min(edges, default=None)

    def down(self, now: float) -> Fault | None:
        """The fault that keeps the carrier off the air, if any."""
        return self._first(now, (FaultKind.DOWN, FaultKind.FLAP), "")

    def strike(self, now: float, kind: FaultKind, number: str = "") -> Fault | None:
        """Toss the coin of a fault for one event with this number."""
        return self._first(now, (kind,), number) if self._active else None

    def strike_request(self, now: float, dial_to: str | None) -> list[Fault]:
        """The faults that strike one API request, in the order of being set; `dial_to` is None for all but a dial."""
        return [active.fault for active in self._active if active.on(now) and self._meets_request(active, dial_to)]

    def strike_call(self, now: float, kind: FaultKind, number: str, key: str) -> Fault | None:
        """As `strike`, but the coin is tossed once for each key (a call, a stream) and then remembered."""
        for active in self._active:
            if active.fault.kind is kind and active.on(now) and active.fault.hits(number) and self._decided(active, key):
                return active.fault
        return None

    def _first(self, now: float, kinds: tuple[FaultKind, ...], number: str) -> Fault | None:
        for active in self._active:
            if active.fault.kind in kinds and active.on(now) and active.fault.hits(number) and self._tossed(active):
                return active.fault
        return None

    def _tossed(self, active: ActiveFault) -> bool:
        return active.fault.rate >= 1.0 or self._random.random() < active.fault.rate

    def _decided(self, active: ActiveFault, key: str) -> bool:
        if key not in active.decided:
            active.decided[key] = self._tossed(active)
        return active.decided[key]

    def _meets_request(self, active: ActiveFault, dial_to: str | None) -> bool:
        fault = active.fault
        if fault.kind not in REQUEST_FAULTS or (dial_to is None and _dials_only(fault)):
            return False
        return fault.hits(dial_to or "") and self._tossed(active)


def _dials_only(fault: Fault) -> bool:
    placed_first = fault.kind is FaultKind.DROP_AFTER_ACCEPT or fault.after_placing
    return placed_first or fault.aimed


REQUEST_FAULTS = frozenset(
    {
        FaultKind.BLACKHOLE,
        FaultKind.SLOW,
        FaultKind.HTTP_ERROR,
        FaultKind.DROP_AFTER_ACCEPT,
        FaultKind.AUTH_ERROR,
        FaultKind.SUSPENDED,
        FaultKind.RATE_LIMITED,
    }
)
