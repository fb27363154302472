"""`webhooks` in config.yaml: what is right becomes endpoints, what is wrong is named with its cure, and no secret is shown."""

import base64
from typing import Any

import pytest
from msgspec import Struct

from carriers.contract import Capabilities, Kind
from gateway.config.document import Source
from gateway.config.reading import read_config
from gateway.config.structs import Config
from gateway.config.webhook_checks import secret_bytes
from gateway.domain.errors import Misconfigured
from gateway.domain.happenings import Happening
from gateway.webhook_endpoints import webhook_endpoints

NEW, OLD = bytes(range(32)), bytes(range(24))
ENVIRON = {
    "NEW": f"whsec_{base64.b64encode(NEW).decode()}",
    "OLD": f"whsec_{base64.b64encode(OLD).decode()}",
    "URL": "https://shop.example.com/hooks?token=abc",
    "SHORT": f"whsec_{base64.b64encode(b'short').decode()}",
    "LONG": f"whsec_{base64.b64encode(bytes(65)).decode()}",
    "BARE": base64.b64encode(NEW).decode(),
    "GARBAGE": "whsec_not-base64-at-all!",
}
SHOP = {"name": "shop", "url": "${URL}", "secret": "${NEW}"}


def _never(*_: object) -> Any:
    raise AssertionError("reading a config opens no carrier")


class NoCredentials(Struct, frozen=True):
    """None are needed."""


KINDS = {
    "alpha": Kind(kind="alpha", title="a", credentials=NoCredentials, capabilities=Capabilities(), open=_never, simulator=_never)
}


def read(*webhooks: Any, lenient: bool = False, environ: dict[str, str] | None = None) -> Config:
    document = {
        "server": {"public_url": "https://gw.example.com"},
        "carriers": [{"name": "a", "kind": "alpha", "credentials": {}, "numbers": ["+15550190001"]}],
        "routes": [{"name": "all", "agent": "echo"}],
        "agents": [{"name": "echo", "kind": "echo"}],
        "webhooks": list(webhooks),
    }
    source = Source(name="config.yaml", document=document)
    found = ENVIRON if environ is None else environ
    return read_config(source, found, lenient=lenient, carriers=KINDS, agents={"echo": NoCredentials})


def told(*webhooks: Any) -> dict[str, str]:
    """What is wrong, by path."""
    with pytest.raises(Misconfigured) as caught:
        read(*webhooks)
    return {problem.path: f"{problem.found}; {problem.allowed}" for problem in caught.value.problems}


def test_an_endpoint_has_its_url_its_keys_and_its_events() -> None:
    """Both secrets sign, the newer first; a family of events means all of its types, and nothing else."""
    shop = {**SHOP, "previous_secret": "${OLD}", "events": ["call.ended", "carrier.*"]}
    everything = {**SHOP, "name": "everything"}
    first, second = webhook_endpoints(read(shop, everything))
    assert (first.name, first.url, first.secrets) == ("shop", "https://shop.example.com/hooks?token=abc", (NEW, OLD))
    carrier = {one for one in Happening if one.value.startswith("carrier.")}
    assert first.wanted == {Happening.CALL_ENDED} | carrier
    assert second.wanted == set(Happening) - {Happening.PING}
    assert second.secrets == (NEW,)


def test_nobody_is_told_anything_by_default() -> None:
    """Without the key there are no endpoints."""
    assert webhook_endpoints(read()) == ()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("ftp://shop.example.com", '"ftp://shop.example.com"; allowed: https://'),
        ("shop.example.com/hooks", '"shop.example.com/hooks"; allowed: https://'),
        ("https://", '"https://"; allowed: https://'),
        ("https://shop.example.com:99999/", "allowed: https://"),
        ("https://shop example.com/", "allowed: https://"),
        ("https://user:hidden@shop.example.com/", "a URL with credentials in it (not shown); allowed: none"),
        ("https://user@shop.example.com/", "a URL with credentials in it (not shown); allowed: none"),
        ("ftp://user:hidden@shop.example.com/", "a URL (not shown: it may hold a password); allowed: https://"),
        ("https://shop.example.com/#part", "allowed: a URL without a fragment"),
    ],
)
def test_a_url_that_cannot_be_called_is_named(url: str, found: str) -> None:
    """Field, what was found and the cure; a password in it is not repeated."""
    wrong = told({**SHOP, "url": url})
    assert list(wrong) == ["webhooks[0].url"]
    assert found in wrong["webhooks[0].url"]
    assert "hidden" not in str(wrong)


@pytest.mark.parametrize(
    ("name", "why"), [("SHORT", "5 bytes"), ("LONG", "65 bytes"), ("BARE", "whsec_"), ("GARBAGE", "not base64")]
)
@pytest.mark.parametrize("field", ["secret", "previous_secret"])
def test_a_secret_that_is_no_key_is_named_and_not_shown(name: str, why: str, field: str) -> None:
    """With a command that makes a right one."""
    wrong = told({**SHOP, field: f"${{{name}}}"})
    assert list(wrong) == [f"webhooks[0].{field}"]
    assert why in wrong[f"webhooks[0].{field}"]
    assert "openssl rand" in wrong[f"webhooks[0].{field}"]
    assert ENVIRON[name] not in str(wrong)


def test_a_secret_does_not_stand_in_the_file() -> None:
    """Only as a reference to the environment; what stands there is not repeated."""
    wrong = told({**SHOP, "secret": ENVIRON["NEW"]})
    assert wrong == {"webhooks[0].secret": "a secret written into the file; allowed: a reference like ${WEBHOOK_SECRET}"}


def test_an_unset_variable_is_named_once() -> None:
    """And no more is said of it."""
    with pytest.raises(Misconfigured) as caught:
        read(SHOP, environ={"URL": "https://shop.example.com"})
    assert [(problem.path, problem.allowed) for problem in caught.value.problems] == [
        ("webhooks[0].secret", "set it: export NEW=...")
    ]


def test_events_that_do_not_exist_are_named_with_the_nearest() -> None:
    """A misspelt type or family would be silence for ever."""
    wrong = told({**SHOP, "events": ["call.endet", "carriers.*", "call.ended"]})
    assert wrong["webhooks[0].events[0]"].startswith('"call.endet", which is no event; did you mean `call.ended`?')
    assert wrong["webhooks[0].events[1]"].startswith('"carriers.*", which is no event; did you mean `carrier.*`?')
    assert len(wrong) == 2


def test_names_are_unique_and_fields_known() -> None:
    """Two of a name would share a queue."""
    assert list(told(SHOP, SHOP)) == ["webhooks[1].name"]
    assert list(told({**SHOP, "evnts": []})) == ["webhooks[0].evnts"]
    assert list(told({**SHOP, "events": []})) == ["webhooks[0].events"]


def test_in_the_lab_endpoints_without_their_variables_are_left_out() -> None:
    """As API keys are: the demo runs without them."""
    whole = {"name": "whole", "url": "http://127.0.0.1:1/", "secret": "${NEW}"}
    config = read(SHOP, whole, lenient=True, environ={"NEW": ENVIRON["NEW"]})
    assert [entry.name for entry in config.webhooks] == ["whole"]


def test_base64_without_padding_is_understood() -> None:
    """Some tools leave it away."""
    assert secret_bytes(ENVIRON["NEW"].rstrip("=")) == NEW
