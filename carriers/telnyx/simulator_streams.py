"""The simulated Telnyx' media WebSocket: the frames it sends, and what it does with the customer's."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from carriers.lab.playback import FRAME, SILENCE, Playback
from carriers.telnyx.simulator_codecs import Encoding

SHORTEST_S, LONGEST_S = 0.02, 30.0
"""Of the sound in one message."""
MP3_MESSAGE_S = 1.0
"""In mp3 mode one message a second is taken."""


class Rejected(Struct, frozen=True):
    """A frame of the customer's that does nothing: why, and the error frame that Telnyx answers (empty: it is silent)."""

    reason: str
    answer: str = ""


class Manners(Struct, frozen=True, kw_only=True):
    """How a stream was asked for, and what is guessed of it."""

    hears: Encoding
    """What Telnyx sends."""
    says: Encoding
    """What Telnyx takes."""
    mode: str
    tracks: tuple[str, ...]
    buffer_s: float
    short_frames: str
    """What becomes of a message of less than 20 ms: `refused`, or `padded`."""
    timestamps: str
    """What a frame's timestamp counts: `ms`, or `chunks`."""
    swaps_every: int
    """0, or: each n-th media frame is overtaken by the next."""


class Stream:
    """One media socket of one leg. `send` takes each frame that leaves by itself."""

    def __init__(self, stream_id: str, start: dict[str, Any], *, url: str, manners: Manners, send: Callable[[str], None]) -> None:
        self.id, self.url, self.is_open = stream_id, url, False
        self._start, self._manners, self._send = start, manners, send
        self._playback = Playback(manners.buffer_s)
        self._sequence = 0
        self._chunks = dict.fromkeys(manners.tracks, 0)
        self._overtaken = ""
        self._last_mp3 = float("-inf")

    def hello(self) -> list[str]:
        """What is sent when the socket stands."""
        self.is_open = True
        heard = self._manners.hears
        media_format = {"encoding": heard.name, "sample_rate": heard.rate, "channels": 1}
        return [
            _text({"event": "connected", "version": "1.0.0"}),
            self._numbered("start", self._start | {"media_format": media_format}),
        ]

    def heard(self, sound: dict[str, bytes]) -> list[str]:
        """20 ms of each track, by its name; those that were asked for become frames."""
        return [frame for track in self._manners.tracks for frame in self._in_order(self._media(track, sound[track]))]

    def _media(self, track: str, frame: bytes) -> str:
        self._chunks[track] += 1
        chunk = self._chunks[track]
        body = {
            "track": track,
            "chunk": str(chunk),
            "timestamp": str((chunk - 1) * 20 if self._manners.timestamps == "ms" else chunk),
            "payload": base64.b64encode(self._manners.hears.encode(frame)).decode(),
        }
        return self._numbered("media", body)

    def _in_order(self, frame: str) -> list[str]:
        """Order "is not guaranteed": where frames are to be overtaken, each n-th waits for the next."""
        if self._overtaken:
            frames, self._overtaken = [frame, self._overtaken], ""
            return frames
        every = self._manners.swaps_every
        if every and sum(self._chunks.values()) % every == 0:
            self._overtaken = frame
            return []
        return [frame]

    def pressed(self, digit: str, occurred_at: str) -> str:
        """A key of the person's."""
        return self._numbered("dtmf", {"digit": digit}, occurred_at=occurred_at)

    def play(self) -> bytes:
        """The next 20 ms for the person; marks that are now due leave."""
        frame, marks = self._playback.next_frame()
        for name in marks:
            self._send(self._mark(name))
        return frame

    def goodbye(self) -> str:
        """The last frame, when the leg ends or the stream is stopped."""
        self.is_open = False
        ids = {name: self._start[name] for name in ("user_id", "call_control_id")}
        return self._numbered("stop", ids)

    def take(self, now: float, data: str | bytes) -> list[str] | Rejected:
        """One message of the customer's: the frames that answer it, or why it is worth nothing."""
        if isinstance(data, bytes):
            return Rejected("binary frames are not documented")
        message = _object(data)
        if message is None:
            return Rejected("not a JSON object", self._error(100003, "malformed_frame", "the frame is no JSON object"))
        if message.get("event") == "media":
            return self._take_media(now, message)
        act = {"mark": self._take_mark, "clear": self._take_clear}.get(str(message.get("event")))
        if act is None:
            return Rejected(f"event {message.get('event')!r}", self._error(100003, "malformed_frame", "unknown event"))
        return act(message)

    def _take_media(self, now: float, message: dict[str, Any]) -> list[str] | Rejected:
        sound = _payload(message)
        if sound is None:
            return Rejected("payload is not base64", self._error(100004, "invalid_media", "payload is not base64"))
        if self._manners.mode != "rtp":
            return self._take_mp3(now, sound)
        seconds = len(sound) / self._manners.says.bytes_per_second
        if seconds > LONGEST_S or (seconds < SHORTEST_S and self._manners.short_frames == "refused"):
            return Rejected("a message holds 20 ms to 30 s", self._error(100004, "invalid_media", "20 ms to 30 s"))
        mulaw = self._manners.says.decode(sound)
        if not self._playback.add(mulaw + SILENCE[len(mulaw) : FRAME]):
            return Rejected("the buffer is full", self._error(100005, "rate_limit_reached", "too much waits to be played"))
        return []

    def _take_mp3(self, now: float, sound: bytes) -> Rejected:
        """mp3 mode is the default where nothing is said, and silently drops what is no MP3 file."""
        if not (sound.startswith(b"ID3") or (sound[:1] == b"\xff" and sound[1:2] >= b"\xe0" and len(set(sound)) > 1)):
            return Rejected("raw frames on a stream in mp3 mode are not played")
        if now - self._last_mp3 < MP3_MESSAGE_S:
            return Rejected("more than one mp3 a second", self._error(100005, "rate_limit_reached", "one message a second"))
        self._last_mp3 = now
        return Rejected("the lab does not simulate the playing of mp3")

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
