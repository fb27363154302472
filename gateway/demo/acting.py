"""Plays one step: kills a carrier, sets Alex' phone, places the call by REST, follows it, and has the witness judge it."""

import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from msgspec import Struct

from gateway.demo import witness
from gateway.demo.alex import phone_setup
from gateway.demo.client import GatewayClient, LabClient
from gateway.demo.following import Case, Following
from gateway.demo.recording import Hearing, NotStereo, listen
from gateway.demo.story import Step
from gateway.demo.telling import Teller
from gateway.demo.witness import Finding

PHONE = "+15550100001"
CALL_TAKES_S = 30.0
BACK_WITHIN_S = 45.0
"""From the return of a carrier to the end of the call: it is noticed with the next health request."""


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
        began = time.monotonic()
        self._teller.step(number, step)
        carrier: str | None = None
        try:
            findings, carrier = await self._act(number, step)
        except (httpx.HTTPError, NotStereo, OSError) as error:
            findings = (_no_answer(error),)
        seconds = time.monotonic() - began
        self._teller.verdict(findings, _held(step, seconds), self._logs)
        return Result(name=step.name, ok=all(finding.ok for finding in findings), seconds=round(seconds, 2), carrier=carrier)

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
        status, call = await self._gateway.place(PHONE)
        self._teller.at(0.0, f'POST /v1/calls {{"to": "{PHONE}"}} → {status}')
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
        path = self._folder / f"{number}-{step.through.name}.wav"
        path.write_bytes(wav)
        heard = listen(wav)
        self._teller.heard(heard)
        self._teller.saved(path)
        return heard


def _no_answer(error: Exception) -> Finding:
    return Finding(expected="the gateway and the lab answer", saw=f"{type(error).__name__} {error}".strip(), ok=False)


def _held(step: Step, seconds: float) -> str:
    promise = "promise kept: " if step.comes_back else ""
    return f"{promise}one ring, through {step.through.title}; both heard each other ({seconds:.1f}s)"
