"""Follows one call in the lab's ledger and tells it line by line, as it happens.

What a carrier's failure meant to the gateway (reason, knowledge) comes from `GET /v1/calls/{id}`; that is told, never judged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct

from gateway.demo.client import GatewayClient, LabClient
from gateway.demo.story import Step
from gateway.demo.telling import Teller, failed_over

SCHEDULED_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.1
_SETTLES_S = 3.0
"""How much later than the phone the gateway may know that a call is over."""

Reached = Callable[[], Awaitable[dict[str, Any] | None]]


class Case(Struct, frozen=True, kw_only=True):
    """The call that is followed. `since`: entries that the phone's ledger had before; `placed_at`: unix time of the request."""

    step: Step
    number: str
    call_id: str
    since: int
    placed_at: float


class Following:
    """One call, from the request on."""

    def __init__(self, gateway: GatewayClient, lab: LabClient, teller: Teller, case: Case) -> None:
        self._gateway, self._lab, self._teller, self._case = gateway, lab, teller, case
        known = (*case.step.tried, case.step.through)
        self._titles = {carrier.name: carrier.title for carrier in known}
        self._in_lab = {carrier.lab: carrier.title for carrier in known}
        self._entries_told = self._legs_told = 0
        self._back_at: float | None = None

    async def entries(self) -> list[dict[str, Any]]:
        """The ledger of the phone since this step began."""
        return (await self._lab.ledger(self._case.number))[self._case.since :]

    async def until_scheduled(self) -> dict[str, Any]:
        """Wait until the gateway has promised the call (or has waited too long); the Call as it then stands."""
        call = await self._until(self._scheduled, SCHEDULED_WITHIN_S)
        self._tell_failovers(call["legs"], None)
        await self._tell_passed_over()
        promise = call["callback"]
        if promise is not None:
            due = datetime.fromisoformat(promise["due_at"])
            self._say(time.time(), f"{call['status']}, due at {due:%H:%M:%S} UTC, or as soon as a carrier is back")
        return call

    def comes_back(self, title: str) -> None:
        """A carrier is well again."""
        self._back_at = time.time()
        self._say(self._back_at, f"{title} comes back", "green")

    async def until_over(self, within_s: float) -> None:
        """Tell everything until the phone's call has ended and the gateway knows it, or the time is over."""
        await self._until(self._over, within_s)
        await self._until(self._ended, _SETTLES_S)

    # --- waiting -------------------------------------------------------------------------------------------------

    async def _until(self, reached: Reached, within_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while (found := await reached()) is None and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
            await asyncio.sleep(_LOOK_EVERY_S)
        return found or await self._gateway.call(self._case.call_id)

    async def _scheduled(self) -> dict[str, Any] | None:
        call = await self._gateway.call(self._case.call_id)
        return call if call["status"] in {"scheduled", "ended"} else None

    async def _ended(self) -> dict[str, Any] | None:
        call = await self._gateway.call(self._case.call_id)
        return call if call["status"] == "ended" else None

    async def _over(self) -> dict[str, Any] | None:
        await self._tell_news()
        if any(entry["kind"] == "hangup" and entry["answered"] for entry in await self.entries()):
            await self._tell_news()
            return await self._gateway.call(self._case.call_id)
        return await self._ended()

    # --- telling -------------------------------------------------------------------------------------------------

    async def _tell_news(self) -> None:
        entries = await self.entries()
        for entry in entries[self._entries_told :]:
            tell = self._TELL.get(entry["kind"])
            if tell is not None:
                await tell(self, entry)
        self._entries_told = len(entries)

    async def _ring(self, entry: Mapping[str, Any]) -> None:
        call = await self._gateway.call(self._case.call_id)
        self._tell_failovers(call["legs"], entry["at"])
        after = "" if self._back_at is None else f", {entry['at'] - self._back_at:.1f}s after it came back"
        self._say(
            entry["at"],
            f"the phone rings: {self._in_lab.get(entry['carrier'], entry['carrier'])}, caller id {entry['caller_id']}{after}",
        )

    async def _answer(self, entry: Mapping[str, Any]) -> None:
        self._say(entry["at"], "Alex answers")

    async def _hangup(self, entry: Mapping[str, Any]) -> None:
        if entry["answered"]:
            self._say(entry["at"], "Alex hangs up" if entry["by"] == "phone" else self._case.step.goodbye)

    def _tell_failovers(self, legs: list[dict[str, Any]], ring_at: float | None) -> None:
        """Every attempt that ended without ringing, once; `ring_at` is the ring that ended the search."""
        for place in range(self._legs_told, len(legs)):
            leg, heir = legs[place], legs[place + 1] if place + 1 < len(legs) else None
            if leg["ended_at"] is None or leg["alerted_at"] is not None:
                return
            self._legs_told = place + 1
            failed_at = datetime.fromisoformat(leg["ended_at"]).timestamp()
            ring_in_s = None if ring_at is None else ring_at - failed_at
            self._say(failed_at, failed_over(leg, heir, ring_in_s, self._titles), "yellow")

    async def _tell_passed_over(self) -> None:
        for name, reason in (await self._gateway.passed_over(self._case.call_id)).items():
            self._say(time.time(), f"{self._titles.get(name, name)} is not asked: {reason}", "yellow")

    def _say(self, at: float, text: str, style: str = "") -> None:
        self._teller.at(at - self._case.placed_at, text, style)

    _TELL: ClassVar[Mapping[str, "Tell"]] = {"ring": _ring, "answer": _answer, "hangup": _hangup}


Tell = Callable[[Following, Mapping[str, Any]], Awaitable[None]]
