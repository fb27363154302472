"""What an agent is to Holdline: the far end of a call's audio, whatever carrier carries the call.

One `AgentSession` is one conversation. It belongs to the call and never to a leg: when a carrier dies, the bridge parks
the session, couples it to the next leg and goes on. `context()` is what another process needs to go on with it; an
agent that has none to keep returns an empty dict.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from gateway.domain.media import MULAW_8K, AudioFormat


class LostAgent(Struct, frozen=True, kw_only=True):
    """An agent that this call has lost."""

    agent: str
    reason: str
    """Kebab-case: `socket-1006`, `no-first-word`, `breaker-open`."""
    began: bool = False
    """It had been ready for the person; else it never took the call."""
    context: Mapping[str, Any] = {}
    """What it last told as its own `context()`; of the one that had the conversation last, and only where that is known."""


class CallInfo(Struct, frozen=True, kw_only=True):
    """What an agent is told of its call. Numbers are E.164; a caller who withholds theirs has an empty one."""

    call_id: str
    session_id: str
    direction: str
    from_number: str
    to_number: str
    agent: str
    caller_name: str = ""
    """As the carrier told it of an inbound call; never verified by us."""
    attestation: str = ""
    """STIR/SHAKEN of an inbound call: A (the caller owns the number), B, C, or empty where nobody said."""
    language: str = ""
    """What the route says the agent should speak, BCP 47; empty leaves it to the agent."""
    metadata: Mapping[str, str] = {}
    resumed: int = 0
    """How often the session has been taken over by another process."""
    purpose: str = ""
    """What the call is for: the word of whoever asked for it; `callback` where we promised it."""
    callback_of: str = ""
    """The earlier call in which this one was promised to the person."""
    note: str = ""
    """From whoever promised it, to you."""
    earlier: Mapping[str, Any] = {}
    """The `context()` of that earlier call's agent at its end; empty if it had none, or one of more than 4096 bytes."""
    retry_of: str = ""
    """The call that reached nobody, which this one tries again."""
    lost: tuple[LostAgent, ...] = ()
    """Agents that had the call, or should have had it, before this one; in order. Empty in most calls."""


class Line(Protocol):
    """The agent's side of the telephone line, given by the bridge. No method blocks; call them from the event loop."""

    def play(self, audio: bytes) -> None:
        """Queue sound of any length in the session's format; the bridge cuts it into frames and paces it."""
        ...

    def mark(self, name: str) -> None:
        """Ask for `on_mark(name)` when the person has heard all that was queued before."""
        ...

    def clear(self) -> None:
        """Throw away what was queued and not heard (barge-in). Marks that were waiting come back at once."""
        ...

    def hang_up(self) -> None:
        """End the call, once what is queued has been played."""
        ...

    def send_digits(self, digits: str) -> None:
        """Press keys for the other side to hear: 0-9 * # A-D, `w` waits half a second. Queued like sound, as in-band tones,
        so that every carrier carries them. Raise ValueError for any other character.
        """
        ...

    def fail(self, reason: str) -> None:
        """The agent is lost (its process, its socket, its model): the call cannot go on with it. Nothing queued is kept."""
        ...


class AgentSession(Protocol):
    """One conversation. The bridge calls these in order, in the event loop; none may block."""

    format: AudioFormat

    async def start(self, line: Line) -> None:
        """Get ready (while the phone still rings); raise to say that this agent cannot take the call."""
        ...

    def on_answer(self) -> None:
        """The person is on the line: speak now. Called once; after a lost leg comes `on_line_back` instead."""
        ...

    def on_audio(self, frame: bytes) -> None:
        """20 ms from the person, in `format`."""
        ...

    def on_digit(self, digit: str) -> None:
        """A key was pressed."""
        ...

    def on_mark(self, name: str) -> None:
        """All sound before the mark was heard, or thrown away by a clear."""
        ...

    def on_line_lost(self) -> None:
        """The leg is gone and another is being sought; nothing is heard until `on_line_back`."""
        ...

    def on_line_back(self) -> None:
        """The person is on the line again, perhaps through another carrier."""
        ...

    def context(self) -> dict[str, Any]:
        """What another process needs to resume; plain JSON, small."""
        ...

    def resume(self, context: Mapping[str, Any]) -> None:
        """Called before `start` on a session that lived elsewhere before."""
        ...

    async def close(self) -> None:
        """The call is over."""
        ...


class Agent(Protocol):
    """Makes sessions; one per entry of `agents` in the config."""

    def session(self, call: CallInfo) -> AgentSession:
        """A new conversation, not yet started."""
        ...


DEFAULT_FORMAT = MULAW_8K
