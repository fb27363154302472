"""The Realtime API's events, as far as a telephone call needs them. Pure.

Source: OpenAI's published event reference (the shapes of the `openai` package's own types, against which a test holds
them). Never tried against the live service.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

G711 = {"type": "audio/pcmu"}
"""mu-law at 8 kHz both ways: the person's sound passes through untouched."""
HANG_UP, SEND_DIGITS = "hang_up", "send_digits"

TOOLS = (
    {
        "type": "function",
        "name": HANG_UP,
        "description": "End the phone call. Say goodbye first; what you said is still heard.",
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
    {
        "type": "function",
        "name": SEND_DIGITS,
        "description": "Press keys on the telephone, to get through a menu.",
        "parameters": {
            "type": "object",
            "properties": {"digits": {"type": "string", "description": "0-9 * #, w waits half a second"}},
            "required": ["digits"],
        },
    },
)


class Event(Struct, frozen=True):
    """Every event of the server's, with the fields that we read; others have other fields, which are ignored."""

    type: str
    item_id: str = ""
    content_index: int = 0
    delta: str = ""
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    error: dict[str, Any] | None = None

    @property
    def sound(self) -> bytes:
        """The mu-law of `response.output_audio.delta`; empty if it is garbled."""
        try:
            return base64.b64decode(self.delta, validate=True)
        except (binascii.Error, ValueError):
            return b""

    @property
    def parameters(self) -> dict[str, Any]:
        """A tool call's arguments; empty if they are no object."""
        try:
            read = json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}


_decode = msgspec.json.Decoder(Event).decode


def read(message: str | bytes) -> Event | None:
    """None for what is no event."""
    try:
        return _decode(message)
    except (msgspec.MsgspecError, RecursionError):
        return None


def session_update(*, instructions: str, voice: str, turn_detection: Mapping[str, Any]) -> str:
    """The first thing to say: mu-law both ways, the server hears when the person speaks, our tools."""
    audio = {
        "input": {"format": G711, "turn_detection": dict(turn_detection)},
        "output": {"format": G711, "voice": voice},
    }
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": instructions,
        "audio": audio,
        "tools": list(TOOLS),
        "tool_choice": "auto",
    }
    return _event("session.update", session=session)


def append(frame: bytes) -> str:
    """20 ms of the person; by template, because it is said 50 times a second."""
    return f'{{"type":"input_audio_buffer.append","audio":"{base64.b64encode(frame).decode()}"}}'


def speak_first() -> str:
    """Let the model begin."""
    return _event("response.create")


def note(text: str) -> str:
    """Something that the model should know, which nobody said: a key was pressed, the line was lost."""
    item = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": text}]}
    return _event("conversation.item.create", item=item)


def truncate(item_id: str, content_index: int, heard_ms: int) -> str:
    """The person has heard so much of it and no more."""
    return _event("conversation.item.truncate", item_id=item_id, content_index=content_index, audio_end_ms=heard_ms)


def tool_result(call_id: str, output: str) -> str:
    """What a tool has done."""
    return _event("conversation.item.create", item={"type": "function_call_output", "call_id": call_id, "output": output})


def _event(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields}, separators=(",", ":"))
