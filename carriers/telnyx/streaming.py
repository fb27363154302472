"""How a stream is asked for: the same in the dial, in the answer and in `streaming_start`, which remembers nothing of them."""

from collections.abc import Mapping
from typing import Any

WISH: Mapping[str, Any] = {
    "stream_track": "inbound_track",
    "stream_codec": "PCMU",  # what we hear; the call's own codec by default, A-law in much of the world
    "stream_bidirectional_mode": "rtp",  # mp3 by default: raw frames would be silently dropped
    "stream_bidirectional_codec": "PCMU",
    "stream_bidirectional_target_legs": "self",
}
RATE: Mapping[str, Any] = {"stream_bidirectional_sampling_rate": 8000}
"""Where it may be said: `answer` does not take it."""
STREAMING_ALREADY = "90045"
"""The code that refuses a second stream."""
NOT_STREAMING = "90048"
"""The code that refuses to stop one: it has ended meanwhile."""


def order_ids(leg_id: str, turn: int) -> tuple[str, str, str]:
    """command_ids of one order to open a stream: to start it, and where another is still open, to stop that and start."""
    return f"stream-{leg_id}-{turn}", f"stop-{leg_id}-{turn}", f"again-{leg_id}-{turn}"
