"""`holdline route`: which carriers a call would try now, in which order, and why; nothing is dialled."""

import json
from typing import Any

import typer

from gateway.commands.rest import Rest
from gateway.commands.table import show

_HEADINGS = ("place", "carrier", "from", "why", "again at")


def run(to: str, *, from_: str | None, route: str | None, url: str, as_json: bool) -> None:
    """Print the carriers, those that would be tried first."""
    wanted = {"to": to, "from": from_, "route": route}
    with Rest(url) as rest:
        found = rest.post("/v1/routes/explain", {name: value for name, value in wanted.items() if value is not None}, {})
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"{found['to']} by route {found['route']}, agent {found['agent']}")
    if found["denied"]:
        typer.echo(f"It would not be placed now: the compliance rule {found['denied']} forbids it.")
    show(_HEADINGS, [_row(carrier) for carrier in found["carriers"]])


def _row(carrier: dict[str, Any]) -> tuple[str, ...]:
    place = "-" if carrier["place"] is None else str(carrier["place"])
    return (place, carrier["carrier"], carrier["from"] or "", carrier["reason"], carrier["retry_at"] or "")
