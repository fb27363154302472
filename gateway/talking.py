"""Who talks in a call, put together: the config's agents and our own, what is known of their health, bridge and ladder."""

from collections.abc import Callable, Mapping

from agent.callback_offer import CallbackOffer
from agent.contract import Agent
from agent.goodbye import Goodbye
from agent.handover import Handover
from agent.hold import Hold
from gateway.config.structs import Config
from gateway.domain.breaker import Breaker
from gateway.domain.handover import COLLEAGUE
from gateway.domain.ladder import MOMENT, RungKind
from gateway.domain.records import Call
from gateway.ladder_terms import Ladders, attention_terms, colleague_terms
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.bridge import Bridge
from gateway.runtime.calls import Calls
from gateway.runtime.carrier_messages import CarrierMessages
from gateway.runtime.casting import Casting
from gateway.runtime.clock import Clock
from gateway.runtime.colleagues import Colleagues, Sit
from gateway.runtime.fleet import Fleet
from gateway.runtime.handover import Handovers
from gateway.runtime.ladder import Ladder, Obstacle, none
from gateway.runtime.ladder_rungs import Asking, Holds, Promises
from gateway.runtime.last_words import LastWords
from gateway.runtime.leases import Leases
from gateway.runtime.live import LiveCalls
from gateway.runtime.moments import Moments
from gateway.runtime.store.contract import Store
from gateway.runtime.telemetry.counting import BREAKER_VALUES
from gateway.runtime.telemetry.metrics import Metrics
from gateway.runtime.ticker import Ticker


class Rungs:
    """The ladder's own agents, and what works behind them. The agents are made first, since bridge and ladder are made with
    them; they are asked for nothing before `stand`.
    """

    def __init__(self, colleagues: Colleagues, asking: Asking, leases: Leases, fleet: Fleet, clock: Clock) -> None:
        self._colleagues, self._asking, self._leases, self._fleet, self._clock = colleagues, asking, leases, fleet, clock
        self.moments = Moments()

    def stand(self, bridge: Bridge, ladder: Ladder) -> None:
        """There is a ladder now, and a bridge that its agents talk through."""
        self._carrier_messages = CarrierMessages(bridge, ladder, self._leases, self._fleet)
        self.handovers = Handovers(ladder, self._colleagues, self._clock)
        self._holds = Holds(bridge, ladder, self._clock)
        self._promises = Promises(ladder, self._asking, self._clock)

    async def no_carrier_message(self, call: Call) -> str:
        """Why the call's carrier can take no message now; empty: it can."""
        return await self._carrier_messages.obstacle(call)

    def agents(self) -> Mapping[str, Agent]:
        """By name."""
        return {
            MOMENT: Hold("one-moment", lambda: self.moments),
            RungKind.HOLD.value: Hold("hold", lambda: self._holds),
            RungKind.CARRIER_VOICEMAIL.value: Hold("", lambda: self._carrier_messages),
            RungKind.HUMAN.value: Handover(lambda: self.handovers),
            COLLEAGUE: Handover(lambda: self.handovers),
            RungKind.CALLBACK.value: CallbackOffer(lambda call, told: self._promises.ask(call, told)),
            RungKind.GOODBYE.value: Goodbye(),
        }

    async def aclose(self) -> None:
        """Let go of everything that runs."""
        await self._holds.aclose()
        await self.handovers.aclose()
        await self._promises.aclose()
        await self._carrier_messages.aclose()


class Talking:
    """`agents` by name, without the ladder's own, round which `dress` is put. `asking` stores callbacks, `sit` seats a
    call's session in this process.
    """

    def __init__(
        self,
        config: Config,
        agents: Mapping[str, Agent],
        *,
        store: Store,
        clock: Clock,
        ticker: Ticker,
        leases: Leases,
        live: LiveCalls,
        metrics: Metrics,
        asking: Asking,
        calls: Calls,
        sit: Sit,
        fleet: Fleet,
        no_message: Obstacle = none,
        no_callback: Obstacle = none,
        dress: Callable[[Agent], Agent] = lambda agent: agent,
    ) -> None:
        self._metrics = metrics
        colleagues = Colleagues(calls, leases, sit, colleague_terms(config), clock)
        self._rungs = Rungs(colleagues, asking, leases, fleet, clock)
        self.health = self._watch([agent.name for agent in config.agents], config, clock)
        own = {name: dress(agent) for name, agent in self._rungs.agents().items()}
        self._casting = self._cast(config, {**agents, **own}, store)
        self.bridge = self._bridge(ticker, leases, clock)
        self.ladder = Ladder(
            bridge=self.bridge,
            casting=self._casting,
            health=self.health,
            speaking=leases,
            store=store,
            live=live,
            clock=clock,
            ladders=Ladders(config),
            no_message=no_message,
            no_callback=no_callback,
            no_human=colleagues.obstacle,
            no_carrier_message=self._rungs.no_carrier_message,
        )
        self._rungs.stand(self.bridge, self.ladder)
        calls.observe(self._rungs.handovers.heed)

    async def aclose(self) -> None:
        """Close every session, and what runs behind the rungs."""
        await self.bridge.aclose()
        await self._rungs.aclose()
        await self.ladder.aclose()

    def _watch(self, names: list[str], config: Config, clock: Clock) -> AgentHealth:
        for name in names:
            self._breaker_changed(name, Breaker())
        return AgentHealth(names, config.breaker, clock.now, self._breaker_changed)

    def _bridge(self, ticker: Ticker, leases: Leases, clock: Clock) -> Bridge:
        return Bridge(
            casting=self._casting,
            ticker=ticker,
            report=leases.report,
            end_call=lambda call_id, by: self.ladder.hang_up(call_id, by),
            on_gone=lambda gone: self.ladder.descend(gone),
            store_media=leases.store_media,
            clock=clock.now,
            moments=self._rungs.moments,
        )

    def _cast(self, config: Config, agents: Mapping[str, Agent], store: Store) -> Casting:
        attention, earlier = attention_terms(config), LastWords(store).of_earlier
        return Casting(agents, self._metrics.count, health=self.health, attention=attention, earlier=earlier)

    def _breaker_changed(self, agent: str, breaker: Breaker) -> None:
        self._metrics.gauge("agent_breaker_state", BREAKER_VALUES[breaker.state], agent=agent)
