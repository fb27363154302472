"""Everything that happened in a world, in order: the trace by which a failure is understood, and two runs are compared."""

import hashlib
from collections.abc import Callable, Iterable

from msgspec import Struct


class Happening(Struct, frozen=True):
    """One line: virtual seconds since the world began, who (a process, `lab`, `client`, `world`), what, and details."""

    at: float
    who: str
    what: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.at:11.4f}  {self.who:<7} {self.what:<22} {' '.join(self.details)}".rstrip()


class History:
    """Append-only. `clock` is the loop's time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.happenings: list[Happening] = []
        self.counts: dict[str, int] = {}

    def note(self, who: str, what: str, *details: object) -> None:
        """It happens now."""
        self.happenings.append(Happening(self._clock(), who, what, tuple(map(str, details))))
        self.counts[what] = self.counts.get(what, 0) + 1

    def last(self, count: int) -> list[str]:
        """The newest lines, oldest first."""
        return [str(happening) for happening in self.happenings[-count:]]

    def lines(self) -> Iterable[str]:
        """All lines."""
        return map(str, self.happenings)

    def digest(self) -> str:
        """SHA-256 of all lines: the same for the same seed and the same program."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
