"""What the referees' tests share. `make referees` runs them; an ordinary run of the tests leaves them alone.

Their verdict is a table, made by plugins that only `make referees` loads, and one of them lives in an environment of its own.
"""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing here is collected without the plugin that notes who judged what."""
    return None if config.pluginmanager.hasplugin("referee_watch") else True


@pytest.fixture(scope="session")
def listener() -> "Listener":  # noqa: F821 - the frames' environment has neither lab nor SDKs
    """Plays each scenario of webhooks once for all judges."""
    from asked import Listener

    return Listener()


@pytest.fixture
async def asked(listener: "Listener", kind: str, row: str) -> "Asked":  # noqa: F821
    """What the carrier asked in the scenario of this row."""
    return await listener.asked(kind, row)
