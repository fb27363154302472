"""The wire below the carriers' `in_memory.py`: requests that reach a simulator's pure core without a socket, in virtual time.

What `sdk_threads` and the wires below the SDKs promise, this promises too: one dial is one request, sent only while its
shot is good; a failure before it is NotSent; whatever fails after it is Unknown. The times are asyncio's and the clock's
that was handed in, so an event loop of virtual time drives it.

Coarser than a network in one way: a job of several requests (a look-up) asks them all in the same instant, and waits for
the sum of their answers' delays.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from carriers.contract import Gate, Health, Placed, Setting, Wanted
from carriers.messages_left import NoMessages
from carriers.sdk_threads import UNREACHABLE, unknown, unsent
from carriers.shot import HttpAnswer, Shot
from gateway.domain.errors import CarrierError, NotSent
from gateway.domain.verdict import Attribution, Verdict, next_carrier

T = TypeVar("T")

CONNECT_S = 0.02
"""From the wish to the first byte."""
CONTROL_S = 6.0
"""As long as `sdk_threads` waits for anything but a dial."""


class NothingToSet(NoMessages):
    """The part of `carriers.contract.Carrier` that a simulation does without: its numbers are set by the world, through the
    `point_here(ask, wanted)` of each carrier's `in_memory.py`, and no fallback document takes messages.
    """

    async def survey(self, wanted: Wanted) -> tuple[Setting, ...]:
        return ()

    async def amend(self, wanted: Wanted, settings: tuple[Setting, ...]) -> None:
        """Nothing was found wrong."""


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP request to the carrier's API; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Heard(Struct, frozen=True, kw_only=True):
    """What became of a request: an answer after `delay_s`, or the way in which none came.

    `refused`: nobody listens, nothing was sent; `closed`: the connection ended after the request; `held`: no answer ever.
    """

    answer: HttpAnswer | None = None
    delay_s: float = 0.0
    lost: Literal["", "refused", "closed", "held"] = ""


Line = Callable[[Request], Heard]
"""Hands one request over, now."""
Ask = Callable[[Request], HttpAnswer]
"""As a job sees it: the answer, whatever its status; CarrierError if there is none."""


class Wire:
    """The requests of one opened carrier."""

    def __init__(self, line: Line, clock: Callable[[], float]) -> None:
        self._line, self._clock = line, clock

    async def dial(
        self,
        request: Request,
        *,
        deadline: float,
        gate: Gate,
        accept: Callable[[HttpAnswer], Placed],
        judge: Callable[[HttpAnswer], Placed],
    ) -> Placed:
        """Send the one request. `accept` reads a 2xx, `judge` everything else."""
        shot = Shot(deadline, gate, self._clock)
        try:
            async with asyncio.timeout(shot.remaining):
                answer = await self._shoot(shot, request)
        except TimeoutError:
            return unsent("deadline-passed") if shot.call_off() else unknown("no-answer-in-time")
        except NotSent as error:
            return unsent(error.reason)
        except ConnectionError:
            return unknown("connection-lost")
        return accept(answer) if answer.status < 300 else judge(answer)

    async def _shoot(self, shot: Shot, request: Request) -> HttpAnswer:
        await asyncio.sleep(CONNECT_S)
        shot.fire()
        heard = self._line(request)
        if heard.lost == "refused":
            raise NotSent(UNREACHABLE)
        if heard.lost == "held":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(heard.delay_s)
        if heard.answer is None:
            raise ConnectionError(heard.lost)
        return heard.answer

    async def control(self, job: Callable[[Ask], T], timeout_s: float = CONTROL_S) -> T:
        """Run anything but a dial; CarrierError if no answer came in time, else what the job raises."""
        await asyncio.sleep(CONNECT_S)
        errand = _Errand(self._line, timeout_s)
        try:
            result: T | CarrierError = job(errand.ask)
        except CarrierError as error:
            result = error
        await asyncio.sleep(min(errand.waited_s, timeout_s))
        if errand.waited_s >= timeout_s:
            raise CarrierError("timeout", f"no answer within {timeout_s:g} s")
        if isinstance(result, CarrierError):
            raise result
        return result

    async def probe(self, job: Callable[[Ask], object], verdict_of: Callable[[CarrierError], Verdict | None]) -> Health:
        """One health request. `verdict_of` knows the carrier's own refusals; None: nobody answered."""
        began = self._clock()
        try:
            await self.control(job)
        except CarrierError as error:
            verdict = verdict_of(error) or next_carrier(error.reason, attribution=Attribution.NETWORK, detail=error.detail)
            return Health(seconds=self._clock() - began, verdict=verdict, detail=error.detail)
        return Health(seconds=self._clock() - began)


class _Errand:
    """The requests of one job, and how long their answers take together."""

    def __init__(self, line: Line, timeout_s: float) -> None:
        self._line, self._timeout_s, self.waited_s = line, timeout_s, 0.0

    def ask(self, request: Request) -> HttpAnswer:
        heard = self._line(request)
        self.waited_s += self._timeout_s if heard.lost == "held" else heard.delay_s
        if heard.answer is None or self.waited_s >= self._timeout_s:
            raise CarrierError(UNREACHABLE, heard.lost or "late")
        return heard.answer


def told(answer: HttpAnswer) -> HttpAnswer:
    """The answer of a request that nothing may hinder, such as those that set a world up."""
    if answer.status >= 300:
        raise CarrierError("not-set-up", f"{answer.status} {answer.body[:200].decode(errors='replace')}")
    return answer


# --- building and reading ----------------------------------------------------------------------------------------


def form(method: str, path: str, authorization: str, fields: Mapping[str, str | int | list[str]]) -> Request:
    """A form, as `requests` sends it; a list repeats its key."""
    headers = {"authorization": authorization, "content-type": "application/x-www-form-urlencoded"}
    return Request(method=method, path=path, headers=headers, body=urlencode(fields, doseq=True).encode())


def json(
    method: str, path: str, authorization: str, document: object = None, query: Mapping[str, str | int] | None = None
) -> Request:
    """JSON, or no body at all."""
    headers = {"authorization": authorization, "content-type": "application/json"}
    body = b"" if document is None else msgspec.json.encode(document)
    return Request(method=method, path=path, query=urlencode(query or {}), headers=headers, body=body)


def document(answer: HttpAnswer) -> dict[str, object]:
    """The answer's JSON object; empty for anything else."""
    try:
        return msgspec.json.decode(answer.body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
