"""The ladder down: what a person gets when the agent cannot take the call, or is lost in it, rung by rung. Pure.

A ladder is an ordered tuple of rungs, and below the last one there is always a goodbye. It is only ever climbed down: the
next rung is the first one below the last that is possible now; why the others were passed over is told. When a lost
agent comes back (out of a hold), the ladder begins again at its top, twice at most.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.admission import OpeningHours
from gateway.domain.callback import person_of
from gateway.domain.events import AgentLost
from gateway.domain.handover import COLLEAGUE, Whisper
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call, Loss

MOST_HOLDS = 2
"""So often a person is asked to wait in one call."""


class RungKind(StrEnum):
    """What a rung is. The words are also the names under which the gateway's own agents stand."""

    AGENT = "agent"
    HOLD = "hold"
    HUMAN = "human"
    VOICEMAIL = "voicemail"
    CARRIER_VOICEMAIL = "carrier_voicemail"
    CALLBACK = "callback"
    GOODBYE = "goodbye"


MOMENT = "moment"
"""The agent that asks for a moment's patience until the next rung is there."""
BUILT_IN = frozenset({MOMENT, COLLEAGUE, *(kind.value for kind in RungKind if kind is not RungKind.AGENT)})
"""Names that no agent of the config may bear."""


class Rung(Struct, frozen=True, kw_only=True):
    """One rung; what a kind does not use is left alone."""

    kind: RungKind
    agent: str = ""
    """AGENT: whose turn it is."""
    for_s: float = 20.0
    """HOLD: so long the person is asked to wait."""
    retry: bool = True
    """HOLD: the lost agent is called again meanwhile."""
    to: str = ""
    """HUMAN: the colleague's number, E.164."""
    ring_s: float = 20.0
    """HUMAN: so long it rings at theirs."""
    whisper: Whisper = Whisper.PRESS_1
    """HUMAN: what they hear first."""
    by_default_after_s: float | None = None
    """CALLBACK: who presses nothing for so long is called back all the same; None: only who asks for it is."""
    direction: Direction | None = None
    """Only for these calls."""
    hours: OpeningHours | None = None
    """Only then."""

    @property
    def talker(self) -> str:
        """The agent that stands on this rung."""
        return self.agent if self.kind is RungKind.AGENT else self.kind.value

    def __str__(self) -> str:
        return f"agent {self.agent}" if self.kind is RungKind.AGENT else self.kind.value


GOODBYE = Rung(kind=RungKind.GOODBYE)


class Chances(Struct, frozen=True, kw_only=True):
    """What is possible now. `at` in unix seconds."""

    at: float
    absent: Mapping[str, str]
    """Agents, our own among them, that cannot take the call: why, by name. Who is not named here can."""
    no_callback: str = ""
    """Why nobody can be called back; empty: they can."""


class Choice(Struct, frozen=True, kw_only=True):
    """The rung to take, its place in the ladder (from 0), and `rung: why` of those that were passed over before it."""

    rung: Rung
    place: int
    passed: tuple[str, ...] = ()


class NoRung(Struct, frozen=True, kw_only=True):
    """Nothing is left that would make sense: the call ends before anybody answers it."""

    passed: tuple[str, ...]


def complete(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """The ladder with its last rung, which need not be written down."""
    return tuple(rungs) if rungs and rungs[-1].kind is RungKind.GOODBYE else (*rungs, GOODBYE)


def next_rung(rungs: Sequence[Rung], call: Call, chances: Chances) -> Choice | NoRung:
    """Where a call goes whose agent is lost; `call` as it stands with that loss written down."""
    passed: list[str] = []
    for place, rung in enumerate(complete(rungs)):
        if place <= call.ladder.rung:
            continue
        objection = _objection(rung, call, chances)
        if not objection:
            return Choice(rung=rung, place=place, passed=tuple(passed))
        passed.append(f"{rung}: {objection}")
    return NoRung(passed=tuple(passed))


def unanswered(call: Call) -> bool:
    """We call somebody who has not answered yet: nothing that is said now would be heard."""
    return call.direction is Direction.OUTBOUND and call.answered_at is None and not (call.leg and call.leg.answered_at)


def waited_for(call: Call) -> str:
    """The agent that a hold waits for: the last one that had the conversation, else the call's own; empty if there is none."""
    had_it = (loss.agent for loss in reversed(call.ladder.lost) if loss.began and loss.agent not in BUILT_IN)
    return next(had_it, "" if call.agent in BUILT_IN else call.agent)


def lost_agents(call: Call) -> tuple[Loss, ...]:
    """What this call has lost, in order, without our own agents: a hold that nobody came back from is no agent that was lost."""
    return tuple(loss for loss in call.ladder.lost if loss.agent not in BUILT_IN)


# --- what happened, written down ---------------------------------------------------------------------------------


def descended(call: Call, loss: Loss, rung: str, place: int, to: str) -> Call:
    """The call after a loss: `to` talks from here on, from this rung; an empty one means that nobody does."""
    ladder = replace(call.ladder, lost=(*call.ladder.lost, loss))
    if to:
        holds = ladder.holds + (1 if rung == RungKind.HOLD else 0)
        ladder = replace(ladder, talking=to, rung=place, holds=holds)
    return replace(call, ladder=ladder)


def after_loss(call: Call, event: AgentLost, now: float) -> Call:
    """The call after this word of a loss. Told twice it is one loss; who was leaving a message leaves it no more."""
    at = now if event.lost_at is None else event.lost_at
    loss = Loss(at=at, agent=event.agent, reason=event.reason, began=event.began)
    if event.lost_at is not None and loss in call.ladder.lost:
        return call
    after = descended(call, loss, event.rung, event.place, event.to)
    leaves_message = call.status is CallStatus.VOICEMAIL and event.to
    return replace(after, status=CallStatus.IN_PROGRESS) if leaves_message else after


def regained(call: Call, agent: str) -> Call:
    """The call after a lost agent has come back; should it be lost again, the ladder begins at its top."""
    return replace(call, ladder=replace(call.ladder, talking=agent, rung=-1))


def fault(call: Call) -> str:
    """Why a call that ends now has failed, although somebody ended it in good order: it had no agent any more, and no message
    of it was kept. Else empty.
    """
    if call.talks not in BUILT_IN or not call.ladder.lost or call.voicemail or _with_colleague(call):
        return ""
    return "agent-failed" if any(loss.began for loss in call.ladder.lost) else "agent-unavailable"


def judged(call: Call, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
    """How a call ends that would otherwise count as completed."""
    why = fault(call) if outcome is Outcome.COMPLETED else ""
    return (Outcome.FAILED, why) if why else (outcome, reason)


def _with_colleague(call: Call) -> bool:
    return call.talks == RungKind.HUMAN and bool(call.handed_to)


# --- why a rung is passed over -----------------------------------------------------------------------------------


def _objection(rung: Rung, call: Call, chances: Chances) -> str:
    if rung.direction not in {None, call.direction}:
        return f"for {rung.direction.value} calls only" if rung.direction else ""
    if rung.hours is not None and not rung.hours.open(chances.at):
        return "outside its hours"
    if rung.kind is not RungKind.AGENT and unanswered(call):
        return "nobody has answered yet"
    return _OBJECTIONS[rung.kind](rung, call, chances)


def _of_agent(rung: Rung, call: Call, chances: Chances) -> str:
    if any(loss.agent == rung.talker for loss in call.ladder.lost):
        return "lost in this call before"
    return chances.absent.get(rung.talker, "")


def _of_hold(rung: Rung, call: Call, chances: Chances) -> str:
    if call.ladder.holds >= MOST_HOLDS:
        return "held often enough"
    return "" if waited_for(call) or not rung.retry else "nobody to wait for"


def _of_human(rung: Rung, call: Call, chances: Chances) -> str:
    if rung.to == person_of(call):
        return "that is who calls"
    return chances.absent.get(rung.talker, "")


def _of_callback(rung: Rung, call: Call, chances: Chances) -> str:
    return chances.no_callback or _of_agent(rung, call, chances)


def _of_goodbye(rung: Rung, call: Call, chances: Chances) -> str:
    return ""


_OBJECTIONS: Mapping[RungKind, Callable[[Rung, Call, Chances], str]] = {
    RungKind.AGENT: _of_agent,
    RungKind.HOLD: _of_hold,
    RungKind.HUMAN: _of_human,
    RungKind.VOICEMAIL: _of_agent,
    RungKind.CARRIER_VOICEMAIL: _of_agent,
    RungKind.CALLBACK: _of_callback,
    RungKind.GOODBYE: _of_goodbye,
}
