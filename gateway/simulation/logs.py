"""What the gateways log while a world runs: into its history, and what nobody foresaw, to the judge."""

import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from gateway.domain.errors import HoldlineError, IllegalTransition
from gateway.simulation.history import History
from gateway.simulation.loop import OWNER

_AT_LEAST = 30
_FORESEEN = ("this agent takes no calls", "this agent breaks")
_ILLEGAL = frozenset({"webhook-illegal", "webhook-malformed", "webhook-failed"})
"""Authentic webhooks that our machines or parsers do not know: a defect, of ours or of a simulator."""
_LEVELS = {"warning": 30, "error": 40, "exception": 40, "critical": 50}


@contextmanager
def captured(history: History, surprise: Callable[[str], None]) -> Iterator[None]:
    """While the context lasts, all logs go there; afterwards logging is as it was."""
    before = structlog.get_config()

    def note(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        owner = OWNER.get()
        what = str(event.get("event"))
        if _LEVELS.get(method, 20) >= _AT_LEAST:
            words = [f"{name}={value}" for name, value in event.items() if name not in {"event", "exc_info"}]
            history.note(owner.name if owner else "world", f"log:{what}", *words)
        found = _surprise(what, event)
        if found:
            surprise(found)
        raise structlog.DropEvent

    structlog.configure(
        processors=[note], wrapper_class=structlog.make_filtering_bound_logger(0), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _surprise(what: str, event: MutableMapping[str, Any]) -> str:
    error = event.get("exc_info")
    error = sys.exc_info()[1] if error is True else error
    if what in _ILLEGAL or (what == "command-dropped" and "cannot take" in str(event.get("error"))):
        return f"{what}: {event.get('error')}"
    if not isinstance(error, Exception):
        return ""
    foreseen = isinstance(error, HoldlineError) and not isinstance(error, IllegalTransition)
    return "" if foreseen or str(error) in _FORESEEN else f"{what}: {type(error).__name__}: {error}"
