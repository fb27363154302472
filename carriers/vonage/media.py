"""Vonage's stream frames: sound is binary (16-bit linear, little-endian, 20 ms), everything else JSON text.

No frame names the call: the socket's URL does. There is no stop message either: the socket just closes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.domain.errors import Malformed
from gateway.domain.media import (
    LINEAR_8K,
    Audio,
    AudioFormat,
    Digit,
    Encoding,
    MarkPlayed,
    StreamEvent,
    StreamStarted,
)

_RATES = {f"audio/l16;rate={rate}": AudioFormat(Encoding.LINEAR16, rate) for rate in (8000, 16000, 24000)}
_CLEAR = '{"action":"clear"}'
_KEYS = frozenset("0123456789*#ABCD")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class VonageCodec:
    """Implements `carriers.contract.MediaCodec` for one socket."""

    def __init__(self) -> None:
        self._format = LINEAR_8K

    @property
    def sends(self) -> AudioFormat:
        return self._format

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        if isinstance(frame, bytes):
            if len(frame) % 2:
                raise Malformed("odd-frame", f"{len(frame)} bytes of 16-bit sound")
            return (Audio(frame),)
        return self._said(_parsed(frame))

    def audio(self, payload: bytes) -> bytes:
        """Exactly 20 ms: a frame of another size makes the carrier stop listening and drop the socket (1006)."""
        size = self._format.frame_bytes
        if len(payload) > size:
            raise ValueError(f"{len(payload)} bytes are more than one frame of {size}")
        return payload.ljust(size, b"\0")

    def mark(self, name: str) -> str:
        return f'{{"action":"notify","payload":{{"mark":{_encode(name).decode()}}}}}'

    def clear(self) -> str:
        return _CLEAR

    def _said(self, message: Mapping[str, Any]) -> tuple[StreamEvent, ...]:
        event = message.get("event")
        # An older engine sends the first message without `event` (vonage.md, second pass).
        if event == "websocket:connected" or (event is None and "content-type" in message):
            self._format = _format_of(message)
            return (StreamStarted(format=self._format),)
        reader = _READERS.get(event) if isinstance(event, str) else None
        return reader(message) if reader is not None else ()


def _parsed(frame: str) -> dict[str, Any]:
    try:
        # The engine has been seen to put a space before the brace; JSON allows it.
        return _decode(frame)
    except msgspec.MsgspecError as error:
        raise Malformed("bad-frame", str(error)) from error


def _format_of(message: Mapping[str, Any]) -> AudioFormat:
    named = str(message.get("content-type", ""))
    found = _RATES.get(named.replace(" ", "").lower())
    if found is None:
        raise Malformed("unknown-format", named[:60])
    return found


def _key(message: Mapping[str, Any]) -> tuple[StreamEvent, ...]:
    digit = str(message.get("digit") or message.get("dtmf") or "")
    if digit not in _KEYS:
        raise Malformed("bad-digit", digit[:10])
    return (Digit(digit),)


def _mark(message: Mapping[str, Any]) -> tuple[StreamEvent, ...]:
    payload = message.get("payload")
    name = payload.get("mark") if isinstance(payload, dict) else None
    return (MarkPlayed(name),) if isinstance(name, str) and name else ()


_READERS: dict[str, Callable[[Mapping[str, Any]], tuple[StreamEvent, ...]]] = {
    "websocket:dtmf": _key,
    "websocket:notify": _mark,
}
"""Not read: `cleared` (the bridge has dropped its marks already), `media:update`, and whatever is yet to come."""
