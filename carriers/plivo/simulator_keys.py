"""The lab's Plivo: DTMF towards the person, with its pauses. Pure."""

from collections.abc import Callable

from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_switch import Switch

PAUSES = {"w": 0.5, "W": 1.0}
KEY_S = 0.1


def parts_of(digits: str) -> list[tuple[float, str]]:
    """When each run of digits begins, seconds from now, and last of all ("") when everything has been sent."""
    parts: list[tuple[float, str]] = []
    at, run = 0.0, ""
    for key in digits + "w":
        if key not in PAUSES:
            run += key
            continue
        if run:
            parts.append((at, run))
            at, run = at + KEY_S * len(run), ""
        at += PAUSES[key]
    return [*parts, (at - PAUSES["w"], "")]


class KeySender:
    """Presses keys on calls, in time."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._waiting: dict[str, tuple[Call, str, Callable[[float], None]]] = {}
        self._count = 0

    def forget(self) -> None:
        """Drop what is under way."""
        self._waiting.clear()

    def send(self, now: float, call: Call, digits: str, then: Callable[[float], None] = lambda _now: None) -> None:
        """`w` waits 0.5 s, `W` 1 s; `then` follows the last."""
        for after_s, run in parts_of(digits):
            if not after_s:
                self._press(now, call, run, then)
                continue
            self._count += 1
            self._waiting[str(self._count)] = (call, run, then)
            self._switch.wake(now + after_s, "keys", str(self._count))

    def on_time(self, now: float, key: str) -> None:
        """A run's time has come."""
        if key in self._waiting:
            self._press(now, *self._waiting.pop(key))

    def _press(self, now: float, call: Call, run: str, then: Callable[[float], None]) -> None:
        if call.phase is not Phase.ANSWERED:
            return
        if run:
            self._switch.site.network.press_keys(now, carrier=self._switch.site.name, ref=call.uuid, digits=run)
        else:
            then(now)
