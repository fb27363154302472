"""Signatures, judged by the package that receivers verify with."""

import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.runtime.user_webhook_signing import signed_headers

NEW, OLD, OTHER = bytes(range(32)), bytes(range(24)), bytes(64)
PAYLOAD = '{"type":"call.ended","data":{"name":"Zoë"}}'


def receiver(secret: bytes) -> Webhook:
    """As a user's system makes it from the text in its own configuration."""
    return Webhook(f"whsec_{base64.b64encode(secret).decode()}")


def headers(*secrets: bytes, now: float | None = None) -> dict[str, str]:
    return signed_headers("msg_1", PAYLOAD, secrets, time.time() if now is None else now)


@pytest.mark.parametrize("secrets", [(NEW,), (NEW, OLD), (OLD, NEW)])
def test_a_receiver_accepts_what_we_sign(secrets: tuple[bytes, ...]) -> None:
    """With either of two secrets, so that a receiver may change from one to the other."""
    sent = headers(*secrets)
    for secret in secrets:
        assert receiver(secret).verify(PAYLOAD, sent) == {"type": "call.ended", "data": {"name": "Zoë"}}
    assert len(sent["webhook-signature"].split(" ")) == len(secrets)


def test_it_is_the_packages_own_signature() -> None:
    """Byte for byte, for a time with a fraction too."""
    sent = headers(NEW, now=1_795_000_000.9)
    at = datetime.fromtimestamp(1_795_000_000, UTC)
    assert sent["webhook-signature"] == receiver(NEW).sign("msg_1", at, PAYLOAD)
    assert sent["webhook-timestamp"] == "1795000000"


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, PAYLOAD.replace("ended", "bended")),
        ({}, f"{PAYLOAD} "),
        ({"webhook-id": "msg_2"}, PAYLOAD),
        ({"webhook-timestamp": str(int(time.time()) - 1)}, PAYLOAD),
        ({"webhook-signature": f"v1,{base64.b64encode(bytes(32)).decode()}"}, PAYLOAD),
    ],
    ids=["body", "a space more", "id", "time", "signature"],
)
def test_what_was_tampered_with_is_refused(change: Mapping[str, str], body: str) -> None:
    """One byte is enough, in whatever is signed."""
    with pytest.raises(WebhookVerificationError):
        receiver(NEW).verify(body, {**headers(NEW), **change})


def test_another_secret_and_an_old_time_are_refused() -> None:
    """A replay of yesterday is as bad as a forgery."""
    with pytest.raises(WebhookVerificationError):
        receiver(OTHER).verify(PAYLOAD, headers(NEW, OLD))
    with pytest.raises(WebhookVerificationError, match="too old"):
        receiver(NEW).verify(PAYLOAD, headers(NEW, now=time.time() - 86_400))
