"""Marks that a carrier has been given and has not played yet. Pure.

On the wire each has a name that no other mark of the conversation had: so the echo of a mark that was cleared, which
some carriers send and some do not, is told from the echo of a later mark to which the agent gave the same name.
"""

from gateway.runtime.playout import Mark


class Marks:
    """Each mark that goes in comes out exactly once: played, or taken back."""

    def __init__(self) -> None:
        self._sent: dict[str, Mark] = {}
        self.number = 0
        """Of the last one sent; whoever goes on under the same stream begins there."""

    def __len__(self) -> int:
        return len(self._sent)

    def sent(self, mark: Mark) -> str:
        """Its name on the wire."""
        self.number += 1
        name = f"m{self.number}"
        self._sent[name] = mark
        return name

    def played(self, wire_name: str) -> list[Mark]:
        """The mark and all that were sent before it, whose echo must have been lost; nothing for a late echo."""
        if wire_name not in self._sent:
            return []
        played: list[Mark] = []
        for name in tuple(self._sent):
            played.append(self._sent.pop(name))
            if name == wire_name:
                break
        return played

    def take(self) -> list[Mark]:
        """All, in order: they will not be played any more."""
        taken = list(self._sent.values())
        self._sent.clear()
        return taken
