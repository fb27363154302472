"""The simulated Telnyx' media WebSocket: the frames it sends, and what it does with the customer's."""

import base64
import binascii
import json
from typing import Any

from msgspec import Struct

from carriers.lab.playback import FRAME, Playback

LONGEST_MESSAGE_BYTES = 30 * 8000
"""20 ms to 30 s of sound in one message."""


class Rejected(Struct, frozen=True):
    """A frame of the customer's that does nothing: why, and the error frame that Telnyx answers (empty: it is silent)."""

    reason: str
    answer: str = ""


class Stream:
    """One media socket of one leg, mu-law both ways."""

    def __init__(self, stream_id: str, start: dict[str, Any], *, url: str, mode: str, buffer_s: float) -> None:
        self.id, self.url, self.mode = stream_id, url, mode
        self.is_open = False
        self._start = start
        self._playback = Playback(buffer_s)
        self._sequence = self._chunk = 0

    def hello(self) -> list[str]:
        """What is sent when the socket stands."""
        self.is_open = True
        media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
        return [
            _text({"event": "connected", "version": "1.0.0"}),
            self._numbered("start", self._start | {"media_format": media_format}),
        ]

    def heard(self, frame: bytes) -> str:
        """20 ms from the person. The unit of `timestamp` is not published: milliseconds here."""
        self._chunk += 1
        body = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str((self._chunk - 1) * 20),
            "payload": base64.b64encode(frame).decode(),
        }
        return self._numbered("media", body)

    def pressed(self, digit: str, occurred_at: str) -> str:
        """A key of the person's."""
        return self._numbered("dtmf", {"digit": digit}, occurred_at=occurred_at)

    def play(self) -> tuple[bytes, list[str]]:
        """The next 20 ms for the person, and the marks that are now due."""
        frame, marks = self._playback.next_frame()
        return frame, [self._mark(name) for name in marks]

    def goodbye(self) -> str:
        """The last frame, when the leg ends or the stream is stopped."""
        self.is_open = False
        ids = {name: self._start[name] for name in ("user_id", "call_control_id")}
        return self._numbered("stop", ids)

    def take(self, data: str | bytes) -> list[str] | Rejected:
        """One message of the customer's: the frames that answer it, or why it is worth nothing."""
        if isinstance(data, bytes):
            return Rejected("binary frames are not documented")
        message = _object(data)
        if message is None:
            return Rejected("not a JSON object", self._error(100003, "malformed_frame", "the frame is no JSON object"))
        act = {"media": self._take_media, "mark": self._take_mark, "clear": self._take_clear}.get(str(message.get("event")))
        if act is None:
            return Rejected(f"event {message.get('event')!r}", self._error(100003, "malformed_frame", "unknown event"))
        return act(message)

    def _take_media(self, message: dict[str, Any]) -> list[str] | Rejected:
        sound = _payload(message)
        if sound is None:
            return Rejected("payload is not base64", self._error(100004, "invalid_media", "payload is not base64"))
        if self.mode != "rtp":
            return Rejected("raw frames on a stream in mp3 mode are not played")
        if not FRAME <= len(sound) <= LONGEST_MESSAGE_BYTES:
            return Rejected("a message holds 20 ms to 30 s", self._error(100004, "invalid_media", "20 ms to 30 s"))
        if not self._playback.add(sound):
            return Rejected("the buffer is full", self._error(100005, "rate_limit_reached", "too much waits to be played"))
        return []

    def _take_mark(self, message: dict[str, Any]) -> list[str] | Rejected:
        mark = message.get("mark")
        name = mark.get("name") if isinstance(mark, dict) else None
        if not isinstance(name, str):
            return Rejected("mark without a name", self._error(100003, "malformed_frame", "mark.name is missing"))
        return [self._mark(name)] if self._playback.mark(name) else []

    def _take_clear(self, _message: dict[str, Any]) -> list[str] | Rejected:
        return [self._mark(name) for name in self._playback.clear()]

    def _mark(self, name: str) -> str:
        return self._numbered("mark", {"name": name})

    def _numbered(self, event: str, body: dict[str, Any], **more: Any) -> str:
        self._sequence += 1
        head = {"event": event, "sequence_number": str(self._sequence), "stream_id": self.id}
        return _text(head | more | {event: body})

    def _error(self, code: int, title: str, detail: str) -> str:
        payload = {"code": code, "title": title, "detail": detail}
        return _text({"event": "error", "stream_id": self.id, "payload": payload})


def _text(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


def _object(data: str) -> dict[str, Any] | None:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _payload(message: dict[str, Any]) -> bytes | None:
    media = message.get("media")
    payload = media.get("payload") if isinstance(media, dict) else None
    try:
        return base64.b64decode(payload, validate=True) if isinstance(payload, str) else None
    except (binascii.Error, ValueError):
        return None
