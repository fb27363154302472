"""The simulated Telnyx' recordings: made by command or from the answer on, told of, listed, fetched while a link lasts."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.call_audio import Ticked
from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import RestReply, RestRequest, Site, Wake
from carriers.lab.sound import FRAME, is_loud, to_wav, tone
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_pages as pages
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call, iso
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_lines import Lines

LINK_S = 600
"""How long a link to a recording is good: ten minutes."""
BEEP = tone(1000, 0.4)
FILES = "telnyx-recordings"
"""Where links lead; real ones lead to a bucket of a storage provider, with no key of the API asked for."""
FILTERS: Mapping[str, tuple[str, pages.Filter]] = {
    "filter[call_control_id]": ("call_control_id", pages.equal),
    "filter[call_leg_id]": ("call_leg_id", pages.equal),
    "filter[call_session_id]": ("call_session_id", pages.equal),
    "filter[connection_id]": ("connection_id", pages.equal),
    "filter[from]": ("from", pages.equal),
    "filter[to]": ("to", pages.equal),
    "filter[created_at][gte]": ("created_at", pages.not_before),
    "filter[created_at][lte]": ("created_at", pages.not_after),
    "filter[start_time][gte]": ("recording_started_at", pages.not_before),
    "filter[start_time][lte]": ("recording_started_at", pages.not_after),
    "filter[end_time][gte]": ("recording_ended_at", pages.not_before),
    "filter[end_time][lte]": ("recording_ended_at", pages.not_after),
}


class Recorder(CallRecorder):
    """Silence ends it only after somebody has spoken."""

    spoke = False

    def add(self, said: bytes, heard: bytes) -> str:
        self.spoke = self.spoke or is_loud(said)
        if not self.spoke:
            self._quiet = 0
        return super().add(said, heard)


class Order(Struct, frozen=True, kw_only=True):
    """How a recording was asked for."""

    channels: str
    track: str
    max_s: float
    quiet_s: float
    trim: bool


class Recording(Struct, kw_only=True, eq=False):
    """One that is going on."""

    id: str
    call: Call
    order: Order
    recorder: Recorder
    started: float


class Recordings:
    """Knobs: `recording_saved_after_s`, `recording_url_s`."""

    def __init__(self, site: Site, lines: Lines, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self._under_way: dict[str, Recording] = {}
        self._waiting: dict[str, tuple[Call, dict[str, Any], bytes]] = {}
        self._saved: dict[str, dict[str, Any]] = {}
        self._files: dict[str, bytes] = {}
        self._links: dict[str, tuple[str, float]] = {}
        lines.on_answered.append(self._on_answered)
        lines.on_ticked.append(self._on_ticked)
        lines.on_ended.append(lambda now, call: self._finish_all(now, call))

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        return {
            "record_start": Verb(
                act=self._start, fields=fields.RECORD_START, required=("channels", "format"), unanswered_code="90020"
            ),
            "record_stop": Verb(act=self._stop, fields=fields.RECORD_OTHER),
            "record_pause": Verb(act=self._pause, fields=fields.RECORD_OTHER),
            "record_resume": Verb(act=self._resume, fields=fields.RECORD_OTHER),
        }

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {"GET recordings": self._list, "GET recordings *": self._fetch, "DELETE recordings *": self._delete}

    def forget(self) -> None:
        """All of them, links and files too."""
        for kept in (self._under_way, self._waiting, self._saved, self._files, self._links):
            kept.clear()

    # --- commands ------------------------------------------------------------------------------------------------

    def _start(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        order = Order(
            channels=body["channels"],
            track=body.get("recording_track", "both"),
            max_s=body.get("max_length", 0),
            quiet_s=body.get("timeout_secs", 0),
            trim="trim" in body,
        )
        if body.get("play_beep") and call.audio is not None:
            call.audio.play(BEEP)
        self._begin(now, call, order, calls.new_uuid(self._site.random))
        return None

    def _on_answered(self, now: float, call: Call) -> None:
        wish = call.wish
        if "record" not in wish:
            return
        order = Order(
            channels=wish.get("record_channels", "dual"),
            track=wish.get("record_track", "both"),
            max_s=wish.get("record_max_length", 0),
            quiet_s=wish.get("record_timeout_secs", 0),
            trim="record_trim" in wish,
        )
        self._begin(now, call, order, call.recording_id)

    def _begin(self, now: float, call: Call, order: Order, recording_id: str) -> None:
        recorder = Recorder(recording_id, max_s=order.max_s, quiet_s=order.quiet_s)
        self._under_way[recording_id] = Recording(id=recording_id, call=call, order=order, recorder=recorder, started=now)
        if call.audio is not None:
            call.audio.recorders.append(recorder)

    def _stop(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        for recording in self._of(call, body):
            self._finish(now, recording)
        return None

    def _pause(self, _now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        for recording in self._of(call, body):
            recording.recorder.paused = True
        return None

    def _resume(self, _now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        for recording in self._of(call, body):
            recording.recorder.paused = False
        return None

    def _of(self, call: Call, body: dict[str, Any]) -> list[Recording]:
        """Those of a call, or the one that the command names."""
        wanted = body.get("recording_id")
        return [item for item in self._under_way.values() if item.call is call and wanted in (None, item.id)]

    # --- the end of one ------------------------------------------------------------------------------------------

    def _on_ticked(self, now: float, _call: Call, ticked: Ticked) -> None:
        for recorder, _reason in ticked.recorded:
            if recorder.sid in self._under_way:
                self._finish(now, self._under_way[recorder.sid])

    def _finish_all(self, now: float, call: Call) -> None:
        for recording in self._of(call, {}):
            self._finish(now, recording)

    def _finish(self, now: float, recording: Recording) -> None:
        """It is done; that it is saved is told a little later."""
        del self._under_way[recording.id]
        call, recorder, order = recording.call, recording.recorder, recording.order
        if call.audio is not None:
            call.audio.recorders = [other for other in call.audio.recorders if other is not recorder]
        if order.trim:
            recorder.trim()
        file = _wav(recorder, order)
        self._waiting[recording.id] = (call, self._entry(now, recording, len(recorder.said) // FRAME * 20), file)
        self._site.emit(Wake(at=now + self._site.knobs.get("recording_saved_after_s", 1.0), key=f"saved {recording.id}"))

    def _entry(self, now: float, recording: Recording, millis: int) -> dict[str, Any]:
        call, order = recording.call, recording.order
        return {
            "record_type": "recording",
            "id": recording.id,
            "call_control_id": call.call_control_id,
            "call_leg_id": call.call_leg_id,
            "call_session_id": call.call_session_id,
            "connection_id": call.connection_id,
            "channels": order.channels if order.track == "both" else "single",
            "conference_id": None,
            "duration_millis": millis,
            "from": call.origin,
            "to": call.to,
            "initiated_by": "OutboundAPI" if call.recording_id == recording.id else "StartCallRecordingAPI",
            "source": "call",
            "status": "completed",
            "recording_started_at": iso(recording.started),
            "recording_ended_at": iso(now),
        }

    def on_saved(self, now: float, recording_id: str) -> None:
        """It can be fetched, and is told of: by leg and session, without a call control id."""
        waiting = self._waiting.pop(recording_id, None)
        if waiting is None:
            return
        call, entry, file = waiting
        self._saved[recording_id] = entry | {"created_at": iso(now), "updated_at": iso(now)}
        self._files[recording_id] = file
        told = {name: value for name, value in call.ids().items() if name != "call_control_id"}
        urls = {"recording_urls": {"wav": self._link(now, recording_id)}, "public_recording_urls": {}}
        times = {name: entry[name] for name in ("recording_started_at", "recording_ended_at", "channels")}
        self._hooks.tell(now, call, "call.recording.saved", told | urls | times)

    # --- the list ------------------------------------------------------------------------------------------------

    def _list(self, now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        return pages.listed(request, reversed(self._saved.values()), FILTERS, lambda item: self._shown(now, item))

    def _fetch(self, now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        known = self._saved.get(words[0])
        return rest.failure(404, "10005") if known is None else rest.data(self._shown(now, known))

    def _delete(self, now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        known = self._saved.pop(words[0], None)
        if known is None:
            return rest.failure(404, "10005")
        del self._files[words[0]]
        return rest.data(self._shown(now, known))

    def _shown(self, now: float, entry: dict[str, Any]) -> dict[str, Any]:
        """With links that are good from now on."""
        return entry | {"download_urls": {"wav": self._link(now, entry["id"])}}

    # --- files ---------------------------------------------------------------------------------------------------

    def _link(self, now: float, recording_id: str) -> str:
        signature = f"{self._site.random.getrandbits(160):040x}"
        self._links[signature] = (recording_id, now + self._site.knobs.get("recording_url_s", LINK_S))
        query = f"X-Amz-Date={iso(now)[:19]}&X-Amz-Expires={LINK_S}&X-Amz-Signature={signature}"
        return f"{self._site.base_url}/{FILES}/{recording_id}.wav?{query}"

    def download(self, now: float, request: RestRequest) -> RestReply | None:
        """The file of a link, which needs no key; None if the path is none of these."""
        _, _, name = request.path.partition(f"/{FILES}/")
        if not name or request.method != "GET":
            return None
        recording_id, until = self._links.get(request.query.rpartition("X-Amz-Signature=")[2], ("", 0.0))
        if f"{recording_id}.wav" != name:
            return _storage_error(403, "SignatureDoesNotMatch", "The request signature does not match")
        if now >= until:
            return _storage_error(403, "AccessDenied", "Request has expired")
        if recording_id not in self._files:
            return _storage_error(404, "NoSuchKey", "The specified key does not exist.")
        return RestReply(status=200, body=self._files[recording_id], content_type="audio/x-wav")


def _wav(recorder: Recorder, order: Order) -> bytes:
    """One track makes one channel, whatever was asked; of both `dual` makes the person left and the rest right."""
    if order.track == "inbound":
        return to_wav(bytes(recorder.said))
    if order.track == "outbound":
        return to_wav(bytes(recorder.heard))
    return recorder.wav(dual=order.channels == "dual")


def _storage_error(status: int, code: str, message: str) -> RestReply:
    """As the storage behind such links words it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return RestReply(status=status, body=body.encode(), content_type="application/xml")
