"""Sparrow's REST API through plain `requests`: it has no SDK, and the wire below serves as well without one."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests

from carriers.contract import (
    Attempt,
    CarrierSettings,
    Finding,
    Gate,
    Handle,
    Health,
    LegAtCarrier,
    Markup,
    MediaCodec,
    Placed,
    Sighting,
    Webhooks,
)
from carriers.messages_left import NoMessages
from carriers.requests_wire import Wire
from carriers.sdk_threads import SdkThreads
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

from . import CAPABILITIES, verdicts
from .markup import SparrowMarkup
from .media import SparrowMedia
from .webhooks import SparrowWebhooks

ORIGIN = "https://api.sparrow.example"
_STATES = {state.value: state for state in LegAtCarrier}

T = TypeVar("T")
Answer = Mapping[str, Any]


class Refused(CarrierError):
    """An answer that is no 2xx, or none at all."""

    def __init__(self, verdict: Verdict, status: int = 0) -> None:
        super().__init__(verdict.reason, verdict.detail)
        self.verdict, self.status = verdict, status


class Sparrow(NoMessages):
    """`carriers.contract.Carrier` for one account."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float]) -> None:
        self.name = settings.name
        self.capabilities = CAPABILITIES
        self.webhooks: Webhooks = SparrowWebhooks(settings.credentials.signing_secret)
        self.markup: Markup = SparrowMarkup()
        self._clock = clock
        self._threads: SdkThreads[requests.Session] = SdkThreads(
            settings.name, lambda: _session(settings), clock, settings.threads
        )

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        return await self._threads.dial(
            lambda session: _answer(session.post(f"{ORIGIN}/calls", json=_order(attempt))),
            deadline=deadline,
            gate=gate,
            accept=lambda answer: Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=answer["id"]),
            judge=verdicts.judge,
        )

    async def find(self, handle: Handle) -> Sighting:
        listed = await self._ask(lambda session: _answer(session.get(f"{ORIGIN}/calls", params={"note": handle.leg_id}))["calls"])
        return _sighting(listed[0]) if listed else Sighting(state=LegAtCarrier.MISSING)

    async def hang_up(self, handle: Handle) -> None:
        call_id = handle.carrier_call_id or (await self.find(handle)).carrier_call_id
        if not call_id:
            return
        try:
            await self._ask(lambda session: _answer(session.post(f"{ORIGIN}/calls/{call_id}/end")))
        except Refused as refused:
            if refused.status != 404:
                raise

    async def probe(self) -> Health:
        began = self._clock()
        try:
            await self._ask(lambda session: _answer(session.get(f"{ORIGIN}/account")))
        except Refused as refused:
            return Health(seconds=self._clock() - began, verdict=refused.verdict, detail=str(refused))
        return Health(seconds=self._clock() - began)

    async def check(self) -> tuple[Finding, ...]:
        try:
            account = await self._ask(lambda session: _answer(session.get(f"{ORIGIN}/account")))
        except Refused as refused:
            return (Finding(what="credentials", ok=False, detail=str(refused), cure="Copy the key anew."),)
        numbers = Finding(what="numbers", ok=bool(account["numbers"]), detail=", ".join(account["numbers"]))
        return (Finding(what="credentials", ok=True, detail="the account answers"), numbers)

    def media(self) -> MediaCodec:
        return SparrowMedia()

    async def aclose(self) -> None:
        self._threads.close()

    async def _ask(self, job: Callable[[requests.Session], T]) -> T:
        """Run anything but a dial; raise Refused for every way in which it can fail."""
        try:
            return await self._threads.control(job)
        except Refused:
            raise
        except (CarrierError, requests.RequestException) as error:
            unreachable = next_carrier("unreachable", attribution=Attribution.NETWORK, detail=type(error).__name__)
            raise Refused(unreachable) from error


def _session(settings: CarrierSettings) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers["authorization"] = f"Bearer {settings.credentials.api_key}"
    session.mount(ORIGIN, Wire(ORIGIN, settings.base_url))
    return session


def _answer(response: requests.Response) -> Answer:
    if not response.ok or response.status_code >= 300:
        raise Refused(verdicts.of_status(response.status_code), response.status_code)
    found: Answer = response.json()
    return found


def _order(attempt: Attempt) -> Mapping[str, Any]:
    return {
        "to": attempt.to,
        "from": attempt.caller_id,
        "note": attempt.leg_id,
        "report_url": attempt.hook("report"),
        "ask_url": attempt.hook("ask"),
        "ring_limit_s": attempt.ring_timeout_s,
        "talk_limit_s": attempt.max_duration_s,
    }


def _sighting(call: Answer) -> Sighting:
    state = _STATES[call["state"]]
    verdict = verdicts.of_cause(call["cause"]) if state is LegAtCarrier.ENDED else None
    return Sighting(state=state, carrier_call_id=call["id"], verdict=verdict)
