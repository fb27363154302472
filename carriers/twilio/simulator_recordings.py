"""The lab's Twilio: recordings of calls, from the first frame to the file and its callbacks."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import Site, Wake
from carriers.lab.sound import SILENCE, to_wav
from carriers.twilio.simulator_call import API_VERSION, Call, RecordingOrder, stamp
from carriers.twilio.simulator_hooks import Hooks

TOO_SHORT = 16101
RUNNING = frozenset({"in-progress", "paused"})


class Recorder(CallRecorder):
    """`hushed`: paused, but the time goes on as silence (PauseBehavior `silence`, the default)."""

    hushed = False

    def add(self, said: bytes, heard: bytes) -> str:
        return super().add(SILENCE, SILENCE) if self.hushed else super().add(said, heard)


class Recording(Struct, kw_only=True, eq=False):
    """One recording. `account_sid` and `call_sid` stay when the call is forgotten."""

    sid: str
    call: Call
    order: RecordingOrder
    recorder: Recorder
    started: float
    updated: float
    status: str = "in-progress"
    error: int | None = None

    @property
    def seconds(self) -> int:
        """Whole seconds, as Twilio counts them."""
        return round(self.recorder.seconds)

    @property
    def channels(self) -> int:
        """1 or 2."""
        return 2 if self.order.dual else 1

    def wav(self, channels: int) -> bytes:
        """The file. Left is the person, right what Twilio and the others said."""
        if self.order.track == "outbound":
            return to_wav(bytes(self.recorder.heard))
        return self.recorder.wav(dual=channels == 2 and self.order.track == "both")


class Recordings:
    """All recordings of the account; requests for them are answered in `simulator_recording_api`."""

    def __init__(self, site: Site, hooks: Hooks, root: str) -> None:
        self._site, self._hooks, self.root = site, hooks, root
        self.by_sid: dict[str, Recording] = {}

    def begin(
        self, now: float, call: Call, order: RecordingOrder, *, max_s: float = 0.0, quiet_s: float = 0.0
    ) -> Recording | None:
        """Record from now on; None if the call is not answered."""
        if call.audio is None:
            return None
        sid = f"RE{self._site.random.getrandbits(128):032x}"
        recorder = Recorder(sid, both=order.track == "both", max_s=max_s, quiet_s=quiet_s)
        recording = Recording(sid=sid, call=call, order=order, recorder=recorder, started=now, updated=now)
        self.by_sid[sid] = recording
        call.audio.recorders.append(recorder)
        self._tell(now, recording)
        return recording

    def pause(self, now: float, recording: Recording, *, skip: bool) -> None:
        """Stop listening; with `skip` the time does not count."""
        recording.status, recording.updated = "paused", now
        recording.recorder.paused, recording.recorder.hushed = skip, not skip

    def resume(self, now: float, recording: Recording) -> None:
        """Listen again."""
        recording.status, recording.updated = "in-progress", now
        recording.recorder.paused = recording.recorder.hushed = False

    def finish(self, now: float, recording: Recording) -> None:
        """No more sound; the file is there a moment later."""
        if recording.status not in RUNNING:
            return
        audio = recording.call.audio
        if audio is not None and recording.recorder in audio.recorders:
            audio.recorders.remove(recording.recorder)
        if recording.order.trim:
            recording.recorder.trim()
        recording.status, recording.updated = "processing", now
        ready_at = now + self._site.knobs.get("recording_ready_s", 1.0)
        self._site.emit(Wake(at=ready_at, key=f"recording {recording.sid} 0"))

    def finish_all(self, now: float, call: Call) -> dict[str, str]:
        """The call is over: what its last callback says of its last recording."""
        for recording in self.of(call):
            self.finish(now, recording)
        last = next(reversed(self.of(call)), None)
        return brief(last, self.url(last)) if last is not None else {}

    def full(self, now: float, call: Call, sid: str, reason: str) -> None:
        """A recorder has had enough: only those of `<Record>` ever have."""
        if sid in self.by_sid and call.work is not None:
            call.work.recorded(now, reason)

    def ready(self, now: float, sid: str) -> None:
        """The file can be had, or there is none because nothing was recorded."""
        recording = self.by_sid.get(sid)
        if recording is None or recording.status != "processing":
            return
        recording.updated = now
        empty = not recording.recorder.said
        recording.status, recording.error = ("absent", TOO_SHORT) if empty else ("completed", None)
        who = {"carrier": self._site.name, "number": recording.call.person, "carrier_call_id": recording.call.sid}
        seconds = round(recording.recorder.seconds, 3)
        self._site.ledger.write(now, "recording", recording_id=sid, seconds=seconds, channels=recording.channels, **who)
        self._tell(now, recording)

    def of(self, call: Call) -> list[Recording]:
        """The call's recordings, oldest first."""
        return [recording for recording in self.by_sid.values() if recording.call is call]

    def url(self, recording: Recording) -> str:
        """Where the file is; with `.wav` behind it, too."""
        return f"{self._site.base_url}{self.root}/Recordings/{recording.sid}"

    def _tell(self, now: float, recording: Recording) -> None:
        report, call = recording.order.report, recording.call
        if not report.url or recording.status not in report.events:
            return
        fields = {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "RecordingStatus": recording.status,
            "RecordingChannels": str(recording.channels),
            "RecordingSource": recording.order.source,
            "RecordingTrack": recording.order.track,
            "RecordingStartTime": stamp(recording.started) or "",
            "ErrorCode": str(recording.error or 0),
        } | brief(recording, self.url(recording))
        self._hooks.send(now, call, "recording", report.url, report.method, fields)


def brief(recording: Recording, url: str) -> dict[str, str]:
    """What actions and callbacks say of a recording."""
    return {"RecordingSid": recording.sid, "RecordingUrl": url, "RecordingDuration": str(recording.seconds)}


def recording_json(recording: Recording, uri: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The Recording resource, of a call or of the account."""
    over = recording.status not in RUNNING
    return {
        "sid": recording.sid,
        "account_sid": recording.call.account_sid,
        "call_sid": recording.call.sid,
        "conference_sid": None,
        "api_version": API_VERSION,
        "date_created": stamp(recording.started),
        "date_updated": stamp(recording.updated),
        "start_time": stamp(recording.started),
        "duration": str(recording.seconds) if over else None,
        "price": None,
        "price_unit": "USD",
        "status": recording.status,
        "channels": recording.channels,
        "source": recording.order.source,
        "error_code": recording.error,
        "encryption_details": None,
        "uri": f"{uri}.json",
        **more,
    }
