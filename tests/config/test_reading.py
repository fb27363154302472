"""From text to a Config, or to every reason why not."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec import Struct

from carriers.contract import Capabilities, Kind
from gateway.config.document import read_document
from gateway.config.lab import with_lab
from gateway.config.reading import load_config, read_config
from gateway.config.schema import schema
from gateway.config.structs import Config
from gateway.domain.errors import Misconfigured, Problem
from gateway.domain.outcome import Direction


class AlphaKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the carrier kind `alpha` needs."""

    user: str
    token: str


class BetaKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the carrier kind `beta` needs."""

    api_key: str


def _never(*_: object) -> Any:
    raise AssertionError("reading a config opens no carrier")


def _kind(name: str, credentials: type[Struct], **capabilities: Any) -> Kind:
    can = Capabilities(**capabilities)
    return Kind(kind=name, title=name, credentials=credentials, capabilities=can, open=_never, simulator=_never)


KINDS = {
    "alpha": _kind("alpha", AlphaKeys, calls_per_second=7.0, concurrent_calls=12),
    "beta": _kind("beta", BetaKeys, calls_per_second=2.0),
}


class BotSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent kind `bot` needs."""

    token: str


AGENTS: dict[str, type[Struct]] = {"receptionist": Struct, "echo": Struct, "bot": BotSettings}
ENVIRON = {"ALPHA_TOKEN": "alpha-secret-token", "BETA_KEY": "beta-secret-key", "SHOP_KEY": "shop-key-0123456789"}
GOOD = """
server:
  public_url: https://gw.example.com/
keys:
  - {name: shop, secret: "${SHOP_KEY}", scopes: ["calls:write"]}
carriers:
  - name: first
    kind: alpha
    credentials:
      user: u
      token: ${ALPHA_TOKEN}
    numbers: ["+15550190001"]
    limits: {concurrent_calls: 3}
  - name: second
    kind: beta
    credentials: {api_key: "${BETA_KEY}"}
    numbers: ["+15550190002"]
routes:
  - {name: default, prefix: "+1", agent: talker}
  - {name: east, prefix: "+1555", agent: talker, carriers: [second]}
agents:
  - {name: talker, kind: receptionist}
"""
Edit = Callable[[dict[str, Any]], object]


def read(text: str = GOOD, environ: dict[str, str] | None = None) -> Config:
    return read_config(read_document(text), ENVIRON if environ is None else environ, carriers=KINDS, agents=AGENTS)


def refused(text: str, environ: dict[str, str] | None = None) -> dict[str, Problem]:
    with pytest.raises(Misconfigured) as caught:
        read(text, environ)
    return {problem.path: problem for problem in caught.value.problems}


def edited(edit: Edit) -> str:
    document = yaml.safe_load(GOOD)
    edit(document)
    return yaml.safe_dump(document, sort_keys=False)


def test_a_right_file_becomes_a_config_that_is_complete() -> None:
    """Secrets are resolved, credentials are the kind's own Struct, and limits are filled up from the kind."""
    config = read()
    first, second = config.carriers
    assert first.credentials == AlphaKeys(user="u", token="alpha-secret-token")
    assert (first.limits.calls_per_second, first.limits.concurrent_calls) == (7.0, 3)
    assert (second.limits.calls_per_second, second.limits.concurrent_calls) == (2.0, 100)
    assert config.server.public_url == "https://gw.example.com"
    assert config.dialing.ring_timeout_s == 45


def test_api_keys_are_kept_hashed() -> None:
    """After reading, no key of the API is in memory in clear; the environment's key is an admin key."""
    config = read(environ={**ENVIRON, "HOLDLINE_API_KEY": "0123456789abcdef"})
    shop, environment = config.keys
    assert shop.secret is None
    assert shop.hash == hashlib.sha256(ENVIRON["SHOP_KEY"].encode()).hexdigest()
    assert environment.hash == hashlib.sha256(b"0123456789abcdef").hexdigest()
    assert environment.scopes == ("admin",)


def test_the_longest_prefix_wins() -> None:
    """Routes are chosen by direction and by the longest prefix; what none allows has no route."""
    config = read()
    names = [config.route_for(Direction.OUTBOUND, to) for to in ("+15550100001", "+12125550100", "+442079460000")]
    assert [route and route.name for route in names] == ["east", "default", None]
    assert config.route_for(Direction.INBOUND, "+15550100001") is None


WRONG: list[tuple[Edit, str, str]] = [
    (
        lambda d: d["carriers"][1].update(limits={"calls_per_secnd": 3}),
        "carriers[1].limits.calls_per_secnd",
        "did you mean `calls_per_second`?",
    ),
    (
        lambda d: d["carriers"][1].update(limits={"calls_per_second": 0}),
        "carriers[1].limits.calls_per_second",
        "from 0.01 to 1000",
    ),
    (lambda d: d["carriers"][0].update(kind="alfa"), "carriers[0].kind", "did you mean `alpha`? allowed: alpha, beta"),
    (lambda d: d["carriers"][0].update(kind="twillow"), "carriers[0].kind", "allowed: alpha, beta"),
    (lambda d: d["carriers"][0]["credentials"].pop("token"), "carriers[0].credentials.token", "required"),
    (lambda d: d["carriers"][0]["credentials"].update(tokn="x"), "carriers[0].credentials.tokn", "did you mean `token`?"),
    (lambda d: d["carriers"][0].update(numbers=[15550190001]), "carriers[0].numbers[0]", "in quotes"),
    (lambda d: d["carriers"][0].update(numbers=["+1555"]), "carriers[0].numbers[0]", "E.164"),
    (lambda d: d["carriers"][0].update(numbers=[]), "carriers[0].numbers", "at least 1 entry"),
    (lambda d: d["carriers"][0].update(name="Has Space"), "carriers[0].name", "Lower case"),
    (lambda d: d["carriers"].append({**d["carriers"][1], "name": "first"}), "carriers[2].name", "each name once"),
    (lambda d: d["carriers"][1].update(base_url="ftp://x"), "carriers[1].base_url", "http://... or https://..."),
    (lambda d: d["routes"][1].update(carriers=["secnd"]), "routes[1].carriers[0]", "did you mean `second`?"),
    (lambda d: d["routes"][1].update(agent="talkr"), "routes[1].agent", "did you mean `talker`?"),
    (lambda d: d["routes"][1].update(prefix="+1"), "routes[1].prefix", "each prefix once"),
    (lambda d: d["routes"][1].update(prefix=1), "routes[1].prefix", "in quotes"),
    (lambda d: d["routes"][1].update(compliance="strictest"), "routes[1].compliance", "one of none"),
    (lambda d: d["agents"][0].update(kind="robot"), "agents[0].kind", "receptionist, echo"),
    (lambda d: d["keys"][0].update(secret="written-in-the-file"), "keys[0].secret", "a reference like ${MY_KEY}"),
    (lambda d: d["keys"][0].update(hash="0" * 64), "keys[0]", "one of them"),
    (lambda d: d["keys"][0].update(scopes=["call:write"]), "keys[0].scopes[0]", "calls:write"),
    (lambda d: d["server"].update(public_url="http://gw.example.com"), "server.public_url", "https address"),
    (lambda d: d["server"].update(public_url="https://10.0.0.5"), "server.public_url", "https address"),
    (lambda d: d["server"].update(public_url="gw.example.com"), "server.public_url", "http://... or https://..."),
    (lambda d: d["server"].update(public_url="https://gw.example.com/api"), "server.public_url", "scheme, host and port only"),
    (lambda d: d["server"].update(port="8080"), "server.port", "a whole number from 1 to 65535"),
    (lambda d: d.update(store={"url": "postgres://user:hunter2@db"}), "store.url", "redis://..."),
    (lambda d: d.update(breaker={"open_s": -1}), "breaker.open_s", "above 0"),
    (lambda d: d.update(breaker={"failure_rate": 1.5}), "breaker.failure_rate", "at most 1"),
    (lambda d: d.update(carrier=[]), "carrier", "did you mean `carriers`?"),
    (lambda d: d.pop("routes"), "routes", "required"),
    (lambda d: d.update(dialing={"ring_timeout_s": 500}), "dialing.ring_timeout_s", "from 5 to 120"),
]


@pytest.mark.parametrize(("edit", "path", "allowed"), WRONG, ids=[f"{path}-{index}" for index, (_, path, _) in enumerate(WRONG)])
def test_each_mistake_is_named_with_its_cure(edit: Edit, path: str, allowed: str) -> None:
    """One mistake gives a problem at its path that says what is allowed, and no second one elsewhere."""
    problems = refused(edited(edit))
    assert list(problems) == [path]
    assert allowed in problems[path].allowed
    assert problems[path].line or path == "routes"


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    """Mistakes of shape, of reference and of environment are told together, with their lines."""

    def spoil(document: dict[str, Any]) -> None:
        document["server"]["prot"] = 1
        document["carriers"][0]["kind"] = "nobody"
        document["routes"][0]["carriers"] = ["third"]
        document["agents"][0]["kind"] = 5

    problems = refused(edited(spoil), environ={"ALPHA_TOKEN": "x", "SHOP_KEY": ENVIRON["SHOP_KEY"]})
    assert set(problems) == {
        "server.prot",
        "carriers[0].kind",
        "carriers[1].credentials.api_key",
        "routes[0].carriers[0]",
        "agents[0].kind",
    }
    lines = [problem.line for problem in problems.values()]
    assert lines == sorted(line for line in lines if line)


def test_an_unset_variable_is_named_with_its_cure() -> None:
    """A reference to an unset or empty variable names the variable and how to set it, and nothing else is said of the key."""
    problems = refused(GOOD, environ={**ENVIRON, "BETA_KEY": ""})
    assert list(problems) == ["carriers[1].credentials.api_key"]
    assert "BETA_KEY" in problems["carriers[1].credentials.api_key"].found
    assert "export BETA_KEY=" in problems["carriers[1].credentials.api_key"].allowed


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["carriers"][0].update(credentials=["hunter2-hunter2"]),
        lambda d: d["carriers"][0]["credentials"].update(token=["hunter2-hunter2"]),
        lambda d: d["keys"][0].update(secret="hunter2-hunter2"),
        lambda d: d.update(store={"url": "mysql://hunter2-hunter2@db"}),
    ],
)
def test_no_secret_is_repeated_in_a_message(edit: Edit) -> None:
    """Whatever is wrong with a secret, the message does not print it."""
    assert "hunter2-hunter2" not in "\n".join(str(problem) for problem in refused(edited(edit)).values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("carriers: [", "quote, colon or indentation"),
        ("a: 1\na: 2", "each key once"),
        ("a: &a [*a]", "nested too deeply"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: !!python/object:os.system x", "look for"),
        ("a: 2026-02-30", "out of range"),
        ("a: " + "9" * 5000, "digits"),
        ("a: \x00", "unacceptable character"),
        ("<<: 5", "look for"),
        ("just text", "a mapping"),
        ("[]", "a mapping"),
        ("", "required"),
    ],
)
def test_what_is_not_a_configuration_is_refused(text: str, says: str) -> None:
    """Broken YAML, a key given twice, a self-containing alias, a tag, or something that is no mapping."""
    assert any(says in problem.allowed or says in problem.found for problem in refused(text).values())


def test_half_a_character_is_named_with_its_cure() -> None:
    """An escape without its other half: the key and its line, and nothing that a terminal could not print."""
    with pytest.raises(Misconfigured) as caught:
        read_config(read_document('agents:\n  - name: "talk\\ud83d"\n'), {}, carriers={}, agents={})
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("agents[0].name", 2)
    assert "\\ud83d\\ude00" in problem.allowed
    assert str(caught.value).encode()


def test_a_missing_file_is_told_with_its_cure(tmp_path: Path) -> None:
    """A path without a file is a configuration problem and not a traceback."""
    with pytest.raises(Misconfigured, match="--config"):
        load_config(tmp_path / "none.yaml", {})


def test_a_short_admin_key_is_refused() -> None:
    """HOLDLINE_API_KEY must be long enough not to be guessed."""
    assert "$HOLDLINE_API_KEY" in refused(GOOD, environ={**ENVIRON, "HOLDLINE_API_KEY": "short"})


# --- the lab ---------------------------------------------------------------------------------------------------------

LAB = {
    "first": {"user": "lab", "token": "lab-token", "base_url": "http://127.0.0.1:4011", "numbers": ["+15550190011"]},
    "beta": {"api_key": "lab-key", "base_url": "http://127.0.0.1:4012/v2", "numbers": ["+15550190012"]},
}


def in_lab(text: str = GOOD) -> Config:
    source = read_document(text)
    moved = msgspec.structs.replace(source, document=with_lab(source.document, LAB, "http://127.0.0.1:8080"))
    return read_config(moved, {}, lenient=True, carriers=KINDS, agents=AGENTS)


def test_the_lab_takes_the_place_of_every_carrier() -> None:
    """Each carrier, by name or else by kind, gets the lab's address, credentials and numbers; unset variables are no fault."""
    config = in_lab()
    assert [carrier.base_url for carrier in config.carriers] == ["http://127.0.0.1:4011", "http://127.0.0.1:4012/v2"]
    assert [carrier.numbers for carrier in config.carriers] == [("+15550190011",), ("+15550190012",)]
    assert config.carriers[0].credentials == AlphaKeys(user="lab", token="lab-token")
    assert config.server.public_url == "http://127.0.0.1:8080"
    assert config.keys == ()


def test_the_lab_forgives_no_other_mistake() -> None:
    """A wrong key is as wrong in the lab as outside."""
    with pytest.raises(Misconfigured, match="did you mean `limits`"):
        in_lab(edited(lambda d: d["carriers"][0].update(limit=1)))


def test_a_carrier_that_the_lab_does_not_have_is_named() -> None:
    """A carrier without a counterpart in the lab is refused, with what the lab has."""
    with pytest.raises(Misconfigured, match="which the lab does not have"):
        in_lab(edited(lambda d: d["carriers"][0].update(name="x", kind="gamma")))


# --- the schema and the shipped file ---------------------------------------------------------------------------------


def test_the_schema_describes_every_section() -> None:
    """Editors get each section with its words, and credentials by kind."""
    made = schema(KINDS)
    parts = made["$defs"]
    for part in ("Config", "CarrierConfig", "Limits", "Dialing", "StoreSettings", "Route"):
        assert parts[part]["description"]
    assert parts["Dialing"]["properties"]["ring_timeout_s"] == {
        "description": "How long a phone may ring.",
        "type": "integer",
        "minimum": 5,
        "maximum": 120,
        "default": 45,
    }
    assert parts["CarrierConfig"]["properties"]["kind"]["enum"] == ["alpha", "beta"]
    whens = {rule["if"]["properties"]["kind"]["const"]: rule["then"] for rule in parts["CarrierConfig"]["allOf"]}
    assert whens["alpha"]["properties"]["credentials"] == {"$ref": "#/$defs/AlphaKeys"}


SHIPPED = Path(__file__).parents[2] / "config.yaml"


def _defaults(struct: type[Struct]) -> dict[str, Any]:
    fields = msgspec.structs.fields(struct)
    return {field.encode_name: field.default for field in fields if field.default is not msgspec.NODEFAULT}


def test_the_shipped_file_shows_every_default() -> None:
    """Each section of config.yaml names every key that the section has, with the value that it has anyway."""
    shown = yaml.safe_load(SHIPPED.read_text())
    for section in ("server", "store", "storage", "dialing", "breaker", "health"):
        assert _defaults(_section(section)) == shown[section]
    for carrier in shown["carriers"]:
        assert set(carrier) == {"name", "kind", "credentials", "numbers", "base_url", "fallback_url", "limits"}
    assert [carrier["name"] for carrier in shown["carriers"]] == ["twilio", "telnyx", "plivo", "vonage"]


def _section(name: str) -> type[Struct]:
    (field,) = [field for field in msgspec.structs.fields(Config) if field.name == name]
    return type(field.default)
