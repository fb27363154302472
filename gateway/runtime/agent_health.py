"""What we know of each agent's health, in this process: the breaker that carriers have, heard from every session.

A session says one good word (its first sound, or a conversation in good order) and, if it is lost, one bad one. An agent
whose breaker is open gets no new calls; after its open time one call at a time is the probe, and one that is good closes it.
"""

from collections.abc import Callable, Collection, Mapping

import structlog
from msgspec.structs import replace

from gateway.domain import breaker as breakers
from gateway.domain.breaker import Breaker, BreakerPolicy, Permit
from gateway.domain.verdict import Signal

log = structlog.get_logger(__name__)

OnChange = Callable[[str, Breaker], None]
_CLOSED = Breaker()


class AgentHealth:
    """`names` are the config's agents; anybody else is always well. `now` in seconds; any origin."""

    def __init__(
        self,
        names: Collection[str],
        policy: BreakerPolicy,
        now: Callable[[], float],
        on_change: OnChange = lambda _name, _new: None,
    ) -> None:
        self._policy = replace(policy, successes=1)
        self._now, self._on_change = now, on_change
        self._breakers = dict.fromkeys(names, _CLOSED)

    def states(self) -> Mapping[str, str]:
        """By agent: closed, open or half_open."""
        return {name: breaker.state.value for name, breaker in self._breakers.items()}

    def ask(self, name: str) -> Permit:
        """May this agent be given a call now? Changes nothing."""
        return breakers.ask(self._breakers.get(name, _CLOSED), self._now(), self._policy)

    def begin(self, name: str, *, anyway: bool = False) -> "Trial | None":
        """A session of it is to be started; None if its breaker says no. `anyway`: somebody waits for this agent and for no
        other, and is the probe if there is none on its way.
        """
        breaker, now = self._breakers.get(name, _CLOSED), self._now()
        permit = breakers.ask(breaker, now, self._policy)
        if not permit.allowed:
            if not anyway or not breakers.may_panic(breaker, now, self._policy):
                return None
            permit = replace(permit, allowed=True, probe=True)
        if permit.probe:
            self._set(name, breakers.take_probe(breaker, now))
        return Trial(self, name, self._breakers.get(name, _CLOSED).epoch, probe=permit.probe)

    def hear(self, name: str, signal: Signal, epoch: int | None, *, probe: bool) -> None:
        """One word of one session; `epoch` None is a word about the breaker's present life."""
        breaker = self._breakers.get(name)
        if breaker is not None:
            known = breaker.epoch if epoch is None else epoch
            self._set(name, breakers.observe(breaker, signal, epoch=known, probe=probe, now=self._now(), policy=self._policy))

    def _set(self, name: str, breaker: Breaker) -> None:
        before, self._breakers[name] = self._breakers[name], breaker
        if before.state is not breaker.state:
            log.warning("agent-breaker", agent=name, was=before.state.value, now=breaker.state.value, reason=breaker.reason)
            self._on_change(name, breaker)


class Trial:
    """One session's words on its agent. All methods are harmless when repeated."""

    def __init__(self, health: AgentHealth, name: str, epoch: int, *, probe: bool) -> None:
        self._health, self._name, self._epoch, self._probe = health, name, epoch, probe
        self._said_good = self._said_bad = False

    def good(self) -> None:
        """It speaks, or has spoken to the end."""
        if not self._said_good and not self._said_bad:
            self._said_good = True
            self._health.hear(self._name, Signal.SUCCESS, self._epoch, probe=self._probe)

    def bad(self) -> None:
        """It could not start, or is lost. What was well before counts as an agent that was lost later."""
        if not self._said_bad:
            self._said_bad = True
            later = self._said_good
            self._health.hear(self._name, Signal.FAILURE, None if later else self._epoch, probe=self._probe and not later)

    def over(self) -> None:
        """The session is closed; if it said nothing, nothing is known."""
        if not self._said_good and not self._said_bad:
            self._said_good = True
            self._health.hear(self._name, Signal.RELEASE, self._epoch, probe=self._probe)
