"""From config.yaml to a `Config` that can work, or to every reason why it cannot, all at once."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from carriers.contract import Kind
from carriers.registry import kinds as known_carriers
from gateway.config import crosschecks as checks
from gateway.config.document import Source, read_document
from gateway.config.environment import resolve, resolve_leniently
from gateway.config.lab import with_lab
from gateway.config.ladder_checks import ladder_faults, reserved_names
from gateway.config.structs import ApiKey, CarrierConfig, Config
from gateway.config.voicemail_checks import voicemail as voicemail_faults
from gateway.config.webhook_checks import webhook_faults, with_usable_webhooks, written_secrets
from gateway.domain.errors import Misconfigured, Problem
from gateway.half_characters import half_characters
from gateway.strict import faults

KEY_VARIABLE = "HOLDLINE_API_KEY"
"""An admin key that need not stand in the file."""
_KEY_LENGTH = 16


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the file for carriers as they are in the world; Misconfigured names every fault."""
    return read_config(load_source(path), environ)


def load_lab_config(path: Path, environ: Mapping[str, str], lab_credentials: Mapping[str, Any], public_url: str) -> Config:
    """Read the file with every carrier in the lab (the JSON of `/lab/credentials`); unset variables are no fault then."""
    source = load_source(path)
    document = with_lab(source.document, lab_credentials, public_url, source.name)
    return read_config(replace(source, document=document), environ, lenient=True)


def load_source(path: Path) -> Source:
    """The file as plain data; Misconfigured if there is none or it is not YAML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cure = "allowed: a readable file in UTF-8; give another with --config FILE"
        raise Misconfigured((Problem("(the file)", str(error), cure),), str(path)) from error
    return read_document(text, path.name)


def read_config(
    source: Source,
    environ: Mapping[str, str],
    *,
    lenient: bool = False,
    carriers: Mapping[str, Kind] | None = None,
    agents: Mapping[str, type[msgspec.Struct]] | None = None,
) -> Config:
    """Check everything, then convert. `lenient`: a reference to an unset variable counts as not written."""
    carrier_kinds = known_carriers() if carriers is None else carriers
    agent_kinds = _known_agents() if agents is None else agents
    document, unset = _resolved(source.document, environ, lenient=lenient)
    document = _with_default_limits(document, carrier_kinds)
    written = document if lenient else source.document
    found = [*unset, *_faults(document, written, carrier_kinds, agent_kinds, lenient=lenient), *_wrong_environment(environ)]
    if found:
        raise Misconfigured(_tidied(found, source), source.name)
    return _finished(msgspec.convert(document, Config), environ, carrier_kinds, agent_kinds)


def hashed(key: str) -> str:
    """How API keys are kept: SHA-256 in hex. Enough for keys that are long and random, as ours must be."""
    return hashlib.sha256(key.encode()).hexdigest()


def _known_agents() -> Mapping[str, type[msgspec.Struct]]:
    from agent.registry import AGENTS  # here, because agents bring their speech along

    return {name: kind.settings for name, kind in AGENTS.items()}


# --- steps ----------------------------------------------------------------------------------------------------------


def _resolved(document: Any, environ: Mapping[str, str], *, lenient: bool) -> tuple[Any, tuple[Problem, ...]]:
    if not lenient:
        return resolve(document, environ)
    resolved = with_usable_webhooks(resolve_leniently(document, environ))
    if isinstance(resolved, dict) and isinstance(resolved.get("keys"), list):
        usable = [key for key in resolved["keys"] if not isinstance(key, dict) or "secret" in key or "hash" in key]
        resolved = {**resolved, "keys": usable}
    return resolved, ()


def _with_default_limits(document: Any, kinds: Mapping[str, Kind]) -> Any:
    """Each carrier's limits filled up from its kind, so that a Config always says what holds."""
    if not isinstance(document, dict) or not isinstance(document.get("carriers"), list):
        return document
    return {**document, "carriers": [_limited(carrier, kinds) for carrier in document["carriers"]]}


def _limited(carrier: Any, kinds: Mapping[str, Kind]) -> Any:
    kind = kinds.get(str(carrier.get("kind"))) if isinstance(carrier, dict) else None
    given = carrier.get("limits", {}) if kind else None
    if kind is None or not isinstance(given, dict):
        return carrier
    can = kind.capabilities
    defaults = {"calls_per_second": can.calls_per_second, "concurrent_calls": can.concurrent_calls}
    return {**carrier, "limits": {**defaults, **given}}


def _faults(
    document: Any, written: Any, carriers: Mapping[str, Kind], agents: Mapping[str, type[msgspec.Struct]], *, lenient: bool
) -> Iterator[Problem]:
    if half := tuple(half_characters(document)):  # alone: nothing else could be said of such a text, or printed
        yield from half
        return
    yield from ladder_faults(document)  # first: it has better words than the shape alone
    yield from faults(document, Config, "", checks.secret)
    yield from reserved_names(document)
    yield from checks.duplicate_names(document)
    yield from checks.carrier_kinds(document, carriers)
    yield from checks.agent_kinds(document, agents)
    yield from checks.numbers(document)
    yield from checks.route_references(document)
    yield from checks.route_roles(document)
    yield from checks.opening_hours(document)
    yield from checks.ambiguous_routes(document)
    yield from checks.urls(document)
    yield from checks.breaker_numbers(document)
    yield from voicemail_faults(document)
    yield from webhook_faults(document)
    if not lenient:
        yield from checks.key_secrets(written)
        yield from written_secrets(written)


def _wrong_environment(environ: Mapping[str, str]) -> Iterator[Problem]:
    key = environ.get(KEY_VARIABLE, "")
    if key and len(key) < _KEY_LENGTH:
        yield Problem(f"${KEY_VARIABLE}", f"a key of {len(key)} characters", f"allowed: at least {_KEY_LENGTH} random ones")


def _tidied(found: list[Problem], source: Source) -> tuple[Problem, ...]:
    """Each path once (so nothing more is said of a reference that was unset), with its line, in the order of the file."""
    first: dict[str, Problem] = {}
    for problem in found:
        first.setdefault(problem.path, problem)
    placed = [Problem(one.path, one.found, one.allowed, _line(source, one.path)) for one in first.values()]
    return tuple(sorted(placed, key=lambda problem: problem.line or 0))


def _line(source: Source, path: str) -> int | None:
    """The line of the key, or of the nearest thing above it that stands in the file."""
    while path and path not in source.lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return source.lines.get(path) if path else None


def _finished(
    config: Config, environ: Mapping[str, str], kinds: Mapping[str, Kind], agent_kinds: Mapping[str, type[msgspec.Struct]]
) -> Config:
    carriers = tuple(_with_credentials(carrier, kinds) for carrier in config.carriers)
    agents = tuple(replace(one, settings=msgspec.convert(one.settings, agent_kinds[one.kind])) for one in config.agents)
    server = replace(config.server, public_url=config.server.public_url.rstrip("/"))
    keys = tuple(_without_secret(key) for key in config.keys)
    if environ.get(KEY_VARIABLE):
        keys += (ApiKey(name="environment", scopes=("admin",), hash=hashed(environ[KEY_VARIABLE])),)
    return replace(config, carriers=carriers, agents=agents, server=server, keys=keys)


def _with_credentials(carrier: CarrierConfig, kinds: Mapping[str, Kind]) -> CarrierConfig:
    return replace(carrier, credentials=msgspec.convert(carrier.credentials, kinds[carrier.kind].credentials))


def _without_secret(key: ApiKey) -> ApiKey:
    return replace(key, secret=None, hash=hashed(key.secret)) if key.secret else key
