"""G.711 A-law to mu-law, as one 256-byte table: Telnyx sends A-law where it cannot give us the mu-law we ask for.

"When transcoding is not possible, the codec from the call will be used" (SDK, `stream_codec`); calls to the United
Kingdom, the European Union and India are A-law.
"""

_ULAW_BIAS = 0x84
_ULAW_CLIP = 32635


def _linear_of_alaw(code: int) -> int:
    """One A-law byte as a 16-bit sample (ITU-T G.711: even bits inverted, sign, 3-bit segment, 4-bit step)."""
    code ^= 0x55
    segment, step = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _ulaw_of_linear(sample: int) -> int:
    """One 16-bit sample as a mu-law byte."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    segment = magnitude.bit_length() - 8
    return ~(sign | segment << 4 | (magnitude >> (segment + 3)) & 0x0F) & 0xFF


ALAW_TO_MULAW = bytes(_ulaw_of_linear(_linear_of_alaw(code)) for code in range(256))
"""For `bytes.translate`."""
