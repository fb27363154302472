"""Watches every deed at the store, as it is done: what was written when, by whom, over what. Read by the invariants."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, Claim, Committed, Store
from gateway.runtime.store.promise_contract import PromiseClaim
from gateway.simulation.history import History
from gateway.simulation.stores import Deed


class Write(Struct, frozen=True, kw_only=True):
    """One committed change of a call. `breaker`: the carrier's record before it, where the change took a permit."""

    at: float
    clock: float
    """The store's own time: the latest that any process has told it."""
    process: str
    before: Call | None
    change: Change
    after: Call
    breaker: Breaker | None = None


class Watch:
    """`now` is true unix time."""

    def __init__(self, store: Store, now: Callable[[], float], history: History) -> None:
        self.store, self._now, self._history = store, now, history
        self.calls: dict[str, Call] = {}
        self.writes: list[Write] = []
        self.breakers: dict[str, Breaker] = {}
        self.blamed: Counter[str] = Counter()
        """Carrier -> of how many failures its breaker has heard."""
        self.tokens: dict[str, str] = {}
        """Command id -> the newest token given out for it."""
        self._clock = 0.0
        self.keepers: dict[str, str] = {}
        """Call id -> the newest token given out for its promise, while it is the same promise."""
        self.stale_keepers: list[str] = []
        """Promises that were kept under another token: never any, one hopes."""
        self.stale: list[str] = []
        """What a stale token was let do: never anything, one hopes."""
        self.fenced = 0
        self.faults: dict[str, list[dict[str, Any]]] = {}
        self.troubles: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        """Of each carrier: (since when, whether any fault is on)."""
        self.store_troubles: list[tuple[float, bool]] = []
        self.condemned_at: dict[str, float] = {}
        """Leg id -> when."""
        self.alerted_at: dict[str, float] = {}
        self.forged: list[str] = []
        """Forgeries that had an effect."""
        self.forgeries = 0
        self._deeds: dict[str, Callable[[str, Deed], None]] = {
            "commit": self._commit,
            "claim": self._claim,
            "claim_promises": self._claim_promises,
            "done": self._done,
            "defer": self._done,
            "swap_breaker": self._breaker,
        }

    def seen(self, process: str, deed: Deed) -> None:
        """A process has done this at the store."""
        told = _TELLS_TIME.get(deed.name)
        if told is not None and (told.always or deed.result):
            self._clock = max(self._clock, deed.given[told.place])
        handler = self._deeds.get(deed.name)
        if handler is not None:
            handler(process, deed)

    # --- deeds ---------------------------------------------------------------------------------------------------

    def _commit(self, process: str, deed: Deed) -> None:
        change: Change = deed.given[0]
        if not isinstance(deed.result, Committed):
            self.fenced += type(deed.result).__name__ == "Fenced"
            return
        before, after = self.calls.get(change.call.id), deed.result.call
        permit = change.permit
        breaker = self.breakers.get(permit.carrier, Breaker()) if permit else None
        if change.done is not None:
            self._acknowledged(*change.done)
        if change.kept is not None and self.keepers.get(after.id) != change.kept:
            self.stale_keepers.append(f"the promise of {after.id} was kept under {change.kept}, not {self.keepers.get(after.id)}")
        if before is None or before.promise != after.promise:
            self.keepers.pop(after.id, None)
        self._clock = max(self._clock, deed.given[1])
        write = Write(
            at=self._now(), clock=self._clock, process=process, before=before, change=change, after=after, breaker=breaker
        )
        self.writes.append(write)
        self.calls[after.id] = after
        self._follow(after)
        if permit is not None and permit.probe is not None:
            self.breakers[permit.carrier] = permit.probe
        self._history.note(process, "commit", after.id[-8:], after.version, after.status.value, _legs(after), _words(change))
        if change.follow is not None:
            self._follow_up(process, change.follow)

    def _follow_up(self, process: str, change: Change) -> None:
        """The new call that was written with the end of another."""
        after = replace(change.call, version=1)
        self.writes.append(
            Write(at=self._now(), clock=self._clock, process=process, before=None, change=change, after=after, breaker=None)
        )
        self.calls[after.id] = after
        self._history.note(process, "follow", after.id[-8:], after.retry_of[-8:], after.status.value)

    def _follow(self, call: Call) -> None:
        for leg in call.legs:
            if leg.phase is LegPhase.CONDEMNED:
                self.condemned_at.setdefault(leg.id, self._now())
            if leg.alerted_at is not None:
                self.alerted_at.setdefault(leg.id, self._now())

    def _claim(self, process: str, deed: Deed) -> None:
        claims: tuple[Claim, ...] = deed.result
        for claim in claims:
            self.tokens[claim.command_id] = claim.token
            what = f"{type(claim.command).__name__} {claim.command.leg_id[-6:]}"
            self._history.note(process, "claim", claim.command.call_id[-8:], what, claim.deliveries)

    def _claim_promises(self, process: str, deed: Deed) -> None:
        claims: tuple[PromiseClaim, ...] = deed.result
        for claim in claims:
            self.keepers[claim.call_id] = claim.token
            self._history.note(process, "promise-due", claim.call_id[-8:], claim.token)

    def _done(self, _process: str, deed: Deed) -> None:
        claim: Claim = deed.given[0]
        if deed.result:
            self._acknowledged(claim.command_id, claim.token)
        else:
            self.fenced += 1

    def _acknowledged(self, command_id: str, token: str) -> None:
        if self.tokens.get(command_id) != token:
            self.stale.append(f"command {command_id} was acknowledged with token {token}, not {self.tokens.get(command_id)}")

    def _breaker(self, process: str, deed: Deed) -> None:
        carrier, _, breaker = deed.given
        if deed.result:
            before = self.breakers.get(carrier, Breaker())
            self.breakers[carrier] = breaker
            opened = breaker.state is BreakerState.OPEN and before.state is not BreakerState.OPEN
            self.blamed[carrier] += breaker.consecutive > before.consecutive or (opened and breaker.reason != "probe-lost")
            if before.state is not breaker.state:
                self._history.note(process, "breaker", carrier, before.state.value, breaker.state.value, breaker.reason)


class _Told(Struct, frozen=True):
    """Where in what was given to a command its time stands; `always`: also when the command has changed nothing."""

    place: int
    always: bool = False


_TELLS_TIME: dict[str, _Told] = {
    "claim": _Told(0),
    "claim_promises": _Told(0),
    "hasten_promises": _Told(0),
    "beat": _Told(1, always=True),
    "retire": _Told(1, always=True),
}
"""Commands beside `commit` that move the store's clock on, by which paces are kept: as the scripts with `keep_clock` do."""


def _legs(call: Call) -> str:
    return ",".join(f"{leg.carrier}:{leg.phase.value}{'!' if leg.hangup_wanted else ''}" for leg in call.legs)


def _words(change: Change) -> str:
    return "+".join(entry.kind for entry in change.entries)
