"""The lab's Twilio: asks for the documents of a call, and executes them verb by verb. What a verb does is its own file's."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from carriers.lab.contract import Fetch, Site, Wake, WebhookReply
from carriers.lab.sound import NotWav, from_wav
from carriers.lab.speaking import spoken
from carriers.twilio import simulator_twiml as twiml
from carriers.twilio.simulator_call import Call, Verb, Work
from carriers.twilio.simulator_fields import call_fields
from carriers.twilio.simulator_hooks import Hooks, Sending

APOLOGY = "We are sorry. An application error has occurred. Goodbye."
BEFORE_ANSWER = frozenset({"Reject", "Pause", "Redirect"})
"""Verbs that let an unanswered caller ring on: Pause delays the answer, Reject prevents it, and Redirect only asks again.
All others answer, `<Hangup>` too (Twilio docs, Reject and Pause).
"""

Begin = Callable[[float, Call, Verb], None]


class Lifecycle(Protocol):
    """What documents need of `simulator_life`."""

    def answer(self, now: float, call: Call) -> None:
        """Answer an inbound call that still rings; nothing for all others."""
        ...

    def finish(self, now: float, call: Call) -> None:
        """End the call normally."""
        ...


class Documents:
    """`verbs` is filled by the simulator: name -> what begins it. It calls `go_on`, `ask` or sets `call.work`."""

    def __init__(self, site: Site, hooks: Hooks, life: Lifecycle) -> None:
        self._site, self._hooks, self._life = site, hooks, life
        self.verbs: dict[str, Begin] = {}

    # --- from where -------------------------------------------------------------------------------------------------

    def first(self, now: float, call: Call) -> None:
        """The document with which a call begins."""
        if call.url:
            self.ask(now, call, call.url, call.method)
        else:
            self.inline(now, call, call.twiml)

    def ask(self, now: float, call: Call, url: str, method: str = "POST", more: Mapping[str, str] | None = None) -> None:
        """Ask the customer for the document that comes next; whatever ran before is over."""
        self._clear(call)
        call.document_url = url
        self._hooks.send(now, call, "document", url, method, call_fields(call, call.status) | dict(more or {}))

    def inline(self, now: float, call: Call, text: str) -> None:
        """The document that came with the API request itself."""
        self._clear(call)
        call.document_url = ""
        try:
            self.run(now, call, twiml.parse(text.encode()))
        except twiml.BadTwiml as problem:
            self.failed(now, call, problem.code, problem.detail)

    def take_over(self, now: float, call: Call, url: str, method: str, text: str) -> None:
        """New instructions through the API: what runs is torn down."""
        self.interrupt(now, call)
        lost, call.when_lost, call.when_done = call.when_lost, None, None
        if lost is not None:
            lost(now)
        if url:
            self.ask(now, call, url, method)
        else:
            self.inline(now, call, text)

    def interrupt(self, now: float, call: Call) -> None:
        """Stop whatever is being executed."""
        work = call.work
        self._clear(call)
        if call.audio is not None:
            call.audio.stop()
        if work is not None:
            work.stop(now)

    def replied(self, now: float, call: Call, sending: Sending, reply: WebhookReply) -> None:
        """A document came, or did not."""
        if not call.live or call.ending is not None or sending.step != call.step:
            return
        try:
            self.run(now, call, twiml.document(reply))
        except twiml.BadTwiml as problem:
            self.failed(now, call, problem.code, problem.detail)

    # --- verb by verb -----------------------------------------------------------------------------------------------

    def run(self, now: float, call: Call, verbs: tuple[Verb, ...]) -> None:
        """Execute a document from its first verb."""
        call.verbs = deque(verbs)
        self.go_on(now, call)

    def go_on(self, now: float, call: Call) -> None:
        """The next verb. A document that has none left ends the call, or lets a dialled child talk."""
        if not call.live or call.ending is not None:
            return
        call.step += 1
        call.work = None
        if not call.verbs:
            self._done(now, call)
            return
        verb = call.verbs.popleft()
        if verb.name not in BEFORE_ANSWER and verb.get("answerOnBridge") != "true":
            self._life.answer(now, call)
        self.verbs[verb.name](now, call, verb)

    def after(self, now: float, call: Call, verb: Verb, more: Mapping[str, str], default: str = "") -> None:
        """A verb is over: its `action` if it has one (or `default`), else the verb behind it."""
        url = verb.url("action", call) or default
        if url:
            self.ask(now, call, url, verb.get("method", "POST"), more)
        else:
            self.go_on(now, call)

    def after_the_end(self, now: float, call: Call, verb: Verb, more: Mapping[str, str], *, surely: bool = False) -> None:
        """The call ended during the verb: its action is told (`surely`, or as the knob says); its answer means nothing."""
        url = verb.url("action", call)
        if url and not call.live and (surely or self.knob("action_after_hangup", False)):
            fields = call_fields(call, call.status) | dict(more)
            self._hooks.send(now, call, "ended", url, verb.get("method", "POST"), fields)

    def failed(self, now: float, call: Call, code: str, detail: str) -> None:
        """The fallback URL once; without it, or if it fails too, an apology is read out and the call ends."""
        self._clear(call)
        failed_url = call.document_url
        self.note(now, call, code, failed_url)
        self.refuse(now, call, code, detail, failed_url)
        if call.fallback_url and failed_url != call.fallback_url:
            self.ask(now, call, call.fallback_url, call.fallback_method, {"ErrorCode": code, "ErrorUrl": failed_url})
            return
        self.apologise(now, call)

    def apologise(self, now: float, call: Call) -> None:
        """Read out that something is wrong, then hang up."""
        self._life.answer(now, call)
        if call.audio is None:
            self._life.finish(now, call)
            return
        call.work = Apology(self._life, call)
        self.play(call, spoken(APOLOGY))

    # --- what works use ---------------------------------------------------------------------------------------------

    def play(self, call: Call, mulaw: bytes) -> None:
        """Play a clip; the work of this step hears when it is over."""
        if call.audio is not None:
            call.audio.play(mulaw, f"{call.step}")

    def wake(self, at: float, call: Call, what: str) -> None:
        """Call the work's `timer` with `what` at that time, if the same verb is still being executed."""
        self._site.emit(Wake(at=at, key=f"work:{what} {call.sid} {call.step}"))

    def fetch(self, call: Call, url: str) -> None:
        """Get a file of the customer's; the work of this step is told."""
        wish = Fetch(id=f"{call.sid} {call.step}", url=call.absolute(url), carrier_call_id=call.sid, number=call.person)
        self._site.emit(wish)

    def fetched(self, now: float, call: Call, step: int, reply: WebhookReply) -> None:
        """A file came, or did not; what is no WAV is refused loudly, since the lab plays nothing else."""
        if call.work is None or step != call.step:
            return
        sound = None
        if 200 <= reply.status < 300:
            try:
                sound = from_wav(reply.body)
            except NotWav as problem:
                self.refuse(now, call, twiml.BAD_CONTENT_TYPE, f"<Play> of anything but WAV is not simulated: {problem}")
        call.work.fetched(now, sound)

    def knob(self, name: str, default: Any) -> Any:
        """A setting of the lab's."""
        return self._site.knobs.get(name, default)

    def press(self, now: float, call: Call, digits: str) -> None:
        """Let the person hear keys."""
        self._site.network.press_keys(now, carrier=self._site.name, ref=call.sid, digits=digits)

    def note(self, now: float, call: Call, code: str, url: str) -> None:
        """A line in the call's Notifications, Twilio's debugger."""
        call.notifications.append((now, code, url))

    def refuse(self, now: float, call: Call, code: str, detail: str, url: str = "") -> None:
        """Be loud in the ledger."""
        who = {"carrier": self._site.name, "number": call.person, "carrier_call_id": call.sid}
        self._site.ledger.write(now, "refused", code=code, url=url, detail=detail, **who)

    def _clear(self, call: Call) -> None:
        call.step += 1
        call.work = None
        call.verbs.clear()

    def _done(self, now: float, call: Call) -> None:
        then, call.when_done = call.when_done, None
        if then is not None:
            then(now)
        else:
            self._life.finish(now, call)


class Apology(Work):
    """Hangs up after the last word."""

    def __init__(self, life: Lifecycle, call: Call) -> None:
        self._life, self._call = life, call

    def played(self, now: float) -> None:
        self._life.finish(now, self._call)
