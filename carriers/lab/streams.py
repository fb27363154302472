"""One carrier's media sockets: from the simulator's wish to the wire and back, and what the faults do to them. Pure."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from carriers.lab.contract import CloseSocket, Effect, Ledger, OpenSocket, SendFrame, Simulator
from carriers.lab.faults import FaultKind, Switchboard
from carriers.lab.fields import e164
from carriers.lab.timers import Timers

BROKEN = 1006
By = Literal["carrier", "customer", "fault"]


class Stream(Struct, kw_only=True, eq=False):
    """One socket. `opened_at` is 0 until the customer has accepted the upgrade."""

    id: str
    url: str
    carrier_call_id: str
    number: str
    opened_at: float = 0.0
    frames_out: int = 0
    frames_in: int = 0
    held: list[SendFrame] = []
    """Frames that a burst keeps back."""


class Streams:
    """Of one carrier. `spoke` and `gone` are told (carrier_call_id) of a first frame from the customer, and of the end."""

    def __init__(
        self,
        *,
        carrier: str,
        simulator: Simulator,
        faults: Switchboard,
        timers: Timers,
        ledger: Ledger,
        order: Callable[[Effect], None],
        spoke: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        self._carrier, self._simulator, self._faults = carrier, simulator, faults
        self._timers, self._ledger, self._order = timers, ledger, order
        self._spoke, self._gone = spoke, gone
        self._streams: dict[str, Stream] = {}

    @property
    def open_count(self) -> int:
        """Sockets that carry frames now."""
        return sum(1 for stream in self._streams.values() if stream.opened_at)

    # --- what the simulator wants --------------------------------------------------------------------------------

    def open(self, now: float, wish: OpenSocket) -> None:
        """Connect, unless a fault forbids it."""
        number = e164(wish.number) if wish.number else ""
        stream = Stream(id=wish.stream, url=wish.url, carrier_call_id=wish.carrier_call_id, number=number)
        self._streams[wish.stream] = stream
        fault = self._faults.down(now) or self._faults.strike(now, FaultKind.STREAM_REFUSED, number)
        if fault:
            self._timers.add(now, self._refuse_later, wish.stream)
        else:
            self._order(wish)

    def send(self, now: float, frame: SendFrame) -> None:
        """Send one message; a stream that is not open swallows it."""
        stream = self._streams.get(frame.stream)
        if stream is None or not stream.opened_at:
            return
        if self._faults.strike_call(now, FaultKind.STREAM_SILENT, stream.number, stream.id):
            return
        burst = self._faults.strike_call(now, FaultKind.STREAM_BURST, stream.number, stream.id)
        if burst and not stream.held:
            self._timers.add(now + burst.every_s, self._flush_later, stream.id)
        if burst or stream.held:
            stream.held.append(frame)
        else:
            self._out(stream, frame)

    def close(self, now: float, wish: CloseSocket) -> None:
        """The carrier ends the stream."""
        stream = self._streams.pop(wish.stream, None)
        if stream is not None:
            self._flush(stream)
            self._end(now, stream, "carrier", wish.code, wish)

    # --- what the wire says --------------------------------------------------------------------------------------

    def on_open(self, now: float, stream_id: str) -> None:
        """The customer accepted the upgrade."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.opened_at = now
        self._write(now, "stream_open", stream, url=stream.url)
        self._plan_cut(now, stream)
        self._simulator.on_socket_open(now, stream_id)

    def on_refused(self, now: float, stream_id: str, status: int) -> None:
        """The customer refused the upgrade, or could not be reached (0)."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._write(now, "stream_refused", stream, url=stream.url, status=status)
            self._simulator.on_socket_refused(now, stream_id, status)

    def on_frame(self, now: float, stream_id: str, data: str | bytes) -> None:
        """One message from the customer."""
        stream = self._streams.get(stream_id)
        if stream is None or not stream.opened_at:
            return
        stream.frames_in += 1
        if stream.frames_in == 1:
            self._spoke(stream.carrier_call_id)
        self._simulator.on_socket_frame(now, stream_id, data)

    def on_closed(self, now: float, stream_id: str, code: int, by: By = "customer") -> None:
        """The customer closed, or the connection broke (1006)."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._end(now, stream, by, code)
            self._simulator.on_socket_closed(now, stream_id, code)

    # --- what faults do ------------------------------------------------------------------------------------------

    def break_all(self, now: float) -> None:
        """The carrier has gone: every connection is reset."""
        for stream in list(self._streams.values()):
            self._break(now, stream)

    def review(self, now: float) -> None:
        """Faults have changed: streams that are open already may have to be cut."""
        for stream in list(self._streams.values()):
            if stream.opened_at:
                self._plan_cut(now, stream)

    def reset(self, now: float) -> None:
        """Close all without a word to the simulator."""
        for stream in list(self._streams.values()):
            self._order(CloseSocket(stream=stream.id, code=1001))
            self._end(now, stream, "fault", 1001)
        self._streams.clear()

    def _plan_cut(self, now: float, stream: Stream) -> None:
        cut = self._faults.strike_call(now, FaultKind.STREAM_CUT, stream.number, stream.id)
        if cut:
            self._timers.add(max(now, stream.opened_at + cut.after_s), self._cut_later, stream.id)

    def _cut_later(self, now: float, stream_id: str) -> None:
        stream = self._streams.get(stream_id)
        if stream is None or not stream.opened_at:
            return
        cut = self._faults.strike_call(now, FaultKind.STREAM_CUT, stream.number, stream.id)
        if cut and now >= stream.opened_at + cut.after_s - 1e-6:
            self._break(now, stream)

    def _break(self, now: float, stream: Stream) -> None:
        self._order(CloseSocket(stream=stream.id, code=BROKEN, abrupt=True))
        if stream.opened_at:
            self.on_closed(now, stream.id, BROKEN, "fault")
        else:
            self.on_refused(now, stream.id, 0)

    def _refuse_later(self, now: float, stream_id: str) -> None:
        self.on_refused(now, stream_id, 0)

    def _flush_later(self, _now: float, stream_id: str) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._flush(stream)

    def _flush(self, stream: Stream) -> None:
        held, stream.held = stream.held, []
        for frame in held:
            self._out(stream, frame)

    def _out(self, stream: Stream, frame: SendFrame) -> None:
        stream.frames_out += 1
        self._order(frame)

    def _end(self, now: float, stream: Stream, by: By, code: int, order: Effect | None = None) -> None:
        if order is not None:
            self._order(order)
        self._write(now, "stream_close", stream, by=by, code=code, frames_out=stream.frames_out, frames_in=stream.frames_in)
        self._gone(stream.carrier_call_id)

    def _write(self, now: float, kind: str, stream: Stream, **more: str | int) -> None:
        call_id, number = stream.carrier_call_id, stream.number
        self._ledger.write(now, kind, carrier=self._carrier, number=number, carrier_call_id=call_id, stream=stream.id, **more)
