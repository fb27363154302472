"""Twilio's names for our things, made so that they can be read back: no index, the same on every process.

Our ids are a word and 24 hex digits; Twilio's are two letters and 32. The digits in front say which word it was.
"""

import re

_WORDS = {"call_": "00000000", "call_in": "00000001", "ses_": "00000002"}
_OURS = re.compile(r"(call_in|call_|ses_)([0-9a-f]{24})")
_THEIRS = re.compile(r"(?:CA|MZ)([0-9a-f]{8})([0-9a-f]{24})")


def call_sid(call_id: str) -> str:
    """`call_...` as `CA...`; ValueError for what is no id of a call."""
    return f"CA{_digits(call_id)}"


def stream_sid(session_id: str) -> str:
    """`ses_...` as `MZ...`: stable for as long as the session lives, on whatever carrier."""
    return f"MZ{_digits(session_id)}"


def call_id(sid: str) -> str | None:
    """The call that a `CA...` of ours means; None for a sid that we never made."""
    found = _THEIRS.fullmatch(sid)
    word = next((word for word, digits in _WORDS.items() if found and digits == found[1]), None)
    return f"{word}{found[2]}" if found and word and sid.startswith("CA") and word != "ses_" else None


def _digits(ours: str) -> str:
    found = _OURS.fullmatch(ours)
    if found is None:
        raise ValueError(f"{ours!r} is no id of ours")
    return _WORDS[found[1]] + found[2]
