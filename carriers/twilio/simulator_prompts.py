"""The lab's Twilio: `<Say>`, `<Play>` and `<Pause>`, alone or one after the other inside a `<Gather>`."""

from collections import deque
from collections.abc import Callable, Sequence

from carriers.lab.speaking import spoken
from carriers.twilio.simulator_call import Call, Verb, Work
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_twiml import HTTP_ERROR

MOST_LOOPS = 1000
"""`loop="0"`: until the call ends, at most so often (Twilio docs, Say and Play)."""
WAITS_S = {"w": 0.5, "W": 1.0}
"""Pauses between keys."""


class Prompts(Work):
    """Executes prompts in order, then calls `done`."""

    def __init__(self, documents: Documents, call: Call, verbs: Sequence[Verb], done: Callable[[float], None]) -> None:
        self._documents, self._call, self._verbs, self._done = documents, call, deque(verbs), done
        self._rounds = 0
        self._sound = b""
        self._keys = ""

    def begin(self, now: float) -> None:
        """The next prompt, or the end."""
        if not self._verbs:
            self._done(now)
            return
        verb = self._verbs.popleft()
        if verb.name == "Pause":
            self._documents.wake(now + float(verb.get("length", "1")), self._call, "prompt")
            return
        self._rounds = int(verb.get("loop", "1")) or MOST_LOOPS
        if verb.get("digits"):
            self._press(now, verb.get("digits"))
        elif verb.name == "Say":
            self._sound = spoken(verb.text)
            self._again(now)
        else:
            self._documents.fetch(self._call, verb.text)

    def timer(self, now: float, what: str) -> None:
        if what == "prompt":
            self.begin(now)
        elif what == "key":
            self._press(now, self._keys)

    def played(self, now: float) -> None:
        self._again(now)

    def fetched(self, now: float, sound: bytes | None) -> None:
        if sound is not None:
            self._sound = sound
            self._again(now)
        elif self._documents.knob("play_failure", "fail") == "skip":
            self._documents.note(now, self._call, HTTP_ERROR, self._call.document_url)
            self.begin(now)
        else:
            self._documents.failed(now, self._call, HTTP_ERROR, "<Play>: the file cannot be played")

    def _again(self, now: float) -> None:
        if self._rounds == 0:
            self.begin(now)
            return
        self._rounds -= 1
        self._documents.play(self._call, self._sound)

    def _press(self, now: float, keys: str) -> None:
        """Key after key; `w` and `W` only wait."""
        if not keys:
            self.begin(now)
            return
        self._keys = keys[1:]
        if keys[0] not in WAITS_S:
            self._documents.press(now, self._call, keys[0])
        pause_s = WAITS_S.get(keys[0], self._documents.knob("key_s", 0.2))
        self._documents.wake(now + pause_s, self._call, "key")


def register(documents: Documents) -> None:
    """Make the three verbs known."""

    def begin(now: float, call: Call, verb: Verb) -> None:
        prompts = Prompts(documents, call, [verb], lambda at: documents.go_on(at, call))
        call.work = prompts
        prompts.begin(now)

    documents.verbs |= {"Say": begin, "Play": begin, "Pause": begin}


def send_keys(documents: Documents, now: float, call: Call, digits: str, done: Callable[[float], None]) -> None:
    """Keys at the beginning of a call, before anything else is heard."""
    call.step += 1
    prompts = Prompts(documents, call, [Verb(name="Play", attributes={"digits": digits})], done)
    call.work = prompts
    prompts.begin(now)
