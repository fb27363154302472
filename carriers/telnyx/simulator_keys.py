"""The simulated Telnyx' DTMF towards the person: send_dtmf, send_digits_on_answer, and keys that cross a bridge."""

from typing import Any

from carriers.lab.contract import RestReply, Site
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_lines import Lines

PAUSES_S = {"w": 0.5, "W": 1.0}
DURATION_MILLIS = 250
"""Of one tone where nothing is said."""


class Keys:
    """Of all calls; no webhook tells of keys that were sent."""

    def __init__(self, site: Site, lines: Lines) -> None:
        self._site, self._lines = site, lines
        lines.on_answered.append(self._on_answered)

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        return {"send_dtmf": Verb(act=self._send, fields=fields.SEND_DTMF, required=("digits",))}

    def forget(self) -> None:
        """Nothing is kept here but timers, which mean nothing without their call."""

    def press(self, now: float, call: Call, digits: str) -> None:
        """Let the person hear them now."""
        self._site.network.press_keys(now, carrier=self._site.name, ref=call.call_control_id, digits=digits)

    def on_timer(self, now: float, call: Call, digits: str) -> None:
        """A pause is over."""
        self.press(now, call, digits)

    def _send(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        self._plan(now, call, body["digits"], body.get("duration_millis", DURATION_MILLIS) / 1000)
        return None

    def _on_answered(self, now: float, call: Call) -> None:
        if "send_digits_on_answer" in call.wish:
            self._plan(now, call, call.wish["send_digits_on_answer"], DURATION_MILLIS / 1000)

    def _plan(self, now: float, call: Call, digits: str, tone_s: float) -> None:
        """What stands before the first pause goes at once, the rest when its turn comes."""
        at, group = now, ""
        for key in digits:
            if key not in PAUSES_S:
                group += key
                continue
            self._at(now, at, call, group)
            at, group = at + len(group) * tone_s + PAUSES_S[key], ""
        self._at(now, at, call, group)

    def _at(self, now: float, at: float, call: Call, digits: str) -> None:
        if digits and at > now:
            self._lines.wake(at, "keys", call, digits)
        elif digits:
            self.press(now, call, digits)
