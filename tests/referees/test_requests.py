"""Each official SDK drives its simulator over HTTP through every operation; its models and the published descriptions judge."""

import pytest
from description import FILES, description_of
from models import MODELS
from operations import KINDS, By, table
from played import Recording
from referee_watch import WATCH
from requests_scenarios import SCENARIOS
from together import Together

DESCRIBED = {kind: found for kind in FILES if (found := description_of(kind)) is not None}


def cases(by: By, *kinds: str) -> pytest.MarkDecorator:
    """One case for each operation of these carriers, as this column's."""
    return pytest.mark.parametrize(
        ("kind", "operation"),
        [
            pytest.param(kind, name, marks=pytest.mark.referee(kind, name, by=by), id=f"{kind}: {name}")
            for kind in kinds
            for name in SCENARIOS[kind]
            if not table(kind).reason(table(kind).of(name), by)
        ],
    )


@pytest.fixture
async def recording(
    plays: Together[tuple[str, str], Recording], kind: str, operation: str, request: pytest.FixtureRequest
) -> Recording:
    """The scenario of this operation, played; what the simulator obeyed in it counts for this test."""
    found = await plays.of((kind, operation))
    request.config.stash[WATCH].replay(kind, found.exchanges)
    return found


@cases(By.DRIVES, *KINDS)
async def test_the_sdk_drives(recording: Recording) -> None:
    """The scenario, with what it asserts of the SDK's objects, plays through, and nothing in it was refused as unknown."""
    assert recording.exchanges
    refused = [(asked.method, asked.path, reply.body) for asked, reply in recording.exchanges if b"simulate" in reply.body]
    assert refused == []


@cases(By.MODELS, *KINDS)
def test_fits_the_models(recording: Recording, kind: str, operation: str) -> None:
    """What the SDK made of the answers has every field in the type that the SDK's own model gives it."""
    row = table(kind).of(operation)
    mine = tuple(exchange for exchange in recording.exchanges if row.is_request(exchange[0].method, exchange[0].path))
    problems = list(MODELS[kind](Recording(recording.told, mine)))
    assert not problems, "\n".join(problems)


@cases(By.DESCRIPTION, *DESCRIBED)
def test_fits_the_description(recording: Recording, kind: str, operation: str) -> None:
    """Requests and answers are as the carrier's published description says."""
    judge = DESCRIBED[kind]
    row = table(kind).of(operation)
    assert any(judge.operation(asked) for asked, _reply in recording.exchanges if row.is_request(asked.method, asked.path))
    problems = [problem for exchange in recording.exchanges for problem in judge.problems(*exchange)]
    assert not problems, "\n".join(problems)
