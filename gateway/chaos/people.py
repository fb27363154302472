"""Who makes calls in a run: impatient clients of the API, and phones that call us."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import httpx

from gateway.chaos.evidence import call_plan
from gateway.chaos.plan import Caller, Plan, Wish
from gateway.simulation.history import History
from gateway.simulation.people import Clients, TakenBack, Told
from gateway.simulation.sockets import Answer

BALANCERS_OWN = frozenset({502, 504})
"""A balancer says so of a request that a gateway may have taken: to the client it is no answer."""


class People:
    """`public_url` is where clients go, `lab_url` where the phones are; `numbers` are each carrier's. `run` keeps our
    keys apart from those of other runs on the same store.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        public_url: str,
        lab_url: str,
        key: str,
        numbers: Mapping[str, list[str]],
        carriers: Sequence[str],
        run: str = "",
    ) -> None:
        self._http, self._public, self._lab, self._key = http, public_url, lab_url, key
        self._numbers, self._carriers, self._run = numbers, carriers, run
        self.clients: Clients | None = None
        self.refused_callers = 0
        """Calls that no carrier took from a phone: it was down."""
        self.called: set[str] = set()

    @property
    def told(self) -> list[Told]:
        """What clients were told, in order."""
        return self.clients.told if self.clients else []

    @property
    def taken_back(self) -> list[TakenBack]:
        """Promises that a client was told are taken back."""
        return self.clients.taken_back if self.clients else []

    async def act(self, plan: Plan) -> None:
        """All of them, from now on, until the last has been answered or has given up."""
        begin = time.time()
        loop_begin = asyncio.get_running_loop().time()
        self.clients = Clients(self._send, History(time.time), self._key, begin, time.time)
        async with asyncio.TaskGroup() as tasks:
            for index, wish in enumerate(plan.wishes):
                tasks.create_task(self._client(self.clients, wish, index, loop_begin))
            for caller in plan.callers:
                tasks.create_task(self._caller(caller, loop_begin))

    async def _client(self, clients: Clients, wish: Wish, index: int, begin: float) -> None:
        await _until(begin + wish.at)
        await self._set_up(wish.to, wish.phone)
        await clients.act(call_plan(wish, index, self._run), index)

    async def _caller(self, caller: Caller, begin: float) -> None:
        await _until(begin + caller.at)
        numbers = self._numbers[self._carriers[caller.carrier % len(self._carriers)]]
        wish = {"to": numbers[0], **caller.call}
        answer = await self._http.post(f"{self._lab}/lab/phones/{caller.number}/call", json=wish)
        if answer.status_code >= 400:
            self.refused_callers += 1
        else:
            self.called.add(caller.number)

    async def _set_up(self, number: str, phone: Mapping[str, object]) -> None:
        (await self._http.put(f"{self._lab}/lab/phones/{number}", json=phone)).raise_for_status()

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Answer:
        """One request to the gateways, as an API client makes it."""
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._http.request(method, self._public + path, headers=dict(headers), content=body)
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error
        if answer.status_code in BALANCERS_OWN:
            raise OSError(f"the balancer answered {answer.status_code}")
        return Answer(status=answer.status_code, headers=dict(answer.headers), body=answer.content)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
