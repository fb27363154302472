"""The lab's Twilio: what a customer may send on a media stream, and under which code all else is dropped."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

NOT_TEXT, NOT_VALID, BUFFER_FULL = "31950", "31951", "31931"
SHAPES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "media": {"": frozenset({"event", "streamSid", "media"}), "media": frozenset({"payload"})},
    "mark": {"": frozenset({"event", "streamSid", "mark"}), "mark": frozenset({"name"})},
    "clear": {"": frozenset({"event", "streamSid"})},
}
"""Fields of what a customer may send: none missing, none more, else warning 31951 and the message is dropped."""


def read(data: str | bytes, stream_sid: str) -> dict[str, Any] | str:
    """The message, or the code under which Twilio drops it."""
    if isinstance(data, bytes):
        return NOT_TEXT
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return NOT_VALID
    if not isinstance(message, dict) or message.get("streamSid") != stream_sid or not _well_formed(message):
        return NOT_VALID
    return message


def _well_formed(message: dict[str, Any]) -> bool:
    shape = SHAPES.get(str(message.get("event")))
    if shape is None or set(message) != shape[""]:
        return False
    inner = message.get(message["event"])
    if message["event"] == "clear":
        return True
    if not isinstance(inner, dict) or set(inner) != shape[message["event"]]:
        return False
    return all(isinstance(value, str) for value in inner.values()) and _is_base64(inner.get("payload", ""))


def _is_base64(text: str) -> bool:
    """Standard alphabet with `=` padding; never the URL-safe one."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
