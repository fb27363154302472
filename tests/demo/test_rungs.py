"""Who goes down which ladder in the demo, and the config that sends them there."""

from pathlib import Path

from carriers.lab.lab import Lab
from gateway.config import load_lab_config
from gateway.demo import rungs
from gateway.demo.own_config import own_config
from gateway.domain.ladder import RungKind

CONFIG = Path(__file__).parents[2] / "config.yaml"
NUMBERS = ("+15550190001", "+15550190011", "+15550190021")


def test_every_caller_has_a_phone_and_a_rung_of_their_own() -> None:
    """No rung is shown twice, and none of those that a config may name is left out."""
    shown = [next(iter(fate.rung)) if isinstance(fate.rung, dict) else fate.rung for fate in rungs.FATES]
    assert sorted(shown) == sorted(kind.value for kind in RungKind)
    assert len({fate.number for fate in rungs.FATES}) == len(rungs.FATES)


def test_callers_go_round_the_carriers() -> None:
    """Seven callers, three numbers: every number is called, and more than once."""
    called = [number for _, number in rungs.numbers_called(NUMBERS)]
    assert called[:4] == [*NUMBERS, NUMBERS[0]]


async def test_the_demos_additions_are_a_config_that_the_gateway_takes(tmp_path: Path) -> None:
    """The shipped config with the demo's agents and routes is read without complaint, and each ladder stands in its route."""
    numbers = [*NUMBERS]
    copy, _ = own_config(CONFIG, tmp_path, rungs.agents("ws://127.0.0.1:1/media", "a-token-of-the-demo"), rungs.routes(numbers))
    async with Lab(seed=1) as lab:
        credentials = {report.name: lab.credentials(report.name) for report in lab.carriers()}
        config = load_lab_config(copy, {"HOLDLINE_API_KEY": "demo-key-0123456789"}, credentials, "http://127.0.0.1:1")
    ours = {route.name: route for route in config.routes if route.name.startswith("demo-")}
    assert len(ours) == len(rungs.FATES) * len(numbers)
    assert {route.agent for route in ours.values()} == {fate.agent for fate in rungs.FATES}
    assert all(route.ladder is not None and len(route.ladder) == 1 for route in ours.values())
