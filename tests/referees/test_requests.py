"""Each official SDK drives its simulator over HTTP through every operation; its models and the published descriptions judge."""

import importlib

import pytest
from description import FILES, description_of
from models import MODELS
from operations import KINDS, By, table
from played import Player, Recording
from referee_watch import WATCH

SCENARIOS = {
    kind: {
        **importlib.import_module(f"scenarios.{kind}").SCENARIOS,
        **importlib.import_module(f"scenarios.{kind}_more").SCENARIOS,
    }
    for kind in KINDS
}

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


@pytest.fixture(scope="module")
def player() -> Player:
    """Plays each scenario once for all judges."""
    return Player()


@pytest.fixture
async def recording(player: Player, kind: str, operation: str, request: pytest.FixtureRequest) -> Recording:
    """The scenario of this operation, played; what the simulator obeyed in it counts for this test."""
    found = await player.recording(kind, operation, SCENARIOS[kind])
    request.config.stash[WATCH].replay(kind, found.exchanges)
    return found


@cases(By.DRIVES, *KINDS)
async def test_the_sdk_drives(recording: Recording) -> None:
    """The scenario, with what it asserts of the SDK's objects, plays through, and nothing in it was refused as unknown."""
    assert recording.exchanges
    refused = [(asked.method, asked.path, reply.body) for asked, reply in recording.exchanges if b"simulate" in reply.body]
    assert refused == []


@cases(By.MODELS, *KINDS)
def test_answers_fit_the_models(recording: Recording, kind: str, operation: str) -> None:
    """What the SDK made of the answers has every field in the type that the SDK's own model gives it."""
    row = table(kind).of(operation)
    mine = tuple(exchange for exchange in recording.exchanges if row.is_request(exchange[0].method, exchange[0].path))
    problems = list(MODELS[kind](Recording(recording.told, mine)))
    assert not problems, "\n".join(problems)


@cases(By.DESCRIPTION, *DESCRIBED)
def test_exchanges_fit_the_description(recording: Recording, kind: str, operation: str) -> None:
    """Requests and answers are as the carrier's published description says."""
    judge = DESCRIBED[kind]
    row = table(kind).of(operation)
    assert any(judge.operation(asked) for asked, _reply in recording.exchanges if row.is_request(asked.method, asked.path))
    problems = [problem for exchange in recording.exchanges for problem in judge.problems(*exchange)]
    assert not problems, "\n".join(problems)
