"""Counts how often each kind of fault really struck."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from carriers.lab.faults import Fault, Switchboard

_JUDGES = ("strike", "strike_call", "strike_request")


def count_strikes(switchboard: Switchboard, counts: Counter[str]) -> None:
    """From now on every fault that strikes is counted by its kind. `down` and `flap` strike by being there: see the network."""
    for name in _JUDGES:
        setattr(switchboard, name, _counted(getattr(switchboard, name), counts))


def _counted(judge: Callable[..., Any], counts: Counter[str]) -> Callable[..., Any]:
    def counted(*given: Any) -> Any:
        struck = judge(*given)
        for fault in [struck] if isinstance(struck, Fault) else struck or ():
            counts[str(fault.kind)] += 1
        return struck

    return counted
