"""The lab's Twilio speaks Media Streams: the WebSocket client of `<Connect><Stream>`, its buffer, marks and complaints."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from carriers.lab.contract import CloseSocket, OpenSocket, SendFrame, Site
from carriers.lab.playback import Playback
from carriers.twilio.simulator_call import BUFFER_LIMIT_S, Call, Stream, Verb
from carriers.twilio.simulator_hooks import SIGNATURE, Hooks

BAD_URL, BAD_TRACK, NOT_WSS = "31923", "31941", "31922"
NOT_TEXT, NOT_VALID, BUFFER_FULL = "31950", "31951", "31931"
SHAPES: dict[str, dict[str, set[str]]] = {
    "media": {"": {"event", "streamSid", "media"}, "media": {"payload"}},
    "mark": {"": {"event", "streamSid", "mark"}, "mark": {"name"}},
    "clear": {"": {"event", "streamSid"}},
}
"""Fields of what a customer may send: none missing, none more, else warning 31951 and the message is dropped."""


class StreamRefused(Exception):
    """The verb cannot start; `code` as in the error catalogue."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Streams:
    """All media sockets of the account. The life of a call around them is in `simulator_life`."""

    def __init__(self, site: Site, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self.by_sid: dict[str, Stream] = {}

    def open(self, call: Call, connect: Verb, verb: Verb) -> Stream:
        """Connect to the customer; the query of its URL is lost without a word, as it is at Twilio."""
        url = self._checked_url(verb)
        sid = f"MZ{self._site.random.getrandbits(128):032x}"
        stream = Stream(
            sid=sid, call_sid=call.sid, connect=connect, verb=verb, url=url, playback=Playback(BUFFER_LIMIT_S), warned=set()
        )
        self.by_sid[sid] = call.stream = stream
        headers = {SIGNATURE: self._hooks.sign(url, {}), "User-Agent": "Twilio.TmeWs/1.0"}
        self._site.emit(OpenSocket(stream=sid, url=url, headers=headers, carrier_call_id=call.sid, number=call.to))
        return stream

    def opened(self, now: float, call: Call, stream: Stream) -> None:
        """101: `connected`, then `start` with the ids and the customer's parameters."""
        stream.opened_at = now
        self._send(stream, {"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "streamSid": stream.sid,
            "accountSid": call.account_sid,
            "callSid": call.sid,
            "tracks": ["inbound"],
            "customParameters": {p.attributes.get("name", ""): p.attributes.get("value", "") for p in stream.verb.children},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        self._send_counted(stream, {"event": "start", "start": start})
        self.report(now, call, stream, "stream-started")

    def closed(self, now: float, call: Call, stream: Stream, *, say_stop: bool) -> None:
        """Forget the stream; `say_stop` when it is Twilio that ends it and its socket is still there."""
        self.by_sid.pop(stream.sid, None)
        call.stream = None
        if say_stop and stream.opened_at is not None:
            self._send_counted(stream, {"event": "stop", "stop": {"accountSid": call.account_sid, "callSid": call.sid}})
        if say_stop:
            self._site.emit(CloseSocket(stream=stream.sid))
        if stream.opened_at is not None:
            self.report(now, call, stream, "stream-stopped")

    def tick(self, now: float, stream: Stream) -> None:
        """20 ms: what the person says goes out, what is queued is heard, marks that were reached come back."""
        if stream.opened_at is None:
            return
        said = self._site.network.say(self._site.name, stream.call_sid)
        stream.chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(stream.chunk),
            "timestamp": str(round((now - stream.opened_at) * 1000)),
            "payload": base64.b64encode(said).decode(),
        }
        self._send_counted(stream, {"event": "media", "media": media})
        heard, marks = stream.playback.next_frame()
        self._site.network.hear(self._site.name, stream.call_sid, heard)
        self._send_marks(stream, marks)

    def digit(self, stream: Stream, digit: str) -> None:
        """A key was pressed; only bidirectional streams tell."""
        self._send_counted(stream, {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    def received(self, now: float, call: Call, stream: Stream, data: str | bytes) -> None:
        """One message of the customer's."""
        message = _valid(data, stream.sid)
        if isinstance(message, str):
            self._warn(now, call, stream, message, data)
            return
        match message["event"]:
            case "media":
                self._queue(now, call, stream, base64.b64decode(message["media"]["payload"]))
            case "mark":
                name = message["mark"]["name"]
                self._send_marks(stream, [name] if stream.playback.mark(name) else [])
            case _:
                self._send_marks(stream, stream.playback.clear())

    def report(self, now: float, call: Call, stream: Stream, event: str, error: str = "") -> None:
        """The stream's status callback; its times are ISO 8601, unlike those of call callbacks."""
        url = stream.verb.attributes.get("statusCallback", "")
        if not url:
            return
        fields = {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "StreamSid": stream.sid,
            "StreamName": stream.verb.attributes.get("name", stream.sid),
            "StreamEvent": event,
            "Timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        if error:
            fields["StreamError"] = f"Stream signal error, code: {error}"
        self._hooks.send(now, call, "stream", url, stream.verb.attributes.get("statusCallbackMethod", "POST"), fields)

    def _checked_url(self, verb: Verb) -> str:
        if verb.attributes.get("track", "inbound_track") != "inbound_track":
            raise StreamRefused(BAD_TRACK)
        parts = urlsplit(verb.attributes.get("url", ""))
        if not parts.hostname or parts.scheme not in {"wss", "ws"}:
            raise StreamRefused(BAD_URL)
        if parts.scheme == "ws" and self._site.knobs.get("require_wss", False):
            raise StreamRefused(NOT_WSS)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def _queue(self, now: float, call: Call, stream: Stream, sound: bytes) -> None:
        if not stream.playback.add(sound):
            self._warn(now, call, stream, BUFFER_FULL, "")

    def _warn(self, now: float, call: Call, stream: Stream, code: str, data: str | bytes) -> None:
        """Twilio warns once per stream and code; the ledger shows every frame that was dropped."""
        self._site.ledger.write(
            now,
            "rejected_frame",
            carrier=self._site.name,
            number=call.to,
            carrier_call_id=call.sid,
            code=code,
            frame=repr(data[:200]),
        )
        if code not in stream.warned:
            stream.warned.add(code)
            call.notifications.append((now, code, stream.url))

    def _send_marks(self, stream: Stream, names: list[str]) -> None:
        for name in names:
            self._send_counted(stream, {"event": "mark", "mark": {"name": name}})

    def _send_counted(self, stream: Stream, message: dict[str, Any]) -> None:
        stream.sequence += 1
        self._send(stream, message | {"sequenceNumber": str(stream.sequence), "streamSid": stream.sid})

    def _send(self, stream: Stream, message: dict[str, Any]) -> None:
        self._site.emit(SendFrame(stream=stream.sid, data=json.dumps(message, separators=(",", ":"))))


def _valid(data: str | bytes, stream_sid: str) -> dict[str, Any] | str:
    """The message, or the code under which Twilio drops it."""
    if isinstance(data, bytes):
        return NOT_TEXT
    try:
        message = json.loads(data)
    except ValueError:
        return NOT_VALID
    if not isinstance(message, dict) or message.get("streamSid") != stream_sid or not _well_formed(message):
        return NOT_VALID
    return message


def _well_formed(message: dict[str, Any]) -> bool:
    shape = SHAPES.get(str(message.get("event")))
    if shape is None or set(message) != shape[""]:
        return False
    inner = message.get(message["event"])
    if message["event"] == "clear":
        return True
    if not isinstance(inner, dict) or set(inner) != shape[message["event"]]:
        return False
    return all(isinstance(value, str) for value in inner.values()) and _is_base64(inner.get("payload", ""))


def _is_base64(text: str) -> bool:
    """Standard alphabet with `=` padding; never the URL-safe one."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
