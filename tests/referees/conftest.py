"""What the referees' tests share. `make referees` runs them; an ordinary run of the tests leaves them alone.

Their verdict is a table, made by plugins that only `make referees` loads, and one of them lives in an environment of its own.
"""

from functools import partial
from pathlib import Path
from typing import Any

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing here is collected without the plugin that notes who judged what."""
    return None if config.pluginmanager.hasplugin("referee_watch") else True


def _given(request: pytest.FixtureRequest, *names: str) -> set[tuple[Any, ...]]:
    """The values of these parameters in all tests of the session that have them."""
    specs = [
        item.callspec.params for item in request.session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    return {tuple(spec[name] for name in names) for spec in specs if set(names) <= set(spec)}


@pytest.fixture(scope="session")
def hearings(request: pytest.FixtureRequest) -> "Together":  # noqa: F821 - the frames' environment has neither lab nor SDKs
    """By carrier and scenario: what was asked. Rows of webhooks and of documents share scenarios, and each is played once."""
    from asked import WEBHOOKS, heard
    from together import Together

    rows = {(kind, WEBHOOKS[kind][row]) for kind, row in _given(request, "kind", "row") if row in WEBHOOKS[kind]}
    wanted = rows | _given(request, "kind", "asking")
    return Together({(kind, asking): partial(heard, kind, asking) for kind, asking in wanted})


@pytest.fixture
async def asked(hearings: "Together", kind: str, row: str) -> "Asked":  # noqa: F821
    """What the carrier asked in the scenario of this row."""
    from asked import WEBHOOKS

    found = await hearings.of((kind, WEBHOOKS[kind][row]))
    assert found.requests, "the scenario made the carrier ask nothing"
    return found


@pytest.fixture(scope="session")
def plays(request: pytest.FixtureRequest) -> "Together":  # noqa: F821
    """By carrier and operation: the recording of its scenario."""
    from played import played
    from requests_scenarios import SCENARIOS
    from together import Together

    wanted = _given(request, "kind", "operation")
    return Together({(kind, name): partial(played, kind, SCENARIOS[kind][name]) for kind, name in wanted})
