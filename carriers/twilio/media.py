"""Twilio's Media Streams messages (JSON text frames, mu-law 8 kHz in base64) <-> gateway.domain.media. Pure.

The hot path is `media`: msgspec decodes it straight into bytes; we write ours by template.
"""

from base64 import b64encode

import msgspec
from msgspec import Struct

from gateway.domain.errors import CarrierError, Malformed
from gateway.domain.media import MULAW_8K, Audio, AudioFormat, Digit, MarkPlayed, StreamEvent, StreamStarted, StreamStopped


class _MediaBody(Struct, frozen=True):
    payload: bytes
    track: str = "inbound"


class _Media(Struct, frozen=True, tag_field="event", tag="media"):
    media: _MediaBody


class _Format(Struct, frozen=True):
    encoding: str
    sample_rate: int = msgspec.field(name="sampleRate")
    channels: int = 1


class _StartBody(Struct, frozen=True):
    call_sid: str = msgspec.field(name="callSid")
    format: _Format = msgspec.field(name="mediaFormat")


class _Start(Struct, frozen=True, tag_field="event", tag="start"):
    stream_sid: str = msgspec.field(name="streamSid")
    start: _StartBody


class _DigitBody(Struct, frozen=True):
    digit: str


class _Dtmf(Struct, frozen=True, tag_field="event", tag="dtmf"):
    dtmf: _DigitBody


class _MarkBody(Struct, frozen=True):
    name: str


class _Mark(Struct, frozen=True, tag_field="event", tag="mark"):
    mark: _MarkBody


class _Stop(Struct, frozen=True, tag_field="event", tag="stop"): ...


class _Connected(Struct, frozen=True, tag_field="event", tag="connected"): ...


class _AnyEvent(Struct, frozen=True):
    event: str


_Known = _Media | _Start | _Dtmf | _Mark | _Stop | _Connected
_KNOWN_EVENTS = frozenset({"media", "start", "dtmf", "mark", "stop", "connected"})
_decoder = msgspec.json.Decoder(_Known)
_any_decoder = msgspec.json.Decoder(_AnyEvent)
_MULAW = _Format(encoding="audio/x-mulaw", sample_rate=8000)


class TwilioMedia:
    """One socket's codec. Remembers `streamSid`, which every message of ours must name exactly (else warning 31951)."""

    def __init__(self) -> None:
        self._media_prefix = self._mark_prefix = self._clear = ""

    @property
    def sends(self) -> AudioFormat:
        return MULAW_8K

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        try:
            message = _decoder.decode(frame)
        except msgspec.MsgspecError as error:
            return _unknown_or_garbage(frame, error)
        if type(message) is _Media:
            return (Audio(message.media.payload),) if message.media.track == "inbound" else ()
        return self._seldom(message)

    def audio(self, payload: bytes) -> str:
        if not self._media_prefix:
            raise CarrierError("stream-not-started", "Twilio drops what does not name its streamSid")
        return f'{self._media_prefix}{b64encode(payload).decode("ascii")}"}}}}'

    def mark(self, name: str) -> str:
        if not self._mark_prefix:
            raise CarrierError("stream-not-started", "Twilio drops what does not name its streamSid")
        return f"{self._mark_prefix}{msgspec.json.encode(name).decode()}}}}}"

    def clear(self) -> str:
        if not self._clear:
            raise CarrierError("stream-not-started", "Twilio drops what does not name its streamSid")
        return self._clear

    def _seldom(self, message: _Known) -> tuple[StreamEvent, ...]:
        match message:
            case _Start():
                return (self._started(message),)
            case _Dtmf():
                return (Digit(message.dtmf.digit),)
            case _Mark():
                return (MarkPlayed(message.mark.name),)
            case _Stop():
                return (StreamStopped(),)
            case _:
                return ()

    def _started(self, message: _Start) -> StreamStarted:
        if message.start.format != _MULAW:
            raise Malformed("media-format", f"{message.start.format}")
        sid = msgspec.json.encode(message.stream_sid).decode()
        self._media_prefix = f'{{"event":"media","streamSid":{sid},"media":{{"payload":"'
        self._mark_prefix = f'{{"event":"mark","streamSid":{sid},"mark":{{"name":'
        self._clear = f'{{"event":"clear","streamSid":{sid}}}'
        return StreamStarted(message.stream_sid, message.start.call_sid, MULAW_8K)


def _unknown_or_garbage(frame: str | bytes, error: msgspec.MsgspecError) -> tuple[StreamEvent, ...]:
    try:
        event = _any_decoder.decode(frame).event
    except msgspec.MsgspecError:
        raise Malformed("media-frame", str(error)) from error
    if event in _KNOWN_EVENTS:
        raise Malformed("media-frame", f"{event}: {error}") from error
    return ()
