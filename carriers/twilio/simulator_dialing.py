"""The lab's Twilio: `<Dial>`, which rings other phones for the person on the line and joins the first that answers."""

from collections.abc import Iterator

from carriers.lab.contract import Site
from carriers.lab.sound import RATE, tone
from carriers.twilio import simulator_rules as rules
from carriers.twilio.simulator_call import DIALLED, Call, Target, Verb, Work
from carriers.twilio.simulator_calls import Calls
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_life import ENDINGS, Life
from carriers.twilio.simulator_prompts import send_keys
from carriers.twilio.simulator_recordings import Recording, Recordings
from carriers.twilio.simulator_taking import order_of

RINGBACK = tone(440, 2.0) + b"\xff" * (4 * RATE)
BAD_CALLER_ID, BAD_NUMBER = "13214", "13223"
MOST_NUMBERS = 10
SIMPLE = {"true": "record-from-answer", "false": "do-not-record"}
"""Old words for `record`."""


class Dialing:
    """Makes the verb known, and places its children's calls: at once, for `<Dial>` is exempt from the account's pace."""

    def __init__(self, site: Site, documents: Documents, life: Life, calls: Calls, recordings: Recordings) -> None:
        self.site, self.documents, self.life, self.recordings = site, documents, life, recordings
        self._calls = calls
        documents.verbs["Dial"] = self._dial

    def _dial(self, now: float, call: Call, verb: Verb) -> None:
        work = Dial(self, call, verb)
        call.work = work
        problem = self._problem(call, verb)
        if problem:
            self.documents.note(now, call, problem, call.document_url)
            self.documents.refuse(now, call, problem, "<Dial> cannot place its call", call.document_url)
            work.over(now, "failed")
            return
        work.begin(now)

    def place(self, now: float, child: Call) -> None:
        """Ring."""
        self._calls.keep(child)
        self.life.dial(now, child)

    def child(self, now: float, call: Call, verb: Verb, number: Verb) -> Call:
        """A call to one of the numbers, not dialled yet."""
        sid = self._calls.new_sid()
        events = frozenset(number.get("statusCallbackEvent", "completed").split())
        report = Target(url=number.url("statusCallback", call), method=number.get("statusCallbackMethod", "POST"), events=events)
        return Call(
            sid=sid,
            uri=f"{call.uri.rpartition('/')[0]}/{sid}",
            account_sid=call.account_sid,
            number_sid=call.number_sid,
            parent_sid=call.sid,
            to=number.text,
            caller_id=verb.get("callerId") or call.caller_id,
            direction=DIALLED,
            created=now,
            report=report,
            timeout_s=int(verb.get("timeout", "30")),
            time_limit_s=int(verb.get("timeLimit", "14400")),
        )

    def _problem(self, call: Call, verb: Verb) -> str:
        caller_id = verb.get("callerId") or call.caller_id
        if not (caller_id in self.site.numbers or caller_id == call.caller_id):
            return BAD_CALLER_ID
        numbers = list(_numbers(verb))
        wrong = [number.text for number in numbers if not rules.E164.fullmatch(number.text)]
        return BAD_NUMBER if wrong or not 0 < len(numbers) <= MOST_NUMBERS else ""


class Dial(Work):
    """Of the call that dials. Its children are calls of their own."""

    def __init__(self, dialing: Dialing, call: Call, verb: Verb) -> None:
        self._dialing, self._call, self._verb = dialing, call, verb
        self._documents, self._life = dialing.documents, dialing.life
        self._ringing: list[Call] = []
        self._partner: Call | None = None
        """The child that answered, from then on."""
        self._bridged = False
        self._recording: Recording | None = None

    def begin(self, now: float) -> None:
        """Ring all numbers at once; whoever waits hears it, if the call was answered."""
        self.played(now)
        if "ringing" in self._record:
            self._start_recording(now)
        numbers = list(_numbers(self._verb))
        self._ringing = [self._dialing.child(now, self._call, self._verb, number) for number in numbers]
        for child, number in zip(list(self._ringing), numbers, strict=True):
            self._place(now, child, number)

    def _place(self, now: float, child: Call, number: Verb) -> None:
        child.when_answered = lambda at: self._picked_up(at, child, number)
        child.when_lost = lambda at: self._lost(at, child)
        self._dialing.place(now, child)

    # --- while it rings, and while they talk ------------------------------------------------------------------------

    def played(self, now: float) -> None:
        """The ringing tone goes on until somebody answers."""
        if not self._bridged:
            self._documents.play(self._call, RINGBACK)

    def digit(self, now: float, digit: str) -> None:
        partner = self._partner
        if partner is None or not self._bridged:
            return
        if digit == "*" and self._verb.get("hangupOnStar") == "true":
            self._life.finish(now, partner)
        else:
            self._documents.press(now, partner, digit)

    def stop(self, now: float) -> None:
        """Who dialled is gone, or was given other instructions: the others are hung up."""
        ringing, partner = self._ringing, self._partner
        self._ringing, self._partner = [], None
        for child in [*ringing, *([partner] if partner is not None else [])]:
            child.when_lost = None
            self._end(now, child)
        self._part()
        fields = self._fields(now, partner, "completed" if partner is not None else "canceled")
        self._documents.after_the_end(now, self._call, self._verb, fields)

    def over(self, now: float, status: str, child: Call | None = None) -> None:
        """The dialled call ended, or none came about: `action` if there is one, else the next verb."""
        if self._call.audio is not None:
            self._call.audio.stop()
        self._documents.after(now, self._call, self._verb, self._fields(now, child, status))

    def _end(self, now: float, child: Call) -> None:
        ending = ENDINGS["normal"] if child.answered is not None else ENDINGS["canceled"]
        self._life.end(now, child, *ending)

    # --- children ---------------------------------------------------------------------------------------------------

    def _picked_up(self, now: float, child: Call, number: Verb) -> None:
        """The first one wins. Keys and a document of its own come before the two hear each other."""
        others = [other for other in self._ringing if other is not child]
        self._ringing, self._partner = [], child
        for other in others:
            other.when_lost = None
            self._end(now, other)
        if number.get("sendDigits"):
            send_keys(self._documents, now, child, number.get("sendDigits"), lambda at: self._introduce(at, child, number))
        else:
            self._introduce(now, child, number)

    def _introduce(self, now: float, child: Call, number: Verb) -> None:
        if number.get("url"):
            child.when_done = lambda at: self._bridge(at, child)
            self._documents.ask(now, child, number.url("url", self._call), number.get("method", "POST"))
        else:
            self._bridge(now, child)

    def _bridge(self, now: float, child: Call) -> None:
        self._life.answer(now, self._call)
        mine, theirs = self._call.audio, child.audio
        if mine is None or theirs is None:
            return
        self._bridged = True
        mine.stop()
        mine.join(theirs)
        child.work = Bridged(self._documents, self._call)
        if "answer" in self._record:
            self._start_recording(now)
        name, both = self._dialing.site.name, {"number": self._call.person, "carrier_call_id": self._call.sid}
        self._dialing.site.ledger.write(now, "joined", carrier=name, **both, **{"with": child.sid})

    def _lost(self, now: float, child: Call) -> None:
        """A child is over, or went its own way."""
        if child is self._partner:
            self._part()
            self.over(now, "completed", child)
            return
        self._ringing = [other for other in self._ringing if other is not child]
        if not self._ringing and self._partner is None:
            self.over(now, child.status, child)

    def _part(self) -> None:
        if self._call.audio is not None:
            self._call.audio.part()

    # --- the rest ---------------------------------------------------------------------------------------------------

    @property
    def _record(self) -> str:
        word = self._verb.get("record", "do-not-record")
        return SIMPLE.get(word, word)

    def _start_recording(self, now: float) -> None:
        track = self._verb.get("recordingTrack", "both")
        order = order_of(self._verb, self._call, "DialVerb", track=track, dual=self._record.endswith("-dual"))
        self._recording = self._recording or self._dialing.recordings.begin(now, self._call, order)

    def _fields(self, now: float, child: Call | None, status: str) -> dict[str, str]:
        fields = {"DialCallStatus": status, "DialBridged": "true" if self._bridged else "false"}
        if child is not None:
            lasted = int(now - child.answered) if child.answered is not None else 0
            fields |= {"DialCallSid": child.sid, "DialCallDuration": str(lasted)}
        if self._recording is not None:
            self._dialing.recordings.finish(now, self._recording)
            fields["RecordingUrl"] = self._dialing.recordings.url(self._recording)
        return fields


class Bridged(Work):
    """Of a child that talks: its keys reach the other side, as tones do in any call."""

    def __init__(self, documents: Documents, parent: Call) -> None:
        self._documents, self._parent = documents, parent

    def digit(self, now: float, digit: str) -> None:
        self._documents.press(now, self._parent, digit)


def _numbers(verb: Verb) -> Iterator[Verb]:
    """`<Number>` elements, or the text of `<Dial>` itself."""
    if verb.text:
        yield Verb(name="Number", attributes={}, text=verb.text)
    yield from verb.children
