"""Finds the simulator classes, for plugins that look over their shoulders."""

import importlib
import os
from pathlib import Path
from typing import Any

from carriers.lab.contract import Simulator


def own_file(target: str) -> Path:
    """The record's file, of this process' own where several share a session."""
    file = Path(target)
    return file.with_stem(file.stem + os.environ.get("PYTEST_XDIST_WORKER", ""))


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
