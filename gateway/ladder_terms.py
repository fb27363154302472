"""config.yaml's ladders, and what its agents owe, in the core's words."""

from collections.abc import Mapping

from gateway.callback_terms import callback_terms
from gateway.config.ladder_structs import HumanRung, RungConfig
from gateway.config.structs import Config
from gateway.domain.handover import Whisper
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.outcome import Direction
from gateway.domain.records import Call
from gateway.inbound_terms import opening_hours
from gateway.runtime.attention import AttentionTerms
from gateway.runtime.colleagues import ColleagueTerms

Rungs = tuple[str | RungConfig, ...]


class Ladders:
    """The ladder of a call: its route's, else its agent's, else the one at the top."""

    def __init__(self, config: Config) -> None:
        self._top = rungs_of(config.ladder)
        self._routes = {route.name: rungs_of(route.ladder) for route in config.routes if route.ladder is not None}
        self._agents = {agent.name: rungs_of(agent.ladder) for agent in config.agents if agent.ladder is not None}

    def __call__(self, call: Call) -> tuple[Rung, ...]:
        """Without the goodbye that stands below every ladder, unless it is written down. A colleague has none: who is lost there
        is the caller.
        """
        if call.handed_from:
            return ()
        return self._routes.get(call.route, self._agents.get(call.agent, self._top))


def attention_terms(config: Config) -> Mapping[str, AttentionTerms]:
    """By agent."""
    return {agent.name: AttentionTerms(first_word_s=agent.first_word_s, reply_s=agent.reply_within_s) for agent in config.agents}


def colleague_terms(config: Config) -> ColleagueTerms:
    """By which routes colleagues are called."""
    ours = frozenset(number for carrier in config.carriers for number in carrier.numbers)
    return ColleagueTerms(routes=callback_terms(config).routes, own_numbers=ours)


def rungs_of(written: Rungs) -> tuple[Rung, ...]:
    """As the core has them."""
    return tuple(Rung(kind=RungKind(rung)) if isinstance(rung, str) else _rung(rung) for rung in written)


def _rung(written: RungConfig) -> Rung:
    direction = None if written.direction is None else Direction(written.direction)
    hours = None if written.hours is None else opening_hours(written.hours)
    if written.agent is not None:
        return Rung(kind=RungKind.AGENT, agent=written.agent, direction=direction, hours=hours)
    if written.hold is not None:
        hold = written.hold
        return Rung(kind=RungKind.HOLD, for_s=hold.for_s, retry=hold.retry, direction=direction, hours=hours)
    if written.human is not None:
        human = HumanRung(to=written.human) if isinstance(written.human, str) else written.human
        whisper = Whisper(human.whisper)
        return Rung(kind=RungKind.HUMAN, to=human.to, ring_s=human.ring_s, whisper=whisper, direction=direction, hours=hours)
    if written.callback is not None:
        default = written.callback.by_default_after_s
        return Rung(kind=RungKind.CALLBACK, by_default_after_s=default, direction=direction, hours=hours)
    plain = {RungKind.VOICEMAIL: written.voicemail, RungKind.CARRIER_VOICEMAIL: written.carrier_voicemail}
    kind = next((kind for kind, rung in plain.items() if rung is not None), RungKind.GOODBYE)
    return Rung(kind=kind, direction=direction, hours=hours)
