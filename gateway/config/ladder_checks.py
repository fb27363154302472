"""What is wrong with a ladder: rungs that are none or two, agents that nobody bears, and reserved names."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.crosschecks import Entries, entries
from gateway.config.hours import zone_problems
from gateway.config.human_checks import human_faults
from gateway.domain.errors import Problem
from gateway.domain.ladder import BUILT_IN
from gateway.strict import describe, unknown_name

KINDS = ("agent", "hold", "human", "voicemail", "carrier_voicemail", "callback", "goodbye")
WORDS = ("hold", "voicemail", "carrier_voicemail", "callback", "goodbye")
"""Rungs that need to be told nothing."""
_ALLOWED = (
    "allowed: hold, voicemail, carrier_voicemail, callback, goodbye, or a mapping such as {agent: NAME}, {hold: {for_s: 20}} "
    'or {human: "+15550100100"}'
)


def ladder_faults(document: Any) -> Iterator[Problem]:
    """Of the ladder at the top, and of those of agents and routes. `document` may be of any shape."""
    names = [entry.get("name") for _, entry in entries(document, "agents")]
    for path, owner in _owners(document):
        rungs = owner.get("ladder")
        for index, rung in enumerate(rungs if isinstance(rungs, list) else ()):
            where = f"{path}ladder[{index}]"
            yield from _rung(rung, where, [name for name in names if isinstance(name, str)])
            yield from human_faults(document, rung, where)
            if _kind(rung) == "goodbye" and index + 1 < len(rungs or ()):
                yield Problem(
                    where, "goodbye, and rungs below it", "allowed: goodbye only at the end, since nothing comes after it"
                )


def reserved_names(document: Any) -> Iterator[Problem]:
    """The gateway's own agents have names too."""
    for path, entry in entries(document, "agents"):
        if entry.get("name") in BUILT_IN:
            yield Problem(f"{path}.name", f"{describe(entry['name'])}, our own agent", "allowed: any other name")


def _owners(document: Any) -> Entries:
    top = (("", document),) if isinstance(document, dict) else ()
    places = (*entries(document, "agents"), *entries(document, "routes"))
    return (*top, *((f"{path}.", entry) for path, entry in places))


def _kind(rung: Any) -> str:
    found = [rung] if isinstance(rung, str) else [key for key in rung if key in KINDS] if isinstance(rung, dict) else []
    return str(found[0]) if len(found) == 1 else ""


def _rung(rung: Any, path: str, agents: list[str]) -> Iterator[Problem]:
    if isinstance(rung, str):
        if rung not in WORDS:
            near = "an agent is named so: {agent: " + rung + "}; " if rung in agents else ""
            yield Problem(path, describe(rung), near + _ALLOWED)
    elif isinstance(rung, dict):
        yield from _mapping(rung, path, agents)
    else:
        yield Problem(path, describe(rung), _ALLOWED)


def _mapping(rung: Mapping[str, Any], path: str, agents: list[str]) -> Iterator[Problem]:
    kinds = [name for name in KINDS if rung.get(name) is not None]
    if len(kinds) != 1:
        empty = next((name for name in KINDS if name in rung), "") if not kinds else ""
        found = f"`{empty}` without a value" if empty else " and ".join(f"`{name}`" for name in kinds) or "no rung"
        yield Problem(path, found, f"allowed: exactly one of {', '.join(KINDS)} in a mapping, with its settings or {{}}")
    agent = rung.get("agent")
    if isinstance(agent, str) and agent not in agents:
        yield unknown_name(f"{path}.agent", agent, agents, "agent")
    hours = rung.get("hours")
    yield from zone_problems(f"{path}.hours.timezone", hours.get("timezone") if isinstance(hours, dict) else None)
