"""What travels on a stream, in words that no carrier owns. Pure: frames in, frames out.

The house format is G.711 mu-law at 8 kHz, one byte a sample, because three carriers speak it and the telephone network
does: it passes untouched from carrier to agent. One frame is 20 ms: 160 bytes of mu-law, 320 of 16-bit linear at 8 kHz.
"""

from enum import StrEnum

from msgspec import Struct

FRAME_MS = 20
FRAMES_PER_SECOND = 50
MULAW_FRAME = 160
MULAW_SILENCE = b"\xff" * MULAW_FRAME
"""mu-law silence is 0xFF; 0x00 is the loudest negative sample."""


class Encoding(StrEnum):
    """How samples are written. `LINEAR16` is signed, little-endian, mono."""

    MULAW = "mulaw"
    LINEAR16 = "linear16"


class AudioFormat(Struct, frozen=True):
    """Encoding and sample rate (Hz) of one direction of a stream."""

    encoding: Encoding = Encoding.MULAW
    rate: int = 8000

    @property
    def frame_bytes(self) -> int:
        """Bytes in 20 ms."""
        return self.rate * FRAME_MS // 1000 * (1 if self.encoding is Encoding.MULAW else 2)


MULAW_8K = AudioFormat()
LINEAR_8K = AudioFormat(Encoding.LINEAR16, 8000)
LINEAR_16K = AudioFormat(Encoding.LINEAR16, 16000)


class StreamStarted(Struct, frozen=True, tag=True):
    """The first thing that a carrier says on its socket. Ids are empty where the carrier sends none."""

    stream_id: str = ""
    carrier_call_id: str = ""
    format: AudioFormat = MULAW_8K


class Audio(Struct, frozen=True, tag=True):
    """Sound from the person, in the format that `StreamStarted` named; usually one frame."""

    payload: bytes


class Digit(Struct, frozen=True, tag=True):
    """One key that the person pressed: 0-9, *, # or A-D."""

    digit: str


class MarkPlayed(Struct, frozen=True, tag=True):
    """All sound queued before the mark has been played out, or (some carriers) thrown away by a clear."""

    name: str


class StreamStopped(Struct, frozen=True, tag=True):
    """The carrier says that the stream is over. Not all of them do; a closed socket says the same."""

    reason: str = ""


class StreamProblem(Struct, frozen=True, tag=True):
    """The carrier complains of a frame of ours; the stream goes on."""

    code: str
    detail: str = ""


StreamEvent = StreamStarted | Audio | Digit | MarkPlayed | StreamStopped | StreamProblem
