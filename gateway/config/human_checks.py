"""What is wrong with the number of a colleague: none at all, one that no outbound route reaches, one of our own."""

from collections.abc import Iterator
from typing import Any

from gateway.config.crosschecks import entries, possible_number
from gateway.domain.errors import Problem
from gateway.strict import describe


def human_faults(document: Any, rung: Any, path: str) -> Iterator[Problem]:
    """Of one rung, at `path`; only of those that name a colleague."""
    human = rung.get("human") if isinstance(rung, dict) else None
    where, to = (f"{path}.human.to", human.get("to")) if isinstance(human, dict) else (f"{path}.human", human)
    if not isinstance(to, str):
        return
    if not possible_number(to):
        yield Problem(where, describe(to), 'allowed: the colleague\'s number, E.164 in quotes: "+15550100100"')
    elif to in _own_numbers(document):
        yield Problem(where, f"{describe(to)}, a number of ours", "allowed: any other number; calls to it would come back to us")
    elif not any(to.startswith(prefix) for prefix in _outbound_prefixes(document)):
        cure = f'allowed: a number that an outbound route reaches; add a route with prefix "{to[:3]}" or longer'
        yield Problem(where, f"{describe(to)}, which no outbound route reaches", cure)


def _own_numbers(document: Any) -> frozenset[str]:
    listed = (entry.get("numbers") for _, entry in entries(document, "carriers"))
    return frozenset(number for numbers in listed if isinstance(numbers, list) for number in numbers if isinstance(number, str))


def _outbound_prefixes(document: Any) -> list[str]:
    outbound = (route for _, route in entries(document, "routes") if route.get("direction", "outbound") == "outbound")
    return [str(route.get("prefix", "+1")) for route in outbound]
