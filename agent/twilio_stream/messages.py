"""Twilio Media Streams, seen from Twilio's end: what the agent is told, and what it may answer. Pure.

Source: Twilio's pages on the WebSocket messages of Media Streams, and what agents were seen to rely on. All numbers inside
messages are strings, but for the two in `mediaFormat`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


class Play(Struct, frozen=True):
    """`media`: raw mu-law at 8 kHz, of any length."""

    sound: bytes


class Mark(Struct, frozen=True):
    """`mark`: to be echoed when all before it was heard."""

    name: str


class Clear(Struct, frozen=True):
    """`clear`: throw away what was not heard."""


class Refused(Struct, frozen=True):
    """What Twilio would drop with a warning; `code` is the one of its catalogue."""

    code: str
    why: str


class _Media(Struct, frozen=True):
    payload: str


class _Name(Struct, frozen=True):
    name: str


class _Message(Struct, frozen=True):
    event: str
    streamSid: str = ""  # noqa: N815 - Twilio's spelling
    media: _Media | None = None
    mark: _Name | None = None


_decode = msgspec.json.Decoder(_Message).decode


def read(message: str | bytes, stream_sid: str) -> Play | Mark | Clear | Refused:
    """What the agent wants. Unknown fields are tolerated: Twilio warns of them, and agents send them all the same."""
    if isinstance(message, bytes):
        return Refused("31950", "a binary message; Media Streams are text")
    try:
        said = _decode(message)
    except (msgspec.MsgspecError, RecursionError) as error:
        return Refused("31951", f"not a message: {error}")
    if said.streamSid != stream_sid:
        return Refused("31951", "streamSid is not the one of `start`")
    if said.event == "media" and said.media is not None:
        return _played(said.media.payload)
    if said.event == "mark" and said.mark is not None:
        return Mark(said.mark.name)
    if said.event == "clear":
        return Clear()
    return Refused("31951", f"event {said.event[:40]!r} without its object, or none that an agent may send")


def _played(payload: str) -> Play | Refused:
    try:
        sound = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return Refused("31951", "payload is not base64")
    if sound.startswith(b"RIFF") and sound[8:12] == b"WAVE":
        return Refused("31951", "payload is a WAV file; Media Streams take raw mu-law at 8 kHz, without a header")
    return Play(sound)


class Told:
    """What is told to the agent of one stream: counts messages and frames as Twilio does."""

    def __init__(self, stream_sid: str, call_sid: str, account_sid: str) -> None:
        self.stream_sid, self.call_sid, self.account_sid = stream_sid, call_sid, account_sid
        self._sequence = self._chunk = 0

    def start(self, parameters: Mapping[str, str]) -> str:
        """The first message with a number."""
        start = {
            "streamSid": self.stream_sid,
            "accountSid": self.account_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "customParameters": dict(parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        return self._counted({"event": "start", "start": start})

    def media(self, frame: bytes) -> str:
        """20 ms of the person; written by template, because it is said 50 times a second."""
        self._sequence += 1
        self._chunk += 1
        payload = base64.b64encode(frame).decode()
        return (
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound","chunk":"{self._chunk}",'
            f'"timestamp":"{self._chunk * 20}","payload":"{payload}"}},"streamSid":"{self.stream_sid}"}}'
        )

    def dtmf(self, digit: str) -> str:
        """A key."""
        return self._counted({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    def mark(self, name: str) -> str:
        """All before the agent's mark was heard, or thrown away by a clear."""
        return self._counted({"event": "mark", "mark": {"name": name}})

    def stop(self) -> str:
        """The call is over."""
        return self._counted({"event": "stop", "stop": {"accountSid": self.account_sid, "callSid": self.call_sid}})

    def _counted(self, message: dict[str, Any]) -> str:
        self._sequence += 1
        numbered = {**message, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid}
        return json.dumps(numbered, separators=(",", ":"))
