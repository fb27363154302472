"""The kinds of agent that a config can name."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from agent import openai_realtime, python_agent, twilio_stream
from agent.contract import Agent
from agent.echo import Echo
from agent.receptionist import Receptionist


class NoSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent that needs to be told nothing."""


class AgentKind(Struct, frozen=True, kw_only=True):
    """`make(name, settings)`: the agent of one entry of the config; `settings` is an instance of `settings`."""

    make: Callable[[str, Any], Agent]
    settings: type[Struct] = NoSettings


AGENTS: Mapping[str, AgentKind] = {
    "receptionist": AgentKind(make=lambda _name, _settings: Receptionist()),
    "echo": AgentKind(make=lambda _name, _settings: Echo()),
    "twilio_stream": AgentKind(make=twilio_stream.TwilioStream, settings=twilio_stream.Settings),
    "python": AgentKind(make=python_agent.PythonAgent, settings=python_agent.Settings),
    "openai_realtime": AgentKind(make=openai_realtime.OpenAiRealtime, settings=openai_realtime.Settings),
}


def agent_of(kind: str, name: str = "", settings: Struct | None = None) -> Agent:
    """A new agent; LookupError that names the kinds there are."""
    known = AGENTS.get(kind)
    if known is None:
        raise LookupError(f"no agent of kind {kind!r}: there are {', '.join(sorted(AGENTS))}")
    return known.make(name or kind, settings)
