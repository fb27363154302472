"""Makes and starts sessions: of which agent, whether its breaker lets one through, how long it may take, what it is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from agent.contract import Agent, CallInfo, LostAgent
from gateway.domain.errors import AgentUnavailable
from gateway.domain.ladder import RungKind
from gateway.domain.outcome import Direction
from gateway.domain.records import Call
from gateway.runtime.agent_health import AgentHealth, Trial
from gateway.runtime.attention import Attention, AttentionTerms
from gateway.runtime.session import Hooks, Session

NOT_CONFIGURED, BREAKER_OPEN, TOO_SLOW, FAILED = "not-configured", "breaker-open", "start-too-slow", "start-failed"
_LONGEST_DETAIL = 200
_KEPT = "kept"


class Count(Protocol):
    """Adds one to a metric of `telemetry.metrics`."""

    def __call__(self, name: str, amount: float = 1, **labels: str) -> None: ...


class Kept(Struct, frozen=True, kw_only=True):
    """What a lost agent left behind for whoever comes next; travels as the context of those who ask for patience."""

    agent: str = ""
    context: dict[str, Any] = {}
    met: bool = True
    """It had said something to the person; who has not greets them when it comes back."""


class Wish(Struct, frozen=True, kw_only=True):
    """How a session is to begin. `context`: it lived before. `met`: the person has been on the line with it before."""

    context: Mapping[str, Any] | None = None
    met: bool = False
    anyway: bool = False
    """Somebody waits for this agent and no other: its breaker is not asked."""
    kept: Kept = Kept()


Earlier = Callable[[Call], Awaitable[Mapping[str, Any]]]
"""What the agent of the call that this one was promised in knew at its end."""


async def _nothing_earlier(_call: Call) -> Mapping[str, Any]:
    return {}


class Casting:
    """`agents` by their name, our own among them; `attention` by name, for those that owe somebody a word."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        count: Count,
        *,
        health: AgentHealth,
        attention: Mapping[str, AttentionTerms] | None = None,
        start_within_s: float = 5.0,
        earlier: Earlier = _nothing_earlier,
    ) -> None:
        self._agents, self._count, self._health = agents, count, health
        self._attention, self._start_within_s, self._earlier = attention or {}, start_within_s, earlier

    def knows(self, name: str) -> bool:
        """Whether there is such an agent."""
        return name in self._agents

    async def start(self, call: Call, name: str, hooks: Hooks, wish: Wish | None = None) -> Session:
        """A session that is ready for the person; raise AgentUnavailable, with the reason in its words as its cause."""
        wish = wish or Wish()
        agent = self._agents.get(name)
        if agent is None:
            raise AgentUnavailable(name, NOT_CONFIGURED)
        trial = self._health.begin(name, anyway=wish.anyway)
        if trial is None:
            raise AgentUnavailable(name, BREAKER_OPEN)
        try:
            async with asyncio.timeout(self._start_within_s):
                session = self._session(call, name, agent, hooks, trial, wish, await self._earlier(call))
                await session.start(wish.context)
        except Exception as error:
            trial.bad()
            raise AgentUnavailable(name, TOO_SLOW if isinstance(error, TimeoutError) else FAILED) from error
        except BaseException:
            trial.over()
            raise
        return session

    def _session(
        self, call: Call, name: str, agent: Agent, hooks: Hooks, trial: Trial, wish: Wish, earlier: Mapping[str, Any]
    ) -> Session:
        made = agent.session(_info(call, name, wish.kept, earlier))
        terms = self._attention.get(name)
        return Session(
            call,
            name,
            made,
            hooks=hooks,
            dropped=lambda frames: self._count("media_audio_dropped_total", frames, direction="out"),
            trial=trial,
            attention=Attention(terms, made.format) if terms else None,
            resumed=wish.met,
        )


def resumption(agent: str, context: Mapping[str, Any] | None) -> Wish:
    """How an agent goes on with what was stored in another process; that may be what somebody else kept for it."""
    if context is None:
        return Wish()
    kept = read_kept(context)
    if kept is None or agent in {RungKind.HOLD, RungKind.HUMAN, RungKind.CARRIER_VOICEMAIL}:
        return Wish(context=context, met=True, kept=kept or Kept())
    return again(agent, kept)


def again(agent: str, kept: Kept) -> Wish:
    """How this agent begins where somebody kept that for it, or for another one: who has said nothing to the person greets."""
    if kept.agent != agent:
        return Wish(kept=kept)
    return Wish(context=kept.context if kept.met or kept.context else None, met=kept.met, kept=kept)


def keep(kept: Kept) -> dict[str, Any]:
    """As a context."""
    return {_KEPT: msgspec.to_builtins(kept)}


def read_kept(context: Mapping[str, Any]) -> Kept | None:
    """From the context of somebody who keeps it; None for any other context."""
    return msgspec.convert(context[_KEPT], Kept) if _KEPT in context else None


def told_cause(error: BaseException) -> str:
    """What stands behind an AgentUnavailable, in a few words; empty if it says all itself."""
    cause = error.__cause__
    return "" if cause is None else f"{cause or type(cause).__name__}"[:_LONGEST_DETAIL]


def _info(call: Call, name: str, kept: Kept, earlier: Mapping[str, Any]) -> CallInfo:
    outbound_leg = call.leg if call.direction is Direction.OUTBOUND else None
    return CallInfo(
        call_id=call.id,
        session_id=call.session_id,
        direction=call.direction.value,
        from_number=outbound_leg.caller_id if outbound_leg else call.from_number or "",
        to_number=call.to,
        agent=name,
        caller_name=call.caller_name,
        attestation=call.attestation,
        language=call.language,
        metadata=call.metadata,
        resumed=call.resumed,
        purpose=call.purpose,
        callback_of=call.callback_of,
        note=call.note,
        earlier=earlier,
        retry_of=call.retry_of,
        lost=_lost(call, kept),
    )


def _lost(call: Call, kept: Kept) -> tuple[LostAgent, ...]:
    """With the context of the one that had the conversation last, as far as it is known here."""
    losses = call.ladder.lost
    last = max((place for place, loss in enumerate(losses) if loss.agent == kept.agent), default=-1)
    return tuple(
        LostAgent(agent=loss.agent, reason=loss.reason, began=loss.began, context=kept.context if place == last else {})
        for place, loss in enumerate(losses)
    )


class Gone(Struct, frozen=True, kw_only=True):
    """An agent that a call has not got any more. `call` as it stood when the agent was started."""

    call: Call
    agent: str
    reason: str
    detail: str = ""
    began: bool = False
    """It had been ready for the person."""
    context: dict[str, Any] = {}
    """As it last told it."""
    met: bool = False
    """It had said something to the person."""
