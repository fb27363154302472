"""How often a wrong key may be given: a few times at once, then slowly. Pure but for what it remembers.

Keys are long and random, so nobody guesses one; this keeps the log readable and the processor idle. It counts by address
and is kept by each process for itself.
"""

BURST = 5
EVERY_S = 10.0
"""After a burst of wrong keys, one more every so many seconds."""
REMEMBERED = 10_000
"""Addresses; the one that was heard of longest ago is forgotten first."""


class Tries:
    """Wrong keys by address, as the time at which all of them are forgiven."""

    def __init__(self) -> None:
        self._clear_at: dict[str, float] = {}

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        return max(0.0, self._clear_at.get(address, 0.0) - now - (BURST - 1) * EVERY_S)

    def failed(self, address: str, now: float) -> None:
        """A wrong key was given."""
        clear_at = max(self._clear_at.pop(address, 0.0), now) + EVERY_S
        self._clear_at[address] = clear_at
        if len(self._clear_at) > REMEMBERED:
            del self._clear_at[next(iter(self._clear_at))]

    def succeeded(self, address: str) -> None:
        """The right key was given: what came before is forgiven."""
        self._clear_at.pop(address, None)
