"""Carriers, health, metrics, and the description of it all."""

from typing import Any

import msgspec
import pytest

from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.outcome import CallStatus
from gateway.domain.records import Call, Promise
from gateway.runtime.store.contract import Change, Committed


async def test_carriers_are_listed_in_order_with_their_breakers(gateway: Any) -> None:
    """Name, kind, numbers, limits, live legs, and the breaker as the store has it now."""
    opened = Breaker(state=BreakerState.OPEN, epoch=1, open_until=1_795_314_415.0, reason="failures", well=False)
    assert await gateway.store.swap_breaker("beta", 0, opened)
    page = (await gateway.get("/v1/carriers")).json()
    assert [carrier["name"] for carrier in page["items"]] == ["alpha", "beta", "gamma"]
    assert page["next"] is None
    assert page["items"][1] == {
        "name": "beta",
        "kind": "beta",
        "priority": 2,
        "state": "active",
        "state_by": None,
        "state_at": None,
        "numbers": ["+15550190002"],
        "breaker": {"place": {"state": "open", "reason": "failures", "open_until": "2026-11-22T02:26:55.000Z"}},
        "well": False,
        "limits": {"calls_per_second": 2.0, "concurrent_calls": 100},
        "live_legs": 0,
    }
    assert (await gateway.get("/v1/carriers/beta")).json() == page["items"][1]


async def test_readiness_tells_of_store_and_carriers_and_depends_on_neither(gateway: Any) -> None:
    """An open breaker and an absent store are told; only starting and draining make it unready."""
    assert await gateway.store.swap_breaker("alpha", 0, Breaker(state=BreakerState.OPEN, epoch=1))
    ready = await gateway.client.get("/readyz")
    assert (ready.status_code, ready.json()["store"], ready.json()["carriers"]["alpha"]) == (200, "ok", "open")
    gateway.store.gone = True
    away = await gateway.client.get("/readyz")
    assert (away.status_code, away.json()["store"], away.json()["carriers"]["alpha"]) == (200, "unavailable", "unknown")
    gateway.desk.draining = True
    draining = await gateway.client.get("/readyz")
    assert (draining.status_code, draining.json()["ready"], draining.json()["draining"]) == (503, False, True)


async def test_alive_needs_nothing(gateway: Any) -> None:
    """The process answers, whatever became of the store."""
    gateway.store.gone = True
    assert (await gateway.client.get("/healthz")).json() == {"status": "ok"}


async def test_metrics_are_prometheus_text_with_breakers(gateway: Any) -> None:
    """The breaker's state is what the store says at that moment."""
    assert await gateway.store.swap_breaker("beta", 0, Breaker(state=BreakerState.HALF_OPEN, epoch=1))
    response = await gateway.client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'carrier_breaker_state{carrier="beta"} 0.5' in response.text.splitlines()
    assert 'carrier_breaker_state{carrier="alpha"} 0.0' in response.text.splitlines()


async def test_metrics_tell_of_promises_that_wait(gateway: Any) -> None:
    """How many, by state and purpose, and for how long the first should have been kept; nothing is late where none waits."""
    await gateway.client.get("/metrics")
    assert "promises_overdue_seconds 0.0" in (await gateway.client.get("/metrics")).text.splitlines()
    now = gateway.clock.now()
    waits = Promise(id="cb_call_1", due_at=now - 30.0)
    call = Call(
        id="call_1", to="+15550100001", session_id="s", created_at=now, expires_at=now + 60, status=CallStatus.SCHEDULED,
        purpose="callback", promise=waits, promised_at=now,
    )  # fmt: skip
    assert isinstance(await gateway.store.commit(Change(call=call), now), Committed)
    lines = (await gateway.client.get("/metrics")).text.splitlines()
    assert 'promises_open{purpose="callback",state="waiting"} 1.0' in lines
    assert 'promises_open{purpose="none",state="running"} 0.0' in lines
    assert "promises_overdue_seconds 30.0" in lines


async def test_the_schema_describes_every_operation(gateway: Any) -> None:
    """OpenAPI at /schema: each operation has summary, description and, if protected, its refusals; bodies are the Structs."""
    response = await gateway.client.get("/schema")
    schema = msgspec.json.decode(response.content)
    assert schema["openapi"].startswith("3.1")
    assert set(schema["paths"]) == {
        "/carriers/{name}/inbound/{step}",
        "/twilio/2010-04-01/Accounts/{account}/Calls/{sid}",
        "/v1/calls",
        "/v1/calls/{call_id}",
        "/v1/calls/{call_id}/hangup",
        "/v1/calls/{call_id}/events",
        "/v1/carriers",
        "/v1/carriers/{name}",
        "/v1/carriers/{name}/drain",
        "/v1/carriers/{name}/disable",
        "/v1/carriers/{name}/enable",
        "/v1/routes/explain",
        "/v1/events",
        "/v1/callbacks",
        "/v1/callbacks/{callback_id}",
        "/v1/callbacks/{callback_id}/run",
        "/v1/voicemails",
        "/v1/voicemails/{voicemail_id}",
        "/v1/voicemails/{voicemail_id}/audio",
        "/v1/webhooks",
        "/v1/webhooks/{name}",
        "/v1/webhooks/{name}/dead",
        "/v1/webhooks/{name}/dead/replay",
        "/v1/webhooks/{name}/dead/{notice_id}/replay",
        "/v1/webhooks/{name}/enable",
        "/v1/webhooks/{name}/test",
        "/carriers/{name}/hooks/{call_id}/{leg_id}/{step}",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path, item in schema["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert operation["description"], path
            if path.startswith("/v1"):
                assert "application/problem+json" in operation["responses"]["401"]["content"]
            for told in (*operation.get("parameters", ()), *operation["responses"].values()):
                assert told["description"], path
                assert "follows" not in told["description"], path  # the framework's own words
    body = schema["components"]["schemas"]["CreateCall"]
    assert body["required"] == ["to"]
    assert set(body["properties"]) >= {"to", "from", "metadata", "ring_timeout_s"}
    assert set(schema["components"]["schemas"]["CallView"]["properties"]) >= {"id", "from", "legs", "session", "callback"}
    assert (await gateway.client.get("/schema/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    "shape", ["CallView", "LegView", "EventView", "CarrierView", "VoicemailView", "CreateCall", "ProblemDetails", "FieldError"]
)
async def test_the_schema_describes_every_field(gateway: Any, shape: str) -> None:
    """A field says what it holds, or is of a type that does."""
    schemas = msgspec.json.decode((await gateway.client.get("/schema")).content)["components"]["schemas"]
    for name, field in schemas[shape]["properties"].items():
        assert field.get("description") or "$ref" in str(field), name
