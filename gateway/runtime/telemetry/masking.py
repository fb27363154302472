"""What no log line may show whole: telephone numbers, and the tokens of media sockets. Pure."""

import re

_NUMBER = re.compile(
    r"(?P<sign>\+|%2[Bb])(?P<digits>[1-9]\d{6,14})"
    # Some carriers leave the plus away. Shorter runs of digits are times and counts.
    r"|(?<![\w.])(?P<bare>[1-9]\d{10,14})(?![\w.]?\d)"
)
_MEDIA_TOKEN = re.compile(r"(/carriers/[^/\s]*/media/[^/\s]*/[^/\s]*/)[^\s\"'?]+")
_SHORT = 10


def mask_number(text: str) -> str:
    """`text` with every telephone number in it cut down to what still tells two apart: `+1555***0001`."""
    return _NUMBER.sub(_masked, text)


def mask_media_path(text: str) -> str:
    """`text` with the token of every media socket path in it replaced by `***`."""
    return _MEDIA_TOKEN.sub(r"\1***", text)


def _masked(found: re.Match[str]) -> str:
    digits = found["digits"] or found["bare"]
    shown = 4 if len(digits) >= _SHORT else 2
    return f"{found['sign'] or ''}{digits[:shown]}***{digits[-shown:]}"
