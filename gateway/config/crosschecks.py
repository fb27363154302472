"""What one key alone cannot show to be wrong: names that nobody bears, names that two bear, numbers, URLs, secrets.

Every function takes the document as it was written (references resolved), tolerates any shape, since the shape has
been complained of elsewhere, and yields problems.
"""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import phonenumbers
from msgspec import Struct

from carriers.contract import Kind
from gateway.config.environment import is_reference
from gateway.config.hours import zone_problems
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.errors import Problem
from gateway.domain.ladder import RungKind
from gateway.strict import describe, faults, unknown_name

ROUTABLE = (RungKind.VOICEMAIL.value,)
"""Our own agents that a route or a request may name, without an entry in `agents`."""

Entries = tuple[tuple[str, Mapping[str, Any]], ...]
"""(path, entry) of each mapping in a list of the document."""


def secret(path: str) -> bool:
    """Whether the value at this path must never be printed."""
    named = path.endswith((".secret", ".previous_secret")) or path == "store.url"
    return named or ".credentials" in path or ".settings" in path


def entries(document: Any, key: str) -> Entries:
    """The mappings in the list under `key`, whatever else is there."""
    found = document.get(key) if isinstance(document, dict) else None
    listed = enumerate(found) if isinstance(found, list) else ()
    return tuple((f"{key}[{index}]", entry) for index, entry in listed if isinstance(entry, dict))


def duplicate_names(document: Any) -> Iterator[Problem]:
    """Carriers, routes, agents, keys and webhooks are known by their names."""
    for key in ("carriers", "routes", "agents", "keys", "webhooks"):
        first: dict[str, str] = {}
        for path, entry in entries(document, key):
            name = entry.get("name")
            if isinstance(name, str) and first.setdefault(name, path) != path:
                yield Problem(f"{path}.name", f"{describe(name)}, as in {first[name]}", "allowed: each name once")


def carrier_kinds(document: Any, kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    """A carrier's kind must be a folder that exists, and its credentials that folder's own."""
    for path, entry in entries(document, "carriers"):
        kind = entry.get("kind")
        if isinstance(kind, str) and kind not in kinds:
            yield unknown_name(f"{path}.kind", kind, kinds, "carrier kind")
        elif isinstance(kind, str) and "credentials" in entry:
            yield from faults(entry["credentials"], kinds[kind].credentials, f"{path}.credentials", secret)


def agent_kinds(document: Any, kinds: Mapping[str, type[Struct]]) -> Iterator[Problem]:
    """An agent's kind must be one that we can make, and its settings that kind's own."""
    for path, entry in entries(document, "agents"):
        kind = entry.get("kind")
        if isinstance(kind, str) and kind not in kinds:
            yield unknown_name(f"{path}.kind", kind, kinds, "agent kind")
        elif isinstance(kind, str):
            yield from faults(entry.get("settings", {}), kinds[kind], f"{path}.settings", secret)


def numbers(document: Any) -> Iterator[Problem]:
    """Caller ids are E.164 and of a possible length; whether they are assigned is the carrier's to say."""
    for path, entry in entries(document, "carriers"):
        listed = entry.get("numbers")
        for index, number in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(number, str) and not possible_number(number):
                yield Problem(f"{path}.numbers[{index}]", describe(number), 'allowed: E.164 in quotes: "+15550190001"')


def route_references(document: Any) -> Iterator[Problem]:
    """A route names carriers and an agent that exist."""
    carriers = [entry.get("name") for _, entry in entries(document, "carriers")]
    agents = [entry.get("name") for _, entry in entries(document, "agents")]
    for path, route in entries(document, "routes"):
        listed = route.get("carriers")
        for index, name in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(name, str) and name not in carriers:
                yield unknown_name(f"{path}.carriers[{index}]", name, filter(None, carriers), "carrier")
        if isinstance(route.get("agent"), str) and route["agent"] not in {*agents, *ROUTABLE}:
            yield unknown_name(f"{path}.agent", route["agent"], filter(None, [*agents, *ROUTABLE]), "agent")


def ambiguous_routes(document: Any) -> Iterator[Problem]:
    """The longest prefix wins, so two routes of one direction may not share a prefix; two inbound ones may, if the caller's
    prefix, the hours or the carriers tell them apart.
    """
    first: dict[tuple[str, str, str], str] = {}
    for path, route in entries(document, "routes"):
        apart = str([route.get(name) for name in ("from_prefix", "hours", "carriers")]) if _inbound(route) else ""
        key = (str(route.get("direction", "outbound")), str(route.get("prefix", "+1")), apart)
        if first.setdefault(key, path) != path:
            yield Problem(
                f"{path}.prefix", f"{describe(key[1])}, as in {first[key]}", "allowed: each prefix once for a direction"
            )


_INBOUND_ONLY = ("from_prefix", "hours", "language", "max_duration_s", "refuse")


def route_roles(document: Any) -> Iterator[Problem]:
    """A route has an agent, or refuses; and says nothing that its direction does not obey."""
    for path, route in entries(document, "routes"):
        has_agent, refuses = bool(route.get("agent")), route.get("refuse") is not None
        if not _inbound(route):
            for name in _INBOUND_ONLY:
                if route.get(name) is not None:
                    yield Problem(f"{path}.{name}", describe(route[name]), "allowed: only where `direction` is inbound")
        if has_agent == (refuses and _inbound(route)):
            found = "both `agent` and `refuse`" if has_agent else "no agent"
            yield Problem(f"{path}.agent", found, "allowed: the name of one of `agents`; or, inbound, `refuse` instead")


def opening_hours(document: Any) -> Iterator[Problem]:
    """Hours are kept in a time zone that exists."""
    given = [(f"{path}.hours", route.get("hours")) for path, route in entries(document, "routes")]
    for path, hours in (*given, ("callbacks.window", _value(document, "callbacks", "window"))):
        yield from zone_problems(f"{path}.timezone", hours.get("timezone") if isinstance(hours, dict) else None)
    window = _value(document, "callbacks", "window")
    if isinstance(window, dict) and window.get("opens") is not None and window.get("opens") == window.get("closes"):
        cure = 'allowed: another time than `opens`; the whole day is "00:00" to "24:00"'
        yield Problem("callbacks.window.closes", f"{describe(window['closes'])}, at which it opens", cure)


def _inbound(route: Mapping[str, Any]) -> bool:
    return route.get("direction") == "inbound"


def urls(document: Any) -> Iterator[Problem]:
    """The schemes that can work, and a public_url that real carriers can reach."""
    yield from _url(_value(document, "store", "url"), "store.url", {"redis", "rediss", "unix"})
    for path, entry in entries(document, "carriers"):
        yield from _url(entry.get("base_url"), f"{path}.base_url", {"http", "https"})
        yield from _url(entry.get("fallback_url"), f"{path}.fallback_url", {"http", "https"})
    yield from _public_url(document)


def key_secrets(written: Any) -> Iterator[Problem]:
    """Each API key is given once, and never in clear; `written` is the document before references were resolved."""
    for path, entry in entries(written, "keys"):
        if "secret" in entry and not is_reference(entry["secret"]):
            yield Problem(
                f"{path}.secret", "a secret written into the file", "allowed: a reference like ${MY_KEY}, or `hash` instead"
            )
        if ("secret" in entry) == ("hash" in entry):
            found = "both `secret` and `hash`" if "secret" in entry else "neither `secret` nor `hash`"
            yield Problem(path, found, "allowed: one of them")


def breaker_numbers(document: Any) -> Iterator[Problem]:
    """A breaker's numbers are positive; its rate is a share."""
    given = document.get("breaker") if isinstance(document, dict) else None
    for name in BreakerPolicy.__struct_fields__:
        value = given.get(name) if isinstance(given, dict) else None
        high = 1 if name == "failure_rate" else 86400
        if isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value <= high:
            yield Problem(f"breaker.{name}", describe(value), f"allowed: a number above 0, at most {high}")


def possible_number(number: str) -> bool:
    """E.164 by syntax (`+`, up to 15 digits) and possible by length; never whether it is assigned."""
    if not (number.startswith("+") and number[1:].isascii() and number[1:].isdigit() and len(number) <= 16):
        return False
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False


# --- URLs -----------------------------------------------------------------------------------------------------------


def _value(document: Any, section: str, key: str) -> Any:
    inside = document.get(section) if isinstance(document, dict) else None
    return inside.get(key) if isinstance(inside, dict) else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None  # .port raises for what is no port
    except ValueError:
        return None


def _url(url: object, path: str, schemes: Collection[str]) -> Iterator[Problem]:
    if not isinstance(url, str):
        return
    parts = _split(url)
    if parts is None or parts.scheme not in schemes or not (parts.hostname or parts.scheme == "unix"):
        found = "text (not shown: it may hold a password)" if secret(path) else describe(url)
        yield Problem(path, found, "allowed: " + " or ".join(f"{scheme}://..." for scheme in sorted(schemes)))


def _public_url(document: Any) -> Iterator[Problem]:
    url, path = _value(document, "server", "public_url"), "server.public_url"
    url = "http://127.0.0.1:8080" if url is None else url
    wrong = tuple(_url(url, path, {"http", "https"}))
    yield from wrong
    parts = _split(url) if isinstance(url, str) and not wrong else None
    if parts is None:
        return
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        yield Problem(path, describe(url), "allowed: scheme, host and port only, like https://gw.example.com")
    real = [entry for _, entry in entries(document, "carriers") if entry.get("base_url") is None]
    if real and (parts.scheme != "https" or _local(parts.hostname or "")):
        allowed = "allowed: the https address of your balancer or tunnel, since real carriers must reach it from outside"
        yield Problem(path, describe(url), allowed)


def _local(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
