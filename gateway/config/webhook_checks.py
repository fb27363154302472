"""What is wrong with `webhooks`: URLs that cannot or must not be called, secrets that are none, events that do not exist."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gateway.config.crosschecks import entries
from gateway.config.environment import is_reference
from gateway.domain.errors import Problem
from gateway.domain.happenings import PATTERNS
from gateway.strict import describe, unknown_name

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
"""As the Standard Webhooks specification has it: 192 bits at least, 512 at most."""
SECRETS = ("secret", "previous_secret")
_CURE = "allowed: whsec_ and then 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)"


def webhook_faults(document: Any) -> Iterator[Problem]:
    """`document` with its references resolved."""
    for path, entry in entries(document, "webhooks"):
        yield from _url(entry.get("url"), f"{path}.url")
        for name in SECRETS:
            yield from _secret(entry.get(name), f"{path}.{name}")
        listed = entry.get("events")
        for index, pattern in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(pattern, str) and pattern not in PATTERNS:
                yield unknown_name(f"{path}.events[{index}]", pattern, [str(one) for one in PATTERNS], "event")


def written_secrets(written: Any) -> Iterator[Problem]:
    """No secret stands in the file; `written` is the document before references were resolved."""
    for path, entry in entries(written, "webhooks"):
        for name in SECRETS:
            if isinstance(entry.get(name), str) and not is_reference(entry[name]):
                yield Problem(f"{path}.{name}", "a secret written into the file", "allowed: a reference like ${WEBHOOK_SECRET}")


def with_usable_webhooks(document: Any) -> Any:
    """Without those whose URL or secret is in a variable that is not set: for the lab, where that is no fault."""
    if not isinstance(document, dict) or not isinstance(document.get("webhooks"), list):
        return document
    usable = [one for one in document["webhooks"] if not isinstance(one, dict) or {"url", "secret"} <= one.keys()]
    return {**document, "webhooks": usable}


def secret_bytes(text: str) -> bytes:
    """The key behind `whsec_...`; ValueError for what is none. Padding may be missing, as some tools leave it away."""
    encoded = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if not text.startswith(PREFIX):
        raise ValueError(f"does not begin with {PREFIX}")
    if len(key) not in SECRET_BYTES:
        raise ValueError(f"{len(key)} bytes")
    return key


def _secret(text: object, path: str) -> Iterator[Problem]:
    if not isinstance(text, str):
        return
    try:
        secret_bytes(text)
    except ValueError as error:
        yield Problem(path, f"a secret (not shown) that is no key: {error}", _CURE)


def _url(url: object, path: str) -> Iterator[Problem]:
    if not isinstance(url, str):
        return
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        found = "a URL (not shown: it may hold a password)" if "@" in url else describe(url)
        yield Problem(path, found, "allowed: https://..., or http://... inside your own network")
    elif parts.username is not None or parts.password is not None:
        yield Problem(path, "a URL with credentials in it (not shown)", "allowed: none; the signature says who we are")
    elif parts.fragment:
        yield Problem(path, describe(url), "allowed: a URL without a fragment (#...), which is never sent")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 and url.isprintable() and " " not in url else None
    except ValueError:  # .port raises for what is no port
        return None
