"""The lab's Plivo: `<Record>`: a message after the beep, or the whole call in the background. Pure."""

from collections.abc import Mapping

from carriers.lab.call_recorder import CallRecorder
from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_documents import Verb
from carriers.plivo.simulator_forms import in_progress
from carriers.plivo.simulator_recordings import Recording, Recordings
from carriers.plivo.simulator_scripts import Scripts, VerbHandler
from carriers.plivo.simulator_sounds import Sounds, beep
from carriers.plivo.simulator_switch import Switch


class RecordVerb:
    """Obeys `<Record>`; the recordings are kept by `Recordings`."""

    def __init__(self, switch: Switch, scripts: Scripts, sounds: Sounds, recordings: Recordings) -> None:
        self._switch, self._scripts, self._sounds, self._recordings = switch, scripts, sounds, recordings
        self._messages: dict[str, tuple[Recording, Verb, int]] = {}
        """By call: a message that is being left, its element and step."""
        self._on_dial: dict[str, Verb] = {}

    def handlers(self) -> Mapping[str, VerbHandler]:
        """For `Scripts.verbs`."""
        return {"Record": self._record}

    def forget(self) -> None:
        """Drop what is under way."""
        self._messages.clear()
        self._on_dial.clear()

    def _record(self, now: float, call: Call, verb: Verb) -> bool:
        if verb.true("startOnDialAnswer"):
            self._on_dial[call.uuid] = verb
            return False
        if verb.true("recordSession"):
            return self._session(now, call, verb)
        programmes: list[str] = []
        self._scripts.then(call, self._sounds.stopper(programmes))
        pieces = [beep()] if verb.true("playBeep", default=True) else []
        step = call.step
        programmes.append(self._sounds.play(now, call, pieces, lambda at: self._begin_message(at, call, verb, step)))
        return True

    # --- the whole call ------------------------------------------------------------------------------------------

    def _session(self, now: float, call: Call, verb: Verb) -> bool:
        recorder = self._recordings.new_recorder(both=True, max_s=verb.whole("maxLength", 60))
        recording = self._begin(now, call, verb, recorder, stereo=verb.attributes.get("recordChannelType") != "mono")
        return self._scripts.report(now, call, verb, self._recordings.told(recording, known=False))

    def on_dial_answered(self, now: float, call: Call) -> None:
        """The other party took the call: a recording that waited for it begins."""
        verb = self._on_dial.pop(call.uuid, None)
        if verb is not None:
            recorder = self._recordings.new_recorder(both=True, max_s=verb.whole("maxLength", 60))
            self._begin(now, call, verb, recorder, stereo=verb.attributes.get("recordChannelType") != "mono")

    def _begin(self, now: float, call: Call, verb: Verb, recorder: CallRecorder, stereo: bool) -> Recording:
        return self._recordings.begin(
            now,
            call,
            recorder=recorder,
            file_format=verb.attributes.get("fileFormat", "mp3"),
            stereo=stereo,
            callback=(verb.attributes.get("callbackUrl", ""), verb.attributes.get("callbackMethod", "POST")),
        )

    # --- a message -----------------------------------------------------------------------------------------------

    def _begin_message(self, now: float, call: Call, verb: Verb, step: int) -> None:
        if not self._scripts.waits(call, step):
            return
        max_s, quiet_s = verb.whole("maxLength", 60), verb.whole("timeout", 15)
        recorder = self._recordings.new_recorder(both=False, max_s=max_s, quiet_s=quiet_s)
        recording = self._begin(now, call, verb, recorder, stereo=False)
        self._messages[call.uuid] = (recording, verb, step)
        self._scripts.then(call, lambda at: self._broken_off(at, call))

    def on_recorded(self, now: float, recorder: CallRecorder) -> None:
        """It has had enough: too long, or too quiet for too long."""
        recording = self._recordings.of(recorder.sid)
        if recording is None:
            return
        if self._messages.get(recording.call.uuid, (None,))[0] is recording:
            self._done(now, recording.call, "")
        else:
            self._recordings.finish(now, recording)

    def on_digit(self, now: float, call: Call, digit: str) -> None:
        """A key that ends the message."""
        _, verb, _ = self._messages.get(call.uuid, (None, None, 0))
        if verb is None:
            return
        keys = verb.attributes.get("finishOnKey", self._switch.site.knobs.get("record_finish_on_key", "#"))
        if keys != "none" and digit in keys:
            self._done(now, call, digit)

    def _done(self, now: float, call: Call, digit: str) -> None:
        recording, verb, step = self._messages.pop(call.uuid)
        self._recordings.finish(now, recording)
        if self._scripts.waits(call, step):
            self._scripts.act(now, call, verb, {**self._recordings.told(recording), "Digits": digit})

    def _broken_off(self, now: float, call: Call) -> None:
        """The caller hung up (mostly the end of a message), or the call was told something else."""
        if call.uuid not in self._messages:
            return
        recording, verb, _ = self._messages.pop(call.uuid)
        self._recordings.finish(now, recording)
        wanted = self._switch.site.knobs.get("action_on_hangup", True)
        if call.phase is Phase.ENDED and wanted and verb.attributes.get("action"):
            about = in_progress(call, self._switch.account.auth_id, "Redirect")
            form = {**about, **self._recordings.told(recording), "Digits": "hangup"}
            self._scripts.note(now, call, verb.attributes["action"], verb.attributes.get("method", "POST"), form)
