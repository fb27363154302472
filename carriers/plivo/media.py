"""Plivo's stream frames: JSON in text messages, sound in base64. Pure."""

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gateway.domain.errors import Malformed
from gateway.domain.media import (
    MULAW_8K,
    Audio,
    AudioFormat,
    Digit,
    Encoding,
    MarkPlayed,
    StreamEvent,
    StreamProblem,
    StreamStarted,
    StreamStopped,
)

_ENCODINGS = {"audio/x-mulaw": Encoding.MULAW, "audio/x-l16": Encoding.LINEAR16}
_CONTENT_TYPES = {encoding: name for name, encoding in _ENCODINGS.items()}


class _MediaFormat(Struct):
    encoding: str
    sampleRate: int | str  # noqa: N815 - the wire's names; both types occur in the documents


class _StartBody(Struct):
    callId: str = ""  # noqa: N815
    streamId: str = ""  # noqa: N815
    mediaFormat: _MediaFormat | None = None  # noqa: N815


class _Start(Struct, tag_field="event", tag="start"):
    start: _StartBody


class _Sound(Struct):
    payload: bytes
    """msgspec undoes the base64."""


class _Media(Struct, tag_field="event", tag="media"):
    media: _Sound


class _Key(Struct):
    digit: str


class _Dtmf(Struct, tag_field="event", tag="dtmf"):
    dtmf: _Key


class _PlayedStream(Struct, tag_field="event", tag="playedStream"):
    name: str


class _Played(Struct, tag_field="event", tag="played"):
    """One support page calls the same report by this name."""

    name: str


class _ClearedAudio(Struct, tag_field="event", tag="clearedAudio"): ...


class _Stop(Struct, tag_field="event", tag="stop"):
    """Never seen from Plivo itself, whose only sign of the end is the closed socket; its test tool sends it."""


class _PlayFailed(Struct, tag_field="event", tag="playFailed"):
    reason: str = ""


class _Error(Struct, tag_field="event", tag="error"):
    reason: str = ""


_Frame = _Start | _Media | _Dtmf | _PlayedStream | _Played | _ClearedAudio | _Stop | _PlayFailed | _Error


class _AnyFrame(Struct):
    event: str


_decode = msgspec.json.Decoder(_Frame).decode
_decode_any = msgspec.json.Decoder(_AnyFrame).decode
_KNOWN = frozenset({"start", "media", "dtmf", "playedStream", "played", "clearedAudio", "stop", "playFailed", "error"})

_WORDS: Mapping[type[Any], Callable[[Any], tuple[StreamEvent, ...]]] = {
    _Dtmf: lambda frame: (Digit(frame.dtmf.digit),),
    _PlayedStream: lambda frame: (MarkPlayed(frame.name),),
    _Played: lambda frame: (MarkPlayed(frame.name),),
    _ClearedAudio: lambda _frame: (),
    _Stop: lambda _frame: (StreamStopped("stop"),),
    _PlayFailed: lambda frame: (StreamProblem("playFailed", frame.reason),),
    _Error: lambda frame: (StreamProblem("error", frame.reason),),
}


class PlivoMedia:
    """`carriers.contract.MediaCodec`. Learns stream id and format from `start`."""

    def __init__(self, expected: AudioFormat = MULAW_8K) -> None:
        self._stream_id = ""
        self._use(expected)

    @property
    def sends(self) -> AudioFormat:
        return self._format

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        try:
            told = _decode(frame)
        except msgspec.MsgspecError as error:
            return _ignored(frame, error)
        if type(told) is _Media:
            return (Audio(told.media.payload),)
        if type(told) is _Start:
            return (self._started(told.start),)
        return _WORDS[type(told)](told)

    def audio(self, payload: bytes) -> str:
        return self._audio_head + b2a_base64(payload, newline=False).decode("ascii") + '"}}'

    def mark(self, name: str) -> str:
        return self._about("checkpoint", name=name)

    def clear(self) -> str:
        return self._about("clearAudio")

    def _about(self, event: str, **more: str) -> str:
        return msgspec.json.encode({"event": event, "streamId": self._stream_id, **more}).decode()

    def _started(self, start: _StartBody) -> StreamStarted:
        self._stream_id = start.streamId
        if start.mediaFormat is not None:
            self._use(_format(start.mediaFormat))
        return StreamStarted(start.streamId, start.callId, self._format)

    def _use(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        content_type = _CONTENT_TYPES[audio_format.encoding]
        self._audio_head = (
            f'{{"event":"playAudio","media":{{"contentType":"{content_type}","sampleRate":{audio_format.rate},"payload":"'
        )


def _format(told: _MediaFormat) -> AudioFormat:
    name, _, _ = told.encoding.partition(";")
    rate = str(told.sampleRate)
    if name not in _ENCODINGS or rate not in {"8000", "16000"}:
        raise Malformed("unknown-media-format", f"{told.encoding} {rate}"[:80])
    return AudioFormat(_ENCODINGS[name], int(rate))


def _ignored(frame: str | bytes, error: msgspec.MsgspecError) -> tuple[StreamEvent, ...]:
    """Nothing, if it is only an event kind that we do not know; Malformed for all else."""
    try:
        event = _decode_any(frame).event
    except msgspec.MsgspecError:
        raise Malformed("garbage-frame", str(error)) from error
    if event in _KNOWN:
        raise Malformed("malformed-frame", f"{event}: {error}") from error
    return ()
