"""What can be known to be wrong is said in one sentence with the cure, before anything is started."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.document import read_document
from gateway.demo import run
from gateway.demo.own_config import own_config

CONFIG = Path(__file__).parents[2] / "config.yaml"
AGENT = {"name": "demo-parrot", "kind": "twilio_stream", "settings": {"url": "ws://127.0.0.1:1/media"}}


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_one_sentence_with_the_cure(taken_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the port and a command that works instead; nothing is started and nothing written."""
    code = run(once=True, port=taken_port, config=CONFIG, folder=tmp_path / "demo")
    told = capsys.readouterr().out
    assert code == 1
    assert told.count("\n") == 1
    assert f"Port {taken_port} is taken" in told
    assert "make demo PORT=" in told
    assert not (tmp_path / "demo").exists()


def test_a_demo_that_could_not_start_still_ends_with_its_json(
    taken_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine that reads the last line learns that nothing held."""
    assert run(once=True, as_json=True, port=taken_port, config=CONFIG, folder=tmp_path) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"ok": False, "steps": []}


def test_a_missing_config_is_one_sentence_with_the_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of Holdline's folder the demo says so."""
    assert run(once=True, config=tmp_path / "config.yaml", folder=tmp_path) == 1
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "run the demo in Holdline's own folder" in told


def test_the_demo_adds_its_agent_and_nothing_else(tmp_path: Path) -> None:
    """The shipped config is copied with one more agent; its routes, carriers and times are as they were."""
    copy, changed = own_config(CONFIG, tmp_path, [AGENT])
    document, original = (read_document(path.read_text()).document for path in (copy, CONFIG))
    assert not changed
    assert document.pop("agents") == [*original.pop("agents"), AGENT]
    assert document == original


def test_somebodys_own_store_is_left_alone(tmp_path: Path) -> None:
    """A config that names a Redis is copied without it; everything else stays, and the file itself is not touched."""
    mine = tmp_path / "config.yaml"
    mine.write_text(CONFIG.read_text().replace("url: null ", "url: redis://10.0.0.1:6379/0 "))
    before = mine.read_text()
    (tmp_path / "run").mkdir()
    copy, changed = own_config(mine, tmp_path / "run", [AGENT])
    assert changed
    document, original = (read_document(path.read_text()).document for path in (copy, mine))
    assert document["store"].pop("url") is None
    assert original["store"].pop("url") == "redis://10.0.0.1:6379/0"
    assert document.pop("agents") != original.pop("agents")
    assert document == original
    assert mine.read_text() == before


def test_who_answers_no_callers_sees_how_it_would_be(tmp_path: Path) -> None:
    """Without an inbound route the demo's copy gets one, with the agent of the first route."""
    mine = tmp_path / "mine.yaml"
    mine.write_text('routes: [{name: out, direction: outbound, prefix: "+1", agent: bo}]\nagents: []\n')
    (tmp_path / "run").mkdir()
    copy, _ = own_config(mine, tmp_path / "run", [AGENT])
    routes = read_document(copy.read_text()).document["routes"]
    assert [(route["direction"], route["agent"]) for route in routes] == [("outbound", "bo"), ("inbound", "bo")]


def test_what_is_no_config_is_left_to_the_gateway_to_refuse(tmp_path: Path) -> None:
    """A list is handed on as it is."""
    mine = tmp_path / "config.yaml"
    mine.write_text("[1, 2]")
    assert own_config(mine, tmp_path, [AGENT]) == (mine, False)
