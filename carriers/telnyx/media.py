"""Telnyx' stream frames: JSON text both ways, base64 of raw codec bytes inside.

In: connected, start, media, dtmf, mark, stop, error. Out: media, mark, clear. We ask for mu-law both ways; what really
comes is told by `start.media_format`, and A-law is turned into mu-law here.
"""

import binascii
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from carriers.telnyx.alaw import ALAW_TO_MULAW
from gateway.domain.errors import Malformed
from gateway.domain.media import (
    MULAW_8K,
    MULAW_FRAME,
    Audio,
    AudioFormat,
    Digit,
    MarkPlayed,
    StreamEvent,
    StreamProblem,
    StreamStarted,
    StreamStopped,
)

HELD_FRAMES = 3
"""How many frames (20 ms each) may wait for one that was overtaken; then it counts as lost."""


class _Frame(Struct, frozen=True, tag_field="event"):
    stream_id: str = ""


class _Connected(_Frame, frozen=True, tag="connected"): ...


class _Format(Struct, frozen=True):
    encoding: str = "PCMU"
    sample_rate: int = 8000


class _StartBody(Struct, frozen=True):
    call_control_id: str = ""
    media_format: _Format = _Format()


class _Start(_Frame, frozen=True, tag="start"):
    start: _StartBody = _StartBody()


class _MediaBody(Struct, frozen=True):
    payload: bytes
    track: str = "inbound"
    chunk: str | int | None = None


class _Media(_Frame, frozen=True, tag="media", kw_only=True):
    media: _MediaBody


class _DtmfBody(Struct, frozen=True):
    digit: str


class _Dtmf(_Frame, frozen=True, tag="dtmf", kw_only=True):
    dtmf: _DtmfBody


class _MarkBody(Struct, frozen=True):
    name: str


class _Mark(_Frame, frozen=True, tag="mark", kw_only=True):
    mark: _MarkBody


class _Stop(_Frame, frozen=True, tag="stop"): ...


class _ErrorBody(Struct, frozen=True):
    code: int | str = ""
    title: str | None = None
    detail: str | None = None


class _Error(_Frame, frozen=True, tag="error"):
    payload: _ErrorBody = _ErrorBody()


class _Any(Struct, frozen=True):
    event: str


_KINDS = frozenset({"connected", "start", "media", "dtmf", "mark", "stop", "error"})
_decode_frame = msgspec.json.Decoder(_Connected | _Start | _Media | _Dtmf | _Mark | _Stop | _Error).decode
_decode_kind = msgspec.json.Decoder(_Any).decode

_ENCODINGS: dict[str, bytes | None] = {
    "PCMU": None,
    "audio/x-mulaw": None,  # older captures
    "PCMA": ALAW_TO_MULAW,
    "audio/x-alaw": ALAW_TO_MULAW,
}
"""Encodings that we can take, and how each byte becomes mu-law."""


class TelnyxMediaCodec:
    """One socket's frames. Keeps the codec of the leg and the order of the frames."""

    def __init__(self) -> None:
        self._table: bytes | None = None
        self._order = _Order()

    @property
    def sends(self) -> AudioFormat:
        return MULAW_8K

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        try:
            message = _decode_frame(frame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _unknown_kind(frame, error)
        if type(message) is _Media:  # 50 a second: no table look-up
            return self._audio(message.media) if message.media.track != "outbound" else ()
        return self._readers[type(message)](self, message)

    def audio(self, payload: bytes) -> str:
        # Frames under 20 ms are undefined at Telnyx, so the tail of a sentence is filled with silence.
        full = payload if len(payload) >= MULAW_FRAME else payload.ljust(MULAW_FRAME, b"\xff")
        return f'{{"event":"media","media":{{"payload":"{binascii.b2a_base64(full, newline=False).decode()}"}}}}'

    def mark(self, name: str) -> str:
        return msgspec.json.encode({"event": "mark", "mark": {"name": name}}).decode()

    def clear(self) -> str:
        return '{"event":"clear"}'

    def _started(self, message: _Start) -> tuple[StreamEvent, ...]:
        encoding, rate = message.start.media_format.encoding, message.start.media_format.sample_rate
        if encoding not in _ENCODINGS or rate != MULAW_8K.rate:
            raise Malformed("unsupported-encoding", f"{encoding} at {rate} Hz")
        self._table, self._order = _ENCODINGS[encoding], _Order()
        return (StreamStarted(stream_id=message.stream_id, carrier_call_id=message.start.call_control_id),)

    def _audio(self, media: _MediaBody) -> tuple[StreamEvent, ...]:
        payload = media.payload if self._table is None else media.payload.translate(self._table)
        return tuple(Audio(frame) for frame in self._order.put(_position(media.chunk), payload))

    def _stopped(self, _message: _Stop) -> tuple[StreamEvent, ...]:
        return (*(Audio(frame) for frame in self._order.flush()), StreamStopped())

    def _complained(self, message: _Error) -> tuple[StreamEvent, ...]:
        body = message.payload
        return (StreamProblem(str(body.code), body.title or body.detail or ""),)

    _readers: ClassVar[dict[type[_Frame], Callable[[Any, Any], tuple[StreamEvent, ...]]]] = {
        _Connected: lambda _self, _message: (),
        _Start: _started,
        _Dtmf: lambda _self, message: (Digit(message.dtmf.digit),),
        _Mark: lambda _self, message: (MarkPlayed(message.mark.name),),
        _Stop: _stopped,
        _Error: _complained,
    }


def _position(chunk: str | int | None) -> int:
    """Telnyx sends the count as a string; 0 for anything that is no count."""
    text = str(chunk)
    return int(text) if text.isdecimal() else 0


def _unknown_kind(frame: str | bytes, error: Exception) -> tuple[StreamEvent, ...]:
    try:
        kind = _decode_kind(frame).event
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("not-a-stream-frame", str(error)) from error
    if kind in _KINDS:
        raise Malformed("broken-stream-frame", f"{kind}: {error}") from error
    return ()


class _Order:
    """Puts frames in order ("media frame order is not guaranteed"), holding back only those that overtook another."""

    def __init__(self) -> None:
        self._next = 0
        self._held: dict[int, bytes] = {}

    def put(self, chunk: int, frame: bytes) -> list[bytes]:
        """The frames that may be heard now. `chunk` counts from the stream's start; 0 means that it is not told."""
        if chunk == self._next or chunk <= 0 or self._next == 0:
            self._next = chunk + 1 if chunk > 0 else self._next
            return [frame, *self._following()] if self._held else [frame]
        if chunk < self._next:
            return []  # its place in the sound has been played already
        self._held[chunk] = frame
        return self.flush() if len(self._held) > HELD_FRAMES else []

    def flush(self) -> list[bytes]:
        """All that waits, in order; what they waited for counts as lost."""
        frames = [self._held[chunk] for chunk in sorted(self._held)]
        if self._held:
            self._next = max(self._held) + 1
        self._held = {}
        return frames

    def _following(self) -> list[bytes]:
        frames = []
        while self._next in self._held:
            frames.append(self._held.pop(self._next))
            self._next += 1
        return frames
