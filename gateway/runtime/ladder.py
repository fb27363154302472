"""Takes calls down their ladders: whoever has lost their agent hears something at once, and then the next rung.

Each descent is written into the call before it is carried out, so that another process can go on from there. While the
store is away it is carried out all the same, from memory, and written when the store is back: the person is on the line
now. Whatever breaks in a descent, nobody is left in silence: the call ends with a goodbye, or at least it ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from msgspec.structs import replace

from gateway.domain.errors import AgentUnavailable, HoldlineError, StoreUnavailable
from gateway.domain.events import AgentBack, AgentLost
from gateway.domain.ladder import (
    BUILT_IN,
    GOODBYE,
    Chances,
    Choice,
    NoRung,
    Rung,
    RungKind,
    complete,
    descended,
    next_rung,
    unanswered,
)
from gateway.domain.records import Call, Loss
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.bridge import CALL_OVER, LOST_AT_ONCE, Bridge
from gateway.runtime.casting import BREAKER_OPEN, NOT_CONFIGURED, Casting, Gone, Kept, Wish, keep, read_kept, told_cause
from gateway.runtime.clock import Clock
from gateway.runtime.leases import LeaseLost
from gateway.runtime.live import LiveCalls
from gateway.runtime.store.contract import Store
from gateway.runtime.unsaid import Speaking, Unsaid

log = structlog.get_logger(__name__)

BROKEN = "ladder-broken"
"""Why a call is said goodbye to that a defect of ours left without anybody."""
_BY_DEFAULT = "by_default_after_s"
_AGAIN_S = 1.0
_ASK_WITHIN_S = 1.0


Ladders = Callable[[Call], tuple[Rung, ...]]
"""What the config says for this call."""
Obstacle = Callable[[Call], Awaitable[str]]
"""Why a rung is not to be had for this call; empty: it is."""


async def none(_call: Call) -> str:
    """There is none."""
    return ""


class Ladder:
    """`descend` is told of every agent that is gone. `no_message`: why no message can be taken; `no_callback`: why nobody can be
    called back; `no_human`: why nobody can be handed to a colleague; `no_carrier_message`: why the carrier cannot take a message.
    """

    def __init__(
        self,
        *,
        bridge: Bridge,
        casting: Casting,
        health: AgentHealth,
        speaking: Speaking,
        store: Store,
        live: LiveCalls,
        clock: Clock,
        ladders: Ladders,
        no_message: Obstacle = none,
        no_callback: Obstacle = none,
        no_human: Obstacle = none,
        no_carrier_message: Obstacle = none,
    ) -> None:
        self._bridge, self._casting, self._health = bridge, casting, health
        self._speaking, self._store, self._live, self._clock = speaking, store, live, clock
        self._ladders, self._no_callback = ladders, no_callback
        self._obstacles = {RungKind.VOICEMAIL: no_message, RungKind.HUMAN: no_human}
        self._obstacles[RungKind.CARRIER_VOICEMAIL] = no_carrier_message
        self._unsaid = Unsaid(speaking, clock)
        self._next: dict[str, Gone | None] = {}
        """Calls that are being taken down; and who was lost meanwhile."""

    async def descend(self, gone: Gone) -> None:
        """Find the call another agent; the next rung is in place, or the call ended, when this returns."""
        if gone.call.id in self._next:
            self._next[gone.call.id] = gone
            return
        self._next[gone.call.id] = gone
        try:
            await self._descend_all(gone.call.id)
        except LeaseLost:
            log.info("ladder-is-anothers", call_id=gone.call.id)
        except Exception as error:
            await self._fallen(gone, error)
        finally:
            del self._next[gone.call.id]

    async def give_up(self, call_id: str, *, began: bool) -> None:
        """The backstop: something of ours broke while this call's person waited. They hear that we are sorry, and the call ends;
        is that broken too, it ends without. `began`: as `Gone`.
        """
        try:
            if await self._said_goodbye(call_id, began=began):
                return
        except LeaseLost:
            return
        except Exception:
            log.exception("goodbye-failed", call_id=call_id)
        await self.hang_up(call_id, _fault(began=began))

    async def hang_up(self, call_id: str, by: str) -> None:
        """End the call; while the store is away, as soon as it is back: else a goodbye would be followed by silence for ever."""
        while True:
            try:
                await self._speaking.hang_up(call_id, by)
            except StoreUnavailable as error:
                log.warning("call-not-ended", call_id=call_id, error=str(error))
                await self._clock.sleep(_AGAIN_S)
            else:
                return

    async def aclose(self) -> None:
        """What the store has not been told by now, it is not told."""
        await self._unsaid.aclose()

    async def back(self, call: Call, agent: str) -> None:
        """A lost agent has the call again."""
        await self._say(call, AgentBack(agent=agent))

    async def nobody(self, call: Call) -> str:
        """Why nobody would talk in this call, were it dialled now; empty: its agent would, or another of its ladder.

        An agent that its breaker wants proved is started for this call now, and stays ready: nobody's phone rings for a probe.
        """
        try:
            while not self._bridge.ready(call) and (why := await self._unproved(call)):
                choice = self._instead(call, why)
                if isinstance(choice, NoRung):
                    return f"agent {call.talks}: {why}"
                if not self._health.ask(choice.rung.talker).probe:
                    break  # takes over when the phone rings
                call = await self._give_to(call, why, choice)
        except (AgentUnavailable, LeaseLost):
            log.info("not-ours-to-dial", call_id=call.id)  # the dial will find out as well
        return ""

    async def rung_of(self, call_id: str) -> tuple[Call, Rung | None] | None:
        """The call and the rung that it stands on; None if it is not there any more."""
        call = await self.call(call_id)
        if call is None or call.ended:
            return None
        rungs = self._ladders(call)
        return call, rungs[call.ladder.rung] if 0 <= call.ladder.rung < len(rungs) else None

    async def call(self, call_id: str) -> Call | None:
        """As it stands, with what could not be written yet; from memory while the store is away."""
        try:
            found = await self._store.load(call_id)
        except StoreUnavailable:
            found = self._live.get(call_id)
        return None if found is None else self._unsaid.seen(found)

    # --- before anybody is called --------------------------------------------------------------------------------

    async def _unproved(self, call: Call) -> str:
        """Why the call's agent would not take it; it is tried if that has to be found out."""
        absent = self._absence(call.talks)
        if absent or not self._health.ask(call.talks).probe:
            return absent
        try:
            await self._bridge.try_out(call)
        except AgentUnavailable as error:
            log.warning("probe-failed", call_id=call.id, error=str(error), cause=told_cause(error))
            return error.reason
        return ""

    def _instead(self, call: Call, why: str) -> Choice | NoRung:
        rungs, now = self._ladders(call), self._clock.now()
        without = descended(call, Loss(at=now, agent=call.talks, reason=why), "", -1, "")
        return next_rung(rungs, without, Chances(at=now, absent=self._absences(rungs)))

    async def _give_to(self, call: Call, why: str, choice: Choice) -> Call:
        """Another agent, before there is a leg; the caller id that is being thought of stays."""
        given = await self._say(call, self._lost(Gone(call=call, agent=call.talks, reason=why), choice))
        return replace(given, from_number=call.from_number)

    # --- one descent after the other -----------------------------------------------------------------------------

    async def _descend_all(self, call_id: str) -> None:
        while (gone := self._next[call_id]) is not None:
            self._next[call_id] = None
            await self._descend(gone)

    async def _fallen(self, gone: Gone, error: Exception) -> None:
        """In the middle of a descent: because the call is over, or through a defect."""
        if isinstance(error, AgentUnavailable) and error.reason == CALL_OVER:
            log.info("ladder-left", call_id=gone.call.id, why=error.reason)
            return
        log.error("descent-failed", call_id=gone.call.id, agent=gone.agent, exc_info=error)
        await self.give_up(gone.call.id, began=gone.began)

    async def _said_goodbye(self, call_id: str, *, began: bool) -> bool:
        """False if there is nobody to say it to, or if it has been tried; the call is to be ended without it then."""
        call = await self.call(call_id)
        if call is None or call.ended:
            await self._bridge.let_go(call_id)
            return True
        if unanswered(call) or call.talks == GOODBYE.talker:
            return False
        choice = Choice(rung=GOODBYE, place=len(complete(self._ladders(call))) - 1)
        call = await self._say(call, self._lost(Gone(call=call, agent=call.talks, reason=BROKEN, began=began), choice))
        await self._bridge.hand_over(call, GOODBYE.talker)
        return True

    async def _descend(self, gone: Gone) -> None:
        kept = _kept(gone)
        await self._bridge.stand_in(gone.call, Wish(context=keep(kept), kept=kept))
        next_gone: Gone | None = gone
        while next_gone is not None:
            next_gone = await self._step(next_gone, kept)

    async def _step(self, gone: Gone, kept: Kept) -> Gone | None:
        """One rung; the agent that could not take it, if it could not."""
        call = await self.call(gone.call.id)
        if call is None or call.ended:
            await self._bridge.let_go(gone.call.id)
            return None
        if unanswered(call) and (call.leg is None or not call.leg.live):
            await self._wait_for_a_leg(call, gone)
            return None
        choice = await self._choice(call, gone)
        if isinstance(choice, NoRung):
            return await self._take_back(call, gone, choice)
        call = await self._say(call, self._lost(gone, choice))
        return await self._take(call, choice.rung, kept)

    async def _take_back(self, call: Call, gone: Gone, choice: NoRung) -> Gone | None:
        """End it before anybody answers to nobody. While the store is away that cannot be said, and they may answer meanwhile:
        then we look again, for somebody waits.
        """
        try:
            await self._speaking.say(call.id, self._lost(gone, choice))
            await self._speaking.hang_up(call.id, _fault(began=gone.began))
        except StoreUnavailable as error:
            log.warning("call-not-taken-back", call_id=call.id, error=str(error))
            await self._clock.sleep(_AGAIN_S)
            return gone
        await self._bridge.let_go(call.id)  # it may be dialled again later: its agent is started anew then
        return None

    async def _choice(self, call: Call, gone: Gone) -> Choice | NoRung:
        after = descended(call, _loss(gone, self._clock.now()), "", -1, "")
        rungs = self._ladders(call)
        absent = self._absences(rungs)
        for kind, obstacle in self._obstacles.items():
            if kind in {rung.kind for rung in rungs} and kind not in absent and (why := await _why_not(obstacle, call)):
                absent[kind.value] = why
        chances = Chances(at=self._clock.now(), absent=absent, no_callback=await _why_not(self._no_callback, call))
        return next_rung(rungs, after, chances)

    def _absences(self, rungs: tuple[Rung, ...]) -> dict[str, str]:
        return {rung.talker: why for rung in rungs if (why := self._absence(rung.talker))}

    def _absence(self, agent: str) -> str:
        if not self._casting.knows(agent):
            return NOT_CONFIGURED
        return "" if self._health.ask(agent).allowed else BREAKER_OPEN

    async def _take(self, call: Call, rung: Rung, kept: Kept) -> Gone | None:
        try:
            await self._bridge.hand_over(call, rung.talker, Wish(context=_context(rung, kept), kept=kept))
        except AgentUnavailable as error:
            if error.reason == CALL_OVER:
                raise
            began = error.reason == LOST_AT_ONCE
            return Gone(call=call, agent=rung.talker, reason=error.reason, detail=told_cause(error), began=began)
        return None

    async def _wait_for_a_leg(self, call: Call, gone: Gone) -> None:
        """Nobody's phone rings for this call now: the agent is started anew with its next leg."""
        await self._bridge.let_go(call.id)
        await self._say(call, self._lost(gone, NoRung(passed=())))

    async def _say(self, call: Call, event: AgentLost | AgentBack) -> Call:
        """The call afterwards; what cannot be written now is done all the same, and written later."""
        try:
            return await self._unsaid.say(call, event)
        except LeaseLost:
            raise
        except HoldlineError as error:
            raise AgentUnavailable(call.talks, CALL_OVER) from error

    def _lost(self, gone: Gone, choice: Choice | NoRung) -> AgentLost:
        lost = AgentLost(
            agent=gone.agent,
            reason=gone.reason,
            detail=gone.detail,
            began=gone.began,
            passed=choice.passed,
            lost_at=self._clock.now(),
        )
        if isinstance(choice, NoRung):
            return lost
        return replace(lost, rung=choice.rung.kind.value, place=choice.place, to=choice.rung.talker)


async def _why_not(obstacle: Obstacle, call: Call) -> str:
    """A disk that does not answer may cost its own rung, and nobody the others."""
    try:
        async with asyncio.timeout(_ASK_WITHIN_S):
            return await obstacle(call)
    except TimeoutError:
        return "no answer in time"


def _kept(gone: Gone) -> Kept:
    if gone.agent in BUILT_IN:
        return read_kept(gone.context) or Kept()
    return Kept(agent=gone.agent, context=gone.context, met=gone.met)


def _loss(gone: Gone, at: float) -> Loss:
    return Loss(at=at, agent=gone.agent, reason=gone.reason, began=gone.began)


def _fault(*, began: bool) -> str:
    return "agent-failed" if began else "agent-unavailable"


def _context(rung: Rung, kept: Kept) -> Mapping[str, Any] | None:
    if rung.kind in {RungKind.HOLD, RungKind.HUMAN, RungKind.CARRIER_VOICEMAIL}:
        return keep(kept)
    default = rung.by_default_after_s
    return {_BY_DEFAULT: default} if rung.kind is RungKind.CALLBACK and default is not None else None
