"""The same configuration, with every carrier in the lab instead of in the world."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.errors import Misconfigured, Problem

_NOT_CREDENTIALS = frozenset({"base_url", "numbers"})


def with_lab(document: Any, lab_credentials: Mapping[str, Any], public_url: str, source: str = "config.yaml") -> Any:
    """The document with each carrier's base_url, credentials and numbers from the lab (`GET /lab/credentials`).

    A carrier is looked for in the lab by its name, else by its kind; one that the lab does not have is Misconfigured.
    What else the document says, right or wrong, stays.
    """
    if not isinstance(document, dict):
        return document
    listed = document.get("carriers")
    carriers = [_moved(c, i, lab_credentials, source) for i, c in enumerate(listed)] if isinstance(listed, list) else listed
    server = document.get("server") or {}
    moved = {**document, "server": {**server, "public_url": public_url} if isinstance(server, dict) else server}
    return {**moved, "carriers": carriers} if "carriers" in document else moved


def _moved(carrier: Any, index: int, lab: Mapping[str, Any], source: str) -> Any:
    if not isinstance(carrier, dict):
        return carrier
    there = lab.get(str(carrier.get("name"))) or lab.get(str(carrier.get("kind")))
    if not isinstance(there, Mapping):
        found = f"carrier {carrier.get('name')!r} of kind {carrier.get('kind')!r}, which the lab does not have"
        raise Misconfigured((Problem(f"carriers[{index}]", found, f"allowed: {', '.join(sorted(lab)) or 'nothing'}"),), source)
    credentials = {key: value for key, value in there.items() if key not in _NOT_CREDENTIALS}
    return {**carrier, "credentials": credentials, "base_url": there.get("base_url"), "numbers": list(there.get("numbers", ()))}
