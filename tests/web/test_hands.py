"""Draining, disabling and enabling a carrier by REST, and asking the router why."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.breaker import Breaker, BreakerState

ADMIN = {"Authorization": "Bearer admin-key-0123456789"}
READER = {"Authorization": "Bearer reader-key-0123456789"}


async def explained(gateway: Any, **question: str) -> Any:
    response = await gateway.client.post("/v1/routes/explain", json={"to": "+15550100001", **question}, headers=READER)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(("verb", "state"), [("drain", "draining"), ("disable", "disabled")])
async def test_a_carrier_is_taken_out_and_put_back(gateway: Any, verb: str, state: str) -> None:
    """Each answer is the carrier as it stands, with who did it and when; the list shows the same."""
    response = await gateway.client.post(f"/v1/carriers/beta/{verb}", headers=ADMIN)
    told = response.json()
    assert (response.status_code, told["state"], told["state_by"]) == (200, state, "admin")
    assert told["state_at"] == "2026-11-22T02:26:40.000Z"
    assert (await gateway.get("/v1/carriers")).json()["items"][1] == told
    back = await gateway.client.post("/v1/carriers/beta/enable", headers=ADMIN)
    assert (back.status_code, back.json()["state"]) == (200, "active")


@pytest.mark.parametrize("key", ["reader", "writer"])
async def test_only_admins_take_carriers_out(gateway: Any, key: str) -> None:
    """403 for every other scope, and the carrier stays."""
    headers = {"Authorization": f"Bearer {key}-key-0123456789"}
    response = await gateway.client.post("/v1/carriers/beta/disable", headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, "forbidden")
    assert (await gateway.store.hand("beta")).in_service


async def test_an_unknown_carrier_is_not_found(gateway: Any) -> None:
    """404 names those that there are, and nothing is written."""
    response = await gateway.client.post("/v1/carriers/delta/drain", headers=ADMIN)
    assert (response.status_code, "alpha, beta, gamma" in response.json()["detail"]) == (404, True)
    assert gateway.store.hands == {}


async def test_a_route_is_explained_in_the_order_of_the_dial(gateway: Any) -> None:
    """Each carrier with its place, caller id and reason; those passed over last, with when they may be had again."""
    assert await gateway.store.swap_breaker("alpha", 0, Breaker(state=BreakerState.OPEN, epoch=1, open_until=1_795_314_415.0))
    await gateway.client.post("/v1/carriers/beta/drain", headers=ADMIN)
    told = await explained(gateway, route="default")
    assert told["route"] == "default"
    assert told["denied"] is None
    assert told["carriers"] == [
        {"carrier": "gamma", "place": 1, "from": "+15550190003", "reason": "priority 3", "retry_at": None},
        {"carrier": "alpha", "place": None, "from": None, "reason": "breaker open", "retry_at": "2026-11-22T02:26:55.000Z"},
        {"carrier": "beta", "place": None, "from": None, "reason": "draining by hand", "retry_at": None},
    ]


async def test_without_a_route_the_longest_prefix_is_explained(gateway: Any) -> None:
    """The route that a call would take, with its own carriers and agent."""
    told = await explained(gateway)
    assert (told["route"], told["agent"]) == ("narrow", "echo")
    assert [one["carrier"] for one in told["carriers"]] == ["alpha", "beta"]


async def test_a_full_carrier_is_told_and_keeps_its_place(gateway: Any) -> None:
    """A call waits for it a moment, so it stays first; the reason says that it is full."""
    carriers = tuple(replace(one, limits=replace(one.limits, concurrent_calls=2)) for one in gateway.services.config.carriers)
    object.__setattr__(gateway.services, "config", replace(gateway.services.config, carriers=carriers))
    gateway.store.places["alpha"] = {"leg_1": 2e9, "leg_2": 2e9}
    first = (await explained(gateway))["carriers"][0]
    assert (first["carrier"], first["place"]) == ("alpha", 1)
    assert first["reason"] == "priority 1; full now, all 2 of its places are taken"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "to"),
        ({"to": "+1555"}, "to"),
        ({"to": "+4930123456"}, "to"),
        ({"to": "+15550100001", "from": "+15550190099"}, "from"),
        ({"to": "+15550100001", "route": "nowhere"}, "route"),
        ({"to": "+15550100001", "agent": "echo"}, "agent"),
    ],
)
async def test_a_wrong_question_is_refused_as_the_call_would_be(gateway: Any, body: dict[str, str], field: str) -> None:
    """422 with the field; nothing is stored."""
    response = await gateway.client.post("/v1/routes/explain", json=body, headers=ADMIN)
    assert (response.status_code, response.json()["type"]) == (422, "invalid-request")
    assert field in [error["field"] for error in response.json()["errors"]]
    assert gateway.store.calls == {}
