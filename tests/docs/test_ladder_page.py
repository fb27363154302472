"""docs/ladder.md shows ladders that can be written so, the shipped one first."""

import re
from pathlib import Path
from typing import Any

import yaml

from gateway.config.document import Source
from gateway.config.ladder_structs import SHIPPED
from gateway.config.reading import read_config
from gateway.config.structs import Config

PAGE = Path(__file__).parents[2] / "docs" / "ladder.md"
OTHERS = ("night", "spare")


def shown() -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def read(part: dict[str, Any]) -> Config:
    carrier = {"name": "one", "kind": "twilio", "credentials": {"account_sid": "AC1", "auth_token": "t"}}
    agents = [*part.get("agents", []), *({"name": name, "kind": "echo"} for name in OTHERS)]
    document = {
        "carriers": [{**carrier, "numbers": ["+15550190001"], "base_url": "http://127.0.0.1:4010"}],
        "routes": [{"name": "in", "direction": "inbound", "prefix": "+", "agent": agents[0]["name"]}],
        **part,
        "agents": agents,
    }
    return read_config(Source(name="docs/ladder.md", document=document), {"BOT_AUTH_TOKEN": "x" * 20})


def test_every_ladder_of_the_page_is_read() -> None:
    """Each example as it stands, with agents of the names that it uses."""
    configs = [read(part) for part in shown()]
    assert len(configs) == 3
    assert configs[0].ladder == SHIPPED
    assert configs[2].agents[0].ladder is not None
