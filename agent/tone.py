"""A plain tone, made and not recorded. Pure."""

import array
import math
import sys

from gateway.domain.media import MULAW_8K
from gateway.domain.pcm import lin2ulaw

EDGE_S = 0.01
"""Begins and ends softly: a sine that starts at full strength clicks."""


def tone(hertz: float, seconds: float, peak: int = 8000) -> bytes:
    """Mu-law at 8 kHz; `peak` of 32,767."""
    count, edge = int(seconds * MULAW_8K.rate), EDGE_S * MULAW_8K.rate
    step = 2 * math.pi * hertz / MULAW_8K.rate
    samples = array.array(
        "h", (int(peak * min(1.0, at / edge, (count - at) / edge) * math.sin(step * at)) for at in range(count))
    )
    if sys.byteorder == "big":
        samples.byteswap()
    return lin2ulaw(samples.tobytes(), 2)
