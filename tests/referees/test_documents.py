"""Documents that the official SDKs' builders write are obeyed by the simulators, element by element."""

import importlib

import pytest
from asking import Asking
from operations import KINDS, By, table
from stage import staged

DOCUMENTS = {kind: importlib.import_module(f"scenarios.{kind}_documents").DOCUMENTS for kind in KINDS}


def columns(kind: str, row: str) -> list[pytest.MarkDecorator]:
    """The cells that such a test holds: the builder drives, and where it is made of typed models, these have judged, too."""
    told = table(kind)
    asked = [By.DRIVES, By.MODELS]
    return [pytest.mark.referee(kind, row, by=by) for by in asked if not told.reason(told.of(row), by)]


@pytest.mark.parametrize(
    ("kind", "asking"),
    [
        pytest.param(kind, asking, marks=columns(kind, row), id=f"{kind}: {row}")
        for kind in KINDS
        for row, asking in DOCUMENTS[kind].items()
    ],
)
async def test_the_sdks_document_is_obeyed(kind: str, asking: Asking) -> None:
    """What the builder wrote happens on the telephone and at the customer's URLs, and nothing of it was refused."""
    async with staged(kind) as stage:
        await asking(stage)
        assert [entry.flat() for entry in stage.lab.ledger.entries("refused")] == []
