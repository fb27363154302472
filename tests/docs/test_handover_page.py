"""docs/handover.md shows rungs that can be written so, and names the settings and reasons that there are."""

import re
from pathlib import Path

import msgspec
import yaml

from agent.speech import known
from carriers.registry import kinds
from gateway.config.document import Source
from gateway.config.ladder_structs import HumanRung
from gateway.config.reading import read_config
from gateway.domain.ladder import RungKind
from gateway.ladder_terms import rungs_of

PAGE = (Path(__file__).parents[2] / "docs" / "handover.md").read_text(encoding="utf-8")
SENTENCES = ("one-moment", "connecting", "ringing", "whisper-press-1", "whisper-announce", "colleague-unreached", "caller-gone")


def test_the_ladder_of_the_page_is_read() -> None:
    """As it stands: two colleagues, then a message."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    carrier = {"name": "one", "kind": "twilio", "credentials": {"account_sid": "AC1", "auth_token": "t"}}
    document = {
        "carriers": [{**carrier, "numbers": ["+15550190001"], "base_url": "http://127.0.0.1:4010"}],
        "agents": [{"name": "echo", "kind": "echo"}],
        "routes": [{"name": "out", "agent": "echo"}],
        **yaml.safe_load(block),
    }
    config = read_config(Source(name="docs/handover.md", document=document), {}, carriers=kinds())
    assert [rung.kind for rung in rungs_of(config.ladder)] == [RungKind.HUMAN, RungKind.HUMAN, RungKind.VOICEMAIL]


def test_every_setting_has_its_line_and_the_defaults_are_told() -> None:
    """In the table, under the name that it has in the file."""
    fields = msgspec.structs.fields(HumanRung)
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [field.name for field in fields]
    assert {field.name: field.default for field in fields if not field.required} == {"ring_s": 20, "whisper": "press_1"}


def test_what_people_hear_is_there() -> None:
    """Every sentence and sound that the page speaks of."""
    assert all(known(name) for name in SENTENCES)
