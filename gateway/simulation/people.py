"""Clients of the API: they lose patience, send again, send twice, change their minds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.simulation.history import History
from gateway.simulation.plan import CallPlan
from gateway.simulation.sockets import Answer

Send = Callable[[str, str, Mapping[str, str], bytes, float], Awaitable[Answer]]
"""(method, path, headers, body, time-out) -> answer; OSError or TimeoutError if there is none."""


class Told(Struct, frozen=True, kw_only=True):
    """One answer to a create request. `key` is the client's own, or empty."""

    at: float
    wish: int
    """Which of the world's planned calls."""
    key: str
    call_id: str
    status: int
    another_body: bool = False
    replayed: bool = False


class TakenBack(Struct, frozen=True, kw_only=True):
    """A client was told that a promise is taken back, and will not be kept."""

    at: float
    call_id: str


class Clients:
    """All clients of a world, and what they were told."""

    def __init__(self, send: Send, history: History, api_key: str, begin: float, now: Callable[[], float]) -> None:
        self._send, self._history, self._begin, self._now = send, history, begin, now
        self._headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
        self.told: list[Told] = []
        self.taken_back: list[TakenBack] = []

    async def act(self, plan: CallPlan, number: int) -> None:
        """One client from its first request to its last."""
        body = self._body(plan, number)
        if plan.also:
            first, second = await asyncio.gather(self._insist(plan, number, body), self._insist(plan, number, body))
            call_id = first or second
        else:
            call_id = await self._insist(plan, number, body)
        if call_id is None:
            return
        if plan.another_body:
            await self._create(plan, number, self._body(plan, number + 1000), another_body=True)
        await asyncio.gather(
            self._later(plan.cancel_after_s, "DELETE", f"/v1/calls/{call_id}"),
            self._later(plan.hang_up_after_s, "POST", f"/v1/calls/{call_id}/hangup"),
            *(self._steer(wish, call_id) for wish in plan.steering),
        )

    async def _steer(self, wish: tuple[str, float], call_id: str) -> None:
        """Keep the call's promise now, or take it back."""
        how, after_s = wish
        await asyncio.sleep(after_s)
        if how == "run":
            await self._try("POST", f"/v1/callbacks/cb_{call_id}/run", self._headers, b"", 10.0)
            return
        answer = await self._try("DELETE", f"/v1/callbacks/cb_{call_id}", self._headers, b"", 10.0)
        if answer is not None and answer.status == 200:
            self.taken_back.append(TakenBack(at=self._now(), call_id=call_id))

    def _body(self, plan: CallPlan, number: int) -> bytes:
        wish: dict[str, Any] = {
            "to": plan.to,
            "on_exhausted": plan.on_exhausted,
            "metadata": {"manner": plan.manner.value, "talk_s": str(plan.talk_s), "number": str(number)},
        }
        wish |= plan.promise
        if plan.not_before_s is not None:
            wish["not_before"] = _rfc3339(self._begin + plan.at + plan.not_before_s)
        return msgspec.json.encode(wish)

    async def _insist(self, plan: CallPlan, number: int, body: bytes) -> str | None:
        """Send until a call is accepted, or the client gives up; its id."""
        for attempt in range(plan.tries):
            told = await self._create(plan, number, body)
            if told is not None and (told.call_id or told.status == 422):
                return told.call_id or None
            await asyncio.sleep(0.2 * 2**attempt)
        return None

    async def _create(self, plan: CallPlan, number: int, body: bytes, *, another_body: bool = False) -> Told | None:
        headers = {**self._headers, "idempotency-key": plan.key} if plan.key else self._headers
        answer = await self._try("POST", "/v1/calls", headers, body, plan.patience_s if plan.key else 60.0)
        if answer is None:
            return None
        call_id = msgspec.json.decode(answer.body)["id"] if answer.status == 201 else ""
        replayed = answer.headers.get("idempotent-replayed") == "true"
        told = Told(
            at=self._now(),
            wish=number,
            key=plan.key,
            call_id=call_id,
            status=answer.status,
            another_body=another_body,
            replayed=replayed,
        )
        self.told.append(told)
        return told

    async def _later(self, after_s: float | None, method: str, path: str) -> None:
        if after_s is not None:
            await asyncio.sleep(after_s)
            await self._try(method, path, self._headers, b"", 10.0)

    async def _try(self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Answer | None:
        try:
            answer = await self._send(method, path, headers, body, timeout_s)
        except (OSError, TimeoutError) as error:
            self._history.note("client", f"{method.lower()}-unanswered", path, type(error).__name__)
            return None
        self._history.note("client", f"{method.lower()}-{answer.status}", path)
        return answer


def _rfc3339(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat()
