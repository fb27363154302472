"""`holdline carriers`: how each carrier of a running gateway stands."""

import json
from typing import Any

import typer

from gateway.commands.rest import Rest
from gateway.commands.table import show

_HEADINGS = ("carrier", "kind", "state", "breaker", "health", "live", "calls/s", "at once", "numbers")


def run(url: str, *, as_json: bool) -> None:
    """Print them in order of priority."""
    with Rest(url) as rest:
        page = rest.get("/v1/carriers")
    if as_json:
        typer.echo(json.dumps(page))
        return
    show(_HEADINGS, [_row(carrier) for carrier in page["items"]])


def _row(carrier: dict[str, Any]) -> tuple[str, ...]:
    place, limits = carrier["breaker"]["place"], carrier["limits"]
    breaker = place["state"] + (f" ({place['reason']})" if place["reason"] else "")
    health = "well" if carrier["well"] else "failing"
    numbers = " ".join(carrier["numbers"])
    pace, at_once = f"{limits['calls_per_second']:g}", str(limits["concurrent_calls"])
    return (
        carrier["name"],
        carrier["kind"],
        carrier["state"],
        breaker,
        health,
        str(carrier["live_legs"]),
        pace,
        at_once,
        numbers,
    )
