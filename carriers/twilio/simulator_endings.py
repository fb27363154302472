"""The lab's Twilio: `<Redirect>`, `<Hangup>` and `<Reject>`."""

from carriers.twilio.simulator_call import Call, Verb
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_life import Life

REJECTIONS = {"busy": ("busy", ("busy", "486")), "rejected": ("invalid", ("no-answer", "404"))}
"""reason -> (what the caller hears, how the call ends): busy, or no-answer behind a "not in service" (Twilio docs, Reject)."""


class Endings:
    """Verbs behind which nothing follows."""

    def __init__(self, documents: Documents, life: Life) -> None:
        self._documents, self._life = documents, life
        documents.verbs |= {"Redirect": self._redirect, "Hangup": self._hang_up, "Reject": self._reject}

    def _redirect(self, now: float, call: Call, verb: Verb) -> None:
        self._documents.ask(now, call, call.absolute(verb.text), verb.get("method", "POST"))

    def _hang_up(self, now: float, call: Call, verb: Verb) -> None:
        self._life.finish(now, call)

    def _reject(self, now: float, call: Call, verb: Verb) -> None:
        cause, ending = REJECTIONS[verb.get("reason", "rejected")]
        self._life.refuse(now, call, cause, ending)
