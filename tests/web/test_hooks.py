"""Where carriers report: what the inbox is given, what the carrier is answered, what is counted."""

from typing import Any

import pytest

from carriers.contract import Document
from gateway.domain.errors import BadSignature, Malformed, StoreUnavailable
from gateway.runtime.inbox import UnknownHook

HOOK = "/carriers/alpha/hooks/call_1/leg_1/status"


async def test_a_webhook_reaches_the_inbox_as_it_came(gateway: Any) -> None:
    """Raw body, lower-case headers, and the signed URL: the configured origin, never Host, with raw path and raw query."""
    body = b"CallSid=CA1&To=%2B15550100001\xff"
    response = await gateway.client.post(
        "/carriers/alpha/hooks/call_1/leg_1/status/a%20b?x=%2B1&x=2&y",
        content=body,
        headers={
            "X-Twilio-Signature": "s",
            "X-Forwarded-Host": "evil.example",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    assert response.status_code == 200
    ((carrier, request),) = gateway.inbox.received
    assert carrier == "alpha"
    assert request.url == "https://gw.example.com/carriers/alpha/hooks/call_1/leg_1/status/a%20b?x=%2B1&x=2&y"
    assert (request.method, request.path, request.call_id, request.leg_id) == ("POST", "status/a b", "call_1", "leg_1")
    assert request.body == body
    assert request.headers["x-twilio-signature"] == "s"
    assert all(name == name.lower() for name in request.headers)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_carriers_may_use_any_method(gateway: Any, method: str) -> None:
    """The document comes back as the inbox made it: body, type and status."""
    gateway.inbox.document = Document(body=b"<Response/>", content_type="application/xml", status=201)
    response = await gateway.client.request(method, HOOK)
    assert (response.status_code, response.content) == (201, b"<Response/>")
    assert response.headers["content-type"].startswith("application/xml")
    assert gateway.inbox.received[0][1].method == method


OUTCOMES = [
    (BadSignature("no-signature"), 403, "bad_signature"),
    (UnknownHook("no-such-call"), 404, "unknown"),
    (Malformed("no-event"), 200, "malformed"),
    (StoreUnavailable("away"), 503, "unavailable"),
]


@pytest.mark.parametrize(("raised", "status", "result"), OUTCOMES, ids=[case[2] for case in OUTCOMES])
async def test_each_refusal_has_its_status_and_is_counted(gateway: Any, raised: Exception, status: int, result: str) -> None:
    """Unsigned 403, unknown 404, authentic nonsense 200 (a repetition would not help), store away 503 with Retry-After."""
    gateway.inbox.raises = raised
    response = await gateway.client.post(HOOK, content=b"garbage")
    assert response.status_code == status
    assert gateway.counted(f'webhooks_total{{carrier="alpha",result="{result}"}} 1.0')
    assert ("retry-after" in response.headers) == (status == 503)


async def test_a_carrier_that_is_not_configured_makes_no_label(gateway: Any) -> None:
    """Names from outside must not grow the metrics."""
    gateway.inbox.raises = UnknownHook("no-such-carrier")
    response = await gateway.client.post("/carriers/evil-1234/hooks/call_1/leg_1/status")
    assert response.status_code == 404
    assert gateway.counted('webhooks_total{carrier="unknown",result="unknown"} 1.0')
    assert "evil" not in gateway.services.metrics.text().decode()


async def test_a_body_beyond_256_kib_is_cut_off(gateway: Any) -> None:
    """413, and the inbox never sees it; one of exactly that size passes."""
    assert (await gateway.client.post(HOOK, content=b"x" * (256 * 1024 + 1))).status_code == 413
    assert gateway.inbox.received == []
    assert gateway.counted('webhooks_total{carrier="alpha",result="too_large"} 1.0')
    assert (await gateway.client.post(HOOK, content=b"x" * (256 * 1024))).status_code == 200


async def test_a_bug_in_the_inbox_is_500_so_that_the_carrier_repeats(gateway: Any) -> None:
    """What failed for a reason nobody foresaw is counted, is not acknowledged, and tells nothing of its inside."""
    gateway.inbox.raises = RuntimeError("secret inside")
    response = await gateway.client.post(HOOK)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert gateway.counted('webhooks_total{carrier="alpha",result="failed"} 1.0')


@pytest.mark.parametrize("path", ["/carriers", "/carriers/alpha", "/carriers/alpha/hooks", "/carriers/alpha/hooks/call_1/leg_1"])
async def test_half_a_hook_url_is_nothing(gateway: Any, path: str) -> None:
    """Garbage below /carriers is 404, counted, and reaches nobody."""
    assert (await gateway.client.post(path)).status_code == 404
    assert gateway.inbox.received == []
    carrier = "alpha" if "alpha" in path else "unknown"
    assert gateway.counted(f'webhooks_total{{carrier="{carrier}",result="not_found"}} 1.0')
