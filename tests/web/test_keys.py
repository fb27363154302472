"""Who may do what."""

from typing import Any

import pytest

from gateway.config.structs import ApiKey
from gateway.web.auth import key_of
from gateway.web.problems import Refusal

CALL = {"to": "+15550100001"}
HEADERS = [
    ("none", {}),
    ("empty", {"Authorization": ""}),
    ("no-token", {"Authorization": "Bearer"}),
    ("blank-token", {"Authorization": "Bearer   "}),
    ("wrong-token", {"Authorization": "Bearer admin-key-0123456780"}),
    ("part-of-a-token", {"Authorization": "Bearer admin-key-012345678"}),
    ("basic", {"Authorization": "Basic admin-key-0123456789"}),
    ("no-scheme", {"Authorization": "admin-key-0123456789"}),
    ("the-hash-itself", {"Authorization": "Bearer 0b6f8d1f5b1d4e6c"}),
    ("in-another-header", {"X-Api-Key": "admin-key-0123456789"}),
]
PROTECTED = [
    ("POST", "/v1/calls"),
    ("GET", "/v1/calls"),
    ("GET", "/v1/calls/call_1"),
    ("GET", "/v1/calls/call_1/events"),
    ("POST", "/v1/calls/call_1/hangup"),
    ("DELETE", "/v1/calls/call_1"),
    ("GET", "/v1/carriers"),
    ("GET", "/v1/carriers/alpha"),
    ("POST", "/v1/carriers/alpha/drain"),
    ("POST", "/v1/carriers/alpha/disable"),
    ("POST", "/v1/carriers/alpha/enable"),
    ("POST", "/v1/routes/explain"),
    ("GET", "/v1/events"),
    ("GET", "/v1/callbacks"),
    ("GET", "/v1/callbacks/cb_call_1"),
    ("POST", "/v1/callbacks/cb_call_1/run"),
    ("DELETE", "/v1/callbacks/cb_call_1"),
    ("GET", "/v1/voicemails"),
    ("GET", "/v1/voicemails/vm_1"),
    ("GET", "/v1/voicemails/vm_1/audio"),
    ("DELETE", "/v1/voicemails/vm_1"),
    ("GET", "/v1/webhooks"),
    ("GET", "/v1/webhooks/alpha"),
    ("GET", "/v1/webhooks/alpha/dead"),
    ("POST", "/v1/webhooks/alpha/dead/replay"),
    ("POST", "/v1/webhooks/alpha/dead/msg_1/replay"),
    ("POST", "/v1/webhooks/alpha/enable"),
    ("POST", "/v1/webhooks/alpha/test"),
]


@pytest.mark.parametrize("headers", [case[1] for case in HEADERS], ids=[case[0] for case in HEADERS])
async def test_without_a_valid_key_nothing_is_done(gateway: Any, headers: dict[str, str]) -> None:
    """401 with the challenge, before the body is even looked at; nothing is stored."""
    response = await gateway.client.post("/v1/calls", json={"nonsense": 1}, headers=headers)
    assert (response.status_code, response.json()["type"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert gateway.desk.accepted == []


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_every_path_of_the_api_asks_for_a_key(gateway: Any, method: str, path: str) -> None:
    """No path under /v1 is open, and none tells whether a call exists to somebody without a key."""
    assert (await gateway.client.request(method, path)).status_code == 401


def test_the_list_of_protected_paths_is_complete(gateway: Any) -> None:
    """Each route under /v1 stands in the table above, so that a new one cannot be forgotten."""
    routes = {(method, path) for path, method in _operations(gateway.app) if path.startswith("/v1")}
    names = {
        "call_1": "{call_id}",
        "cb_call_1": "{callback_id}",
        "alpha": "{name}",
        "vm_1": "{voicemail_id}",
        "msg_1": "{notice_id}",
    }
    shown = {(method, "/".join(names.get(part, part) for part in path.split("/"))) for method, path in PROTECTED}
    assert routes == shown


def _operations(app: Any) -> set[tuple[str, str]]:
    schema = app.openapi_schema.to_schema()
    return {(path, method.upper()) for path, item in schema["paths"].items() for method in item if method != "parameters"}


@pytest.mark.parametrize(
    ("key", "method", "path", "status"),
    [
        ("reader", "POST", "/v1/calls", 403),
        ("reader", "DELETE", "/v1/calls/call_1", 403),
        ("reader", "POST", "/v1/calls/call_1/hangup", 403),
        ("reader", "GET", "/v1/calls", 200),
        ("reader", "GET", "/v1/carriers", 200),
        ("reader", "GET", "/v1/webhooks", 200),
        ("writer", "GET", "/v1/webhooks/shop/dead", 403),
        ("writer", "POST", "/v1/calls", 201),
        ("writer", "GET", "/v1/calls", 403),
        ("writer", "GET", "/v1/events", 403),
        ("admin", "POST", "/v1/calls", 201),
        ("admin", "GET", "/v1/calls", 200),
    ],
)
async def test_a_key_does_what_its_scopes_allow(gateway: Any, key: str, method: str, path: str, status: int) -> None:
    """403 names the missing scope; admin may do everything."""
    headers = {"Authorization": f"Bearer {key}-key-0123456789"}
    response = await gateway.client.request(method, path, json=CALL if method == "POST" else None, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert "calls:" in response.json()["detail"]
        assert gateway.desk.accepted == []


async def test_the_open_paths_are_open(gateway: Any) -> None:
    """Health, metrics and the schema need no key."""
    for path in ("/healthz", "/readyz", "/metrics", "/schema"):
        assert (await gateway.client.get(path)).status_code == 200


def test_a_gateway_without_keys_says_how_to_get_one() -> None:
    """Nobody gets in, and the answer names the variable to set."""
    with pytest.raises(Refusal) as caught:
        key_of(["Bearer x"], ())
    assert "HOLDLINE_API_KEY" in caught.value.problem.detail


def test_two_authorization_headers_are_refused() -> None:
    """A request that proves two things proves nothing."""
    key = ApiKey(name="a", scopes=("admin",), hash="0" * 64)
    with pytest.raises(Refusal):
        key_of(["Bearer a", "Bearer b"], (key,))
