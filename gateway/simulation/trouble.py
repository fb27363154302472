"""What goes wrong in a world, at its time: faults of carriers, the store's weather, mishaps of processes, forgers; and the end
of all of it.
"""

from collections.abc import Callable
from contextvars import Context
from functools import partial
from random import Random
from typing import Any

from gateway.simulation.forgery import Forger
from gateway.simulation.history import History
from gateway.simulation.lab import LabDriver
from gateway.simulation.network import Network
from gateway.simulation.plan import MishapPlan, Plan
from gateway.simulation.processes import Process
from gateway.simulation.stores import Sky, Weather
from gateway.simulation.watch import Watch

FREED_S = 12.0
"""After the healing, for a process that is still draining."""


class Trouble:
    """`over` says whether the world has ended, so that nobody is brought back to life."""

    def __init__(
        self,
        plan: Plan,
        lab: LabDriver,
        network: Network,
        watch: Watch,
        sky: Sky,
        history: History,
        *,
        public_url: str,
        over: Callable[[], bool],
    ) -> None:
        self._plan, self._lab, self._network, self._watch = plan, lab, network, watch
        self._sky, self._history, self._public_url, self._over = sky, history, public_url, over
        self._loop, self._processes = lab.loop, network.processes

    def begin(self) -> None:
        """Set a timer for everything that will go wrong."""
        plan, moments = self._plan, set[float]()
        for fault in plan.faults:
            moments |= {fault.at, fault.at + fault.for_s}
        for moment in sorted(moments):
            self._at(moment, self._set_faults)
        for weather in plan.store:
            self._at(weather.at, self._set_weather)
            self._at(weather.at + weather.for_s, self._set_weather)
        for mishap in plan.mishaps:
            self._at(mishap.at, self._happen, mishap)
        for index in range(plan.forged_hooks):
            self._at(5.0 + index * plan.heal_at / (plan.forged_hooks + 1), self._forge)
        self._at(plan.heal_at, self._heal)

    def _at(self, at: float, deed: Callable[..., None], *given: Any) -> None:
        self._loop.call_at(at, deed, *given, context=Context())

    def _set_faults(self) -> None:
        now = self._loop.time()
        for carrier in self._plan.carriers:
            active = [
                fault.fault
                for fault in self._plan.faults
                if fault.carrier == carrier.name and fault.at <= now < fault.at + fault.for_s - 1e-6 and now < self._plan.heal_at
            ]
            if active != self._watch.faults.get(carrier.name, []):
                self._watch.faults[carrier.name] = active
                self._watch.troubles[carrier.name].append((self._lab.now(), bool(active)))
                self._lab.act(partial(self._put_faults, carrier.name, active))

    def _put_faults(self, carrier: str, active: list[dict[str, Any]], at: float) -> None:
        self._lab.exchange.set_faults(at, carrier, active)

    def _set_weather(self) -> None:
        now = self._loop.time()
        active = [one.weather for one in self._plan.store if one.at <= now < one.at + one.for_s - 1e-6]
        self._sky.weather = active[-1] if active and now < self._plan.heal_at else Weather.WELL
        self._watch.store_troubles.append((self._lab.now(), self._sky.weather is not Weather.WELL))
        self._history.note("world", "store", self._sky.weather.value)

    def _happen(self, mishap: MishapPlan) -> None:
        process = self._processes[mishap.process]
        match mishap.kind:
            case "kill":
                process.doom(mishap.boundaries)
                self._at(self._loop.time() + mishap.for_s, self._revive, process)
            case "freeze":
                process.freeze()
                self._at(self._loop.time() + mishap.for_s, process.thaw)
            case "drain":
                self._loop.create_task(process.drain(mishap.for_s), context=Context())
                self._at(self._loop.time() + mishap.for_s + 10.0, self._revive, process)
            case "clock":
                process.clock.step_s += mishap.step_s
                self._history.note(process.name, "clock-step", mishap.step_s)

    def _revive(self, process: Process) -> None:
        if not process.alive and not self._over():
            process.start()

    def _heal(self) -> None:
        self._set_faults()
        self._set_weather()
        self._history.note("world", "healed")
        for process in self._processes:
            process.thaw()
            process.clock.step_s = 0.0
            process.spare()
            self._revive(process)
            self._at(self._loop.time() + FREED_S, self._revive, process)

    def _forge(self) -> None:
        chance = Random(f"forger:{self._plan.seed}:{self._loop.time()}")
        forger = Forger(self._network, self._watch, chance, self._public_url)
        self._loop.create_task(forger.try_one(), context=Context())
