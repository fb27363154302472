"""The demo's copy of the user's config: a store of its own, since a config that names a Redis is somebody's real one, and the
demo's own agents and routes beside the user's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.config.document import read_document

OUTSIDE_KIND = "twilio_stream"
_CALLERS = {"name": "demo-callers", "direction": "inbound", "prefix": "+"}


def own_config(
    config: Path, folder: Path, agents: Sequence[Mapping[str, Any]], routes: Sequence[Mapping[str, Any]] = ()
) -> tuple[Path, bool]:
    """A copy in `folder` with these agents and routes more and without `store.url`; and whether there was one. A config that is
    no mapping stays as it is, for the gateway to complain about.
    """
    document = read_document(config.read_text(encoding="utf-8-sig"), config.name).document
    if not isinstance(document, dict):
        return config, False
    store = document.get("store")
    store = store if isinstance(store, dict) else {}
    ours = {
        "agents": [*_listed(document, "agents"), *agents],
        "routes": [*_with_callers(_listed(document, "routes")), *routes],
    }
    copy = folder / config.name
    copy.write_text(yaml.safe_dump({**document, **ours, "store": {**store, "url": None}}), encoding="utf-8")
    return copy, store.get("url") is not None


def _with_callers(routes: list[Any]) -> list[Any]:
    """Somebody who answers no callers yet sees in the demo how it would be: by the agent that makes their calls."""
    known = [route for route in routes if isinstance(route, dict)]
    if not known or any(route.get("direction") == "inbound" for route in known):
        return routes
    return [*routes, {**_CALLERS, "agent": known[0].get("agent")}]


def _listed(document: Mapping[str, Any], key: str) -> list[Any]:
    listed = document.get(key)
    return listed if isinstance(listed, list) else []
