"""The configuration of the gateways of a run: the lab's carriers behind proxies, and times short enough for minutes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.chaos.plan import BUILT_IN, CALLERS, ECHO, OUTSIDE

EXPIRES_AFTER_S, RING_TIMEOUT_S, MAX_DURATION_S = 60.0, 12, 40
CALLERS_AGENT = "echo"
OUTSIDE_KIND = "twilio_stream"
OUTSIDE_TOKEN = "chaos-agent-token-0123456789"  # noqa: S105 signs sockets between two processes of one run
_DIALING = {
    "ring_timeout_s": RING_TIMEOUT_S,
    "max_duration_s": MAX_DURATION_S,
    "resolve_for_s": 4,
    "stream_start_s": 4,
    "retry_every_s": 4,
    "expires_after_s": EXPIRES_AFTER_S,
    "silent_after_s": 5,
    "pace_wait_s": 3,
}
_CALLBACKS = {
    "after_s": 3,
    "expires_after_s": 45,
    "retry": {"first_s": 4, "factor": 2, "limit_s": 10, "attempts": 2},
}
_BREAKER = {"open_s": 3, "open_limit_s": 10, "probe_lost_s": 15, "successes": 1}


def document(
    carriers: Sequence[Mapping[str, Any]],
    credentials: Mapping[str, Mapping[str, Any]],
    base_urls: Mapping[str, str],
    *,
    public_url: str,
    store_url: str,
    agent_url: str,
    data: str,
) -> dict[str, Any]:
    """A config.yaml. `carriers`: the lab's reports; `base_urls`: where this gateway reaches each."""
    return {
        "carriers": [_carrier(report, credentials[report["name"]], base_urls[report["name"]]) for report in carriers],
        "routes": _routes([report["name"] for report in carriers]),
        "agents": [
            {"name": "receptionist", "kind": "receptionist"},
            {"name": "echo", "kind": "echo"},
            {"name": "outside", "kind": OUTSIDE_KIND, "settings": {"url": agent_url, "auth_token": OUTSIDE_TOKEN}},
        ],
        "server": {"public_url": public_url, "drain_for_s": 2},
        "store": {"url": store_url},
        "storage": {"dir": data},
        "dialing": _DIALING,
        "callbacks": _CALLBACKS,
        "breaker": _BREAKER,
        "health": {"idle_every_s": 5, "failing_every_s": 1},
    }


def _carrier(report: Mapping[str, Any], known: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    credentials = {name: value for name, value in known.items() if name not in {"base_url", "numbers"}}
    return {
        "name": report["name"],
        "kind": report["kind"],
        "credentials": credentials,
        "numbers": list(known["numbers"]),
        "base_url": base_url,
    }


def _routes(names: Sequence[str]) -> list[dict[str, Any]]:
    """The group's digit chooses agent and order of carriers; each order begins with another one."""
    turned = [[*names[shift % len(names) :], *names[: shift % len(names)]] for shift in range(4)]
    routes = [_route(group, "echo", order) for group, order in zip(ECHO, turned, strict=True)]
    routes += [_route(group, "outside", order) for group, order in zip(OUTSIDE, turned, strict=True)]
    routes += [_route(group, "receptionist", list(names)) for group in BUILT_IN]
    return [*routes, {"name": f"callers-{CALLERS}", "direction": "inbound", "prefix": "+", "agent": CALLERS_AGENT}]


def _route(group: str, agent: str, carriers: Sequence[str]) -> dict[str, Any]:
    known = {"name": f"group-{group}", "direction": "outbound", "prefix": f"+1555010{group}"}
    return {**known, "carriers": list(carriers), "agent": agent}
