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
    """The requests of one row, and the account whose keys signed them."""

    account: Mapping[str, Any]
    requests: tuple[Signed, ...]


class Listener:
    """Plays scenarios and remembers them."""

    def __init__(self) -> None:
        self._played: dict[tuple[str, str], Asked | Exception] = {}

    async def asked(self, kind: str, row: str) -> Asked:
        """What came; what the scenario raised is raised for every judge."""
        if (kind, row) not in self._played:
            self._played[kind, row] = await _attempt(kind, WEBHOOKS[kind][row])
        found = self._played[kind, row]
        if isinstance(found, Exception):
            raise found
        return found


async def _attempt(kind: str, asking: Asking) -> Asked | Exception:
    try:
        async with staged(kind) as stage:
            requests = tuple(await asking(stage))
            assert requests, "the scenario made the carrier ask nothing"
            return Asked(stage.credentials, requests)
    except Exception as error:
        return error
