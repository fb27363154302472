"""docs/callbacks.md says what is: its settings are the defaults, its request is accepted, its words are the ones that we use."""

import json
import re
from pathlib import Path

import msgspec
import yaml

from gateway.config.structs import CallbackSettings
from gateway.domain.callback import LONGEST_NOTE
from gateway.domain.outcome import CallbackState, Outcome, Priority
from gateway.runtime.store.promise_contract import HEAD_START_S, LONGEST_CONTEXT
from gateway.web.requests import CreateCall, read_create_call

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "callbacks.md").read_text(encoding="utf-8")


def test_its_settings_are_the_defaults_and_those_of_the_shipped_file() -> None:
    """Every key, and no other value."""
    shown = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])["callbacks"]
    assert msgspec.convert(shown, CallbackSettings, strict=True) == CallbackSettings()
    assert shown.keys() == set(CallbackSettings.__struct_fields__)
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["callbacks"]
    assert msgspec.convert(shipped, CallbackSettings) == CallbackSettings()


def test_its_request_is_accepted() -> None:
    """As it stands there."""
    body = re.findall(r"-d '(.*?)'", PAGE, re.DOTALL)[0]
    request = read_create_call(json.loads(body))
    assert (request.to, request.retry_on) == ("+15550100001", ("busy", "no_answer"))
    assert request.window is not None


def test_it_names_every_wish_of_a_request() -> None:
    """The fields of its table are fields of the API, and those that make a promise are all in it."""
    named = {word for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}
    wishes = {"retry_on", "window", "priority", "purpose", "duplicate", "not_before", "expires_at"}
    assert wishes <= named
    assert wishes <= {field.encode_name for field in msgspec.structs.fields(CreateCall)}


def test_its_words_and_numbers_are_ours() -> None:
    """States, priorities, outcomes and limits."""
    for word in (*CallbackState, *Priority, Outcome.EXHAUSTED, "promised-already"):
        assert f"`{word}`" in PAGE
    assert f"{LONGEST_CONTEXT} bytes" in PAGE
    assert f"{LONGEST_NOTE} characters" in PAGE
    assert max(HEAD_START_S.values()) == -min(HEAD_START_S.values()) == 300  # five minutes
