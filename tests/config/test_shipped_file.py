"""The config.yaml of this repository, with the real carriers and agents: in the lab as it is, in the world with an account."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from carriers.registry import kinds
from gateway.config.document import Source
from gateway.config.reading import load_config, load_lab_config, load_source, read_config
from gateway.config.structs import Limits
from gateway.domain.errors import Misconfigured
from gateway.domain.outcome import Direction

SHIPPED = Path(__file__).parents[2] / "config.yaml"
LAB: dict[str, dict[str, Any]] = {
    "twilio": {"account_sid": "AC1", "auth_token": "t"},
    "telnyx": {"api_key": "KEY", "public_key": "p", "connection_id": "1"},
    "plivo": {"auth_id": "MA1", "auth_token": "t"},
    "vonage": {"application_id": "a", "private_key": "k", "api_key": "k", "api_secret": "s", "signature_secret": "s"},
}
for _index, _entry in enumerate(LAB.values()):
    _entry |= {"base_url": f"http://127.0.0.1:401{_index}", "numbers": [f"+1555019000{_index}"]}


def test_it_runs_in_the_lab_as_it_is() -> None:
    """With nothing in the environment, all four carriers stand in order, with the lab's addresses."""
    config = load_lab_config(SHIPPED, {}, LAB, "http://127.0.0.1:8080")
    assert [carrier.name for carrier in config.carriers] == ["twilio", "telnyx", "plivo", "vonage"]
    assert [carrier.base_url for carrier in config.carriers] == [entry["base_url"] for entry in LAB.values()]
    route = config.route_for(Direction.OUTBOUND, "+15550100001")
    assert route is not None
    assert config.agent(route.agent) is not None
    assert config.route_for(Direction.OUTBOUND, "+442079460000") is None


def test_its_limits_are_the_defaults() -> None:
    """Every default is visible: what the file says of a carrier's limits is what is used where it says nothing."""
    written = load_lab_config(SHIPPED, {}, LAB, "http://127.0.0.1:8080").carriers
    assert [one.limits for one in written] == [
        Limits(
            calls_per_second=kinds()[one.kind].capabilities.calls_per_second,
            concurrent_calls=kinds()[one.kind].capabilities.concurrent_calls,
        )
        for one in written
    ]


def test_going_live_is_credentials_and_the_public_url() -> None:
    """Without them every missing variable is named; with them, and nothing else changed, the file is right."""
    with pytest.raises(Misconfigured) as caught:
        load_config(SHIPPED, {})
    variables = {match for one in caught.value.problems for match in re.findall(r"\$\{(\w+)\}", one.found)}
    assert {"TWILIO_AUTH_TOKEN", "TELNYX_PUBLIC_KEY", "PLIVO_AUTH_ID", "VONAGE_PRIVATE_KEY", "TWILIO_NUMBER"} <= variables
    others = {one.path for one in caught.value.problems if "${" not in one.found}
    assert others == {"server.public_url"}
    environ = {name: "+15550190001" if name.endswith("_NUMBER") else "x" for name in variables}
    source = load_source(SHIPPED)
    live = yaml.safe_load(SHIPPED.read_text())
    live["server"]["public_url"] = "https://gw.example.com"
    config = read_config(Source(name=source.name, document=live), environ)
    assert all(carrier.base_url is None for carrier in config.carriers)
