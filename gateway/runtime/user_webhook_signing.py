"""How a notice is signed, after the Standard Webhooks specification, version 1.0.0. Pure.

Signed is `{webhook-id}.{webhook-timestamp}.{body}`, byte for byte as it is sent, with HMAC-SHA256. The timestamp is that
of the try, the id stays the same in all tries: receivers drop what is too old by the one, and what they have had by the
other. With two secrets there are two signatures, the newer first, so that a receiver may change from one to the other.
"""

import base64
import hashlib
import hmac


def signed_headers(notice_id: str, payload: str, secrets: tuple[bytes, ...], now: float) -> dict[str, str]:
    """The three headers of one try."""
    timestamp = str(int(now))
    content = f"{notice_id}.{timestamp}.{payload}".encode()
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: bytes, content: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()}"
