"""The lab's Twilio: answering machine detection, from what the network knows of the greeting."""

from collections.abc import Callable

from carriers.lab.contract import Greeting, Site, Wake
from carriers.twilio.simulator_call import Call, Detection
from carriers.twilio.simulator_fields import detection_fields
from carriers.twilio.simulator_hooks import Hooks


def judge(greeting: Greeting | None, how: Detection) -> tuple[str, float]:
    """(AnsweredBy, seconds after the answer), as Twilio's pages describe the procedure: long speech is a machine's.

    A machine whose message is shorter than the speech threshold passes for a human, as it does there.
    """
    if greeting is None:
        found = ("unknown", how.silence_s)
    elif not greeting.machine or greeting.ends_s <= how.speech_s:
        found = ("human", greeting.ends_s + how.speech_end_s)
    elif not how.message_end:
        found = ("machine_start", how.speech_s)
    elif greeting.beep_s is not None:
        found = ("machine_end_beep", greeting.beep_s)
    else:
        found = ("machine_end_silence", greeting.ends_s + how.speech_end_s)
    return found if found[1] <= how.timeout_s else ("unknown", how.timeout_s)


class Detector:
    """Without AsyncAmd the person hears nothing until it has decided: the document waits."""

    def __init__(self, site: Site, hooks: Hooks, first: Callable[[float, Call], None]) -> None:
        self._site, self._hooks, self._first = site, hooks, first
        self._found: dict[str, str] = {}

    def begin(self, now: float, call: Call) -> bool:
        """Listen; whether the document has to wait for it."""
        if call.detection is None:
            return False
        found, after_s = judge(self._site.network.greeting(self._site.name, call.sid), call.detection)
        self._found[call.sid] = found
        call.detection_ms = round(after_s * 1000)
        self._site.emit(Wake(at=now + after_s, key=f"detected {call.sid} {call.step}"))
        return not call.detection.background

    def decided(self, now: float, call: Call, step: int) -> None:
        """Tell; `step` is the call's when it began, so that a document that was given meanwhile is not replaced."""
        how, found = call.detection, self._found.pop(call.sid, "")
        if how is None or not found:
            return
        call.answered_by, call.updated = found, now
        if not how.background:
            if step == call.step and call.talking:
                self._first(now, call)
            return
        if how.report.url:
            fields = {"AccountSid": call.account_sid, "CallSid": call.sid} | detection_fields(call)
            self._hooks.send(now, call, "status", how.report.url, how.report.method, fields)

    def forget(self) -> None:
        """Begin anew."""
        self._found.clear()
