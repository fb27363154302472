"""Seeds that found a defect once: a file each in `regressions/`, with one line that says which."""

from pathlib import Path

import pytest

from gateway.simulation.runs import run_world

FOUND = sorted((Path(__file__).parent / "regressions").glob("seed_*.txt"))


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_the_world_that_found_a_defect_finds_none_any_more(file: Path) -> None:
    """Every promise holds in a world in which one once did not."""
    assert len(file.read_text(encoding="utf-8").strip().splitlines()) == 1
    assert run_world(int(file.stem.removeprefix("seed_")))[1].violations == ()
