"""What a seed means for callers: people who dial our numbers, on every carrier, at bad moments and at good ones. Pure.

The caller's own number decides which inbound route takes the call, and with it which agent answers and how that one behaves.
"""

from random import Random
from typing import Literal

from msgspec import Struct

from gateway.config.structs import Route
from gateway.domain.outcome import Direction

CALLERS_OF: dict[str, str] = {
    "+15550101": "acting",
    "+15550102": "brief",
    "+15550103": "mute",
    "+15550104": "slow",
    "+15550105": "stuck",
    "+15550106": "absent",
    "+15550107": "breaks",
    "+155501009": "dies",
}
"""The beginning of a caller's number -> the agent who answers it."""
REFUSED: dict[str, Literal["busy", "rejected"]] = {"+15550108": "busy", "+15550109": "rejected"}
"""... -> how the caller is turned away."""
_OFTEN = ("+15550101",) * 12 + ("+15550102",) * 4 + ("+155501009",) * 3
WELCOME = ("acting", "brief")
"""Agents that answer whoever calls."""


class CallerPlan(Struct, frozen=True, kw_only=True):
    """One call of one person. `carrier` owns `to`."""

    at: float
    number: str
    carrier: str
    to: str
    patience_s: float
    """How long they let it ring."""
    hangup_after_s: float | None
    """How long after the answer they hang up; None: never."""
    withheld: bool = False

    @property
    def agent(self) -> str:
        """Who should answer; empty for a caller who is to be turned away."""
        if self.withheld:
            return "acting"
        if self.number.startswith(tuple(REFUSED)):
            return ""
        return next((agent for begin, agent in CALLERS_OF.items() if self.number.startswith(begin)), "acting")


def callers_of(seed: int, numbers: list[tuple[str, str]], callees: tuple[str, ...], trouble_s: float) -> tuple[CallerPlan, ...]:
    """`numbers`: (carrier, number of ours); `callees`: people that we call, who may call us as well."""
    chance = Random(f"callers:{seed}")
    count = chance.choice((0, 0, 3, 5, 8))
    calls = (_caller(chance, index, numbers, callees, trouble_s) for index in range(count))
    return tuple(sorted(calls, key=lambda call: call.at))


def _caller(chance: Random, index: int, numbers: list[tuple[str, str]], callees: tuple[str, ...], trouble_s: float) -> CallerPlan:
    carrier, to = chance.choice(numbers)
    late = chance.random() < 0.35
    at = chance.uniform(trouble_s + 2.0, trouble_s + 40.0) if late else chance.uniform(0.5, trouble_s * 0.95)
    beginning = chance.choice((*_OFTEN, *CALLERS_OF, *REFUSED))
    return CallerPlan(
        at=round(at, 3),
        number=chance.choice(callees) if chance.random() < 0.15 else f"{beginning}{index:0{12 - len(beginning)}d}",
        carrier=carrier,
        to=to,
        patience_s=chance.choice((0.2, 1.5, 8.0, 30.0, 30.0)),
        hangup_after_s=chance.choice((None, 0.5, 3.0, 8.0, 20.0)),
        withheld=chance.random() < 0.1,
    )


def inbound_routes() -> tuple[Route, ...]:
    """What config.yaml would say of these callers."""
    taken = (
        Route(name=f"in-{agent}", agent=agent, direction=Direction.INBOUND, prefix="+", from_prefix=begin)
        for begin, agent in CALLERS_OF.items()
    )
    refused = (
        Route(name=f"in-{how}", refuse=how, direction=Direction.INBOUND, prefix="+", from_prefix=begin)
        for begin, how in REFUSED.items()
    )
    return (Route(name="in", agent="acting", direction=Direction.INBOUND, prefix="+"), *taken, *refused)
