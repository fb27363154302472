"""The table of seeded defects: each has its place in the code, and a few are proven again with every run."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent / "mutations"
ROOT = Path(__file__).parents[2]
QUICK = ("take an unknown dial for one that was not sent", "accept a key twice")
"""Found by one of the first worlds."""


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prove_mutations", FOLDER / "prove.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PROVE = _module()


def test_the_table_is_long_enough_and_names_what_exists() -> None:
    """At least 20 defects, 12 of them for the simulation; every place stands once in the code, every named test is there."""
    assert len(PROVE.MUTATIONS) >= 20
    assert sum(mutation.caught_by == PROVE.SIMULATION for mutation in PROVE.MUTATIONS) >= 12
    counts = {
        mutation.name: (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) for mutation in PROVE.MUTATIONS
    }
    assert {name: count for name, count in counts.items() if count != 1} == {}
    tests = {mutation.caught_by for mutation in PROVE.MUTATIONS} - {PROVE.SIMULATION}
    assert [name for name in tests if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", QUICK)
def test_worlds_catch_what_somebody_broke(name: str) -> None:
    """Written into a copy of the tree, the defect breaks a promise in one of a few worlds."""
    mutation = next(mutation for mutation in PROVE.MUTATIONS if mutation.name == name)
    caught, how = PROVE.prove(mutation, seeds=10)
    assert caught, how
