"""Kills the carriers of a lab as a plan says, over the lab's control surface: what users may do to their own staging lab, too."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from gateway.chaos.done import Blow, Done
from gateway.chaos.plan import CarrierStrike, Plan


class CarrierStriker:
    """`carriers` are names, in the order that the plan counts them in; `done` tells what really happened."""

    def __init__(self, http: httpx.AsyncClient, lab_url: str, carriers: Sequence[str], done: Done) -> None:
        self._http, self._lab_url, self._carriers, self._done = http, lab_url, tuple(carriers), done
        self._strikes: dict[str, list[CarrierStrike]] = {carrier: [] for carrier in carriers}
        self._turn = asyncio.Lock()
        self.failures: list[str] = []
        """What went wrong in our own machinery."""

    async def carry_out(self, plan: Plan) -> None:
        """All of it, from now on; returns when all of it is undone."""
        begin = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for strike in plan.carrier_strikes:
                tasks.create_task(self._at(begin + strike.at, strike))

    async def heal(self) -> None:
        """Every carrier is well."""
        for carrier, strikes in self._strikes.items():
            strikes.clear()
            await self._tell_lab(carrier)

    async def _at(self, moment: float, strike: CarrierStrike) -> None:
        await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
        try:
            await self._strike(strike)
        except httpx.HTTPError as error:
            self.failures.append(f"{strike.name}: {type(error).__name__}: {error}")

    async def _strike(self, strike: CarrierStrike) -> None:
        carrier = self._carriers[strike.carrier % len(self._carriers)]
        begin = time.time()
        self._strikes[carrier].append(strike)
        await self._tell_lab(carrier)
        await asyncio.sleep(strike.for_s)
        self._strikes[carrier].remove(strike)
        await self._tell_lab(carrier)
        blow = Blow(at=begin, until=time.time(), what=strike.name, whom=carrier, kill=strike.kill, carrier=True)
        self._done.blows.append(blow)

    async def _tell_lab(self, carrier: str) -> None:
        """What is wrong with the carrier now: all strikes together, the newest first, since the first that strikes decides."""
        async with self._turn:
            faults = [fault for strike in reversed(self._strikes[carrier]) for fault in strike.faults]
            url = f"{self._lab_url}/lab/carriers/{carrier}/faults"
            (await self._http.put(url, json={"faults": faults})).raise_for_status()
            self._done.troubles[carrier].append((time.time(), bool(faults)))
