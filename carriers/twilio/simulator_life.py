"""The lab's Twilio: the life of a call, from the queue through its documents to its final status."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import PhoneEvent, Site, Wake, WebhookReply
from carriers.twilio import simulator_twiml as twiml
from carriers.twilio.simulator_call import Call, Stream, Verb
from carriers.twilio.simulator_hooks import Hooks, Sending, call_fields, status_fields
from carriers.twilio.simulator_stream import StreamRefused, Streams

CAUSES: Mapping[str, tuple[str, str]] = {
    "486": ("busy", "486"),
    "600": ("busy", "600"),
    "busy-487": ("busy", "487"),
    "480": ("no-answer", "480"),
    "487": ("no-answer", "487"),
    "failed": ("failed", ""),
    **{code: ("failed", code) for code in ("401", "403", "404", "407", "408", "410", "484", "488")},
    **{code: ("failed", code) for code in ("500", "502", "503", "504", "603", "604", "607", "608")},
}
"""What `reject {cause}` understands -> (CallStatus, SipResponseCode)."""

ENDINGS: Mapping[str, tuple[str, str]] = {
    "normal": ("completed", "200"),
    "busy": ("busy", "486"),
    "no_answer": ("no-answer", "487"),
    "declined": ("failed", "603"),
    "unreachable": ("no-answer", "480"),
    "invalid": ("failed", "404"),
    "canceled": ("canceled", "487"),
}
"""How the network says that a call ended -> (CallStatus, SipResponseCode)."""

SOCKET_NO_UPGRADE, SOCKET_REFUSED, SOCKET_BROKEN, SOCKET_CLOSED_BY_CUSTOMER = "31920", "31902", "31903", "31921"
ABNORMAL = 1006
WORDS_PER_SECOND = 2.5


class Life:
    """Moves calls on. Entries: `dial`, the events of the phone, replies, timers and the media socket."""

    def __init__(self, site: Site, hooks: Hooks, streams: Streams) -> None:
        self._site, self._hooks, self._streams = site, hooks, streams
        self._verbs: Mapping[str, Callable[[float, Call, Verb], None]] = {
            "Connect": self._connect,
            "Hangup": self._hang_up_verb,
            "Reject": self._hang_up_verb,
            "Redirect": self._redirect,
            "Say": self._say,
            "Play": self._play,
            "Pause": self._pause,
        }

    # --- before the answer ---------------------------------------------------------------------------------------

    def dial(self, now: float, call: Call) -> None:
        """The call's turn in the account's queue has come."""
        if call.dialled or not call.live or call.ending is not None:
            return
        call.dialled, call.updated = True, now
        self._tell(now, call, "initiated", "initiated")
        cause = self._site.reject_cause(now, call.to)
        if cause is not None:
            call.ending = CAUSES.get(cause, CAUSES["failed"])
            self._wake(now + self._knob("reject_after_s", 0.3), "rejected", call)
            return
        patience = call.timeout_s + self._knob("ring_extra_s", 5.0)
        self._wake(now + patience, "ring", call)
        self._site.network.dial(now, carrier=self._site.name, ref=call.sid, to=call.to, caller_id=call.caller_id)

    def phone(self, now: float, call: Call, event: PhoneEvent) -> None:
        """What the network reports of the dialled phone."""
        if not call.live:
            return
        if event.kind == "ringing" and self._knob("ringing_events", True):
            call.status, call.updated = "ringing", now
            self._tell(now, call, "ringing", "ringing")
        elif event.kind == "answered":
            self._answered(now, call)
        elif event.kind == "ended":
            self.over(now, call, *(call.ending or ENDINGS.get(event.cause, ("failed", ""))))
        elif event.kind == "digit" and call.stream is not None and call.stream.opened_at is not None:
            self._streams.digit(call.stream, event.digit)

    def _answered(self, now: float, call: Call) -> None:
        """The callback goes out before the document is even asked for (75 ms earlier, recorded)."""
        call.status, call.answered, call.updated = "in-progress", now, now
        self._tell(now, call, "answered", "in-progress")
        self._wake(now + call.time_limit_s, "limit", call)
        self._wake(now + self._knob("answer_fetch_s", 0.075), "first", call)

    # --- the end -------------------------------------------------------------------------------------------------

    def end(self, now: float, call: Call, status: str, sip_code: str) -> None:
        """Twilio or its customer ends the call; the network's report completes it."""
        if not call.live or call.ending is not None:
            return
        call.ending = (status, sip_code)
        if call.dialled:
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.sid)
        else:
            self.over(now, call, status, sip_code)

    def over(self, now: float, call: Call, status: str, sip_code: str) -> None:
        """Final; nothing that is still under way changes it."""
        if not call.live:
            return
        if call.stream is not None:
            self._streams.closed(now, call, call.stream, say_stop=True)
        call.status, call.ended, call.updated = status, now, now
        call.verbs.clear()
        self._tell(now, call, "completed", status, sip_code)

    def timer(self, now: float, call: Call, what: str, step: int) -> None:
        """A timer of this call is due; `verb` and `sorry` belong to one step of its documents."""
        if not call.live:
            return
        if what == "dial":
            self.dial(now, call)
        elif what == "rejected" and call.ending is not None:
            self.over(now, call, *call.ending)
        elif what == "ring" and call.answered is None:
            self.end(now, call, *ENDINGS["no_answer"])
        elif what in {"limit", "sorry"} and (what == "limit" or step == call.step):
            self.end(now, call, *ENDINGS["normal"])
        elif what == "first":
            self._first_document(now, call)
        elif what == "verb" and step == call.step:
            self._next_verb(now, call)

    # --- documents -----------------------------------------------------------------------------------------------

    def ask(self, now: float, call: Call, url: str, method: str, more: Mapping[str, str] | None = None) -> None:
        """Ask the customer for the document that comes next; whatever ran before is over."""
        call.step += 1
        call.verbs.clear()
        call.document_url = url
        self._hooks.send(now, call, "document", url, method, call_fields(call, call.status) | dict(more or {}))

    def replied(self, now: float, call: Call, sending: Sending, reply: WebhookReply) -> None:
        """A document came, or an acknowledgement, or neither."""
        if sending.purpose != "document":
            if not 200 <= reply.status < 300:
                call.notifications.append(
                    (now, twiml.HTTP_ERROR if reply.status else twiml.CONNECTION_FAILED, sending.webhook.url)
                )
            return
        if not call.live or sending.step != call.step:
            return
        try:
            self.run(now, call, twiml.document(reply))
        except twiml.BadTwiml as problem:
            self._failed(now, call, problem.code, problem.detail)

    def inline(self, now: float, call: Call, text: str) -> None:
        """The document that came with the API request itself."""
        call.step += 1
        try:
            self.run(now, call, twiml.parse(text.encode()))
        except twiml.BadTwiml as problem:
            self._failed(now, call, problem.code, problem.detail)

    def run(self, now: float, call: Call, verbs: tuple[Verb, ...]) -> None:
        """Execute a document from its first verb."""
        call.verbs = deque(verbs)
        self._next_verb(now, call)

    def _first_document(self, now: float, call: Call) -> None:
        if call.url:
            self.ask(now, call, call.url, call.method)
        else:
            self.inline(now, call, call.twiml)

    def _next_verb(self, now: float, call: Call) -> None:
        """A document that has no verb left ends the call."""
        if not call.live:
            return
        call.step += 1
        if not call.verbs:
            self.end(now, call, *ENDINGS["normal"])
            return
        verb = call.verbs.popleft()
        execute = self._verbs.get(verb.name)
        if execute is None:
            self._failed(now, call, twiml.NOT_TWIML, f"<{verb.name}> is not simulated")
        else:
            execute(now, call, verb)

    def _failed(self, now: float, call: Call, code: str, detail: str) -> None:
        """The fallback URL once; without it, or if it fails too, an apology is read out and the call ends."""
        failed_url = call.document_url
        call.notifications.append((now, code, failed_url))
        self._loudly(now, call, code=code, url=failed_url, detail=detail)
        if call.fallback_url and failed_url != call.fallback_url:
            self.ask(now, call, call.fallback_url, call.fallback_method, {"ErrorCode": code, "ErrorUrl": failed_url})
            return
        call.step += 1
        self._wake(now + self._knob("apology_s", 3.0), "sorry", call)

    # --- verbs ---------------------------------------------------------------------------------------------------

    def _hang_up_verb(self, now: float, call: Call, verb: Verb) -> None:
        self.end(now, call, *ENDINGS["normal"])

    def _redirect(self, now: float, call: Call, verb: Verb) -> None:
        self.ask(now, call, verb.text, verb.attributes.get("method", "POST"))

    def _say(self, now: float, call: Call, verb: Verb) -> None:
        self._wait(now, call, len(verb.text.split()) / WORDS_PER_SECOND)

    def _play(self, now: float, call: Call, verb: Verb) -> None:
        self._wait(now, call, self._knob("play_s", 2.0))

    def _pause(self, now: float, call: Call, verb: Verb) -> None:
        length = verb.attributes.get("length", "1")
        self._wait(now, call, float(length) if length.isdigit() else 1.0)

    def _wait(self, now: float, call: Call, seconds: float) -> None:
        """The person hears silence meanwhile: the lab has no voice for Say and Play."""
        self._wake(now + seconds, "verb", call)

    def _connect(self, now: float, call: Call, verb: Verb) -> None:
        if len(verb.children) != 1 or verb.children[0].name != "Stream":
            names = ", ".join(child.name for child in verb.children) or "nothing"
            self._failed(now, call, twiml.NOT_TWIML, f"<Connect> of {names} is not simulated")
            return
        try:
            self._streams.open(call, verb, verb.children[0])
        except StreamRefused as refusal:
            call.notifications.append((now, refusal.code, verb.children[0].attributes.get("url", "")))
            self._loudly(now, call, code=refusal.code, detail="the stream does not start")
            self._after_stream(now, call, verb)

    # --- the media socket ----------------------------------------------------------------------------------------

    def socket_refused(self, now: float, call: Call, stream: Stream, status: int) -> None:
        """The verb falls through, by consistent reports: a dead media node looks like a call of a few seconds."""
        code = SOCKET_NO_UPGRADE if status else SOCKET_REFUSED
        call.notifications.append((now, code, stream.url))
        if self._knob("refusal_is_reported", True):
            self._streams.report(now, call, stream, "stream-error", code)
        self._streams.closed(now, call, stream, say_stop=False)
        if self._knob("refusal_falls_through", True):
            self._after_stream(now, call, stream.connect)
        else:
            self.end(now, call, *ENDINGS["normal"])

    def socket_closed(self, now: float, call: Call, stream: Stream, code: int) -> None:
        """The customer closed it, or it broke. Twilio never reconnects: it goes on with what follows `<Connect>`."""
        error = SOCKET_BROKEN if code == ABNORMAL else SOCKET_CLOSED_BY_CUSTOMER
        call.notifications.append((now, error, stream.url))
        if code == ABNORMAL:
            self._streams.report(now, call, stream, "stream-error", error)
        self._streams.closed(now, call, stream, say_stop=False)
        self._after_stream(now, call, stream.connect)

    def take_over(self, now: float, call: Call, url: str, method: str, text: str) -> None:
        """New instructions through the API: a running stream is torn down."""
        if call.stream is not None:
            self._streams.closed(now, call, call.stream, say_stop=True)
        if url:
            self.ask(now, call, url, method)
        else:
            self.inline(now, call, text)

    def _after_stream(self, now: float, call: Call, connect: Verb) -> None:
        """`action` if there is one, else the next verb, else the end."""
        if not call.live or call.ending is not None:
            return
        action = connect.attributes.get("action", "")
        if action:
            more: Mapping[str, str] = self._knob("connect_action_fields", {})
            self.ask(now, call, action, connect.attributes.get("method", "POST"), more)
        else:
            self._next_verb(now, call)

    # --- telling -------------------------------------------------------------------------------------------------

    def _tell(self, now: float, call: Call, event: str, status: str, sip_code: str = "") -> None:
        """A status callback, if the customer asked for this event; SequenceNumber counts only those."""
        if not call.status_callback or event not in call.events:
            return
        fields = status_fields(call, status, sip_code, now)
        call.sequence += 1
        self._hooks.send(now, call, "status", call.status_callback, call.status_callback_method, fields)

    def _loudly(self, now: float, call: Call, **more: Any) -> None:
        name = self._site.name
        self._site.ledger.write(now, "refused", carrier=name, number=call.to, carrier_call_id=call.sid, **more)

    def _wake(self, at: float, what: str, call: Call) -> None:
        self._site.emit(Wake(at=at, key=f"{what} {call.sid} {call.step}"))

    def _knob(self, name: str, default: Any) -> Any:
        return self._site.knobs.get(name, default)
