"""`python`: an agent of your own, in this process, by import path.

    agents:
      - name: seller
        kind: python
        settings: {class: "shop.agents:Seller", options: {greeting: "Hello"}}

The class is called with the call's CallInfo, and `options` as keywords, once a call; what it gives back is an `AgentSession`
(agent/contract.py; agent/template.py is a beginning). It lives in the gateway's event loop: whatever waits belongs into
tasks of its own, and `close` must end them.
"""

import importlib
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from agent.contract import AgentSession, CallInfo

METHODS = ("start", "on_answer", "on_audio", "on_digit", "on_mark", "on_line_lost", "on_line_back", "context", "resume", "close")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What config.yaml says of such an agent."""

    class_: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            description="`package.module:Class`, importable from the working directory.",
        ),
    ] = field(name="class")
    options: Annotated[dict[str, Any], Meta(description="Keyword arguments of the class, beside the call.")] = {}


class NoAgent(Exception):
    """The class cannot be used; says what is wrong with it."""


class PythonAgent:
    """`agent.contract.Agent`. The class is looked up when the gateway starts, so that a wrong path is told then."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._make = load(settings.class_)
        self._options = settings.options

    def session(self, call: CallInfo) -> AgentSession:
        return self._make(call, **self._options)


def load(path: str) -> Callable[..., AgentSession]:
    """The class; raise NoAgent if there is none, or if it lacks what an AgentSession has."""
    module_name, _, class_name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise NoAgent(f"{path}: {error}") from error
    missing = [name for name in METHODS if not callable(getattr(made, name, None))]
    if missing or not hasattr(made, "format"):
        lacking = ", ".join([*missing, *(() if hasattr(made, "format") else ("format",))])
        raise NoAgent(f"{path} is no AgentSession: it lacks {lacking}; see agent/contract.py")
    found: Callable[..., AgentSession] = made
    return found
