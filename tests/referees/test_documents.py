"""Documents that the official SDKs' builders write are obeyed by the simulators, element by element."""

import importlib

import pytest
from asked import Asked
from asking import Asking
from operations import KINDS, By, table
from together import Together

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
async def test_the_sdks_document_is_obeyed(hearings: Together[tuple[str, Asking], Asked], kind: str, asking: Asking) -> None:
    """What the builder wrote happens on the telephone and at the customer's URLs, and nothing of it was refused."""
    assert (await hearings.of((kind, asking))).refused == ()
