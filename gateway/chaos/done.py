"""What was really done to whom and when: the counts of the table, and the times in which nothing can be expected. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from msgspec import Struct, field


class Blow(Struct, frozen=True, kw_only=True):
    """One thing that was done, in unix seconds. `moment`: the ledger's kind right before it, or `no moment`."""

    at: float
    until: float
    what: str
    whom: str
    moment: str = ""
    kill: bool = False
    carrier: bool = False


class Done(Struct, kw_only=True):
    """In order of time."""

    processes: int = 0
    blows: list[Blow] = field(default_factory=list)
    troubles: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    """Of each carrier: (since when, whether anything is wrong with it)."""
    store_troubles: list[tuple[float, bool]] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)
    """Processes of ours that were killed, by kind."""

    @property
    def own_kills(self) -> int:
        """Processes that were ended by signal 9, or by a full disk."""
        return self.deaths.total()

    @property
    def carrier_kills(self) -> int:
        """Carriers whose service was taken away."""
        return sum(blow.kill for blow in self.blows if blow.carrier)

    @property
    def own_troubles(self) -> Iterable[tuple[float, float]]:
        """(when, for how long) something of ours was wrong."""
        return ((blow.at, blow.until - blow.at) for blow in self.blows if not blow.carrier)

    def during(self, begin: float, end: float, carrier: str) -> list[Blow]:
        """What was wrong between, that this carrier's calls could feel."""
        return [
            blow for blow in self.blows if blow.at <= end and blow.until >= begin and (not blow.carrier or blow.whom == carrier)
        ]
