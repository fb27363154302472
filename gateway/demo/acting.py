"""Plays one step: kills a carrier, sets Alex' phone, places the call by REST, follows it, and has the witness judge it."""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
from msgspec import Struct

from gateway.demo import witness
from gateway.demo.alex import phone_setup
from gateway.demo.callers import Callers
from gateway.demo.client import GatewayClient, LabClient
from gateway.demo.following import Case, Following
from gateway.demo.lost_agent import LostAgent
from gateway.demo.mortal import Mortal
from gateway.demo.parrot import Parrot
from gateway.demo.recording import Hearing, NotStereo, listen
from gateway.demo.rungs import MESSAGE
from gateway.demo.stage import StageFailed
from gateway.demo.story import Carrier, Step
from gateway.demo.telling import Teller
from gateway.demo.witness import Finding

PHONE = "+15550100001"
CALL_TAKES_S = 30.0
BACK_WITHIN_S = 45.0
"""From the return of a carrier to the end of the call: it is noticed with the next health request."""
WELL_WITHIN_S = 30.0
"""A carrier that was dead is trusted again after some good health requests."""

Acted = tuple[tuple[Finding, ...], str | None]
"""What must have held, and the lab's word for the carrier that rang the phone."""


class Result(Struct, frozen=True, kw_only=True):
    """What became of a step, as the demo's JSON has it. `carrier` is the lab's word for the one that rang the phone."""

    name: str
    ok: bool
    seconds: float
    carrier: str | None


class Actor:
    """One phone, one gateway, one lab; recordings go to `folder`, and a failure names `logs`."""

    def __init__(self, gateway: GatewayClient, lab: LabClient, teller: Teller, folder: Path, logs: Sequence[Path]) -> None:
        self._gateway, self._lab, self._teller, self._folder, self._logs = gateway, lab, teller, folder, logs

    async def play(self, number: int, step: Step) -> Result:
        """Play and judge; whatever goes wrong becomes a finding."""
        self._teller.step(number, step.title, step.dies[1].told if step.dies else "")
        return await self._judged(step.name, lambda: self._act(number, step), lambda seconds: _held(step, seconds))

    async def play_outside(self, number: int, step: Step, parrot: Parrot) -> Result:
        """The same with the demo's agent from outside, which is a witness, too."""

        async def act() -> Acted:
            findings, carrier = await self._act(number, step)
            return (*findings, *witness.judge_outside(parrot.seen)), carrier

        needed = (*step.tried, step.through)
        self._teller.step(number, step.title, step.dies[1].told if step.dies else "")
        self._teller.waiting(f"until the breakers of {' and '.join(one.title for one in needed)} have closed again (up to 30s)")
        await self._gateway.until_well(tuple(carrier.name for carrier in needed), WELL_WITHIN_S)
        held = f"the agent saw one socket and one start; one ring, through {step.through.title}"
        return await self._judged(step.name, act, lambda seconds: f"{held} ({seconds:.1f}s)")

    async def play_callers(self, number: int, carriers: Sequence[Carrier]) -> Result:
        """People call us."""
        scene = Callers(self._lab, self._teller, carriers)

        async def act() -> Acted:
            findings = await scene.play()
            self._save(await self._lab.recording(scene.first.number), f"{number}-{scene.first.name.lower()}", scene.first.name)
            return findings, None

        self._teller.step(number, scene.title)
        return await self._judged("callers", act, lambda seconds: f"{scene.held} ({seconds:.1f}s)")

    async def play_lost_agent(self, number: int, carriers: Sequence[Carrier], mortal: Mortal) -> Result:
        """The agent dies in mid-call."""
        scene = LostAgent(self._gateway, self._lab, self._teller, carriers, mortal)

        async def act() -> Acted:
            findings = await scene.play()
            self._save(await self._lab.recording(MESSAGE.number), f"{number}-{MESSAGE.name.lower()}", MESSAGE.name)
            return findings, None

        self._teller.step(number, scene.title)
        return await self._judged("agent-lost", act, lambda seconds: f"each went down the ladder ({seconds:.1f}s)")

    async def _judged(self, name: str, act: Callable[[], Awaitable[Acted]], held: Callable[[float], str]) -> Result:
        began = time.monotonic()
        carrier: str | None = None
        try:
            findings, carrier = await act()
        except (httpx.HTTPError, NotStereo, OSError, StageFailed) as error:
            findings = (_no_answer(error),)
        seconds = time.monotonic() - began
        self._teller.verdict(findings, held(seconds), self._logs)
        return Result(name=name, ok=all(finding.ok for finding in findings), seconds=round(seconds, 2), carrier=carrier)

    async def totals(self, steps: int) -> Finding:
        """Over the whole story: as many rings and answers as calls."""
        try:
            phone = await self._lab.phone(PHONE)
        except httpx.HTTPError as error:
            return _no_answer(error)
        return witness.judge_story(phone["rings"], phone["answers"], steps)

    async def _act(self, number: int, step: Step) -> tuple[tuple[Finding, ...], str | None]:
        await self._set_the_stage(step)
        status, following = await self._place(step)
        waited = await self._wait_for_a_carrier(step, status, following) if step.comes_back else ()
        await following.until_over(BACK_WITHIN_S if step.comes_back else CALL_TAKES_S)
        seen = witness.sighting(await following.entries())
        heard = await self._listen(number, step) if seen.answers else None
        return (*waited, *witness.judge(step, seen, heard)), seen.rings[-1][0] if seen.rings else None

    async def _place(self, step: Step) -> tuple[int, Following]:
        """The request's status, and its call to follow."""
        since, placed_at = len(await self._lab.ledger(PHONE)), time.time()
        more = {"agent": step.agent} if step.agent else {}
        status, call = await self._gateway.place(PHONE, **more)
        asked = json.dumps({"to": PHONE, **more})
        self._teller.at(0.0, f"POST /v1/calls {asked} → {status}")
        case = Case(step=step, number=PHONE, call_id=call["id"], since=since, placed_at=placed_at)
        return status, Following(self._gateway, self._lab, self._teller, case)

    async def _set_the_stage(self, step: Step) -> None:
        if step.dies is not None:
            carrier, death = step.dies
            await self._lab.set_faults(carrier.lab, death.fault)
        await self._lab.set_phone(PHONE, **phone_setup(step))

    async def _wait_for_a_carrier(self, step: Step, status: int, following: Following) -> tuple[Finding, ...]:
        call = await following.until_scheduled()
        findings = witness.judge_waiting(status, call, witness.sighting(await following.entries()))
        await self._lab.set_faults(step.through.lab)
        following.comes_back(step.through.title)
        return findings

    async def _listen(self, number: int, step: Step) -> Hearing:
        wav = await self._lab.recording(PHONE)
        heard = listen(wav)
        self._teller.heard(heard)
        self._save(wav, f"{number}-{step.through.name}", "Alex")
        return heard

    def _save(self, wav: bytes, name: str, who: str) -> None:
        path = self._folder / f"{name}.wav"
        path.write_bytes(wav)
        self._teller.saved(path, who)


def _no_answer(error: Exception) -> Finding:
    return Finding(expected="the gateway and the lab answer", saw=f"{type(error).__name__} {error}".strip(), ok=False)


def _held(step: Step, seconds: float) -> str:
    promise = "promise kept: " if step.comes_back else ""
    return f"{promise}one ring, through {step.through.title}; both heard each other ({seconds:.1f}s)"
