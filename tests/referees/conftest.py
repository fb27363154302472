"""What the referees' tests share. `make referees` runs them; an ordinary run of the tests leaves them alone.

Their verdict is a table, made by plugins that only `make referees` loads, and one of them lives in an environment of its own.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing here is collected without the plugin that notes who judged what."""
    return None if config.pluginmanager.hasplugin("referee_watch") else True


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> AsyncIterator["Stage"]:  # noqa: F821 - the frames' environment has no lab
    """The carrier whose folder the test is in, alone in a lab."""
    from stage import staged

    async with staged(request.path.parent.name) as ready:
        yield ready
