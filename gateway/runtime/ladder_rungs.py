"""What happens behind two rungs while a person stands on them: a lost agent is called again, a callback is promised."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog
from msgspec.structs import replace

from agent.contract import CallInfo
from gateway.domain.errors import AgentUnavailable, HoldlineError, StoreUnavailable
from gateway.domain.ladder import Rung, RungKind, lost_agents, waited_for
from gateway.domain.records import Call
from gateway.runtime.bridge import CALL_OVER, Bridge
from gateway.runtime.casting import Gone, Kept, again, keep, read_kept
from gateway.runtime.clock import Clock
from gateway.runtime.errands import Errands
from gateway.runtime.ladder import Ladder
from gateway.runtime.leases import LeaseLost

log = structlog.get_logger(__name__)

NOBODY_CAME = "nobody-came-back"
FIRST_TRY_S = 0.25
_LONGEST_PAUSE_S = 2.0
_HOLD = Rung(kind=RungKind.HOLD)
_ASK_TIMES, _ASK_EVERY_S = 5, 1.0


class Holds:
    """`agent.hold.Watch` of the agent `hold`: calls the lost agent again until it is there, or the time is up."""

    def __init__(self, bridge: Bridge, ladder: Ladder, clock: Clock) -> None:
        self._bridge, self._ladder, self._clock = bridge, ladder, clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._errands = Errands()

    def began(self, call: CallInfo, kept: Mapping[str, Any]) -> None:
        self.over(call)
        work = self._hold(call.call_id, read_kept(kept) or Kept())
        self._tasks[call.call_id] = asyncio.get_running_loop().create_task(work, name="hold")

    def heard(self, call: CallInfo) -> None:
        """The sentence is over, the waiting is not."""

    def over(self, call: CallInfo) -> None:
        task = self._tasks.pop(call.call_id, None)
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Let what is under way go."""
        tasks = tuple(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._errands.aclose()

    async def _hold(self, call_id: str, kept: Kept) -> None:
        try:
            await self._redial(call_id, kept)
        except (AgentUnavailable, LeaseLost) as error:
            log.info("hold-left", call_id=call_id, why=str(error))
        except Exception:
            log.exception("hold-failed", call_id=call_id)
            self._leave(call_id)
            self._errands.run("hold-given-up", self._ladder.give_up(call_id, began=bool(kept.agent)))

    async def _redial(self, call_id: str, kept: Kept) -> None:
        found = await self._ladder.rung_of(call_id)
        if found is None:
            return
        call, rung = found[0], found[1] or _HOLD
        until = (call.ladder.lost[-1].at if call.ladder.lost else self._clock.now()) + rung.for_s
        pause = FIRST_TRY_S
        while (left := until - self._clock.now()) > 0:
            await self._clock.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            if rung.retry and await self._is_back(call, kept):
                return
        self._leave(call_id)
        gone = Gone(call=call, agent=RungKind.HOLD.value, reason=NOBODY_CAME, context=keep(kept))
        self._errands.run("hold-over", self._ladder.descend(gone))

    async def _is_back(self, call: Call, kept: Kept) -> bool:
        """Whether the lost agent took the call again; raise AgentUnavailable if there is no call to take any more."""
        agent = waited_for(call)
        try:
            session = await self._bridge.start(call, agent, replace(again(agent, kept), anyway=True))
        except AgentUnavailable as error:
            log.info("agent-not-back", call_id=call.id, agent=agent, why=error.reason)
            return False
        task = self._tasks.pop(call.id, None)  # what is closed now is the hold itself, and must not take us with it
        try:
            await self._bridge.take_over(session)
        except AgentUnavailable as error:
            if task is None or error.reason == CALL_OVER or call.id not in self._bridge.call_ids:
                raise
            log.info("agent-not-back", call_id=call.id, agent=agent, why=error.reason)
            self._tasks[call.id] = task
            return False
        await self._ladder.back(call, agent)
        return True

    def _leave(self, call_id: str) -> None:
        self._tasks.pop(call_id, None)


class Asking(Protocol):
    """Stores promises to call back, as `CallbackRequests` does."""

    def ask(self, because: Call, *, note: str = "") -> Awaitable[Call]:
        """The promise; asked again, the same one. Raise HoldlineError if there can be none."""
        ...


class Promises:
    """`ask` is what `agent.callback_offer` asks."""

    def __init__(self, ladder: Ladder, asking: Asking, clock: Clock) -> None:
        self._ladder, self._asking, self._clock = ladder, asking, clock
        self._errands = Errands()

    def ask(self, call: CallInfo, told: Callable[[bool], None]) -> None:
        """Promise to call this call's person back; `told` hears whether that stands."""
        self._errands.run("promise-callback", self._ask(call.call_id, told))

    async def aclose(self) -> None:
        """Let what is under way go."""
        await self._errands.aclose()

    async def _ask(self, call_id: str, told: Callable[[bool], None]) -> None:
        told(await self._promised(call_id))

    async def _promised(self, call_id: str) -> bool:
        """A store that is away for a moment is waited for; the person hears that something is being done."""
        for _ in range(_ASK_TIMES):
            call = await self._ladder.call(call_id)
            if call is None:
                return False
            try:
                await self._asking.ask(call, note=_note(call))
            except StoreUnavailable as error:
                log.warning("callback-not-stored", call_id=call_id, error=str(error))
                await self._clock.sleep(_ASK_EVERY_S)
            except HoldlineError as error:
                log.warning("callback-impossible", call_id=call_id, error=str(error))
                return False
            else:
                return True
        return False


def _note(call: Call) -> str:
    lost = [f"{loss.agent} ({loss.reason})" for loss in lost_agents(call)]
    return f"we had lost: {', '.join(lost)}" if lost else ""
