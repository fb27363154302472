"""The half of chaos that users may let loose on a gateway and a lab of their own: carriers die, and nothing else.

The gateway is asked over its REST API alone, and the lab's ledger is the witness. The store is not looked into.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import httpx
from msgspec import Struct
from msgspec.structs import replace

from carriers.lab.ledger import Entry
from gateway.chaos.carriers import CarrierStriker
from gateway.chaos.done import Done
from gateway.chaos.doubles import AGAIN, DARK, WRONG, Ring
from gateway.chaos.ledger import Follower
from gateway.chaos.people import People
from gateway.chaos.plan import Plan, plan_of
from gateway.chaos.report import Result
from gateway.domain.errors import HoldlineError
from gateway.simulation.invariants.evidence import Checks
from gateway.simulation.people import Told
from gateway.simulation.truth import Person, Post, people

_LOOK_EVERY_S = 2.0

View = Mapping[str, Any]
"""A call, as the API shows it."""


class NotThere(HoldlineError):
    """Lab or gateway cannot be reached, or refuse us."""


class Terms(Struct, frozen=True, kw_only=True):
    """What was asked for. `patience_s`: how long after the last fault calls may take to end."""

    lab_url: str
    gateway_url: str
    key: str
    seed: int
    seconds: float
    kills: int
    """Of carriers."""
    wishes_each_s: float = 1.0
    patience_s: float = 120.0
    command: str = "holdline chaos"


async def run(terms: Terms, tell: Callable[[str], None]) -> Result:
    """Raise NotThere if there is nothing to let it loose on."""
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
        staging = Staging(http, terms)
        carriers = await staging.carriers()
        tell(f"{len(carriers)} carriers of the lab at {terms.lab_url}: {', '.join(carriers)}")
        plan = _calm(plan_of(terms.seed, seconds=terms.seconds, kills=(terms.kills + 1) // 2, gateways=1, carriers=len(carriers)))
        done, told, entries = await staging.through(plan, carriers, tell)
        views = await staging.views({one.call_id for one in told if one.call_id})
    rings = second_rings(views, entries, done)
    return Result(
        seed=terms.seed,
        command=terms.command,
        seconds=time.monotonic() - began,
        done=done,
        checks=judge(views, told, entries, rings),
        totals=Counter(entry.kind for entry in entries if entry.kind in {"dial", "ring", "answer", "bridge", "webhook"}),
        outcomes=Counter(str(view["outcome"] or view["status"]) for view in views.values()),
        rings=rings,
        failures=staging.failures,
    )


def _calm(plan: Plan) -> Plan:
    """Nobody calls in: whether a staging gateway answers callers is its owner's affair."""
    return replace(plan, strikes=(), callers=())


class Staging:
    """Somebody else's lab and gateway."""

    def __init__(self, http: httpx.AsyncClient, terms: Terms) -> None:
        self._http, self._terms = http, terms
        self._headers = {"authorization": f"Bearer {terms.key}"}
        self.failures: list[str] = []

    async def carriers(self) -> list[str]:
        """Names at the lab; asks the gateway, too, whether it takes our key."""
        lab = await self._ask(f"{self._terms.lab_url}/lab/carriers", {}, "a lab; `holdline lab` prints its URL")
        await self._ask(f"{self._terms.gateway_url}/v1/carriers", self._headers, "a gateway that takes HOLDLINE_API_KEY")
        return [report["name"] for report in lab["carriers"]]

    async def through(
        self, plan: Plan, carriers: Sequence[str], tell: Callable[[str], None]
    ) -> tuple[Done, Sequence[Told], list[Entry]]:
        """Trouble, then patience."""
        terms, done = self._terms, Done()
        follower = Follower(self._http, terms.lab_url)
        await follower.begin()
        clients = People(
            self._http, terms.gateway_url, terms.lab_url, terms.key, {}, carriers, f"{terms.seed}-{time.time():.0f}-"
        )
        striker = CarrierStriker(self._http, terms.lab_url, carriers, done)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(clients.act(plan))
                tasks.create_task(striker.carry_out(plan))
        finally:
            await striker.heal()
        tell(f"{done.carrier_kills} carriers were killed; all are well again, waiting until every call has its end")
        await self._until_over({one.call_id for one in clients.told if one.call_id})
        await follower.catch_up()
        self.failures += striker.failures
        return done, clients.told, follower.entries

    async def views(self, call_ids: set[str]) -> dict[str, View]:
        """Those that the gateway knows."""
        found = {}
        for call_id in sorted(call_ids):
            answer = await self._http.get(f"{self._terms.gateway_url}/v1/calls/{call_id}", headers=self._headers)
            if answer.status_code == httpx.codes.OK:
                found[call_id] = answer.json()
        return found

    async def _until_over(self, call_ids: set[str]) -> None:
        deadline = time.monotonic() + self._terms.patience_s
        waiting = call_ids
        while waiting and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)
            views = await self.views(waiting)
            waiting = {call_id for call_id, view in views.items() if view["status"] not in {"ended", "scheduled"}}

    async def _ask(self, url: str, headers: Mapping[str, str], what: str) -> Any:
        try:
            answer = await self._http.get(url, headers=dict(headers))
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise NotThere(f"{url} is not {what}: {error}") from error


# --- the judgement -----------------------------------------------------------------------------------------------


def judge(views: Mapping[str, View], told: Sequence[Told], entries: Sequence[Entry], rings: Sequence[Ring]) -> Checks:
    """What can be said without the store."""
    checks = Checks()
    checks.begin("calls lost")
    for call_id in sorted({one.call_id for one in told if one.call_id}):
        checks(call_id in views, f"call {call_id} was acknowledged, and the gateway does not know it")
    checks.begin("one outcome, or an open promise")
    for call_id, view in views.items():
        over = view["status"] == "ended" and view["outcome"] is not None
        checks(over or view["callback"] is not None, f"call {call_id} is still {view['status']}")
    checks.begin("one key, one call")
    for key, call_ids in _by_key(told).items():
        checks(len(call_ids) == 1, f"key {key} made the calls {sorted(call_ids)}")
    checks.begin("people connected twice")
    for number, persons in _persons(entries).items():
        for (_, end), (begin, _) in pairwise(sorted(bridge for person in persons for bridge in person.bridges)):
            checks(begin >= end, f"{number} was connected twice at {begin:.3f}")
        checks(True, "")
    checks.begin("phones rung twice are explained")
    for ring in rings:
        checks(ring.what != WRONG, f"{ring.number} rang through {ring.first} and {ring.second}: {ring.what}")
        checks.note(ring.what)
    return checks


def second_rings(views: Mapping[str, View], entries: Sequence[Entry], done: Done) -> list[Ring]:
    """Each with what the gateway says of the first leg, and the faults between the rings."""
    by_number = {view["to"]: view for view in views.values()}
    return [
        _ring(by_number[number], one, other, done)
        for number, persons in _persons(entries).items()
        if number in by_number
        for one, other in pairwise(sorted(persons, key=lambda person: person.rang_at or 0.0))
    ]


def _ring(view: View, one: Person, other: Person, done: Done) -> Ring:
    first, second = one.rang_at or 0.0, other.rang_at or 0.0
    what = _what(view, one, second)
    because = (
        () if what == AGAIN else tuple(f"{blow.whom}: {blow.what}" for blow in done.during(first - 1.0, second, one.carrier))
    )
    return Ring(
        call_id=view["id"],
        number=view["to"],
        first=one.carrier,
        second=other.carrier,
        seconds=round(second - first, 2),
        what=what,
        because=because,
    )


def _what(view: View, one: Person, second: float) -> str:
    """A leg that the gateway never found is condemned; one that had ended, in truth, may be followed by another."""
    legs = [leg for leg in view["legs"] if leg["carrier"] == one.carrier]
    if any(leg["status"] == "condemned" or leg["knowledge"] == "unknown" for leg in legs):
        return DARK
    return AGAIN if one.ended_at is not None and one.ended_at <= second else WRONG


def _by_key(told: Sequence[Told]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in told:
        if one.call_id and not one.another_body:
            found[one.key].add(one.call_id)
    return found


def _persons(entries: Sequence[Entry]) -> Mapping[str, list[Person]]:
    """Number -> what each carrier's call to it was."""
    rung = {(entry.carrier, entry.carrier_call_id): entry.number for entry in entries if entry.kind == "ring"}
    posts = [
        Post(at=0.0, process="", carrier=carrier, call_id=number, leg_id=ref, carrier_call_id=ref)
        for (carrier, ref), number in rung.items()
    ]
    found: dict[str, list[Person]] = defaultdict(list)
    for person in people(posts, entries):
        found[person.call_id].append(person)
    return found
