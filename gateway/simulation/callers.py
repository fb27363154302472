"""People of a world who call our numbers: each lets it ring, talks, and hangs up as planned; the lab plays the telephone."""

import asyncio

from carriers.lab.fields import BadField
from carriers.lab.phones import CallPlan, PhoneCall, PhoneSetup
from carriers.lab.says import read_says
from gateway.simulation.calling import CallerPlan
from gateway.simulation.history import History
from gateway.simulation.lab import LabDriver


class Callers:
    """All of one world. `placed`: what got through, with the plan of it."""

    def __init__(self, lab: LabDriver, history: History) -> None:
        self._lab, self._history = lab, history
        self.placed: list[tuple[CallerPlan, PhoneCall]] = []

    async def call(self, plan: CallerPlan) -> None:
        """Dial at the planned time; the carrier may be down, or the phone in another call."""
        await asyncio.sleep(plan.at)
        setup = PhoneSetup(hangup_after_s=plan.hangup_after_s, speech=read_says("speech"))
        wish = CallPlan(to=plan.to, setup=setup, patience_s=plan.patience_s, withheld=plan.withheld)
        try:
            call = self._lab.act(lambda now: self._lab.exchange.place_call(now, plan.number, wish))
        except BadField as error:
            self._history.note("phone", "not-through", plan.number, plan.to, error)
            return
        self.placed.append((plan, call))
        self._history.note("phone", "calls", plan.number, plan.to, plan.agent or "to be refused")
