"""A message that Vonage has recorded: known by its webhook alone, since the Voice API lists no recordings. Pure.

The webhook of the `record` action names no leg. It names the conversation (Vonage's reference tells to correlate by that), and
its token vouches for the body and not for the URL. So a leg keeps what it is told under the conversation's name, and another
conversation's recording is nobody's here: it is neither taken for the leg's own nor put in its place.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from carriers.contract import Handle
from carriers.messages_left import MessageLeft
from gateway.domain.errors import CarrierError

LARGEST_BYTES = 50_000_000
DOWNLOAD_S = 30.0
_HOSTS = (".nexmo.com", ".vonage.com")


class Recorded(Struct, frozen=True, kw_only=True):
    """What the webhook tells of one conversation. All may be missing."""

    recording_url: str = ""
    recording_uuid: str = ""
    start_time: str = ""
    end_time: str = ""


def told(fields: Mapping[str, Any]) -> dict[str, str]:
    """As the leg keeps it; empty for what is no recording, or no conversation's."""
    found = {name: value for name in Recorded.__struct_fields__ if isinstance(value := fields.get(name), str)}
    conversation = fields.get("conversation_uuid")
    if not found.get("recording_url") or not isinstance(conversation, str) or not conversation:
        return {}
    return {_key(conversation, name): value for name, value in found.items()}


def left(handle: Handle) -> MessageLeft | None:
    """The message of this leg; None while nothing has been told of it, or its own conversation is not known."""
    ours = handle.carrier_data.get("conversation_uuid", "")
    known = {name: handle.carrier_data.get(_key(ours, name), "") for name in Recorded.__struct_fields__}
    recorded = Recorded(**known)
    if not ours or not recorded.recording_url:
        return None
    began, ended = _moment(recorded.start_time), _moment(recorded.end_time)
    return MessageLeft(
        recording_id=recorded.recording_uuid or urlsplit(recorded.recording_url).path.rpartition("/")[2],
        to="",
        caller="",
        left_at=began,
        seconds=max(ended - began, 1.0),  # whole seconds: a short one begins and ends in the same
        carrier_call_id=handle.carrier_call_id,
        handle={"url": recorded.recording_url},
    )


def place(message: MessageLeft, origin: str, base_url: str | None) -> str:
    """Where the file is: at Vonage's own hosts alone, since the token that it wants goes along."""
    url = message.handle.get("url", "")
    if base_url and url.startswith(base_url.rstrip("/") + "/"):
        return origin + url.removeprefix(base_url.rstrip("/"))
    parts = urlsplit(url)
    if parts.scheme != "https" or not (parts.hostname or "").endswith(_HOSTS):
        raise CarrierError("malformed-recording-url", "no https address of the carrier's")
    return url


def _key(conversation: str, name: str) -> str:
    return f"message_{conversation}_{name}"


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
