"""What a carrier asks of a customer, row by row: each scenario makes the simulator ask, over real HTTP, and is played once."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asking import Asking
from operations import KINDS
from stage import staged
from validators import Signed

WEBHOOKS: Mapping[str, Mapping[str, Asking]] = {
    kind: {
        **importlib.import_module(f"scenarios.{kind}_webhooks").WEBHOOKS,
        **importlib.import_module(f"scenarios.{kind}_documents").MORE_WEBHOOKS,
    }
    for kind in KINDS
}


@dataclass(frozen=True)
class Asked:
    """The requests that a scenario brought about, the account whose keys signed them, and what of it was refused."""

    account: Mapping[str, Any]
    requests: tuple[Signed, ...]
    refused: tuple[Mapping[str, Any], ...]


async def heard(kind: str, asking: Asking) -> Asked:
    """Play it, in a lab of its own."""
    async with staged(kind) as stage:
        requests = tuple(await asking(stage))
        refused = tuple(entry.flat() for entry in stage.lab.ledger.entries("refused"))
        return Asked(stage.credentials, requests, refused)
