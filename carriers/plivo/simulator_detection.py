"""The lab's Plivo: whether a machine answered. Pure.

With a `machine_detection_url` the answer document is asked for at once and the verdict comes to that URL; without one
the request for the document waits for the verdict and carries it.
"""

from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_forms import in_progress
from carriers.plivo.simulator_scripts import Scripts
from carriers.plivo.simulator_switch import Switch

_TIME_MS, _SPEECH_MS, _SILENCE_MS = 5000, 3000, 1000
"""Defaults of machine_detection_time, _maximum_speech_length and _silence."""


class Detection:
    """Hears through `Network.greeting`, as late as a real detector would know."""

    def __init__(self, switch: Switch, scripts: Scripts) -> None:
        self._switch, self._scripts = switch, scripts

    def on_answered(self, now: float, call: Call) -> bool:
        """Begin; True if the answer document has to wait."""
        if "machine_detection" not in call.settings:
            return False
        _, after_s = self._heard(call)
        self._switch.wake(now + after_s, "detected", call.uuid)
        return self._waits(call)

    def _waits(self, call: Call) -> bool:
        return "machine_detection_url" not in call.settings and bool(self._switch.site.knobs.get("sync_detection", True))

    def _heard(self, call: Call) -> tuple[bool, float]:
        """Whether it is a machine, and when that is known, in seconds since the answer."""
        limit = _seconds(call, "time", _TIME_MS)
        greeting = self._switch.site.network.greeting(self._switch.site.name, call.uuid)
        if greeting is None:
            return False, limit
        if greeting.machine:
            return True, min(limit, _seconds(call, "maximum_speech_length", _SPEECH_MS))
        return False, min(limit, greeting.ends_s + _seconds(call, "silence", _SILENCE_MS))

    def on_time(self, now: float, uuid: str) -> None:
        """The verdict is there."""
        call = self._switch.calls.get(uuid)
        if call is None or call.phase is not Phase.ANSWERED or not call.alive:
            return
        machine, _ = self._heard(call)
        waits, hangup = self._waits(call), call.settings["machine_detection"] == "hangup"
        if not waits and (machine or self._switch.site.knobs.get("humans_reported", False)):
            self._tell(now, call, machine, hangup)
        if machine and hangup:
            self._switch.end(now, call, 9100, "Plivo")
        elif waits:
            self._scripts.ask_answer(now, call, {"Machine": str(machine).lower()})

    def _tell(self, now: float, call: Call, machine: bool, hangup: bool) -> None:
        form = in_progress(call, self._switch.account.auth_id, "MachineDetection")
        told = {"Machine": str(machine).lower(), "IfMachine": "hangup" if hangup else "continue"}
        self._switch.tell(now, call, "machine_detection", {**form, **told})


def _seconds(call: Call, name: str, default_ms: int) -> float:
    return int(call.settings.get(f"machine_detection_{name}", default_ms)) / 1000
