"""Recordings of the simulated carrier: the `record` action, its webhook, and the file behind its link (`/v1/files`).

With an end condition the action waits (a voicemail); without one the flow goes on at once and the recording lasts as long
as the leg stays in its conversation. A file is there for 30 days, for its application's token only.
"""

from typing import Any

from msgspec import Struct

from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import RestReply
from carriers.lab.sound import tone
from carriers.vonage.simulator_events import record_event, whole_seconds
from carriers.vonage.simulator_legs import PhoneLeg
from carriers.vonage.simulator_ncco import first
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_requests import Asked

KEPT_S = 30 * 86_400.0
LONGEST_S = 7200.0
BEEP = tone(1000, 0.4)
_ENDS = frozenset({"endOnSilence", "endOnKey", "timeOut"})


class Take(Struct, kw_only=True, eq=False):
    """A recording that is running."""

    recorder: CallRecorder
    leg: PhoneLeg
    conversation_uuid: str
    since: float
    step: int
    """The step of the flow that waits for it; -1 if none does."""
    end_key: str
    dual: bool
    event_url: str
    event_method: str


class File(Struct, frozen=True, kw_only=True):
    """A finished recording."""

    application_id: str
    until: float
    wav: bytes


class Recordings:
    """Of one account."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._takes: dict[str, Take] = {}
        self._files: dict[str, File] = {}

    def begin(self, now: float, leg: PhoneLeg, action: dict[str, Any]) -> None:
        """Record from now on."""
        if leg.audio is None:
            return
        waits = bool(_ENDS & set(action))
        longest, quiet = float(action.get("timeOut", LONGEST_S)), float(action.get("endOnSilence", 0))
        recorder = CallRecorder(self._parts.new_uuid(), max_s=longest, quiet_s=quiet)
        self._takes[recorder.sid] = Take(
            recorder=recorder,
            leg=leg,
            conversation_uuid=leg.conversation_uuid,
            since=now,
            step=leg.step if waits else -1,
            end_key=str(action.get("endOnKey", "")),
            dual=action.get("split") == "conversation",
            event_url=first(action.get("eventUrl", []), leg.event_url),
            event_method=action.get("eventMethod", "POST"),
        )
        if action.get("beepStart"):
            self._parts.sounds.play(leg, self._parts.sounds.new_key("beep"), BEEP)
        leg.audio.recorders.append(recorder)
        if not waits:
            self._parts.flow.next(now, leg)

    def on_full(self, now: float, recorder: CallRecorder) -> None:
        """It is long enough, or nobody speaks any more."""
        take = self._takes.get(recorder.sid)
        if take is not None:
            self._finish(now, take)

    def digit(self, now: float, leg: PhoneLeg, digit: str) -> None:
        """A key may end a recording."""
        for take in self._of(leg):
            if take.end_key == digit:
                self._finish(now, take)

    def stop_blocking(self, now: float, leg: PhoneLeg) -> None:
        """The flow does something else: what waited for its end has it now."""
        for take in self._of(leg):
            if take.step >= 0:
                self._finish(now, take)

    def stop_all(self, now: float, leg: PhoneLeg) -> None:
        """The leg has left the conversation that was recorded."""
        for take in self._of(leg):
            self._finish(now, take)

    def _of(self, leg: PhoneLeg) -> list[Take]:
        return [take for take in self._takes.values() if take.leg is leg]

    def _finish(self, now: float, take: Take) -> None:
        recorder, leg = take.recorder, take.leg
        del self._takes[recorder.sid]
        if leg.audio is not None and recorder in leg.audio.recorders:
            leg.audio.recorders.remove(recorder)
        self._tell(now, take, recorder.wav(dual=take.dual))
        if take.step == leg.step and not leg.ended:
            self._parts.flow.next(now, leg)

    def _tell(self, now: float, take: Take, wav: bytes) -> None:
        site, file_id = self._parts.site, self._parts.new_uuid()
        self._files[file_id] = File(application_id=take.leg.application_id, until=now + KEPT_S, wav=wav)
        found = {
            "start_time": whole_seconds(take.since),
            "recording_url": f"{site.base_url}/v1/files/{file_id}",
            "size": len(wav),
            "recording_uuid": take.recorder.sid,
            "end_time": whole_seconds(now),
        }
        body = record_event(take.conversation_uuid, found, now)
        self._parts.post.tell_at(now, take.leg, take.event_url, take.event_method, body)
        who = {"carrier": site.name, "number": take.leg.person, "carrier_call_id": take.leg.ref}
        seconds, channels = round(take.recorder.seconds, 2), 2 if take.dual else 1
        site.ledger.write(now, "recording", recording_id=take.recorder.sid, seconds=seconds, channels=channels, **who)

    def download(self, now: float, asked: Asked) -> RestReply:
        """The file, for the application whose call it was."""
        found = self._files.get(asked.name)
        if found is None or found.application_id != asked.application_id or now >= found.until:
            raise LookupError(asked.name)
        return RestReply(status=200, body=found.wav, content_type="audio/wav")

    def reset(self) -> None:
        """Forget what is running, and the files."""
        self._takes.clear()
        self._files.clear()
