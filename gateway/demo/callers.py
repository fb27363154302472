"""People call: one phone on each carrier's number, all at once; then one carrier loses its calls, and the others talk on.

Judged by the lab's ledger and by what the phones recorded, like the story.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from gateway.demo.alex import spoken
from gateway.demo.client import LabClient
from gateway.demo.story import Carrier
from gateway.demo.telling import Teller
from gateway.demo.witness import Finding

CALLERS = ("Bo", "Cleo", "Dana", "Eli", "Fay", "Gus")
TALKS_WITHIN_S = 10.0
GREETED_S = 1.5
"""So much of the agent each of them has heard when the carrier dies: its greeting, nearly whole."""
SPEAKS_AT_S, LEAVES_AT_S = 2.2, 6.0
"""After the answer: each says a sentence, hears what the agent answers, and hangs up."""
MORE_S = 0.3
"""So much more of the agent the others must have heard in the end."""
_LOOK_EVERY_S = 0.1
_COUNTED = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
_DEATH: Mapping[str, Any] = {"kind": "down"}


class Caller(Struct, frozen=True, kw_only=True):
    """A person and the number of ours that they call."""

    name: str
    number: str
    carrier: Carrier


class Talk(Struct, frozen=True, kw_only=True):
    """What became of one call. `before_s`, `heard_s`: of the agent, when the carrier died and in the end; `ends`: by whom."""

    caller: Caller
    bridges: int
    before_s: float
    heard_s: float
    ends: tuple[str, ...]


def callers(carriers: Sequence[Carrier]) -> tuple[Caller, ...]:
    """One for each carrier, as far as we know people; the last one's carrier will die."""
    pairs = enumerate(zip(CALLERS, carriers, strict=False), 1)
    return tuple(Caller(name=name, number=f"+1555010002{place}", carrier=carrier) for place, (name, carrier) in pairs)


def judge(talks: Sequence[Talk], victim: Caller | None) -> tuple[Finding, ...]:
    """Everybody was answered; who lost the carrier lost the call, and nobody else did."""
    return (
        *(_answered(talk) for talk in talks),
        *(_went_on(talk) if talk.caller != victim else _lost(talk) for talk in talks),
    )


class Callers:
    """Plays the scene with one phone for each of these carriers."""

    def __init__(self, lab: LabClient, teller: Teller, carriers: Sequence[Carrier]) -> None:
        self._lab, self._teller = lab, teller
        self._carriers = carriers
        self._people = callers(carriers)
        self._began = 0.0

    @property
    def victim(self) -> Caller | None:
        """Whose carrier dies; one caller alone keeps theirs."""
        return self._people[-1] if len(self._people) > 1 else None

    @property
    def first(self) -> Caller:
        """Whose call goes on to its end."""
        return self._people[0]

    @property
    def title(self) -> str:
        """The headline."""
        if self.victim is None:
            return f"Now {self.first.name} calls us"
        count = _COUNTED.get(len(self._people), str(len(self._people)))
        return f"Now {count} people call us, each through another carrier; then {self.victim.carrier.title} dies"

    @property
    def held(self) -> str:
        """What is told when all went well."""
        lost = "" if self.victim is None else f"; only the call on {self.victim.carrier.title} was lost"
        return f"every caller heard the agent{lost}"

    async def play(self) -> tuple[Finding, ...]:
        """From the first ring to the last goodbye."""
        for carrier in self._carriers:
            await self._lab.set_faults(carrier.lab)
        self._began = time.monotonic()
        await asyncio.gather(*(self._call(person) for person in self._people))
        before = await asyncio.gather(*(self._greeted(person) for person in self._people))
        self._say(f"the agent talks with {_listed([person.name for person in self._people])} at once")
        await self._kill()
        await asyncio.gather(*(self._ended(person) for person in self._people))
        talks = await asyncio.gather(*(self._talk(*pair) for pair in zip(self._people, before, strict=True)))
        others = _listed([person.name for person in self._people if person != self.victim])
        self._say(f"{others} talked on, and then hung up")
        first, *more = talks
        also = "".join(f", {talk.caller.name} {talk.heard_s:.1f}s" for talk in more)
        self._teller.sound(f"{first.caller.name} heard the agent for {first.heard_s:.1f}s{also}")
        return judge(talks, self.victim)

    async def _call(self, person: Caller) -> None:
        await self._lab.set_phone(person.number, behavior="answer", says="silence")
        ours = person.carrier.numbers[0]
        says = spoken("hello", SPEAKS_AT_S)
        await self._lab.dial(person.number, to=ours, caller_name=person.name, says=says, hangup_after_s=LEAVES_AT_S)
        self._say(f"{person.name} calls {ours}, our number at {person.carrier.title}")

    async def _greeted(self, person: Caller) -> float:
        deadline = time.monotonic() + TALKS_WITHIN_S
        while (heard := await self._heard(person)) < GREETED_S and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
            await asyncio.sleep(_LOOK_EVERY_S)
        return heard

    async def _ended(self, person: Caller) -> None:
        deadline = time.monotonic() + TALKS_WITHIN_S
        while not await self._ends(person) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _ends(self, person: Caller) -> tuple[str, ...]:
        entries = await self._lab.ledger(person.number)
        return tuple(entry["by"] for entry in entries if entry["kind"] == "hangup" and entry["answered"])

    async def _kill(self) -> None:
        if self.victim is not None:
            await self._lab.set_faults(self.victim.carrier.lab, _DEATH)
            told = f"{self.victim.carrier.title} dies in mid-call; it takes {self.victim.name}'s call with it"
            self._say(told, "red")

    async def _talk(self, person: Caller, before_s: float) -> Talk:
        entries = await self._lab.ledger(person.number)
        bridges = sum(entry["kind"] == "bridge" for entry in entries)
        heard_s, ends = await self._heard(person), await self._ends(person)
        return Talk(caller=person, bridges=bridges, before_s=before_s, heard_s=heard_s, ends=ends)

    async def _heard(self, person: Caller) -> float:
        return float((await self._lab.phone(person.number))["heard"]["speech_seconds"])

    def _say(self, text: str, style: str = "") -> None:
        self._teller.at(time.monotonic() - self._began, text, style)


def _answered(talk: Talk) -> Finding:
    expected = f"{talk.caller.name} is answered through {talk.caller.carrier.title} and hears the agent"
    saw = f"sound both ways {talk.bridges} times, {talk.before_s:.1f} s heard"
    return Finding(expected=expected, saw=saw, ok=talk.bridges == 1 and talk.before_s >= GREETED_S)


def _went_on(talk: Talk) -> Finding:
    expected = f"{talk.caller.name}'s call goes on until {talk.caller.name} hangs up"
    saw = f"{talk.heard_s - talk.before_s:.1f} s more of the agent; ended by {', '.join(talk.ends) or 'nobody'}"
    return Finding(expected=expected, saw=saw, ok=talk.ends == ("phone",) and talk.heard_s - talk.before_s >= MORE_S)


def _lost(talk: Talk) -> Finding:
    expected = f"{talk.caller.name}'s call ends with {talk.caller.carrier.title}"
    return Finding(expected=expected, saw=f"ended by {', '.join(talk.ends) or 'nobody'}", ok=talk.ends == ("network",))


def _listed(names: Sequence[str]) -> str:
    """Bo, Cleo and Dana."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
