"""One key, one call."""

from typing import Any

import msgspec
import pytest

from gateway.domain.outcome import CallStatus


def fields(response: Any) -> dict[str, dict[str, str]]:
    return {error["field"]: error for error in response.json()["errors"]}


async def test_the_same_key_with_the_same_request_finds_the_same_call(gateway: Any) -> None:
    """201 again, the same call as it stands now, and a header that says so; however the request is spelt."""
    first = await gateway.post({"to": "+15550100001", "metadata": {"a": "1", "b": "2"}}, **{"Idempotency-Key": "order-1"})
    call = gateway.desk.accepted[0]
    await gateway.desk.write(msgspec.structs.replace(call, status=CallStatus.RINGING), "call-ringing")
    again = {"metadata": {"b": "2", "a": "1"}, "to": "+15550100001", "on_exhausted": "callback"}
    second = await gateway.post(again, **{"Idempotency-Key": "order-1"})
    assert (second.status_code, second.headers["idempotent-replayed"]) == (201, "true")
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["status"] == "ringing"
    assert "idempotent-replayed" not in first.headers
    assert len(gateway.desk.accepted) == 1


async def test_a_key_that_we_made_can_be_sent_back(gateway: Any) -> None:
    """The key that an answer carries belongs to its call."""
    first = await gateway.post()
    second = await gateway.post(None, **{"Idempotency-Key": first.headers["idempotency-key"]})
    assert second.json()["id"] == first.json()["id"]


async def test_a_repetition_is_known_even_when_the_world_moved_on(gateway: Any) -> None:
    """A request that expired meanwhile, or comes while we drain, still finds its call."""
    body = {"to": "+15550100001", "expires_at": "2026-11-22T03:00:00Z"}
    first = await gateway.post(body, **{"Idempotency-Key": "k"})
    gateway.clock.at += 7200
    gateway.desk.draining = True
    second = await gateway.post(body, **{"Idempotency-Key": "k"})
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])


async def test_the_same_key_with_another_request_is_refused(gateway: Any) -> None:
    """422 naming every field that differs, and no second call."""
    await gateway.post({"to": "+15550100001", "agent": "echo"}, **{"Idempotency-Key": "k"})
    response = await gateway.post({"to": "+15550100002", "agent": "echo", "ring_timeout_s": 20}, **{"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["type"]) == (422, "idempotency-key-reused")
    errors = fields(response)
    assert set(errors) == {"to", "ring_timeout_s"}
    assert "+15550100001" in errors["to"]["allowed"]
    assert len(gateway.desk.accepted) == 1


async def test_two_users_may_use_the_same_key(gateway: Any) -> None:
    """Keys are scoped to the API key, so that nobody meets another's call."""
    first = await gateway.post(None, **{"Idempotency-Key": "k"})
    second = await gateway.post(None, **{"Idempotency-Key": "k", "Authorization": "Bearer writer-key-0123456789"})
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "   ", "k" * 256])
async def test_a_key_that_cannot_be_kept_is_refused(gateway: Any, key: str) -> None:
    """An empty key, or one of more than 255 characters, is a bad request."""
    response = await gateway.post(None, **{"Idempotency-Key": key})
    assert response.status_code == 400
    assert gateway.desk.accepted == []


async def test_the_longest_key_is_taken(gateway: Any) -> None:
    """255 characters are allowed."""
    assert (await gateway.post(None, **{"Idempotency-Key": "k" * 255})).status_code == 201


async def test_a_refused_request_does_not_use_up_its_key(gateway: Any) -> None:
    """After a correction the same key is taken, since nothing was stored for the wrong request."""
    await gateway.post({"to": "x"}, **{"Idempotency-Key": "k"})
    assert (await gateway.post(None, **{"Idempotency-Key": "k"})).status_code == 201
