"""Inbound routes and agents in config.yaml: what is taken, and what is refused with its path and cure."""

from typing import Any

import pytest
import yaml

from carriers.registry import kinds
from gateway.config.document import read_document
from gateway.config.reading import read_config
from gateway.config.structs import Config
from gateway.domain.errors import Misconfigured
from gateway.inbound_terms import inbound_terms

BASE: dict[str, Any] = {
    "carriers": [
        {
            "name": "one",
            "kind": "plivo",
            "credentials": {"auth_id": "MA", "auth_token": "${TOKEN}"},
            "numbers": ["+15550190001"],
            "base_url": "http://127.0.0.1:1",
        }
    ],
    "agents": [{"name": "talker", "kind": "echo"}],
    "routes": [{"name": "out", "agent": "talker"}],
}
ENVIRON = {"TOKEN": "a-token-0123456789", "BOT": "bot-token-0123456789"}


def read(**changes: Any) -> Config:
    text = yaml.safe_dump({**BASE, **changes})
    return read_config(read_document(text), ENVIRON, carriers=kinds())


def refused(**changes: Any) -> dict[str, str]:
    """What was found wrong: path -> allowed."""
    with pytest.raises(Misconfigured) as caught:
        read(**changes)
    return {problem.path: problem.allowed for problem in caught.value.problems}


def routes(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [*BASE["routes"], *({"direction": "inbound", "prefix": "+", **one} for one in more)]


HOURS = {"timezone": "America/New_York", "opens": "09:00", "closes": "18:00", "days": ["mon", "sun"]}


def test_a_window_without_length_is_refused() -> None:
    """Nobody knows whether it means all day or never, and a window is there to keep calls from people."""
    with pytest.raises(Misconfigured) as caught:
        read(callbacks={"window": {**HOURS, "closes": HOURS["opens"]}})
    (problem,) = caught.value.problems
    assert (problem.path, "24:00" in problem.allowed) == ("callbacks.window.closes", True)


def test_inbound_routes_become_rules() -> None:
    """Every key reaches the rule, in the core's own units."""
    full = {
        "name": "shop",
        "agent": "talker",
        "prefix": "+1555",
        "from_prefix": "+44",
        "hours": HOURS,
        "language": "en-GB",
        "max_duration_s": 600,
        "carriers": ["one"],
    }
    config = read(routes=routes(full, {"name": "nuisance", "from_prefix": "+1666", "refuse": "busy"}))
    shop, nuisance = inbound_terms(config).rules
    assert (shop.name, shop.agent, shop.prefix, shop.from_prefix) == ("shop", "talker", "+1555", "+44")
    assert (shop.language, shop.max_duration_s, shop.carriers) == ("en-GB", 600, ("one",))
    assert shop.hours is not None
    assert (shop.hours.opens, shop.hours.closes, shop.hours.days) == (540, 1080, frozenset({0, 6}))
    assert (nuisance.agent, nuisance.refuse) == ("", "busy")


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ({"name": "a"}, "routes[1].agent"),
        ({"name": "a", "agent": "talker", "refuse": "busy"}, "routes[1].agent"),
        ({"name": "a", "agent": "nobody"}, "routes[1].agent"),
        ({"name": "a", "refuse": "rudely"}, "routes[1].refuse"),
        ({"name": "a", "agent": "talker", "language": "klingon!"}, "routes[1].language"),
        ({"name": "a", "agent": "talker", "hours": {**HOURS, "timezone": "Mars/Base"}}, "routes[1].hours.timezone"),
        ({"name": "a", "agent": "talker", "hours": {**HOURS, "timezone": "localtime"}}, "routes[1].hours.timezone"),
        ({"name": "a", "agent": "talker", "hours": {**HOURS, "opens": "9"}}, "routes[1].hours.opens"),
        ({"name": "a", "agent": "talker", "hours": {**HOURS, "days": ["noday"]}}, "routes[1].hours.days[0]"),
        ({"name": "a", "agent": "talker", "from_prefix": "44"}, "routes[1].from_prefix"),
        ({"name": "a", "agent": "talker", "direction": "outbound", "prefix": "+2", "refuse": "busy"}, "routes[1].refuse"),
        ({"name": "a", "agent": "talker", "direction": "outbound", "prefix": "+2", "hours": HOURS}, "routes[1].hours"),
    ],
)
def test_a_wrong_route_is_named_with_its_cure(route: dict[str, Any], path: str) -> None:
    """An outbound route takes nothing that only callers have."""
    assert refused(routes=routes(route))[path].startswith(("allowed", "did you mean"))


def test_two_rules_of_one_prefix_need_something_to_tell_them_apart() -> None:
    """Hours do; nothing does not."""
    open_, closed = {"name": "a", "agent": "talker", "hours": HOURS}, {"name": "b", "agent": "talker"}
    assert len(inbound_terms(read(routes=routes(open_, closed))).rules) == 2
    assert "routes[2].prefix" in refused(routes=routes(closed, {"name": "c", "agent": "talker"}))


def agents(**entry: Any) -> list[dict[str, Any]]:
    return [*BASE["agents"], {"name": "bot", **entry}]


def test_an_agents_settings_are_its_kinds_own() -> None:
    """Secrets come from the environment."""
    settings = {"url": "wss://agent.example.com/x", "auth_token": "${BOT}"}
    bot = read(agents=agents(kind="twilio_stream", settings=settings)).agents[1]
    assert (bot.settings.url, bot.settings.auth_token) == ("wss://agent.example.com/x", ENVIRON["BOT"])


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"kind": "twilio_stream"}, "agents[1].settings.url"),
        ({"kind": "twilio_stream", "settings": {"url": "https://x", "auth_token": "${BOT}"}}, "agents[1].settings.url"),
        ({"kind": "twilio_stream", "settings": {"url": "wss://x?y=1", "auth_token": "${BOT}"}}, "agents[1].settings.url"),
        ({"kind": "python", "settings": {"class": "no colon"}}, "agents[1].settings.class"),
        ({"kind": "openai_realtime", "settings": {"api_key": "${BOT}", "voise": "x"}}, "agents[1].settings.voise"),
        ({"kind": "echo", "settings": {"loud": True}}, "agents[1].settings.loud"),
        ({"kind": "parrot"}, "agents[1].kind"),
    ],
)
def test_wrong_settings_are_named(entry: dict[str, Any], path: str) -> None:
    """And no secret is shown with them."""
    assert path in refused(agents=agents(**entry))


def test_a_fallback_url_is_a_url() -> None:
    """For each carrier."""
    carrier = {**BASE["carriers"][0], "fallback_url": "ftp://files.example.com"}
    assert "carriers[0].fallback_url" in refused(carriers=[carrier])
