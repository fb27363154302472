"""The lab's Plivo: recordings, begun by a `<Record>` or through the API, and how they are fetched. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import RestReply, RestRequest
from carriers.plivo.simulator_calls import Call, Phase, new_uuid
from carriers.plivo.simulator_forms import in_progress
from carriers.plivo.simulator_refusals import (
    NotPlayed,
    Refusal,
    check_comparisons,
    check_urls,
    check_whole,
    compares,
    digits,
    fields_of,
    moment,
    page_of,
    query_of,
)
from carriers.plivo.simulator_rest import Route
from carriers.plivo.simulator_scripts import Scripts
from carriers.plivo.simulator_switch import Switch
from carriers.plivo.simulator_views import stamp

_WANTED = frozenset({"call_uuid", "time_limit", "file_format", "callback_url", "callback_method", "record_channel_type"})
_TIMES = frozenset(f"add_time{suffix}" for suffix in ("", "__gt", "__gte", "__lt", "__lte"))
_FILE = re.compile(r"/v1/Account/[^/]+/Recording/([0-9a-f-]+)\.(wav|mp3)")
_DAY_S = 86400


class Recording(Struct, kw_only=True, eq=False):
    """One recording, running or done."""

    id: str
    call: Call
    recorder: CallRecorder
    file_format: str
    stereo: bool
    began_at: float
    callback: tuple[str, str]
    """(URL, method), both empty for nobody."""
    api_id: str = ""
    """Of the request that began it; empty where a document did."""
    ended_at: float = 0.0
    ready: bool = False
    deleted: bool = False


class Recordings:
    """All recordings of the account."""

    def __init__(self, switch: Switch, scripts: Scripts) -> None:
        self._switch, self._site, self._scripts = switch, switch.site, scripts
        self._recordings: dict[str, Recording] = {}

    def forget(self) -> None:
        """Drop all."""
        self._recordings.clear()

    # --- recording -----------------------------------------------------------------------------------------------

    def begin(
        self,
        now: float,
        call: Call,
        *,
        recorder: CallRecorder,
        file_format: str,
        stereo: bool,
        callback: tuple[str, str],
        api_id: str = "",
    ) -> Recording:
        """From the next 20 ms on."""
        recording = Recording(
            id=recorder.sid,
            call=call,
            recorder=recorder,
            file_format=file_format,
            stereo=stereo,
            began_at=now,
            callback=callback,
            api_id=api_id,
        )
        self._recordings[recording.id] = recording
        self._switch.sound_of(call).recorders.append(recorder)
        return recording

    def new_recorder(self, *, both: bool, max_s: float, quiet_s: float = 0.0) -> CallRecorder:
        """With an id of its own."""
        return CallRecorder(new_uuid(self._site.random), both=both, max_s=max_s, quiet_s=quiet_s)

    def of(self, sid: str) -> Recording | None:
        """One by its id."""
        return self._recordings.get(sid)

    def running(self, call: Call) -> list[Recording]:
        """Those of a call that have not ended."""
        return [each for each in self._recordings.values() if each.call is call and not each.ended_at]

    def finish(self, now: float, recording: Recording) -> None:
        """It is over; the file is ready a little later."""
        if recording.ended_at:
            return
        recording.ended_at = now
        audio = self._switch.audio.get(recording.call.uuid)
        if audio is not None and recording.recorder in audio.recorders:
            audio.recorders.remove(recording.recorder)
        self._switch.wake(now + self._site.knobs.get("recording_ready_s", 0.5), "recording", recording.id)

    def on_ended(self, now: float, call: Call) -> None:
        """The call is over, and what records it."""
        for recording in self.running(call):
            self.finish(now, recording)

    def on_ready(self, now: float, recording_id: str) -> None:
        """The file can be fetched: the callback says so."""
        recording = self._recordings.get(recording_id)
        if recording is None:
            return
        recording.ready = True
        call, seconds = recording.call, round(recording.recorder.seconds, 2)
        self._site.ledger.write(
            now,
            "recording",
            carrier=self._site.name,
            number=call.person,
            carrier_call_id=call.uuid,
            recording_id=recording.id,
            seconds=seconds,
            channels=2 if recording.stereo else 1,
        )
        if recording.callback[0]:
            self._scripts.note(now, call, *recording.callback, self._announced(recording))

    def _announced(self, recording: Recording) -> dict[str, str]:
        """The API's callback has names of its own, in small letters."""
        if recording.api_id:
            small = {
                "api_id": recording.api_id,
                "call_uuid": recording.call.uuid,
                "record_url": self.url_of(recording),
                "recording_id": recording.id,
            }
            lengths = {f"recording_{name}": value for name, value in lengths_of(recording).items()}
            return {**small, **lengths}
        return {**in_progress(recording.call, self._switch.account.auth_id, "RecordStop"), **self.told(recording)}

    def told(self, recording: Recording, known: bool = True) -> dict[str, str]:
        """What an action or a callback of `<Record>` says; the lengths are -1 while they are not known."""
        names = {"duration": "", "duration_ms": "Ms", "start_ms": "StartMs", "end_ms": "EndMs"}
        lengths = lengths_of(recording)
        said = {
            f"Recording{'Duration' if name.startswith('duration') else ''}{end}": lengths[name] if known else "-1"
            for name, end in names.items()
        }
        return {"RecordUrl": self.url_of(recording), "RecordingID": recording.id, **said}

    def url_of(self, recording: Recording) -> str:
        """Where the file is."""
        root = f"{self._site.base_url}/v1/Account/{self._switch.account.auth_id}"
        return f"{root}/Recording/{recording.id}.{recording.file_format}"

    # --- the API -------------------------------------------------------------------------------------------------

    def routes(self) -> Iterable[Route]:
        """For `RestApi`."""
        return (
            ("POST", r"Call/([^/]+)/Record/", self._start),
            ("DELETE", r"Call/([^/]+)/Record/", self._stop),
            ("GET", r"Recording/", self._list),
            ("GET", r"Recording/([^/]+)/", self._get),
            ("DELETE", r"Recording/([^/]+)/", self._delete),
        )

    def _start(self, now: float, request: RestRequest, uuid: str) -> tuple[int, dict[str, Any]]:
        call = self._answered(uuid)
        fields = fields_of(request, "record call", _WANTED)
        check_urls(fields)
        check_whole(fields, "time_limit")
        file_format = str(fields.get("file_format", "mp3"))
        if file_format not in {"mp3", "wav"}:
            raise Refusal(400, "file_format parameter is invalid")
        api_id = new_uuid(self._site.random)
        recording = self.begin(
            now,
            call,
            recorder=self.new_recorder(both=True, max_s=float(fields.get("time_limit", 60))),
            file_format=file_format,
            stereo=str(fields.get("record_channel_type", "stereo")) == "stereo",
            callback=(str(fields.get("callback_url") or ""), str(fields.get("callback_method", "POST"))),
            api_id=api_id,
        )
        told = {"url": self.url_of(recording), "recording_id": recording.id, "api_id": api_id}
        return 202, {"message": "call recording started", **told}

    def _stop(self, now: float, request: RestRequest, uuid: str) -> tuple[int, dict[str, Any]]:
        call = self._answered(uuid)
        fields_of(request, "stop recording", frozenset({"call_uuid"}))
        for recording in self.running(call):
            if recording.api_id:
                self.finish(now, recording)
        return 204, {}

    def _answered(self, uuid: str) -> Call:
        call = self._switch.calls.get(uuid)
        if call is None or call.phase is not Phase.ANSWERED:
            raise Refusal(404, "call not found")
        return call

    def _list(self, now: float, request: RestRequest) -> tuple[int, dict[str, Any]]:
        known = frozenset({"call_uuid", "from_number", "to_number"}) | _TIMES
        query = query_of(request, "listing recordings", known)
        check_comparisons(query, add_time=self._moment)
        found = [each for each in reversed(self._recordings.values()) if self._kept(now, each)]
        found = [each for each in found if self._matches(each, query)]
        meta, page = page_of(request.path, query, found)
        return 200, {"meta": meta, "objects": [self._shown(now, each) for each in page]}

    def _moment(self, text: str) -> float:
        return moment(text, self._switch.account.zone)

    def _matches(self, recording: Recording, query: Mapping[str, str]) -> bool:
        call = recording.call
        fits = (
            query.get("call_uuid", call.uuid) == call.uuid,
            digits(query.get("from_number", call.caller)) == digits(call.caller),
            digits(query.get("to_number", call.to)) == digits(call.to),
            compares(query, "add_time", recording.ended_at, self._moment),
        )
        return all(fits)

    def _get(self, now: float, _request: RestRequest, recording_id: str) -> tuple[int, dict[str, Any]]:
        return 200, self._shown(now, self._wanted(now, recording_id))

    def _delete(self, now: float, _request: RestRequest, recording_id: str) -> tuple[int, dict[str, Any]]:
        self._wanted(now, recording_id).deleted = True
        return 204, {}

    def _wanted(self, now: float, recording_id: str) -> Recording:
        recording = self._recordings.get(recording_id)
        if recording is None or not self._kept(now, recording):
            raise Refusal(404, "not found")
        return recording

    def _kept(self, now: float, recording: Recording) -> bool:
        days = float(self._site.knobs.get("recording_kept_days", 30))
        return recording.ready and not recording.deleted and now < recording.ended_at + days * _DAY_S

    def _shown(self, now: float, recording: Recording) -> dict[str, Any]:
        call, lengths = recording.call, lengths_of(recording)
        stored = int((now - recording.ended_at) // _DAY_S) + 1
        return {
            "add_time": stamp(recording.ended_at, self._switch.account.zone),
            "call_uuid": call.uuid,
            "conference_name": None,
            "from_number": call.caller,
            "monthly_recording_storage_amount": 0.0,
            "recording_duration_ms": lengths["duration_ms"] + ".00000",
            "recording_end_ms": lengths["end_ms"] + ".00000",
            "recording_format": recording.file_format,
            "recording_id": recording.id,
            "recording_start_ms": lengths["start_ms"] + ".00000",
            "recording_storage_duration": stored,
            "recording_storage_rate": 0.0004,
            "recording_type": "normal",
            "recording_url": self.url_of(recording),
            "resource_uri": f"/v1/Account/{self._switch.account.auth_id}/Recording/{recording.id}/",
            "rounded_recording_duration": -(-int(lengths["duration"]) // 60) * 60,
            "to_number": call.to.lstrip("+"),
        }

    def file(self, now: float, request: RestRequest, authorized: bool) -> RestReply | None:
        """The sound itself; None for a request of something else. Public unless the account protects its recordings."""
        found = _FILE.fullmatch(request.path) if request.method == "GET" else None
        if found is None:
            return None
        if self._site.knobs.get("recording_auth", False) and not authorized:
            raise Refusal(401, "")
        recording = self._wanted(now, found.group(1))
        if found.group(2) != recording.file_format:
            raise Refusal(404, "not found")
        if recording.file_format == "mp3":
            raise NotPlayed("the sound of an mp3 recording is not simulated: record as wav", 501)
        return RestReply(status=200, body=recording.recorder.wav(dual=recording.stereo), content_type="audio/wav")


def lengths_of(recording: Recording) -> dict[str, str]:
    """Length in whole seconds and in ms, begin and end in ms since 1970."""
    milliseconds = round(recording.recorder.seconds * 1000)
    return {
        "duration": str(round(recording.recorder.seconds)),
        "duration_ms": str(milliseconds),
        "start_ms": str(int(recording.began_at * 1000)),
        "end_ms": str(int(recording.began_at * 1000) + milliseconds),
    }
