"""The names of knobs: a misspelt one must not leave a guess at its default without a word."""

import re
from pathlib import Path

import pytest

from carriers.lab.lab import Lab
from carriers.plivo.simulator import PlivoSimulator
from carriers.vonage.simulator import VonageSimulator

CARRIERS = Path(__file__).parents[3] / "carriers"
SIMULATORS = {"plivo": PlivoSimulator, "vonage": VonageSimulator}


def documented(kind: str) -> set[str]:
    """The names in the table of knobs of the carrier's README."""
    text = (CARRIERS / kind / "README.md").read_text(encoding="utf-8")
    table = text.partition("\n| knob | ")[2].partition("\n\n")[0]
    return {name for line in table.splitlines()[2:] for name in re.findall(r"`([a-z0-9_]+)`", line.split("|")[1])}


@pytest.mark.parametrize("kind", ["plivo", "vonage"])
def test_a_carriers_names_are_those_of_its_readme(kind: str) -> None:
    """Nothing more, nothing less."""
    assert SIMULATORS[kind].knobs == documented(kind)
    assert len(documented(kind)) > 20


@pytest.mark.parametrize("kind", ["plivo", "vonage"])
async def test_a_misspelt_knob_is_refused_by_name(kind: str) -> None:
    """Before the lab is up, and with the right ones."""
    with pytest.raises(ValueError, match=rf"{kind} has no knob spelt_wrong; it has: .*foreign_caller_id"):
        async with Lab(kinds=[kind], knobs={kind: {"spelt_wrong": 1, "foreign_caller_id": "restricted"}}):
            pass


def test_knobs_of_a_carrier_that_there_is_not_are_refused() -> None:
    """A lab of some carriers takes knobs of the others, which a suite may have set for all."""
    with pytest.raises(ValueError, match="knobs for vonnage: there is no such carrier"):
        Lab(kinds=["vonage"], knobs={"vonnage": {"balance": 1.0}})
    Lab(kinds=["vonage"], knobs={"plivo": {"cps": 5}})
