"""The lab's Twilio: `<Record>`, which takes a message of the person's, and `<Start><Recording>`, which records the call."""

from carriers.lab.sound import FRAME, is_loud, tone
from carriers.twilio.simulator_call import Call, RecordingOrder, Target, Verb, Work
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_recordings import Recording, Recordings, brief

BEEP_HZ, BEEP_S = 1000, 0.5
ANY_KEY = "1234567890*#"
HUNG_UP = "hangup"


class Taking:
    """Makes the verb known, and records what goes on beside the document."""

    def __init__(self, documents: Documents, recordings: Recordings) -> None:
        self._documents, self._recordings = documents, recordings
        documents.verbs["Record"] = self._record

    def _record(self, now: float, call: Call, verb: Verb) -> None:
        work = Record(self._documents, self._recordings, call, verb)
        call.work = work
        if verb.get("playBeep", "true") == "true":
            self._documents.play(call, tone(BEEP_HZ, BEEP_S))
        else:
            work.played(now)

    def beside(self, now: float, call: Call, noun: Verb) -> None:
        """Record from now on; two channels unless it says otherwise (Twilio docs, Recording)."""
        dual = noun.get("channels", "dual") == "dual"
        order = order_of(noun, call, "StartCallRecordingAPI", track=noun.get("track", "both"), dual=dual)
        self._recordings.begin(now, call, order)


class Record(Work):
    """Ends by a key, by silence, by its length, or with the call."""

    def __init__(self, documents: Documents, recordings: Recordings, call: Call, verb: Verb) -> None:
        self._documents, self._recordings, self._call, self._verb = documents, recordings, call, verb
        self._recording: Recording | None = None

    def played(self, now: float) -> None:
        """The beep is over."""
        verb = self._verb
        self._recording = self._recordings.begin(
            now,
            self._call,
            order_of(verb, self._call, "RecordVerb", track="inbound"),
            max_s=float(verb.get("maxLength", "3600")),
            quiet_s=float(verb.get("timeout", "5")),
        )

    def digit(self, now: float, digit: str) -> None:
        if self._recording is not None and digit in self._verb.get("finishOnKey", ANY_KEY):
            self._over(now, digit)

    def recorded(self, now: float, reason: str) -> None:
        self._over(now)

    def stop(self, now: float) -> None:
        """The person hung up: the action is told all the same (`Digits=hangup`)."""
        if self._recording is None:
            return
        self._recordings.finish(now, self._recording)
        if self._recording.recorder.said:
            fields = self._fields(self._recording) | {"Digits": HUNG_UP}
            self._documents.after_the_end(now, self._call, self._verb, fields, surely=True)

    def _over(self, now: float, key: str = "") -> None:
        """An empty recording asks nobody, and the document goes on. Without `action` its own URL is asked again."""
        recording = self._recording
        if recording is None:
            return
        silent = not key and not _heard_anything(recording)
        self._recordings.finish(now, recording)
        if silent or not recording.recorder.said:
            self._documents.go_on(now, self._call)
            return
        fields = self._fields(recording) | ({"Digits": key} if key else {})
        self._documents.after(now, self._call, self._verb, fields, self._call.document_url)

    def _fields(self, recording: Recording) -> dict[str, str]:
        return brief(recording, self._recordings.url(recording))


def order_of(verb: Verb, call: Call, source: str, *, track: str = "both", dual: bool = False) -> RecordingOrder:
    """How `<Record>` or `<Dial>` wants to record."""
    report = Target(
        url=verb.url("recordingStatusCallback", call),
        method=verb.get("recordingStatusCallbackMethod", "POST"),
        events=frozenset(verb.get("recordingStatusCallbackEvent", "completed").split()),
    )
    trim = verb.get("trim", "trim-silence") == "trim-silence"
    return RecordingOrder(source=source, dual=dual, track=track, trim=trim, report=report)


def _heard_anything(recording: Recording) -> bool:
    said = bytes(recording.recorder.said)
    return any(is_loud(said[start : start + FRAME]) for start in range(0, len(said), FRAME))
