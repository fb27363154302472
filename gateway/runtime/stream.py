"""One media socket as the bridge sees it: the carrier's words on one side, the agent's sound on the other. No I/O."""

from typing import Protocol

from carriers.contract import MediaCodec
from gateway.domain.framing import Framer
from gateway.domain.media import AudioFormat, StreamStarted
from gateway.domain.transcode import conversion
from gateway.runtime.counters import StreamCounts


class Port(Protocol):
    """The socket, given by whoever accepted it. Neither method blocks or raises; after `close`, `send` does nothing."""

    codec: MediaCodec
    started: StreamStarted

    def send(self, message: str | bytes) -> None:
        """Queue one message to the carrier."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close with this WebSocket code."""
        ...


class Stream:
    """Converts between the carrier's format and the agent's, once, and passes what needs no change untouched."""

    def __init__(self, call_id: str, leg_id: str, port: Port, agent_format: AudioFormat, now: float) -> None:
        heard = port.started.format
        self.call_id, self.leg_id, self.port = call_id, leg_id, port
        self.counts = StreamCounts(now)
        self.failure = ""
        """Why we gave it up ourselves; empty if it just ends."""
        self.superseded = False
        """Another socket of the same leg took its place: its end means nothing to the call."""
        self._framer = Framer(heard.frame_bytes)
        self._heard_format = heard
        self.speak_as(agent_format)

    def speak_as(self, agent_format: AudioFormat) -> None:
        """Convert for an agent of this format from here on."""
        self._to_agent = conversion(self._heard_format, agent_format)
        self._to_carrier = conversion(agent_format, self.port.codec.sends)

    def heard(self, payload: bytes, now: float) -> list[bytes]:
        """Sound from the person: frames of 20 ms in the agent's format."""
        frames = self._framer.cut(payload)
        self.counts.heard(len(frames), now)
        return [self._to_agent(frame) for frame in frames]

    def speak(self, frame: bytes) -> None:
        """One frame in the agent's format, to the carrier."""
        self.counts.frames_out += 1
        self.port.send(self.port.codec.audio(self._to_carrier(frame)))

    def mark(self, wire_name: str) -> None:
        """Ask the carrier to say when it has played what it has."""
        self.port.send(self.port.codec.mark(wire_name))

    def clear(self) -> None:
        """Make the carrier throw away what it has not played."""
        self.port.send(self.port.codec.clear())

    def fail(self, code: int, reason: str) -> None:
        """Give the stream up: the first reason stands, and the call will hear it."""
        self.failure = self.failure or reason
        self.port.close(code, reason)
