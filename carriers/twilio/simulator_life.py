"""The lab's Twilio: the life of a call from its dial, or its ring, to its final status."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from carriers.lab.call_audio import CallAudio
from carriers.lab.contract import PhoneEvent, Site, Wake
from carriers.twilio.simulator_call import INBOUND, Call
from carriers.twilio.simulator_fields import status_fields
from carriers.twilio.simulator_hooks import Hooks
from carriers.twilio.simulator_prompts import send_keys

if TYPE_CHECKING:
    from carriers.twilio.simulator_detection import Detector
    from carriers.twilio.simulator_documents import Documents
    from carriers.twilio.simulator_recordings import Recordings
    from carriers.twilio.simulator_stream import Streams

Ending = tuple[str, str]
"""(CallStatus, SipResponseCode)."""

CAUSES: Mapping[str, Ending] = {
    "486": ("busy", "486"),
    "600": ("busy", "600"),
    "busy-487": ("busy", "487"),
    "480": ("no-answer", "480"),
    "487": ("no-answer", "487"),
    "failed": ("failed", ""),
    **{code: ("failed", code) for code in ("401", "403", "404", "407", "408", "410", "484", "488")},
    **{code: ("failed", code) for code in ("500", "502", "503", "504", "603", "604", "607", "608")},
}
"""What `reject {cause}` understands."""

ENDINGS: Mapping[str, Ending] = {
    "normal": ("completed", "200"),
    "busy": ("busy", "486"),
    "no_answer": ("no-answer", "487"),
    "unreachable": ("no-answer", "480"),
    "invalid": ("failed", "404"),
    "canceled": ("canceled", "487"),
}
"""How the network says that a call ended; `declined` is a knob."""

DECLINED: Mapping[str, Ending] = {"failed": ("failed", "603"), "busy": ("busy", "486"), "no-answer": ("no-answer", "480")}
NORMAL = ENDINGS["normal"]


class Life:
    """Moves calls on. The simulator gives it its companions after it has made them all."""

    documents: "Documents"
    streams: "Streams"
    recordings: "Recordings"
    detector: "Detector"

    def __init__(self, site: Site, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self.talking: dict[str, Call] = {}
        """Calls that were answered and have not ended: those that can carry sound."""

    # --- before the answer ---------------------------------------------------------------------------------------

    def dial(self, now: float, call: Call) -> None:
        """The call's turn in the account's queue has come."""
        if call.dialled is not None or not call.live or call.ending is not None:
            return
        call.dialled = call.updated = now
        self._tell(now, call, "initiated", "initiated")
        cause = self._site.reject_cause(now, call.to)
        if cause is not None:
            call.ending = CAUSES.get(cause, CAUSES["failed"])
            self._wake(now + self._knob("reject_after_s", 0.3), "rejected", call)
            return
        patience = call.timeout_s + self._knob("ring_extra_s", 5.0)
        self._wake(now + patience, "ring", call)
        self._site.network.dial(now, carrier=self._site.name, ref=call.sid, to=call.to, caller_id=call.caller_id)

    def phone(self, now: float, call: Call, event: PhoneEvent) -> None:
        """What the network reports of the phone."""
        if not call.live:
            return
        if event.kind == "ringing" and self._knob("ringing_events", True):
            call.status, call.updated = "ringing", now
            self._tell(now, call, "ringing", "ringing")
        elif event.kind == "answered":
            self._answered(now, call)
        elif event.kind == "ended":
            self.over(now, call, *(call.ending or self._ending(call, event.cause)))
        elif event.kind == "digit" and call.talking:
            self._digit(now, call, event.digit)

    def answer(self, now: float, call: Call) -> None:
        """Answer an inbound call that still rings; nothing for all others."""
        if call.direction != INBOUND or call.answered is not None or not call.live:
            return
        self._site.network.answer(now, carrier=self._site.name, ref=call.sid)
        self._talk(now, call)

    def refuse(self, now: float, call: Call, cause: str, ending: Ending) -> None:
        """Turn an inbound call away; an answered one is hung up."""
        if call.answered is not None or call.direction != INBOUND:
            self.end(now, call, *NORMAL)
            return
        call.ending = ending
        self._site.network.refuse(now, carrier=self._site.name, ref=call.sid, cause=cause)

    def _answered(self, now: float, call: Call) -> None:
        """The callback goes out before the document is even asked for (75 ms earlier, recorded)."""
        self._talk(now, call)
        self._tell(now, call, "answered", "in-progress")
        if call.recording is not None:
            self.recordings.begin(now, call, call.recording)
        if call.when_answered is not None:
            call.when_answered(now)
        elif call.send_digits:
            send_keys(self.documents, now, call, call.send_digits, lambda at: self.documents.first(at, call))
        elif not self.detector.begin(now, call):
            self.first_document_soon(now, call)

    def first_document_soon(self, now: float, call: Call) -> None:
        """The request for the first document leaves a moment later."""
        self._wake(now + self._knob("answer_fetch_s", 0.075), "first", call)

    def _talk(self, now: float, call: Call) -> None:
        call.status, call.answered, call.updated = "in-progress", now, now
        call.audio = CallAudio(self._site.network, self._site.name, call.sid)
        self.talking[call.sid] = call
        self.limit(call)

    def limit(self, call: Call) -> None:
        """End the call when its time is over."""
        if call.answered is not None:
            self._wake(call.answered + call.time_limit_s, "limit", call)

    def _digit(self, now: float, call: Call, digit: str) -> None:
        if call.work is not None:
            call.work.digit(now, digit)

    def _ending(self, call: Call, cause: str) -> Ending:
        if cause == "declined":
            return DECLINED[self._knob("declined_status", "failed")]
        if cause == "canceled" and call.direction == INBOUND:
            return (self._knob("abandoned_status", "no-answer"), "487")
        return ENDINGS.get(cause, ("failed", ""))

    # --- the end -------------------------------------------------------------------------------------------------

    def finish(self, now: float, call: Call) -> None:
        """End the call normally."""
        self.end(now, call, *NORMAL)

    def end(self, now: float, call: Call, status: str, sip_code: str) -> None:
        """Twilio or its customer ends the call; the network's report completes it."""
        if not call.live or call.ending is not None:
            return
        call.ending = (status, sip_code)
        if call.dialled is not None:
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.sid)
        else:
            self.over(now, call, status, sip_code)

    def over(self, now: float, call: Call, status: str, sip_code: str) -> None:
        """Final; nothing that is still under way changes it."""
        if not call.live:
            return
        call.status, call.ended, call.updated = status, now, now
        call.ends_shown = call.answered is not None or self._knob("end_time_of_unanswered", False)
        self.talking.pop(call.sid, None)
        self.documents.interrupt(now, call)
        self.streams.close_all(now, call)
        more = self.recordings.finish_all(now, call)
        self._tell(now, call, "completed", status, sip_code, more)
        lost, call.when_lost = call.when_lost, None
        if lost is not None:
            lost(now)
        call.audio = None

    def timer(self, now: float, call: Call, what: str, step: int) -> None:
        """A timer of this call is due; those of a work belong to one step of its documents."""
        if not call.live:
            return
        if what.startswith("work:"):
            if step == call.step and call.work is not None:
                call.work.timer(now, what.removeprefix("work:"))
        elif what == "dial":
            self.dial(now, call)
        elif what == "rejected" and call.ending is not None:
            self.over(now, call, *call.ending)
        elif what == "ring" and call.answered is None:
            self.end(now, call, *ENDINGS["no_answer"])
        elif what == "limit" and call.answered is not None and now >= call.answered + call.time_limit_s - 1e-3:
            self.end(now, call, *NORMAL)
        elif what == "first" and call.ending is None and step == call.step:
            self.documents.first(now, call)
        elif what == "detected":
            self.detector.decided(now, call, step)

    # --- 20 ms ---------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """One frame each way on each call that wants it."""
        for call in list(self.talking.values()):
            if call.audio is None or not call.audio.busy:
                continue
            ticked = call.audio.tick()
            self.streams.ticked(now, call)
            for recorder, reason in ticked.recorded:
                self.recordings.full(now, call, recorder.sid, reason)
            for step in ticked.played:
                if call.work is not None and step == f"{call.step}":
                    call.work.played(now)

    # --- telling -------------------------------------------------------------------------------------------------

    def _tell(
        self, now: float, call: Call, event: str, status: str, sip_code: str = "", more: Mapping[str, str] | None = None
    ) -> None:
        """A status callback, if the customer asked for this event; SequenceNumber counts only those."""
        if not call.report.url or event not in call.report.events:
            return
        fields = status_fields(call, status, sip_code, now, more or {}) | self._attestation(call)
        call.sequence += 1
        self._hooks.send(now, call, "status", call.report.url, call.report.method, fields)

    def _attestation(self, call: Call) -> dict[str, str]:
        """How the network signed a call of ours."""
        signed = "" if call.direction == INBOUND else self._knob("stir_status", "A")
        return {"StirStatus": signed} if signed else {}

    def _wake(self, at: float, what: str, call: Call) -> None:
        self._site.emit(Wake(at=at, key=f"{what} {call.sid} {call.step}"))

    def _knob(self, name: str, default: Any) -> Any:
        return self._site.knobs.get(name, default)
