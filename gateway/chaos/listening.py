"""Fetches what phones heard, and says who heard somebody else."""

from collections.abc import Iterable

import httpx

from carriers.lab.ledger import Entry
from gateway.chaos.crossings import hummed, pitch


async def crossed(http: httpx.AsyncClient, lab_url: str, entries: Iterable[Entry]) -> tuple[int, list[str]]:
    """(phones listened to, what was wrong). Every phone that was bridged; its last answered call."""
    numbers = sorted({entry.number for entry in entries if entry.kind == "bridge" and entry.number})
    listened, wrong = 0, []
    for number in numbers:
        answer = await http.get(f"{lab_url}/lab/phones/{number}/audio")
        if answer.status_code != httpx.codes.OK:
            continue  # only the newest 300 MB of sound are kept
        listened += 1
        strange = hummed(answer.content) - {pitch(number)}
        if strange:
            wrong.append(f"{number} hums {pitch(number)} Hz and heard {sorted(strange)} Hz: somebody else's call")
    return listened, wrong
