"""Finds the carriers: one package below `carriers/` each, or an entry point `holdline.carriers` out of tree. No list to edit."""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

import carriers
from carriers.contract import Kind

ENTRY_POINT_GROUP = "holdline.carriers"


@cache
def kinds() -> dict[str, Kind]:
    """Every carrier kind by its word in the config, in alphabetical order."""
    found = [_kind_of(module.name) for module in pkgutil.iter_modules(carriers.__path__) if module.ispkg]
    found += [point.load() for point in entry_points(group=ENTRY_POINT_GROUP)]
    return {kind.kind: kind for kind in sorted((k for k in found if k is not None), key=lambda kind: kind.kind)}


def _kind_of(package: str) -> Kind | None:
    module = importlib.import_module(f"carriers.{package}")
    kind: Kind | None = getattr(module, "KIND", None)
    return kind
