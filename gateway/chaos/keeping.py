"""What a run leaves in its folder beside the logs, for whoever wants to know why: one JSON line each."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from carriers.lab.ledger import Entry
from gateway.chaos.done import Done
from gateway.chaos.stock import Stock
from gateway.simulation.people import Told


def keep(folder: Path, entries: Iterable[Entry], stock: Stock, done: Done, told: Iterable[Told]) -> None:
    """ledger.jsonl, calls.jsonl (with their logs), blows.jsonl (what was done to whom), told.jsonl (what clients were told)."""
    _write(folder / "ledger.jsonl", (entry.flat() for entry in entries))
    calls = ({"call": call, "log": stock.entries[call_id]} for call_id, call in stock.calls.items())
    _write(folder / "calls.jsonl", calls)
    _write(folder / "blows.jsonl", sorted(done.blows, key=lambda blow: blow.at))
    _write(folder / "told.jsonl", told)


def _write(file: Path, lines: Iterable[Any]) -> None:
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
