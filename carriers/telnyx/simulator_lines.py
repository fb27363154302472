"""The simulated Telnyx' lines: each leg from its dial to its hang-up, with its webhooks, its media socket and its timers."""

from typing import Any

from carriers.lab.contract import CloseSocket, OpenSocket, PhoneEvent, SendFrame, Site, Wake
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx.simulator_calls import Call, End, iso
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_streams import Rejected, Stream


class Lines:
    """All legs of the account, by call control id."""

    def __init__(self, site: Site, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self._user_id = calls.new_uuid(site.random)
        self._calls: dict[str, Call] = {}
        self._streams: dict[str, Call] = {}

    def get(self, call_control_id: str) -> Call | None:
        """A leg, live or ended."""
        return self._calls.get(call_control_id)

    def live(self) -> list[Call]:
        """Those that have not ended."""
        return [call for call in self._calls.values() if call.live]

    def forget(self) -> None:
        """All of them, without a word."""
        self._calls.clear()
        self._streams.clear()

    # --- from dial to hang-up ------------------------------------------------------------------------------------

    def place(self, now: float, wish: dict[str, Any], *, full: bool) -> Call:
        """A dial was accepted; what is wrong with it besides comes as a hang-up."""
        call = calls.new_call(self._site.random, wish, now)
        self._calls[call.call_control_id] = call
        self._hooks.tell(now, call, "call.initiated", calls.initiated(call))
        cause = self._hidden_refusal(now, wish, full)
        if cause is None:
            self._ring(now, call)
        else:
            call.end = calls.REJECTS[cause]
            self._wake(now + self._site.knobs.get("reject_after_s", 0.3), "end", call)
        return call

    def _hidden_refusal(self, now: float, wish: dict[str, Any], full: bool) -> str | None:
        cause = self._site.reject_cause(now, wish["to"])
        # Channel limit (D1), a caller id that is not the account's (D35): both look the same from outside.
        return "403" if cause is None and (full or wish["from"] not in self._site.numbers) else cause

    def _ring(self, now: float, call: Call) -> None:
        wish, call.dialled = call.wish, True
        self._wake(now + wish.get("timeout_secs", 30), "ring", call)
        self._site.network.dial(now, carrier=self._site.name, ref=call.call_control_id, to=wish["to"], caller_id=wish["from"])

    def hang_up(self, now: float, call: Call) -> None:
        """By command."""
        self._release(now, call, calls.CANCELED if call.answered is None else calls.HUNG_UP)

    def on_timer(self, now: float, kind: str, call_control_id: str) -> None:
        """A time of a live leg has come: end, ring, limit or reconnect."""
        call = self._calls.get(call_control_id)
        if call is None or not call.live:
            return
        if kind == "end":
            self._finish(now, call)
        elif kind == "ring" and call.answered is None:
            self._release(now, call, calls.RING_TIMEOUT[bool(call.wish.get("retry_on_timeout", True))])
        elif kind == "limit":
            self._release(now, call, calls.TIME_LIMIT)
        elif kind == "reconnect" and call.stream is None:
            self.connect(now, call)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        """Ringing is no event of Call Control."""
        call = self._calls.get(event.ref)
        if call is None or not call.live:
            return
        if event.kind == "answered":
            self._answered(now, call)
        elif event.kind == "digit":
            self._pressed(now, call, event.digit)
        elif event.kind == "ended":
            self._ended(now, call, event)

    def _answered(self, now: float, call: Call) -> None:
        call.answered = now
        self._wake(now + call.wish.get("time_limit_secs", 14_400), "limit", call)
        self._hooks.tell(now, call, "call.answered", calls.answered(call))
        if "stream_url" in call.wish:
            self.connect(now, call)

    def _pressed(self, now: float, call: Call, digit: str) -> None:
        self._hooks.tell(now, call, "call.dtmf.received", call.ids() | call.parties() | {"digit": digit})
        if call.stream is not None and call.stream.is_open:
            self._send(call.stream, call.stream.pressed(digit, iso(now)))

    def _ended(self, now: float, call: Call, event: PhoneEvent) -> None:
        call.dialled = False
        if call.end is not None:
            self._finish(now, call)
            return
        lost = event.cause == "normal" and event.by != "phone"
        call.end = calls.LOST if lost else calls.AT_PHONE.get(event.cause, calls.LOST)
        # The telephone network needs longer to find that a number does not exist than Telnyx needs to refuse it.
        wait_s = self._site.knobs.get("network_404_after_s", 1.5) if event.cause == "invalid" else 0.0
        if now < call.created + wait_s:
            self._wake(call.created + wait_s, "end", call)
        else:
            self._finish(now, call)

    def _release(self, now: float, call: Call, end: End) -> None:
        """We end it: the network's word comes back as an `ended` event, unless it never knew of the call."""
        call.end = end
        if call.dialled:
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.call_control_id)
        else:
            self._finish(now, call)

    def _finish(self, now: float, call: Call) -> None:
        end = call.end or calls.LOST
        call.ended, call.end = now, end
        if call.stream is not None:
            self.disconnect(now, call)
        elif "stream_url" in call.wish and not call.streamed and self._site.knobs.get("stopped_when_unanswered", True):
            self._hooks.tell(now, call, "streaming.stopped", self._about_stream(call))
        sip = self._site.knobs.get("normal_sip", end.sip) if end.cause == "normal_clearing" else end.sip
        self._hooks.tell(now, call, "call.hangup", calls.hung_up(call, end, sip))

    # --- the media socket ----------------------------------------------------------------------------------------

    def connect(self, now: float, call: Call) -> None:
        """Open a stream as the dial or the command asked."""
        wish, stream_id = call.wish, calls.new_uuid(self._site.random)
        start = {
            "user_id": self._user_id,
            "call_control_id": call.call_control_id,
            "call_session_id": call.call_session_id,
            "from": wish["from"],
            "to": wish["to"],
            "tags": [],
            "client_state": wish.get("client_state"),
            "custom_parameters": {},
        }
        mode = wish.get("stream_bidirectional_mode", "mp3")
        buffer_s = self._site.knobs.get("playback_limit_s", 60.0)
        call.stream = Stream(stream_id, start, url=wish["stream_url"], mode=mode, buffer_s=buffer_s)
        call.streamed = True
        self._streams[stream_id] = call
        # Sent before the stream begins, so it proves nothing.
        self._hooks.tell(now, call, "streaming.started", self._about_stream(call))
        self._site.emit(
            OpenSocket(stream=stream_id, url=wish["stream_url"], carrier_call_id=call.call_control_id, number=wish["to"])
        )

    def disconnect(self, now: float, call: Call) -> None:
        """The carrier's own end of a stream: a stop frame, a close, a webhook."""
        stream = self._forget_stream(call)
        if stream.is_open:
            self._send(stream, stream.goodbye())
        self._site.emit(CloseSocket(stream=stream.id))
        self._hooks.tell(now, call, "streaming.stopped", self._about_stream(call))

    def _forget_stream(self, call: Call) -> Stream:
        stream, call.stream = call.stream, None
        assert stream is not None
        self._streams.pop(stream.id, None)
        return stream

    def on_socket_open(self, now: float, stream: str) -> None:
        """The customer took the stream."""
        call = self._streams.get(stream)
        if call is not None and call.stream is not None:
            for frame in call.stream.hello():
                self._send(call.stream, frame)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        """The customer did not take it."""
        call = self._streams.get(stream)
        if call is not None:
            self._broke(now, call)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        """The call lives on: the stream is only a fork of it."""
        call = self._streams.get(stream)
        if call is None:
            return
        if code == 1006:
            self._broke(now, call)
        else:
            self._forget_stream(call)
            self._hooks.tell(now, call, "streaming.stopped", self._about_stream(call))

    def _broke(self, now: float, call: Call) -> None:
        stream = self._forget_stream(call)
        params = {"stream_url": stream.url, "track": "inbound_track"}
        why = {"failure_reason": "connection_failed", "stream_id": stream.id, "stream_params": params, "stream_type": "websocket"}
        self._hooks.tell(now, call, "streaming.failed", call.ids() | why)
        again_s = self._site.knobs.get("stream_reconnect_after_s")
        if again_s is not None:
            self._wake(now + again_s, "reconnect", call)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        """The customer sends."""
        call = self._streams.get(stream)
        if call is None or call.stream is None:
            return
        result = call.stream.take(data)
        if isinstance(result, Rejected):
            self._complain(now, call, result)
            return
        for frame in result:
            self._send(call.stream, frame)

    def _complain(self, now: float, call: Call, rejected: Rejected) -> None:
        self._site.ledger.write(
            now,
            "rejected_frame",
            carrier=self._site.name,
            number=call.wish["to"],
            carrier_call_id=call.call_control_id,
            reason=rejected.reason,
        )
        if rejected.answer and call.stream is not None:
            self._send(call.stream, rejected.answer)

    def on_tick(self, now: float) -> None:
        """20 ms have passed."""
        for call in list(self._streams.values()):
            if call.stream is not None and call.stream.is_open:
                self._exchange(call, call.stream)

    def _exchange(self, call: Call, stream: Stream) -> None:
        """20 ms each way."""
        name, ref = self._site.name, call.call_control_id
        self._send(stream, stream.heard(self._site.network.say(name, ref)))
        call.heard_packets += 1
        frame, marks = stream.play()
        self._site.network.hear(name, ref, frame)
        for mark in marks:
            self._send(stream, mark)

    # --- small things --------------------------------------------------------------------------------------------

    def _about_stream(self, call: Call) -> dict[str, Any]:
        return call.ids() | {"stream_url": call.wish["stream_url"]}

    def _send(self, stream: Stream, frame: str) -> None:
        self._site.emit(SendFrame(stream=stream.id, data=frame))

    def _wake(self, at: float, kind: str, call: Call) -> None:
        self._site.emit(Wake(at=at, key=f"{kind} {call.call_control_id}"))
