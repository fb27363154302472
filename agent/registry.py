"""The kinds of agent that a config can name."""

from collections.abc import Callable, Mapping

from agent.contract import Agent
from agent.echo import Echo
from agent.receptionist import Receptionist

AGENTS: Mapping[str, Callable[[], Agent]] = {
    "receptionist": Receptionist,
    "echo": Echo,
}


def agent_of(kind: str) -> Agent:
    """A new agent; LookupError that names the kinds there are."""
    make = AGENTS.get(kind)
    if make is None:
        raise LookupError(f"no agent of kind {kind!r}: there are {', '.join(sorted(AGENTS))}")
    return make()
