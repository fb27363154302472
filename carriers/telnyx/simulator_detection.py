"""The simulated Telnyx' answering machine detection: always told by webhooks, standard and premium."""

from collections.abc import Mapping
from typing import Any

from carriers.lab.contract import Greeting, Site
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_lines import Lines

MILLIS: Mapping[str, int] = {
    "after_greeting_silence_millis": 800,
    "greeting_duration_millis": 3500,
    "initial_silence_millis": 3500,
    "total_analysis_time_millis": 3500,
    "greeting_silence_duration_millis": 1500,
    "greeting_total_analysis_time_millis": 50_000,
}
"""Those settings of `answering_machine_detection_config` that the lab obeys, with the defaults of old documents."""
WORDS: Mapping[str, Mapping[str, str]] = {
    "standard": {"human": "human", "machine": "machine", "silence": "machine", "unsure": "not_sure"},
    "premium": {"human": "human_residence", "machine": "machine", "silence": "silence", "unsure": "not_sure"},
}
EVENTS = {"standard": "call.machine", "premium": "call.machine.premium"}
TELL_GREETING = {"greeting_end": ("beep", "silence"), "detect_words": ("beep", "silence"), "detect_beep": ("beep",)}
"""By which ends of the greeting a `call.machine.greeting.ended` follows, where a machine was detected."""


class Detection:
    """Knobs: `amd_result` (forces human, machine, silence or unsure), `amd_premium_human`."""

    def __init__(self, site: Site, lines: Lines, hooks: Hooks) -> None:
        self._site, self._lines, self._hooks = site, lines, hooks
        lines.on_answered.append(self._on_answered)

    def _on_answered(self, now: float, call: Call) -> None:
        kind = call.wish.get("answering_machine_detection", "disabled")
        if kind == "disabled":
            return
        greeting = self._site.network.greeting(self._site.name, call.call_control_id)
        heard, after_s = self._judged(call, greeting)
        beep = self._told_beep(kind, greeting)
        if kind == "premium" and beep is not None and beep[0] < after_s:
            # "if we detect a beep before ... we only send call.machine.premium.greeting.ended"
            self._lines.wake(now + beep[0], "amd", call, f"greeting {beep[1]}")
            return
        self._lines.wake(now + after_s, "amd", call, f"detection {self._word(kind, heard)}")
        if heard == "machine" and beep is None:
            beep = self._told_silence(call, kind, greeting)
        if heard == "machine" and beep is not None:
            self._lines.wake(now + max(beep[0], after_s), "amd", call, f"greeting {beep[1]}")

    def on_timer(self, now: float, call: Call, word: str) -> None:
        """Something was heard."""
        what, _, result = word.partition(" ")
        kind = "premium" if call.wish["answering_machine_detection"] == "premium" else "standard"
        told = call.ids() | {"from": call.origin, "to": call.to, "result": result}
        self._hooks.tell(now, call, f"{EVENTS[kind]}.{what}.ended", told)

    def _judged(self, call: Call, greeting: Greeting | None) -> tuple[str, float]:
        """(what it is, seconds after the answer)"""
        forced = str(self._site.knobs.get("amd_result", ""))
        limit_s = self._seconds(call, "total_analysis_time_millis")
        if forced == "unsure":
            return forced, limit_s
        heard = forced or ("silence" if greeting is None else "machine" if greeting.machine else "human")
        ends_s = greeting.ends_s if greeting else 0.0
        after_s = {
            "human": ends_s + self._seconds(call, "after_greeting_silence_millis"),
            "machine": min(ends_s, self._seconds(call, "greeting_duration_millis")),
            "silence": self._seconds(call, "initial_silence_millis"),
        }[heard]
        return ("unsure", limit_s) if after_s > limit_s else (heard, after_s)

    def _told_beep(self, kind: str, greeting: Greeting | None) -> tuple[float, str] | None:
        """(seconds after the answer, the word), where a beep is to be told of and there is one."""
        wanted = kind == "premium" or "beep" in TELL_GREETING.get(kind, ())
        return (greeting.beep_s, "beep_detected") if wanted and greeting and greeting.beep_s is not None else None

    def _told_silence(self, call: Call, kind: str, greeting: Greeting | None) -> tuple[float, str] | None:
        if greeting is None or "silence" not in TELL_GREETING.get(kind, ()):
            return None
        over_s = greeting.ends_s + self._seconds(call, "greeting_silence_duration_millis")
        limit_s = self._seconds(call, "greeting_total_analysis_time_millis")
        return (limit_s, "not_sure") if over_s > limit_s else (over_s, "ended")

    def _word(self, kind: str, heard: str) -> str:
        if kind == "premium" and heard == "human":
            return str(self._site.knobs.get("amd_premium_human", "human_residence"))
        return WORDS["premium" if kind == "premium" else "standard"][heard]

    @staticmethod
    def _seconds(call: Call, name: str) -> float:
        config: dict[str, Any] = call.wish.get("answering_machine_detection_config", {})
        return float(config.get(name, MILLIS[name])) / 1000
