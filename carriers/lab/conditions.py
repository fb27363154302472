"""How the faults of the carriers reach the telephone network: the questions that it asks."""

from typing import Protocol


class Conditions(Protocol):
    """What the faults of a carrier do to its wires; the exchange answers for the switchboards."""

    def dead(self, carrier: str) -> bool:
        """The carrier is down: it reaches no phone."""
        ...

    def dial_delay(self, carrier: str, number: str) -> float:
        """Seconds that a dial waits in the carrier's queue."""
        ...

    def muted(self, carrier: str, ref: str, number: str, direction: str) -> bool:
        """Whether sound `to_person` or `from_person` is lost."""
        ...

    def talking(self, now: float, carrier: str, ref: str) -> None:
        """A call was answered, by whichever side: what faults will do to it in time can be planned."""
        ...
