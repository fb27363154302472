"""What no log line may show whole: telephone numbers, and the tokens of media sockets. Pure."""

import re

_NUMBER = re.compile(r"(?<![\w.])(?P<sign>\+|%2[Bb])?(?P<digits>[1-9]\d{7,14})(?![\w.]?\d)")
_BARE_MINIMUM = 11
"""A run of digits without `+` is taken for a number from this length on: shorter ones are times and counts."""
_MEDIA_TOKEN = re.compile(r"(/carriers/[^/\s]*/media/[^/\s]*/[^/\s]*/)[^\s\"'?]+")


def mask_number(text: str) -> str:
    """`text` with every telephone number in it cut down to what still tells two apart: `+1555***0001`."""
    return _NUMBER.sub(_masked, text)


def mask_media_path(text: str) -> str:
    """`text` with the token of every media socket path in it replaced by `***`."""
    return _MEDIA_TOKEN.sub(r"\1***", text)


def _masked(found: re.Match[str]) -> str:
    sign, digits = found["sign"] or "", found["digits"]
    if not sign and len(digits) < _BARE_MINIMUM:
        return digits
    return f"{sign}{digits[:4]}***{digits[-4:]}"
