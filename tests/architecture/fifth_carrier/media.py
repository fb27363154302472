"""Sparrow's frames (JSON text, mu-law 8 kHz in base64) <-> gateway.domain.media. Pure."""

import msgspec
from msgspec import Struct

from gateway.domain.errors import Malformed
from gateway.domain.media import MULAW_8K, Audio, AudioFormat, Digit, MarkPlayed, StreamEvent, StreamStarted, StreamStopped


class _Frame(Struct, frozen=True, omit_defaults=True):
    kind: str
    stream: str = ""
    call: str = ""
    data: bytes = b""
    digit: str = ""
    name: str = ""


class SparrowMedia:
    """`carriers.contract.MediaCodec`; keeps nothing between frames."""

    @property
    def sends(self) -> AudioFormat:
        return MULAW_8K

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        try:
            message = msgspec.json.decode(frame, type=_Frame)
        except msgspec.MsgspecError as error:
            raise Malformed("media-frame", str(error)) from error
        event = _event(message)
        return (event,) if event is not None else ()

    def audio(self, payload: bytes) -> str:
        return _written(_Frame(kind="sound", data=payload))

    def mark(self, name: str) -> str:
        return _written(_Frame(kind="mark", name=name))

    def clear(self) -> str:
        return _written(_Frame(kind="clear"))


def _event(message: _Frame) -> StreamEvent | None:
    match message.kind:
        case "sound":
            return Audio(message.data)
        case "start":
            return StreamStarted(message.stream, message.call, MULAW_8K)
        case "digit":
            return Digit(message.digit)
        case "played":
            return MarkPlayed(message.name)
        case "stop":
            return StreamStopped()
        case _:
            return None


def _written(frame: _Frame) -> str:
    return msgspec.json.encode(frame).decode()
