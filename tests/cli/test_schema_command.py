"""The schema, judged by somebody else's validator."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from gateway.cli import app

SHIPPED = Path(__file__).parents[2] / "config.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    told = CliRunner().invoke(app, ["schema"])
    assert told.exit_code == 0
    schema: dict[str, Any] = json.loads(told.stdout)
    return schema


@pytest.fixture
def shipped() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return document


def test_it_is_a_json_schema(schema: dict[str, Any]) -> None:
    """What is printed obeys the JSON Schema of JSON Schemas that it names."""
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)


def test_the_shipped_config_obeys_it(schema: dict[str, Any], shipped: dict[str, Any]) -> None:
    """An editor finds no fault with config.yaml as it is shipped."""
    assert [error.message for error in Draft202012Validator(schema).iter_errors(shipped)] == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("server", "prot", 1), ("server", "port", "8080"), ("store", "keep_days", 0), ("breaker", "window_s", "long")],
)
def test_a_wrong_key_does_not(schema: dict[str, Any], shipped: dict[str, Any], section: str, key: str, value: object) -> None:
    """Unknown keys, wrong types and values out of range are faults in the editor already."""
    shipped[section][key] = value
    assert not Draft202012Validator(schema).is_valid(shipped)


def test_credentials_are_those_of_the_kind(schema: dict[str, Any], shipped: dict[str, Any]) -> None:
    """A carrier with another kind's credentials is a fault."""
    shipped["carriers"][0]["credentials"] = shipped["carriers"][1]["credentials"]
    assert not Draft202012Validator(schema).is_valid(shipped)


def test_it_can_be_written_to_a_file(tmp_path: Path, schema: dict[str, Any]) -> None:
    """--out writes the same schema, and prints nothing."""
    told = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "schema.json")])
    assert (told.exit_code, told.stdout) == (0, "")
    assert json.loads((tmp_path / "schema.json").read_text()) == schema


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is not there is said in two lines."""
    told = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "nowhere" / "schema.json")])
    assert told.exit_code == 1
    assert "cannot be written" in told.stderr
    assert "--out" in told.stderr
