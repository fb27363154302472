"""The `input` action of the simulated carrier: keys are collected until there are enough, or nothing more comes."""

from typing import Any

from carriers.vonage.simulator_events import input_event
from carriers.vonage.simulator_legs import Gather, PhoneLeg
from carriers.vonage.simulator_ncco import first
from carriers.vonage.simulator_parts import Parts

TIME_OUT_S, MOST_DIGITS = 3, 4
"""What the carrier takes where the action says nothing."""


class Gathers:
    """Keys pressed while no input is running go to the sockets of the conversation only."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begin(self, now: float, leg: PhoneLeg, action: dict[str, Any]) -> None:
        """Collect from now on; the clock runs once nothing is being played any more."""
        keys = action.get("dtmf", {})
        leg.gather = Gather(
            most=keys.get("maxDigits", MOST_DIGITS),
            timeout_s=float(keys.get("timeOut", TIME_OUT_S)),
            submits_on_hash=bool(keys.get("submitOnHash", False)),
            event_url=first(action.get("eventUrl", []), leg.event_url),
            event_method=action.get("eventMethod", "POST"),
        )
        if leg.audio is None or not leg.audio.playing:
            self._restart(now, leg, leg.gather)

    def digit(self, now: float, leg: PhoneLeg, digit: str) -> None:
        """A key of this leg; while it hears something that may be interrupted, that ends."""
        gather = leg.gather
        if gather is None:
            return
        if leg.barging:
            self._parts.sounds.stop(leg)
            leg.barging = False
        if digit == "#" and gather.submits_on_hash:
            self._finish(now, leg, gather, timed_out=False)
            return
        gather.digits += digit
        if len(gather.digits) >= gather.most:
            self._finish(now, leg, gather, timed_out=False)
        else:
            self._restart(now, leg, gather)

    def sound_ended(self, now: float, leg: PhoneLeg) -> None:
        """What was played while keys were collected is over."""
        if leg.gather is not None and not leg.gather.digits and not (leg.audio and leg.audio.playing):
            leg.barging = False
            self._restart(now, leg, leg.gather)

    def on_timer(self, now: float, leg: PhoneLeg, count: str) -> None:
        """So long nothing was pressed."""
        if leg.gather is not None and count == f"{leg.step}.{leg.gather.count}":
            self._finish(now, leg, leg.gather, timed_out=True)

    def _restart(self, now: float, leg: PhoneLeg, gather: Gather) -> None:
        gather.count += 1
        self._parts.wake(now + gather.timeout_s, "gather", leg.uuid, f"{leg.step}.{gather.count}")

    def _finish(self, now: float, leg: PhoneLeg, gather: Gather, *, timed_out: bool) -> None:
        leg.gather, leg.barging = None, False
        body = input_event(leg, gather, now, timed_out, bool(self._parts.knob("no_digits_as_null", False)))
        if gather.event_url:
            self._parts.post.ask(now, leg, "flow", gather.event_url, gather.event_method, body)
        else:
            self._parts.flow.next(now, leg)
