"""The lab's Twilio: rules for the values of API parameters, and the codes under which it refuses them."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from carriers.twilio.simulator_call import ALL_EVENTS, LAST_EVENT, Target
from carriers.twilio.simulator_rest import NoSuch

METHODS = frozenset({"GET", "POST"})
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
HOST = re.compile(r"[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:]+\]")
"""Underscores are not permitted (API description, StatusCallback)."""
DIGITS = re.compile(r"[0-9A-D#*wW]{1,32}")
RECORDING_EVENTS = frozenset({"in-progress", "completed", "absent"})
OTHER_NETWORKS = re.compile(r"(sips?|client|whatsapp|messenger|conference|app|queue|rcs):.*")
"""Addresses that Twilio takes and that lead to no telephone."""


def telephone(name: str, text: str) -> None:
    """Refuse in the lab's own name what is no number at Twilio either, but good there."""
    if OTHER_NETWORKS.fullmatch(text):
        raise NoSuch(400, 20001, f"not simulated: {name}={text}")


def url(name: str, text: str) -> str:
    """An absolute http(s) URL, or nothing."""
    if text and not _is_web_address(text):
        raise NoSuch(400, 21205, name)
    return text


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        return False


def method(text: str) -> str:
    """GET or POST."""
    if text not in METHODS:
        raise NoSuch(400, 21209, text)
    return text


def number(text: str, least: int, most: int, code: int = 21208) -> int:
    """A whole number within bounds."""
    if not text.isdecimal() or not least <= int(text) <= most:
        raise NoSuch(400, code, text)
    return int(text)


def word(name: str, text: str, allowed: frozenset[str]) -> str:
    """One of a closed set."""
    if text not in allowed:
        raise NoSuch(400, 20001, f"{name}={text}")
    return text


def flag(name: str, text: str) -> bool:
    """`true` or `false`, in lower case: what Twilio makes of Python's `True` nobody knows."""
    return word(name, text, frozenset({"true", "false"})) == "true"


def digits(text: str) -> str:
    """Keys to be sent, `w` and `W` for pauses of 0.5 and 1 s."""
    if text and not DIGITS.fullmatch(text):
        raise NoSuch(400, 21206, text)
    return text


def target(
    prefix: str,
    fields: Mapping[str, list[str]],
    events: frozenset[str] = ALL_EVENTS,
    default: frozenset[str] = LAST_EVENT,
) -> Target:
    """`<prefix>`, `<prefix>Method` and `<prefix>Event`."""
    asked = [event for text in fields.get(f"{prefix}Event", []) for event in text.split()]
    unknown = set(asked) - events
    if unknown:
        raise NoSuch(400, 20001, f"{prefix}Event {sorted(unknown)}")
    return Target(
        url=url(prefix, fields.get(prefix, [""])[-1]),
        method=method(fields.get(f"{prefix}Method", ["POST"])[-1]),
        events=frozenset(asked) or default,
    )
