"""Machine detection of the simulated carrier: what it makes of how a call was greeted, and when it says so.

Standard detection and the modes `detect` and `detect_beep` hold the flow back until they are done; the mode `default` does
not, and hears beeps as well.
"""

from carriers.vonage.simulator_events import machine_event
from carriers.vonage.simulator_legs import COMPLETED, MachineWish, PhoneLeg
from carriers.vonage.simulator_parts import Parts

DECIDED_AFTER_S, DECIDED_BY_S = 0.5, 4.5
"""A moment of silence after the greeting tells a person; the carrier says that it needs 4 to 5 s at most."""


class Machines:
    """Asks the network how each answered call was greeted."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def listen(self, now: float, leg: PhoneLeg) -> None:
        """The call was answered just now, and detection was asked for."""
        site = self._parts.site
        greeting = site.network.greeting(site.name, leg.uuid)
        heard_s = DECIDED_BY_S if greeting is None else min(DECIDED_BY_S, greeting.ends_s + DECIDED_AFTER_S)
        self._parts.wake(now + heard_s, "machine", leg.uuid)

    def on_timer(self, now: float, leg: PhoneLeg, sub_state: str) -> None:
        """Enough was heard, or the beep came, or did not."""
        if leg.machine is None or leg.start_time is None:
            return
        if sub_state:
            self._after_beep(now, leg, leg.machine, sub_state)
            return
        site = self._parts.site
        greeting = site.network.greeting(site.name, leg.uuid)
        status = "machine" if greeting is not None and greeting.machine else "human"
        if greeting is None:
            status = str(self._parts.knob("silence_is", "human"))
        self._tell(now, leg, status, "")
        if status == "machine":
            self._on_machine(now, leg, leg.machine, greeting.beep_s if greeting else None)
        else:
            self._go_on(now, leg, leg.machine)

    def _on_machine(self, now: float, leg: PhoneLeg, wish: MachineWish, beep_s: float | None) -> None:
        if wish.hangs_up:
            self._parts.calls.hang_up(now, leg, COMPLETED)
        elif wish.beep:
            self._wait_for_beep(now, leg, wish, beep_s)
        else:
            self._go_on(now, leg, wish)

    def _wait_for_beep(self, now: float, leg: PhoneLeg, wish: MachineWish, beep_s: float | None) -> None:
        answered_at = leg.start_time or now
        if beep_s is not None and answered_at + beep_s <= now + wish.beep_timeout_s:
            self._parts.wake(max(now, answered_at + beep_s), "machine", leg.uuid, "beep_start")
        else:
            self._parts.wake(now + wish.beep_timeout_s, "machine", leg.uuid, "beep_timeout")

    def _after_beep(self, now: float, leg: PhoneLeg, wish: MachineWish, sub_state: str) -> None:
        self._tell(now, leg, "machine", sub_state)
        self._go_on(now, leg, wish)

    def _tell(self, now: float, leg: PhoneLeg, status: str, sub_state: str) -> None:
        # What is not waited for may be answered with a flow; what is waited for is followed by the flow anyhow.
        purpose = "event" if leg.machine is not None and leg.machine.waits else "machine"
        if status == "machine":
            leg.status = status
        self._parts.post.tell(now, leg, machine_event(leg, status, now, sub_state), purpose)

    def _go_on(self, now: float, leg: PhoneLeg, wish: MachineWish) -> None:
        if wish.waits:
            self._parts.calls.talk(now, leg)
