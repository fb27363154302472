"""The lab's Twilio speaks Media Streams: the WebSocket client of `<Connect>` and `<Start>`, its buffer, marks and complaints."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import CloseSocket, OpenSocket, SendFrame, Site
from carriers.lab.playback import Playback
from carriers.twilio import simulator_frames as frames
from carriers.twilio.simulator_call import Call, Target
from carriers.twilio.simulator_hooks import SIGNATURE, Hooks

BAD_URL, BAD_TRACK, NOT_WSS, PROTOCOL = "31923", "31941", "31922", "31924"
NO_UPGRADE, REFUSED, BROKEN, CLOSED_BY_CUSTOMER = "31920", "31902", "31903", "31921"
ABNORMAL = 1006
BUFFER_LIMIT_S = 600.0
"""More than ten minutes queued is discarded, with warning 31931."""
FRAME_MS = 20
TRACKS: Mapping[str, tuple[str, ...]] = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}


class StreamRefused(Exception):
    """The stream cannot start; `code` as in the error catalogue."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class StreamOrder(Struct, frozen=True, kw_only=True):
    """A stream as a document or the API asks for it. `both_ways`: of `<Connect>`, which can also be talked to."""

    url: str
    both_ways: bool
    name: str = ""
    track: str = "inbound_track"
    parameters: Mapping[str, str] = {}
    report: Target = Target()


class Tap(CallRecorder):
    """Hears both sides of a call, 20 ms at a time, and keeps nothing."""

    def __init__(self, sid: str, take: Callable[[bytes, bytes], None]) -> None:
        super().__init__(sid)
        self._take = take

    def add(self, said: bytes, heard: bytes) -> str:
        self._take(said, heard)
        return ""


class Stream(Struct, kw_only=True, eq=False):
    """One media stream: exists from the order until its socket is gone."""

    sid: str
    call: Call
    order: StreamOrder
    url: str
    playback: Playback
    when_lost: Callable[[float], None] | None = None
    """What the verb does when the stream ends by itself."""
    opened_at: float | None = None
    tap: Tap | None = None
    sequence: int = 0
    chunks: int = 0
    reached: list[str] = []
    """Marks whose sound was played in this tick."""
    warned: set[str] = set()
    failed: bool = False
    """It was reported broken, while its socket stays half-open."""


class Streams:
    """All media streams of the account."""

    def __init__(self, site: Site, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self.by_sid: dict[str, Stream] = {}
        self._by_call: dict[str, list[Stream]] = {}

    # --- its life ---------------------------------------------------------------------------------------------------

    def open(self, call: Call, order: StreamOrder, when_lost: Callable[[float], None] | None = None) -> Stream:
        """Connect to the customer; the query of its URL is lost without a word, as it is at Twilio. Raise StreamRefused."""
        url = self._checked_url(order)
        sid = f"MZ{self._site.random.getrandbits(128):032x}"
        stream = Stream(sid=sid, call=call, order=order, url=url, playback=Playback(BUFFER_LIMIT_S), when_lost=when_lost)
        self.by_sid[sid] = stream
        self._by_call.setdefault(call.sid, []).append(stream)
        headers = {SIGNATURE: self._hooks.sign(url, {}), "User-Agent": "Twilio.TmeWs/1.0"}
        self._site.emit(OpenSocket(stream=sid, url=url, headers=headers, carrier_call_id=call.sid, number=call.person))
        return stream

    def opened(self, now: float, stream: Stream) -> None:
        """101: `connected`, then `start` with the ids and the customer's parameters."""
        stream.opened_at = now
        self._send(stream, {"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": stream.call.account_sid,
            "streamSid": stream.sid,
            "callSid": stream.call.sid,
            "tracks": list(TRACKS[stream.order.track]),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(stream.order.parameters),
        }
        self._send_counted(stream, "start", start)
        self._listen(stream)
        self.report(now, stream, "stream-started")

    def refused(self, now: float, stream: Stream, status: int) -> None:
        """By consistent reports the verb falls through: a dead media node looks like a call of a few seconds."""
        code = NO_UPGRADE if status else REFUSED
        self._note(now, stream, code)
        if self._site.knobs.get("refusal_is_reported", True):
            self.report(now, stream, "stream-error", code)
        self._forget(stream)
        self._lost(now, stream)

    def closed(self, now: float, stream: Stream, code: int) -> None:
        """The customer closed it, or it broke. Twilio never reconnects: it goes on with what follows `<Connect>`."""
        if stream.failed:
            self._forget(stream)
            return
        error = BROKEN if code == ABNORMAL else CLOSED_BY_CUSTOMER
        self._note(now, stream, error)
        if code == ABNORMAL or self._site.knobs.get("close_is_reported", False):
            self.report(now, stream, "stream-error", error)
        self._forget(stream)
        self.report(now, stream, "stream-stopped")
        self._lost(now, stream)

    def close(self, now: float, stream: Stream) -> None:
        """Twilio ends it: `stop`, then the socket is closed."""
        self._forget(stream)
        if stream.opened_at is not None:
            stop = {"accountSid": stream.call.account_sid, "callSid": stream.call.sid}
            self._send_counted(stream, "stop", stop)
        self._site.emit(CloseSocket(stream=stream.sid))
        if stream.opened_at is not None and not stream.failed:
            self.report(now, stream, "stream-stopped")

    def close_all(self, now: float, call: Call) -> None:
        """The call is over."""
        for stream in self.of(call):
            self.close(now, stream)

    def of(self, call: Call) -> list[Stream]:
        """The call's streams, oldest first."""
        return list(self._by_call.get(call.sid, ()))

    def forget(self) -> None:
        """Begin anew."""
        self.by_sid.clear()
        self._by_call.clear()

    # --- sound and keys ---------------------------------------------------------------------------------------------

    def ticked(self, now: float, call: Call) -> None:
        """After the sound of 20 ms: the marks that were reached come back, after the frame."""
        limit_s = self._site.knobs.get("half_open_after_s", 0.0)
        for stream in self.of(call):
            reached, stream.reached = stream.reached, []
            self._send_marks(stream, reached)
            if limit_s and stream.opened_at is not None and now - stream.opened_at >= limit_s and not stream.failed:
                self._break(now, stream)

    def digit(self, stream: Stream, digit: str) -> None:
        """A key was pressed; only bidirectional streams tell."""
        if stream.opened_at is not None:
            self._send_counted(stream, "dtmf", {"track": "inbound_track", "digit": digit})

    def received(self, now: float, stream: Stream, data: str | bytes) -> None:
        """One message of the customer's."""
        message = frames.read(data, stream.sid)
        if isinstance(message, str) or not stream.order.both_ways:
            self._warn(now, stream, message if isinstance(message, str) else frames.NOT_VALID, data)
            if self._site.knobs.get("bad_frame_breaks_stream", False) and not stream.failed:
                self._break(now, stream)
            return
        match message["event"]:
            case "media":
                if not stream.playback.add(base64.b64decode(message["media"]["payload"])):
                    self._warn(now, stream, frames.BUFFER_FULL, "")
            case "mark":
                name = message["mark"]["name"]
                self._send_marks(stream, [name] if stream.playback.mark(name) else [])
            case _:
                self._send_marks(stream, stream.playback.clear())

    def _listen(self, stream: Stream) -> None:
        audio = stream.call.audio
        if audio is None:
            return
        stream.tap = Tap(stream.sid, lambda said, heard: self._send_media(stream, said, heard))
        audio.recorders.append(stream.tap)
        if stream.order.both_ways:
            audio.playback = lambda: self._next_frame(stream)

    def _next_frame(self, stream: Stream) -> bytes:
        frame, marks = stream.playback.next_frame()
        stream.reached += marks
        return frame

    def _send_media(self, stream: Stream, said: bytes, heard: bytes) -> None:
        stream.chunks += 1
        sound = {"inbound": said, "outbound": heard}
        for track in () if stream.failed else TRACKS[stream.order.track]:
            media = {
                "track": track,
                "chunk": str(stream.chunks),
                "timestamp": str(stream.chunks * FRAME_MS),
                "payload": base64.b64encode(sound[track]).decode(),
            }
            self._send_counted(stream, "media", media)

    # --- telling ----------------------------------------------------------------------------------------------------

    def report(self, now: float, stream: Stream, event: str, error: str = "") -> None:
        """The stream's status callback; its times are ISO 8601, unlike those of call callbacks."""
        target, call = stream.order.report, stream.call
        if not target.url:
            return
        fields = {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "StreamSid": stream.sid,
            "StreamName": stream.order.name or stream.sid,
            "StreamEvent": event,
            "Timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        if error:
            fields["StreamError"] = f"Stream signal error, code: {error}"
        self._hooks.send(now, call, "stream", target.url, target.method, fields)

    def _break(self, now: float, stream: Stream) -> None:
        """31924, as others met it: reported broken and left to hang, the call goes on, our socket stays half-open."""
        stream.failed = True
        self._note(now, stream, PROTOCOL)
        self.report(now, stream, "stream-error", PROTOCOL)
        self._silence(stream)
        self._lost(now, stream)

    def _lost(self, now: float, stream: Stream) -> None:
        lost, stream.when_lost = stream.when_lost, None
        if lost is not None:
            lost(now)

    def _forget(self, stream: Stream) -> None:
        if self.by_sid.pop(stream.sid, None) is not None:
            mine = self._by_call[stream.call.sid]
            mine.remove(stream)
            if not mine:
                del self._by_call[stream.call.sid]
        stream.when_lost = stream.when_lost if stream.call.live else None
        self._silence(stream)

    def _silence(self, stream: Stream) -> None:
        audio, tap, stream.tap = stream.call.audio, stream.tap, None
        if audio is None or tap is None:
            return
        if tap in audio.recorders:
            audio.recorders.remove(tap)
        if stream.order.both_ways:
            audio.playback = None

    def _checked_url(self, order: StreamOrder) -> str:
        if order.track not in TRACKS or (order.both_ways and order.track != "inbound_track"):
            raise StreamRefused(BAD_TRACK)
        parts = _parts(order.url)
        if not parts.hostname or parts.scheme not in {"wss", "ws"}:
            raise StreamRefused(BAD_URL)
        if parts.scheme == "ws" and self._site.knobs.get("require_wss", False):
            raise StreamRefused(NOT_WSS)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def _warn(self, now: float, stream: Stream, code: str, data: str | bytes) -> None:
        """Twilio warns once per stream and code; the ledger shows every frame that was dropped."""
        who = {"carrier": self._site.name, "number": stream.call.person, "carrier_call_id": stream.call.sid}
        self._site.ledger.write(now, "rejected_frame", code=code, frame=repr(data[:200]), **who)
        if code not in stream.warned:
            stream.warned.add(code)
            self._note(now, stream, code)

    def _note(self, now: float, stream: Stream, code: str) -> None:
        stream.call.notifications.append((now, code, stream.url))

    def _send_marks(self, stream: Stream, names: list[str]) -> None:
        for name in names:
            self._send_counted(stream, "mark", {"name": name})

    def _send_counted(self, stream: Stream, event: str, content: Mapping[str, Any]) -> None:
        stream.sequence += 1
        self._send(stream, {"event": event, "sequenceNumber": str(stream.sequence), event: content, "streamSid": stream.sid})

    def _send(self, stream: Stream, message: Mapping[str, Any]) -> None:
        self._site.emit(SendFrame(stream=stream.sid, data=msgspec.json.encode(message).decode()))


def _parts(url: str) -> SplitResult:
    """Raise StreamRefused for what cannot even be taken apart, its port included."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise StreamRefused(BAD_URL) from error
    return parts
