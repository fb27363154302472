"""The lab's Twilio: requests for recordings, of a call and of the account, and their files."""

from collections.abc import Sequence
from typing import Any

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.twilio import simulator_rules as rules
from carriers.twilio.simulator_call import Call
from carriers.twilio.simulator_order import read_recording
from carriers.twilio.simulator_recordings import RUNNING, Recording, Recordings, recording_json
from carriers.twilio.simulator_rest import NoSuch, answer, form, gone, only, page, query, single
from carriers.twilio.simulator_streaming import Connected

CREATE = frozenset(
    {"RecordingChannels", "RecordingTrack", "Trim", "RecordingStatusCallback", "RecordingStatusCallbackMethod"}
    | {"RecordingStatusCallbackEvent"}
)
CURRENT = "Twilio.CURRENT"
WORDS = frozenset({"in-progress", "paused", "stopped"})


class RecordingApi:
    """Calls/{CA}/Recordings, Recordings, and the files."""

    def __init__(self, site: Site, recordings: Recordings) -> None:
        self._site, self._recordings = site, recordings

    # --- of a call --------------------------------------------------------------------------------------------------

    def begin(self, now: float, request: RestRequest, call: Call) -> RestReply:
        """Record a call in progress; the document that runs is not disturbed."""
        fields = form(request)
        only(fields, CREATE)
        order = read_recording(fields, "StartCallRecordingAPI", "do-not-trim")
        if isinstance(call.work, Connected) and not self._site.knobs.get("record_during_connect", True):
            raise NoSuch(404, 20404, "a recording during <Connect>")
        recording = self._recordings.begin(now, call, order) if call.talking else None
        if recording is None:
            raise NoSuch(400, 21220)
        return answer(self._of_call(recording), 201)

    def list_of_call(self, now: float, request: RestRequest, call: Call) -> RestReply:
        """Newest first."""
        only(query(request), frozenset({"PageSize", "Page", "PageToken"}))
        return page("recordings", request, self._recordings.of(call)[::-1], self._of_call)

    def one_of_call(self, now: float, request: RestRequest, call: Call, sid: str) -> RestReply:
        """Fetch (GET), pause, resume or stop (POST), or delete one. `Twilio.CURRENT` is the one that runs."""
        recording = self._find(self._recordings.of(call), sid)
        if request.method == "POST":
            self._change(now, recording, request)
        elif request.method == "DELETE":
            return self._delete(recording)
        return answer(self._of_call(recording))

    def _change(self, now: float, recording: Recording, request: RestRequest) -> None:
        fields = single(request)
        only(fields, frozenset({"Status", "PauseBehavior"}))
        status = rules.word("Status", fields.get("Status", ""), WORDS)
        pause = rules.word("PauseBehavior", fields.get("PauseBehavior", "silence"), frozenset({"skip", "silence"}))
        if recording.status not in RUNNING:
            raise NoSuch(400, 21220)
        if status == "paused":
            self._recordings.pause(now, recording, skip=pause == "skip")
        elif status == "in-progress":
            self._recordings.resume(now, recording)
        else:
            self._recordings.finish(now, recording)

    # --- of the account ---------------------------------------------------------------------------------------------

    def list_all(self, now: float, request: RestRequest) -> RestReply:
        """Newest first, filtered by CallSid."""
        asked = query(request)
        only(asked, frozenset({"CallSid", "PageSize", "Page", "PageToken"}))
        call_sid = asked.get("CallSid")
        found = [one for one in self._recordings.by_sid.values() if call_sid in {None, one.call.sid}]
        return page("recordings", request, found[::-1], self._of_account)

    def one(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """Fetch (GET) or delete one."""
        recording = self._find(list(self._recordings.by_sid.values()), sid)
        if request.method == "DELETE":
            return self._delete(recording)
        return answer(self._of_account(recording))

    def file(self, now: float, request: RestRequest, sid: str, kind: str) -> RestReply:
        """The sound. Until it is ready, and of what does not exist: 404."""
        recording = self._recordings.by_sid.get(sid)
        if kind == "mp3":
            raise NoSuch(404, 20404, "a recording as MP3 is not simulated")
        if recording is None or recording.status != "completed":
            raise NoSuch(404, 20404, f"the file of {sid}")
        asked = query(request)
        only(asked, frozenset({"RequestedChannels"}))
        channels = rules.number(asked.get("RequestedChannels", str(recording.channels)), 1, 2, 20001)
        return RestReply(status=200, body=recording.wav(channels), content_type="audio/x-wav")

    @property
    def files_are_secret(self) -> bool:
        """Whether a file wants the account's credentials."""
        return bool(self._site.knobs.get("recording_auth", True))

    def _find(self, among: Sequence[Recording], sid: str) -> Recording:
        for recording in among:
            if recording.sid == sid or (sid == CURRENT and recording.status in RUNNING):
                return recording
        raise NoSuch(404, 20404, f"recording {sid}")

    def _delete(self, recording: Recording) -> RestReply:
        if recording.status in RUNNING:
            raise NoSuch(400, 21220)
        del self._recordings.by_sid[recording.sid]
        return gone()

    def _of_call(self, recording: Recording) -> dict[str, Any]:
        return recording_json(recording, f"{recording.call.uri}/Recordings/{recording.sid}", {"track": recording.order.track})

    def _of_account(self, recording: Recording) -> dict[str, Any]:
        uri = f"{self._recordings.root}/Recordings/{recording.sid}"
        parts = {"add_on_results": f"{uri}/AddOnResults.json", "transcriptions": f"{uri}/Transcriptions.json"}
        more = {"media_url": self._recordings.url(recording), "subresource_uris": parts}
        return recording_json(recording, uri, more)
