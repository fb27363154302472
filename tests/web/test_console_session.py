"""Logging in to the console: a key in, a cookie out, and what the cookie may and may not do."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.web.console.origin import from_ourselves
from gateway.web.console.session import LASTS_S
from gateway.web.console.tries import BURST, EVERY_S, REMEMBERED, Tries
from gateway.web.feed import HEARTBEAT_S, follow_gateway

HOST = "http://wrong-host.example"
OURS = {"Origin": HOST}
KEY = "admin-key-0123456789"
CALL = {"to": "+15550100001"}


async def log_in(gateway: Any, key: str = KEY, headers: dict[str, str] | None = None) -> Any:
    return await gateway.client.post("/console/session", json={"key": key}, headers=OURS if headers is None else headers)


async def logged_in(gateway: Any, key: str = KEY) -> dict[str, str]:
    """The headers that the page sends from now on; the client keeps the cookie."""
    response = await log_in(gateway, key)
    assert response.status_code == 200, response.text
    return {**OURS, "X-Holdline-Console": response.json()["word"]}


async def test_a_key_opens_a_session(gateway: Any) -> None:
    """The answer names the key and its scopes; the cookie is out of scripts' reach and stays on this site."""
    response = await log_in(gateway)
    told = response.json()
    assert (response.status_code, told["key"], told["scopes"], told["lab"]) == (200, "admin", ["admin"], None)
    cookie = response.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={int(LASTS_S)}"):
        assert part in cookie
    again = await gateway.client.get("/console/session")
    assert (again.json(), again.headers["cache-control"]) == (told, "no-store")
    assert (await gateway.client.get("/v1/calls")).status_code == 200


@pytest.mark.parametrize(("origin", "secure"), [(HOST, False), ("https://gw.example.com", True)])
async def test_over_https_the_cookie_is_secure(gateway: Any, origin: str, secure: bool) -> None:
    """What came over https never goes back in the clear, also behind a proxy that ends the encryption."""
    response = await log_in(gateway, headers={"Origin": origin})
    assert ("Secure" in response.headers["set-cookie"]) is secure


async def test_who_logs_in_again_leaves_no_session_behind(gateway: Any) -> None:
    """A copy of the cookie that the browser has just thrown away opens nothing."""
    await log_in(gateway)
    copy = gateway.client.cookies["holdline_console"]
    await log_in(gateway)
    assert gateway.client.cookies["holdline_console"] != copy
    assert (await gateway.client.get("/v1/calls")).status_code == 200
    gateway.client.cookies.clear()
    old = await gateway.client.get("/v1/calls", headers={"Cookie": f"holdline_console={copy}"})
    assert old.status_code == 401


async def test_neither_key_nor_secret_is_kept_or_told(gateway: Any) -> None:
    """The store holds hashes only, and no answer repeats what was typed."""
    response = await log_in(gateway)
    secret = gateway.client.cookies["holdline_console"]
    kept = str(await gateway.store.dump())
    assert KEY not in kept
    assert secret not in kept
    assert KEY not in response.text
    wrong = await log_in(gateway, "some-other-key-0123")
    assert "some-other-key" not in wrong.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": "admin-key-0123456780"}, 401),
        ({"key": ""}, 422),
        ({"key": 5}, 422),
        ({"key": "x" * 600}, 422),
        ({"key": KEY, "admin": True}, 422),
        ([KEY], 422),
    ],
)
async def test_anything_but_a_known_key_is_refused(gateway: Any, body: Any, status: int) -> None:
    """No cookie is set, and no session is kept."""
    response = await gateway.client.post("/console/session", json=body, headers=OURS)
    assert response.status_code == status
    assert "set-cookie" not in response.headers
    assert gateway.store.sessions == {}


async def test_a_session_ends_by_itself(gateway: Any) -> None:
    """After its time the cookie is worth nothing."""
    await logged_in(gateway)
    gateway.clock.at += LASTS_S - 1
    assert (await gateway.client.get("/v1/calls")).status_code == 200
    gateway.clock.at += 1
    over = await gateway.client.get("/v1/calls")
    assert (over.status_code, over.json()["type"]) == (401, "unauthorized")
    assert (await gateway.client.get("/console/session")).status_code == 204


async def test_a_session_ends_with_its_key(gateway: Any) -> None:
    """A key that is taken out of the config takes its sessions along."""
    await logged_in(gateway)
    left = tuple(key for key in gateway.services.config.keys if key.name != "admin")
    object.__setattr__(gateway.services, "config", replace(gateway.services.config, keys=left))
    assert (await gateway.client.get("/v1/calls")).status_code == 401


async def test_logging_out_ends_it_for_every_copy(gateway: Any) -> None:
    """The cookie is taken back, and one that somebody kept opens nothing any more."""
    headers = await logged_in(gateway)
    kept = gateway.client.cookies["holdline_console"]
    response = await gateway.client.delete("/console/session", headers=headers)
    assert response.status_code == 204
    assert "holdline_console" not in gateway.client.cookies
    again = await gateway.client.get("/v1/calls", headers={"Cookie": f"holdline_console={kept}"})
    assert again.status_code == 401


async def test_the_console_acts_with_its_word(gateway: Any) -> None:
    """With cookie, origin and word a call is placed, under the key's own name."""
    headers = await logged_in(gateway)
    response = await gateway.client.post("/v1/calls", json=CALL, headers=headers)
    assert response.status_code == 201
    assert (await gateway.client.post("/v1/carriers/alpha/drain", headers=headers)).json()["state_by"] == "admin"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"X-Holdline-Console": ""}, id="no-word"),
        pytest.param({"X-Holdline-Console": "0" * 32}, id="wrong-word"),
        pytest.param({"Origin": "http://evil.example"}, id="foreign-origin"),
        pytest.param({"Origin": "null"}, id="opaque-origin"),
        pytest.param({"Origin": f"{HOST}:4010"}, id="another-port"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="a-neighbour-on-this-machine"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another-site"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/calls"),
        ("POST", "/v1/carriers/alpha/disable"),
        ("POST", "/v1/routes/explain"),
        ("DELETE", "/console/session"),
        ("DELETE", "/v1/calls/call_1"),
    ],
)
async def test_a_forged_request_does_nothing(gateway: Any, method: str, path: str, change: dict[str, str]) -> None:
    """403 for whoever has the cookie sent but is not our page; nothing is stored, nobody is logged out."""
    headers = await logged_in(gateway)
    response = await gateway.client.request(method, path, json=CALL, headers={**headers, **change})
    assert (response.status_code, response.json()["type"]) == (403, "foreign-request")
    assert gateway.desk.accepted == []
    assert gateway.store.hands == {}
    assert (await gateway.client.get("/v1/calls")).status_code == 200


async def test_nobody_else_logs_somebody_in(gateway: Any) -> None:
    """A foreign page cannot open a session of its own key in somebody's browser, nor a program one of anybody's."""
    for headers in ({"Origin": "http://evil.example"}, {}):
        assert (await log_in(gateway, headers=headers)).status_code == 403
    assert gateway.store.sessions == {}


@pytest.mark.parametrize(
    ("key", "method", "path", "status"),
    [
        ("reader", "GET", "/v1/calls", 200),
        ("reader", "POST", "/v1/calls", 403),
        ("reader", "POST", "/v1/carriers/alpha/drain", 403),
        ("writer", "GET", "/v1/calls", 403),
        ("writer", "POST", "/v1/calls", 201),
    ],
)
async def test_a_session_may_what_its_key_may(gateway: Any, key: str, method: str, path: str, status: int) -> None:
    """The scopes of the key that was typed hold for the cookie."""
    headers = await logged_in(gateway, f"{key}-key-0123456789")
    response = await gateway.client.request(method, path, json=CALL if method == "POST" else None, headers=headers)
    assert response.status_code == status


async def test_where_a_key_is_sent_it_alone_counts(gateway: Any) -> None:
    """A wrong key is not made good by a cookie."""
    headers = await logged_in(gateway)
    assert (await gateway.client.get("/v1/calls", headers={**headers, "Authorization": "Bearer wrong"})).status_code == 401


async def test_wrong_keys_are_slowed_down(gateway: Any) -> None:
    """After a few, even the right key has to wait; the answer says how long, and then it is let in."""
    for _ in range(BURST):
        assert (await log_in(gateway, "wrong-key-0123456789")).status_code == 401
    slowed = await log_in(gateway)
    assert (slowed.status_code, slowed.json()["type"]) == (429, "too-many-tries")
    gateway.clock.at += float(slowed.headers["retry-after"])
    assert (await log_in(gateway)).status_code == 200


def test_tries_are_counted_by_address_and_forgiven() -> None:
    """One address' mistakes are not another's; time and the right key forgive; memory is bounded."""
    tries = Tries()
    for _ in range(BURST):
        assert tries.wait_s("a", 100.0) == 0.0
        tries.failed("a", 100.0)
    assert tries.wait_s("a", 100.0) == EVERY_S
    assert tries.wait_s("b", 100.0) == 0.0
    assert tries.wait_s("a", 100.0 + EVERY_S) == 0.0
    tries.succeeded("a")
    assert tries.wait_s("a", 100.0) == 0.0
    for number in range(REMEMBERED + 5):
        tries.failed(str(number), 200.0)
    assert len(tries._clear_at) == REMEMBERED


async def test_a_stream_ends_with_its_session(gateway: Any) -> None:
    """Whoever is logged out stops hearing events, at the latest with the next heartbeat."""
    answers = iter([True, False])

    async def may_go_on() -> bool:
        return next(answers)

    began = gateway.clock.now()
    heard = [message async for message in follow_gateway(gateway.services, 0, may_go_on)]
    assert heard == [b": holdline\n\n", b": \n\n"]
    assert gateway.clock.now() - began == pytest.approx(2 * HEARTBEAT_S, abs=1.0)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://gw.example.com", "host": "10.0.0.7:8080"}, True),
        ({"sec-fetch-site": "none", "origin": "https://gw.example.com"}, False),
        ({"origin": "https://gw.example.com", "host": "10.0.0.7:8080"}, True),
        ({"origin": "http://10.0.0.7:8080", "host": "10.0.0.7:8080"}, True),
        ({"origin": "http://10.0.0.7:8081", "host": "10.0.0.7:8080"}, False),
        ({"origin": "https://gw.example.com.evil.example", "host": "10.0.0.7:8080"}, False),
        ({"host": "10.0.0.7:8080"}, False),
    ],
)
def test_who_asks_is_told_by_the_browser(headers: dict[str, str], ours: bool) -> None:
    """Sec-Fetch-Site decides where it is sent, else Origin against the address used and the public one."""
    assert from_ourselves(headers, "https://gw.example.com/") is ours
