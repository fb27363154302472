"""Follows a lab's ledger from outside: every entry once, in order, and whoever waits for the next of its kind is woken."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx

from carriers.lab.ledger import Entry

_WAIT_S = 5.0
_AGAIN_S = 0.2
_HEAD = ("at", "kind", "carrier", "number", "carrier_call_id")


class Follower:
    """`entries` is the ledger as far as it was seen."""

    def __init__(self, client: httpx.AsyncClient, lab_url: str) -> None:
        self._client, self._url = client, f"{lab_url}/lab/ledger"
        self.entries: list[Entry] = []
        self.dropped = 0
        self._end = 0
        self._waiting: list[tuple[str, asyncio.Future[Entry]]] = []

    async def begin(self) -> None:
        """What lies in the ledger already is not ours."""
        self._end = (await self._ask(0.0))["end"]
        self.entries.clear()

    async def follow(self) -> None:
        """For ever."""
        while True:
            with suppress(httpx.TransportError):
                self._take(await self._ask(_WAIT_S))
                continue
            await asyncio.sleep(_AGAIN_S)

    async def catch_up(self) -> None:
        """All that was written until now."""
        self._take(await self._ask(0.0))

    async def next(self, kind: str, patience_s: float) -> Entry | None:
        """The next entry of this kind; None if there is none in time."""
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, future))
        try:
            return await asyncio.wait_for(future, patience_s)
        except TimeoutError:
            return None
        finally:
            self._waiting = [(wanted, one) for wanted, one in self._waiting if one is not future]

    async def _ask(self, wait_s: float) -> dict[str, Any]:
        answer = await self._client.get(self._url, params={"after": self._end, "wait_s": wait_s}, timeout=wait_s + 20.0)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def _take(self, told: dict[str, Any]) -> None:
        if told["end"] <= self._end:
            return
        news = [entry_of(flat) for flat in told["entries"]][-(told["end"] - self._end) :]
        self._end, self.dropped = told["end"], told["dropped"]
        self.entries += news
        for entry in news:
            self._wake(entry)

    def _wake(self, entry: Entry) -> None:
        for kind, future in self._waiting:
            if kind == entry.kind and not future.done():
                future.set_result(entry)


def entry_of(flat: dict[str, Any]) -> Entry:
    """An entry as the control surface prints it, back to what it was."""
    return Entry(**{name: flat[name] for name in _HEAD}, more={name: value for name, value in flat.items() if name not in _HEAD})
