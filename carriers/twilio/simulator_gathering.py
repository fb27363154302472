"""The lab's Twilio: `<Gather>`, which collects keys while it prompts."""

from carriers.twilio.simulator_call import Call, Verb, Work
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_prompts import Prompts


class Gathering:
    """Makes the verb known."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        documents.verbs["Gather"] = self._gather

    def _gather(self, now: float, call: Call, verb: Verb) -> None:
        work = Gather(self._documents, call, verb)
        call.work = work
        work.prompts.begin(now)


class Gather(Work):
    """The first key silences the prompts; the time-out runs from their end, and anew from each key."""

    def __init__(self, documents: Documents, call: Call, verb: Verb) -> None:
        self._documents, self._call, self._verb = documents, call, verb
        self._digits = ""
        self._waits = 0
        self._silenced = False
        """A key came: whatever a prompt was still waiting for means nothing."""
        self.prompts = Prompts(documents, call, verb.children, self._wait)

    def digit(self, now: float, digit: str) -> None:
        self._silenced = True
        if self._call.audio is not None:
            self._call.audio.stop()
        if digit in self._verb.get("finishOnKey", "#"):
            self._over(now, digit)
            return
        self._digits += digit
        if len(self._digits) == int(self._verb.get("numDigits", "0")):
            self._over(now)
        else:
            self._wait(now)

    def timer(self, now: float, what: str) -> None:
        if what == f"wait{self._waits}":
            self._over(now)
        elif what in {"prompt", "key"} and not self._silenced:
            self.prompts.timer(now, what)

    def played(self, now: float) -> None:
        if not self._silenced:
            self.prompts.played(now)

    def fetched(self, now: float, sound: bytes | None) -> None:
        if not self._silenced:
            self.prompts.fetched(now, sound)

    def stop(self, now: float) -> None:
        fields = {"Digits": self._digits} if self._digits else {"Digits": "hangup"}
        self._documents.after_the_end(now, self._call, self._verb, fields)

    def _wait(self, now: float) -> None:
        self._waits += 1
        self._documents.wake(now + float(self._verb.get("timeout", "5")), self._call, f"wait{self._waits}")

    def _over(self, now: float, finished_on: str = "") -> None:
        """Without a key the document goes on; with one the action is asked, by default the document's own URL."""
        if not self._digits and self._verb.get("actionOnEmptyResult") != "true":
            self._documents.go_on(now, self._call)
            return
        fields = {"Digits": self._digits, "FinishedOnKey": finished_on}
        self._documents.after(now, self._call, self._verb, fields, self._call.document_url)
