"""pipecat's serializers for the four carriers, as a bot of pipecat's would have them on this line; sound is 16-bit at 8 kHz."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.serializers.plivo import PlivoFrameSerializer
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.serializers.vonage import VonageFrameSerializer

RATE = 8000


def _twilio(stream_id: str) -> FrameSerializer:
    params = TwilioFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE)
    return TwilioFrameSerializer(stream_sid=stream_id, params=params)


def _telnyx(stream_id: str) -> FrameSerializer:
    params = TelnyxFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE)
    return TelnyxFrameSerializer(stream_id=stream_id, outbound_encoding="PCMU", inbound_encoding="PCMU", params=params)


def _plivo(stream_id: str) -> FrameSerializer:
    return PlivoFrameSerializer(
        stream_id=stream_id, params=PlivoFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE)
    )


def _vonage(_stream_id: str) -> FrameSerializer:
    return VonageFrameSerializer(VonageFrameSerializer.InputParams(vonage_sample_rate=RATE, sample_rate=RATE))


_MADE: Mapping[str, Callable[[str], FrameSerializer]] = {
    "twilio": _twilio,
    "telnyx": _telnyx,
    "plivo": _plivo,
    "vonage": _vonage,
}


async def serializer(kind: str, stream_id: str) -> FrameSerializer:
    """The carrier's, set up. A pipeline would hand it more; its rate is all that it reads."""
    made = _MADE[kind](stream_id)
    setup: Any = SimpleNamespace(audio_in_sample_rate=RATE)
    await made.setup(setup)
    return made
