"""The lab's Twilio: the verbs and API requests that begin and end media streams."""

from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import Site
from carriers.twilio.simulator_call import Call, Target, Verb, Work, stamp
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_stream import Stream, StreamOrder, StreamRefused, Streams
from carriers.twilio.simulator_taking import Taking


def order_of(verb: Verb, call: Call, *, both_ways: bool) -> StreamOrder:
    """A `<Stream>` element, read."""
    report = Target(url=verb.url("statusCallback", call), method=verb.get("statusCallbackMethod", "POST"))
    return StreamOrder(
        url=verb.get("url"),
        both_ways=both_ways,
        name=verb.get("name"),
        track=verb.get("track", "inbound_track"),
        parameters={child.get("name"): child.get("value") for child in verb.children},
        report=report,
    )


class Streaming:
    """`<Connect>`, `<Start>`, `<Stop>`, and the Streams resource of a call."""

    def __init__(
        self, site: Site, documents: Documents, streams: Streams, taking: Taking, hang_up: Callable[[float, Call], None]
    ) -> None:
        self._site, self._documents, self._streams, self._taking = site, documents, streams, taking
        self._hang_up = hang_up
        documents.verbs |= {"Connect": self._connect, "Start": self._start, "Stop": self._stop}

    def _connect(self, now: float, call: Call, verb: Verb) -> None:
        """The document waits here until the stream is over. `action` is asked also when it could not even begin."""
        work = Connected(self._documents, self._streams, call, verb)
        call.work = work
        try:
            work.stream = self._streams.open(
                call, order_of(verb.children[0], call, both_ways=True), lambda at: self._over(at, work)
            )
        except StreamRefused as refusal:
            self._refused(now, call, verb.children[0], refusal)
            work.over(now)

    def _over(self, now: float, work: "Connected") -> None:
        began = work.stream is not None and work.stream.opened_at is not None
        if began or self._site.knobs.get("refusal_falls_through", True):
            work.over(now)
        else:
            self._hang_up(now, work.call)

    def _start(self, now: float, call: Call, verb: Verb) -> None:
        """One-way: the document goes on at once, and nothing that is sent on the socket is heard."""
        if verb.children[0].name == "Recording":
            self._taking.beside(now, call, verb.children[0])
            self._documents.go_on(now, call)
            return
        try:
            self._streams.open(call, order_of(verb.children[0], call, both_ways=False))
        except StreamRefused as refusal:
            self._refused(now, call, verb.children[0], refusal)
        self._documents.go_on(now, call)

    def _stop(self, now: float, call: Call, verb: Verb) -> None:
        """Ends one-way streams only: `<Stop>` cannot even be reached while a `<Connect>` waits."""
        stream = self.named(call, verb.children[0].get("name"))
        if stream is not None:
            self._streams.close(now, stream)
        self._documents.go_on(now, call)

    def named(self, call: Call, name: str) -> Stream | None:
        """A one-way stream of the call, by its name or sid."""
        streams = [stream for stream in self._streams.of(call) if not stream.order.both_ways]
        return next((stream for stream in streams if name in {stream.sid, stream.order.name}), None)

    def _refused(self, now: float, call: Call, verb: Verb, refusal: StreamRefused) -> None:
        self._documents.note(now, call, refusal.code, verb.get("url"))
        self._documents.refuse(now, call, refusal.code, "the stream does not start", verb.get("url"))


class Connected(Work):
    """A call whose document waits for its stream to end."""

    def __init__(self, documents: Documents, streams: Streams, call: Call, verb: Verb) -> None:
        self._documents, self._streams, self.call, self._verb = documents, streams, call, verb
        self.stream: Stream | None = None
        self._fields: Mapping[str, str] = documents.knob("connect_action_fields", {})

    def digit(self, now: float, digit: str) -> None:
        if self.stream is not None:
            self._streams.digit(self.stream, digit)

    def stop(self, now: float) -> None:
        if self.stream is not None:
            self._streams.close(now, self.stream)
        self._documents.after_the_end(now, self.call, self._verb, self._fields)

    def over(self, now: float) -> None:
        """`action` if there is one, else the next verb, else the end."""
        if self.call.talking and self.call.work is self:
            self._documents.after(now, self.call, self._verb, self._fields)


def stream_json(stream: Stream, status: str, now: float) -> dict[str, Any]:
    """The Stream resource of a call."""
    call = stream.call
    return {
        "sid": stream.sid,
        "account_sid": call.account_sid,
        "call_sid": call.sid,
        "name": stream.order.name or stream.sid,
        "status": status,
        "date_updated": stamp(now),
        "uri": f"{call.uri}/Streams/{stream.sid}.json",
    }
