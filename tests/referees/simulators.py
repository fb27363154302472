"""Finds the simulator classes, for plugins that look over their shoulders."""

import importlib
from typing import Any

from carriers.lab.contract import Simulator


def simulator_class(kind: str) -> type[Any]:
    """The class that `Kind.simulator` and the tests of the carrier make."""
    module = importlib.import_module(f"carriers.{kind}.simulator")
    needed = [name for name in vars(Simulator) if not name.startswith("_") and callable(getattr(Simulator, name))]
    (made,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and all(hasattr(value, name) for name in needed)
    ]
    return made
