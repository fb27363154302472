"""Every scenario in which an SDK asks something of its carrier's API, by carrier and operation."""

import importlib
from collections.abc import Mapping

from operations import KINDS
from played import Scenario

SCENARIOS: Mapping[str, Mapping[str, Scenario]] = {
    kind: {
        **importlib.import_module(f"scenarios.{kind}").SCENARIOS,
        **importlib.import_module(f"scenarios.{kind}_more").SCENARIOS,
    }
    for kind in KINDS
}
