"""`openai_realtime`: a speech-to-speech model as the agent, over the Realtime WebSocket API, with G.711 passing through.

Built from the published event shapes and tested against a local server that follows them; never tried against the live
service.
"""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from msgspec import Meta, Struct

from agent.contract import CallInfo
from agent.openai_realtime import events
from agent.openai_realtime.session import RealtimeSession
from agent.socket import AgentSocket

URL = "wss://api.openai.com/v1/realtime"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What config.yaml says of such an agent."""

    api_key: Annotated[str, Meta(min_length=8, description="As ${ENV}.")]
    model: Annotated[str, Meta(min_length=1, description="Such as gpt-realtime-2.1.")] = "gpt-realtime-2.1"
    voice: Annotated[str, Meta(min_length=1, description="One of the service's voices.")] = "marin"
    instructions: Annotated[str, Meta(max_length=20000, description="Who the model is, and what for.")] = (
        "You talk with a person on the telephone. Be brief and kind."
    )
    turn_detection: Annotated[
        Literal["server_vad", "semantic_vad"], Meta(description="How it hears that the person is done.")
    ] = "server_vad"
    speaks_first: Annotated[bool, Meta(description="Whether it greets the person.")] = True
    url: Annotated[str, Meta(pattern=r"^wss?://[^?#\s]+$", description="Another server that speaks the same events.")] = URL
    connect_timeout_s: Annotated[float, Meta(ge=0.1, le=10, description="For the upgrade.")] = 4.0


class OpenAiRealtime:
    """`agent.contract.Agent`; `name` as in the config."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name, self._settings = name, settings

    def session(self, call: CallInfo) -> RealtimeSession:
        settings = self._settings
        detection: dict[str, Any] = {"type": settings.turn_detection, "create_response": True, "interrupt_response": True}
        first = events.session_update(
            instructions=f"{settings.instructions}\n\n{_about(call)}", voice=settings.voice, turn_detection=detection
        )
        return RealtimeSession(call, self._connect, first=first, speaks_first=settings.speaks_first)

    def _connect(self, session: RealtimeSession) -> tuple[AgentSocket, str, dict[str, str], float]:
        settings = self._settings
        url = f"{settings.url}?model={quote(settings.model)}"
        return AgentSocket(session), url, {"Authorization": f"Bearer {settings.api_key}"}, settings.connect_timeout_s


def _about(call: CallInfo) -> str:
    """What the model should know of the call, in words."""
    who = call.from_number if call.direction == "inbound" else call.to_number
    lines = [f"This is an {call.direction} call with {who or 'somebody who withholds their number'}."]
    lines += [f"The caller's name is said to be {call.caller_name}."] if call.caller_name else []
    lines += [f"Speak {call.language}."] if call.language else []
    lines += [f"{name}: {value}" for name, value in sorted(call.metadata.items())]
    return "\n".join(lines)
